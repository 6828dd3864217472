"""Recipes and command lists of other systems as ours: texts in, files and notes out. No I/O."""
