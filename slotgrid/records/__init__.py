"""What is remembered of tasks: their history and their files."""
