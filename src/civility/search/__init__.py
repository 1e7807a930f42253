"""Sweeps: a recipe and a space of settings become many runs, and the recipe of the best. Start with `run_sweep`."""
