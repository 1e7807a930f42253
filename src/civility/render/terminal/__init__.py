"""Documents as tables in the terminal."""
