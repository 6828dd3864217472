"""Durable work as a whole: accepted, run, delivered, and found again after any end of the node."""
