"""Numbers that say how good scores are. Plain arithmetic: numpy only, no torch."""
