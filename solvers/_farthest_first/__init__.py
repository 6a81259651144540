"""Farthest-first traversal: in memory, with distances left out, on tensors and GPUs, over tables larger than memory."""
