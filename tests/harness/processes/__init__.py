"""Nodes, databases and callers as processes of their own, which can be killed."""
