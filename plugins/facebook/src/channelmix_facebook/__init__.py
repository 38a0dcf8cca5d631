"""A Facebook page and its Messenger inbox as channels of channelmix."""

__version__ = "0.1.0"
