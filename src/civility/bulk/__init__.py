"""Files of comments become files of scores."""
