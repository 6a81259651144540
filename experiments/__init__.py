"""Experiments that anyone can rerun: ``python -m experiments NAME``."""
