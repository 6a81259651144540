"""The two searches behind :mod:`solvers.exact`, over points and over cells of points, and what they share."""
