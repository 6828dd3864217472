"""What only a balancer answers: its workers, and their links."""
