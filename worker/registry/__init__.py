"""Finds, checks and reloads the files of the functions folder."""
