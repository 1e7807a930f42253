"""Documents as Markdown: the report, the model card, a comparison, a sweep."""
