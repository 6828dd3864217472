"""The command line: speaks to nodes over HTTP and starts them as processes."""
