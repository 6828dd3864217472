"""What a worker and a balancer share, and what a function's author and a client import."""
