"""The encoder on our label axis, and how texts become batches of tokens."""
