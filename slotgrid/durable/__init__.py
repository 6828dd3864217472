"""Durable tasks of one node: accepted, prefetched, recorded, recovered and taken over."""
