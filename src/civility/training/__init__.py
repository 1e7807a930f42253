"""A recipe and comments become a run."""
