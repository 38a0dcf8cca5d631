"""A blog as a channel of channelmix."""

__version__ = "0.1.0"
