"""A module a verb: ``add`` says its options and help, ``run`` carries it out. Imports nothing heavy at the top."""

from civility.cli import audit, compare, ensemble, evaluate, predict, recipes, soup, sweep, thresholds, train

VERBS = (train, sweep, evaluate, thresholds, compare, ensemble, soup, predict, audit, recipes)
"""In the order of the help."""
