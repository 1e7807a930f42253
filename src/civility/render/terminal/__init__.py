"""Documents as tables in a terminal."""
