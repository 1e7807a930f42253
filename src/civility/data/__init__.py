"""Comments and their labels: datasets, reading, splits, score files, and the built-in starter corpus."""
