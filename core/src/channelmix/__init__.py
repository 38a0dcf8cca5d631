"""channelmix: customer service on social networks, one plugin for each network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from channelmix.errors import (
    AuthorizationLost,
    ChannelmixError,
    InvalidPayload,
    Misconfigured,
    Rejected,
    RetryLater,
    Uncertain,
    WindowClosed,
)

if TYPE_CHECKING:
    from channelmix.desk import Desk
    from channelmix.hookspecs import Channel, Plugin, Services, hook

__version__ = "0.1.0"

__all__ = [
    "AuthorizationLost",
    "Channel",
    "ChannelmixError",
    "Desk",
    "InvalidPayload",
    "Misconfigured",
    "Plugin",
    "Rejected",
    "RetryLater",
    "Services",
    "Uncertain",
    "WindowClosed",
    "hook",
]


_LATER = {
    "Channel": "channelmix.hookspecs",
    "Desk": "channelmix.desk",
    "Plugin": "channelmix.hookspecs",
    "Services": "channelmix.hookspecs",
    "hook": "channelmix.hookspecs",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the desk brings the database, and `--help` needs neither."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
