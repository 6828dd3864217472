"""Fake peers of a node: a worker, a balancer, a receiver of webhooks, a broken network."""
