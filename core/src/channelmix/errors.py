"""The errors, in families by what the host must do about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta


class ChannelmixError(Exception):
    """The root of everything channelmix raises on purpose. Its text is one line for a person."""


# --- raised by plugins -------------------------------------------------------------------


class PluginError(ChannelmixError):
    """An outcome that a plugin names. Anything else it raises counts as its bug."""


class RetryLater(PluginError):
    """Not now: throttled, or a passing fault *before* the network took the action.

    The host waits `after`, or as its own back-off says where the network did not tell.
    """

    def __init__(self, reason: str, *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class AuthorizationLost(PluginError):
    """The credentials no longer hold. The host stops calling out and asks for a person."""


class Rejected(PluginError):
    """The network refuses this action for good. The host does not try again."""


class WindowClosed(Rejected):
    """The network's reply window is over."""


class Uncertain(PluginError):
    """The action may or may not have happened: a time-out after sending, say.

    The host never sends it again unseen; it looks (`reconcile`).
    """


class InvalidPayload(PluginError):
    """A payload that cannot be understood. The host quarantines it, to be replayed later."""


class Misconfigured(PluginError):
    """The configuration cannot work. The host disables the channel and says why."""


# --- raised by the core -------------------------------------------------------------------


class ConfigError(ChannelmixError):
    """A configuration with mistakes; `problems` has a line for each, with its path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RegistrationError(ChannelmixError):
    """A plugin breaks the contract; the text names plugin and method."""


class PluginUnavailable(ChannelmixError):
    """A plugin's code cannot be had: it does not import, clashes, or is for another contract."""


class StoreError(ChannelmixError):
    """The database cannot be used: not writable, from a newer version, or gone."""


class NotFound(ChannelmixError):
    """No such ticket, channel, app, agent or outbox row."""


class Refused(ChannelmixError):
    """The core refuses an action: a blocked draft, a state that does not allow it."""


class PluginFault(ChannelmixError):
    """A plugin's bug: caught, logged, counted; the text names plugin, hook and place."""


class Paused(ChannelmixError):
    """A hook that failed several times in a row is not called before `until` (aware)."""

    def __init__(self, reason: str, *, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class MediaError(ChannelmixError):
    """An attachment could not be downloaded; `permanent`: trying again will not help."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent
