"""A balancer: a node whose slots are on other machines."""
