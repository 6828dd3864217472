"""The HTTP API of a node: reads requests and writes answers."""
