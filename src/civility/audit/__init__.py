"""Looking at labelled comments before anything is learned from them. Pure functions: no files, no torch."""
