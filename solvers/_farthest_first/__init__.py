"""Farthest-first traversal: in memory, with needless distances skipped, on tensors and GPUs, over tables larger than memory."""
