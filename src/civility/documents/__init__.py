"""The documents that civility writes and reads: typed and versioned."""
