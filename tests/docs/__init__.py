"""What the documentation says is held against what the code does."""
