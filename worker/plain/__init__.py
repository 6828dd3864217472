"""Plain `def` functions: run in child processes, which can be killed at any line."""
