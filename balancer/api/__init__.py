"""The part of the HTTP API that only a balancer has: its workers, and their links."""
