"""HTTP in, answers out."""
