"""The command line: calls nodes over HTTP, and starts them as processes."""
