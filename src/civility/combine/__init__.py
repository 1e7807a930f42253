"""Several classifiers become one: `ensemble` averages their scores, `soup` their weights. Each is a verb's story."""
