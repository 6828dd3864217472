"""Compares a node with the libraries that it is built on, in one run."""
