"""The store: where the truth lies."""
