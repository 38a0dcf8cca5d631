"""No way out: while the kit runs, sockets reach loopback and nothing else."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

_CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_ASKS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


class Outside(OSError):
    """Something tried to leave this machine; its text says where to."""


class _Guard:
    """An audit hook stays for ever, so there is one, and it is switched on and off."""

    def __init__(self) -> None:
        self.attempts: list[str] | None = None
        self.installed = False

    def watch(self, event: str, args: tuple[Any, ...]) -> None:
        if self.attempts is None or event not in _CONNECTS | _ASKS:
            return
        address = args[1] if event in _CONNECTS else args[0]
        host = address[0] if isinstance(address, tuple) and address else address
        # A path is a local socket; None and empty are this machine.
        if (event in _CONNECTS and not isinstance(address, tuple)) or _is_here(host):
            return
        self.attempts.append(_said(host))
        raise Outside(f"the kit is offline: {_said(host)} is not on this machine")


_GUARD = _Guard()


@contextlib.contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse every connection and name look-up outside of loopback; yield what was tried."""
    if not _GUARD.installed:
        sys.addaudithook(_GUARD.watch)
        _GUARD.installed = True
    before, _GUARD.attempts = _GUARD.attempts, []
    try:
        yield _GUARD.attempts
    finally:
        _GUARD.attempts = before


def _is_here(host: object) -> bool:
    name = _said(host)
    if name in {"", "None", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _said(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
