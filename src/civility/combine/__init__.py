"""Several classifiers become one: an ensemble averages their scores, a soup averages their weights."""
