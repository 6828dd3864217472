"""Plain `def` functions: run in child processes, which can be ended at any line."""
