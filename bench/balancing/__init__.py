"""Compares the balancer with its libraries, and with its own simulation."""
