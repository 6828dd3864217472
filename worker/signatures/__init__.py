"""The parameters and results of Python functions: their JSON Schemas, and arguments from JSON."""
