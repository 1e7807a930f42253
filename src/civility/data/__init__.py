"""Comments with targets: reading, splitting, the built-in corpus. No torch."""
