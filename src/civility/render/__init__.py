"""Documents as pages, charts, Markdown and tables: everything a person reads."""
