"""What Meta's networks have in common, for the plugins that speak them."""

__version__ = "0.1.0"
