"""What starts by an incoming request: hooks, and the requests of their senders."""
