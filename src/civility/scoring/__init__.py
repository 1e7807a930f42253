"""Classifier: text to logits to scores to decisions, without torch."""
