"""Handlers only, one file a resource: parse, call, answer."""
