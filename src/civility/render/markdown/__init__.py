"""Documents as Markdown: reports, model cards, comparisons and sweeps."""
