"""The link between a balancer and a worker: its messages, and how they travel."""
