"""All that can be done with tasks, for a principal and plain values."""
