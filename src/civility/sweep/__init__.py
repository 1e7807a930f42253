"""Sweep: a recipe and a space become many runs, and the recipe of the best of them.

The story is `civility.sweep.work`; nothing is imported here, so that a mistake in a space is told before torch is.
"""
