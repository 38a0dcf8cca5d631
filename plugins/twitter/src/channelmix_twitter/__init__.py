"""X (Twitter) accounts as channels of channelmix."""

__version__ = "0.1.0"
