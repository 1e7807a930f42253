"""The sentences that say what the numbers of a document mean."""
