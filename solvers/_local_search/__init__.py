"""Threshold search and the swaps of the classical heuristics."""
