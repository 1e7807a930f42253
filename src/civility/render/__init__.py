"""Documents become pages, charts, Markdown and tables: everything a person looks at."""
