"""Finds, checks and reloads what stands in the functions folder."""
