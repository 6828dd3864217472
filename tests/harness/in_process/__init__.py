"""Nodes, and parts of nodes, in the tests' own process."""
