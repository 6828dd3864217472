"""The operations on tasks, independent of HTTP: arguments are a principal and plain values."""
