"""Files and folders that are complete or absent, their digests, and the lock of a folder."""
