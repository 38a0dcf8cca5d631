"""channelmix: customer service on social networks, one plugin for each network."""

from __future__ import annotations

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
from channelmix.hookspecs import Channel, Plugin, Services, hook

if TYPE_CHECKING:
    from channelmix.desk import Desk

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


def __getattr__(name: str) -> Any:
    """Import `Desk` on first use: it brings the database, which a plugin does not need."""
    if name == "Desk":
        from channelmix.desk import Desk  # noqa: PLC0415 - lazy on purpose, see above

        return Desk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
