"""Loads functions that are written in Python."""
