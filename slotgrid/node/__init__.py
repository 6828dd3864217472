"""The process of a node: its parts, start, serving, health and end."""
