"""The balancer beside what it is built on, and beside its own simulation."""
