"""The training system: loss, optimizer, loop, checkpoint. Knows no recipe, file name or screen."""
