"""HTTP handlers, one file for each resource: parse, call, answer."""
