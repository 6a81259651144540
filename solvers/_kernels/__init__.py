"""Compiled kernels, private to the solvers; each stands beside its readable formula."""
