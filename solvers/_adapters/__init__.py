"""Solvers behind other libraries' interfaces."""
