"""Sweep: a recipe and a space become many runs, and the recipe of the best of them.

`search.run_sweep` is the entry. Nothing is imported here, so that a mistake in a space is reported before torch loads.
"""
