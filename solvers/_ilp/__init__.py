"""The integer programming models behind :mod:`solvers.ilp`, one file each."""
