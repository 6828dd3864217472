"""Measures a node beside what it is built on, side by side in one run."""
