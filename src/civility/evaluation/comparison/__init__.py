"""Compare runs on the same comments."""
