"""Tests of the imports of other systems' recipes and command lists."""
