"""Charts as SVG, drawn from documents alone: in the pages, and as files. Colours are in `palette`."""
