"""The JSON documents that civility writes and reads: typed, versioned, with one reader (`document.Document`)."""
