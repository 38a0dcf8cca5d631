"""What every log-in has in common: the answer must belong to the question, and may be a no."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from attrs import evolve

from channelmix.errors import PluginFault, Refused
from channelmix.records import Connect, Connected

NAMES = ("state", "oauth_token")
"""What comes back as it was sent: RFC 6749 (OAuth 2.0) 4.1.1; RFC 5849 (OAuth 1.0) 2.2."""
_PREFIX = "channelmix."


def remembered(channel: str, connected: Connected) -> Connected:
    """Remember what the answer must repeat, beside what the plugin remembers.

    Raises: `PluginFault` for an address whose answer anybody could forge.
    """
    query = parse_qs(urlsplit(connected.url or "").query)
    for name in NAMES:
        if name in query:
            memory = {**connected.memory, _PREFIX + name: query[name][0]}
            return evolve(connected, memory=memory)
    raise PluginFault(f"{channel}.connect: gives an address without {' or '.join(NAMES)}")


def answers(memory: Mapping[str, str], callback: Mapping[str, str]) -> bool:
    """Say whether a query answers the step that `memory` is from."""
    wanted = [(name, memory[_PREFIX + name]) for name in NAMES if _PREFIX + name in memory]
    return bool(wanted) and all(_equal(callback.get(name, ""), sent) for name, sent in wanted)


def expect(request: Connect) -> None:
    """Make sure that what the person came back with is an answer, and a yes.

    Raises: `Refused`.
    """
    if request.callback is None:
        return
    if not answers(request.memory, request.callback):
        raise Refused("this is no answer to the address that was opened: start again")
    # RFC 6749, 4.1.2.1
    if error := request.callback.get("error"):
        why = request.callback.get("error_description", "")
        raise Refused(f"the network says no: {' '.join(f'{error} {why}'.split())}")


def _equal(one: str, other: str) -> bool:
    strings = (text.encode("utf-8", "surrogatepass") for text in (one, other))
    return hmac.compare_digest(*strings)
