"""Farthest-first traversal: in memory, accelerated, on tensors and GPUs, and over tables larger than memory."""
