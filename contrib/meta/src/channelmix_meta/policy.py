"""What Meta's networks allow and how they refuse, as data.

Sources: Meta's Messenger Platform policy and "Private Replies" pages (windows, tags), its
"Rate Limits" page (codes and usage headers), its "Error Codes" pages of the Graph API, of the
Messenger Platform and of the Instagram Platform (codes and subcodes). Branching is by code, never
by the text of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto

from channelmix.records import Kind

STANDARD_WINDOW = timedelta(hours=24)
"""How long after the customer's last message any answer may go out."""
HUMAN_WINDOW = timedelta(days=7)
"""How long an answer typed by a person may, under the tag `HUMAN_TAG`."""
PRIVATE_REPLY_WINDOW = timedelta(days=7)
"""How long after a comment or visitor post its one private reply may go out."""
HUMAN_TAG = "HUMAN_AGENT"

ANSWERED_PRIVATELY = frozenset({Kind.POST, Kind.COMMENT})
"""What can be said in public and answered, once, in private."""
NO_MORE = 12
"""The code of what an API version no longer offers (Meta's page "Recommendation")."""

SLOW_FROM = 75
"""Per cent of a limit from which polling slows down."""
STOP_FROM = 95
"""Per cent of a limit from which replies wait too: before Meta refuses, not after."""
SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=10)
BLOCKED_PAUSE = timedelta(hours=1)
"""How long replies rest after Meta blocked the account or app for its conduct."""


class Verdict(Enum):
    """What an error answer means for us."""

    THROTTLED = auto()
    """A limit is used up; nothing was carried out."""
    PASSING = auto()
    """A fault on Meta's side; whether something was carried out is open."""
    TOKEN = auto()
    PERMISSION = auto()
    WINDOW = auto()
    BLOCKED = auto()
    """The account or app misbehaved in Meta's eyes; sending on makes it worse."""
    GONE = auto()
    DUPLICATE = auto()
    """The same text is there already: another one's, or our own of an attempt before."""
    REFUSED = auto()


_BY_SUBCODE: Mapping[tuple[int, int], Verdict] = {
    (10, 2018278): Verdict.WINDOW,
    (10, 2534022): Verdict.WINDOW,
    (10, 1893063): Verdict.BLOCKED,
    (10, 2018108): Verdict.REFUSED,
    (200, 1545041): Verdict.REFUSED,
    (613, 2018338): Verdict.BLOCKED,
    (100, 33): Verdict.GONE,
}
_BY_CODE: Mapping[int, Verdict] = {
    1: Verdict.PASSING,
    2: Verdict.PASSING,
    3: Verdict.PERMISSION,
    4: Verdict.THROTTLED,
    10: Verdict.PERMISSION,
    NO_MORE: Verdict.REFUSED,
    17: Verdict.THROTTLED,
    27: Verdict.REFUSED,
    32: Verdict.THROTTLED,
    100: Verdict.REFUSED,
    102: Verdict.TOKEN,
    190: Verdict.TOKEN,
    324: Verdict.REFUSED,
    341: Verdict.BLOCKED,
    368: Verdict.BLOCKED,
    506: Verdict.DUPLICATE,
    551: Verdict.REFUSED,
    613: Verdict.THROTTLED,
    80001: Verdict.THROTTLED,
    80002: Verdict.THROTTLED,
    80006: Verdict.THROTTLED,
    **dict.fromkeys(range(200, 300), Verdict.PERMISSION),
}

ADVICE: Mapping[tuple[int, int | None], str] = {
    (10, None): "a permission is missing: grant it and connect the account again",
    (10, 1893063): "the account is restricted for a while: see its Support Inbox",
    (10, 2018108): "this person cannot receive messages from the account",
    (10, 2018278): "the reply window is closed",
    (10, 2534022): "the reply window is closed",
    (27, None): "another app controls this conversation",
    (100, 33): "the object is gone, or the account may not see it",
    (100, 2018001): "there is no such person for this account",
    (100, 2018047): "Meta cannot fetch or read the attachment",
    (100, 2018109): "Meta cannot take this attachment: check its type and size",
    (100, 2018300): "another app controls this conversation",
    (100, 2534014): "there is no such person for this account",
    (100, 2534025): "a private reply is not possible here: it was used up, or is too late",
    (100, 2534037): "another app controls this conversation",
    (190, None): "the token no longer holds: connect the account again",
    (190, 458): "the app was removed: connect the account again",
    (190, 460): "the password changed or somebody logged out: connect the account again",
    (190, 463): "the token has expired: connect the account again",
    (190, 464): "the account behind the token is not confirmed",
    (190, 467): "the token is invalid: connect the account again",
    (200, None): "a permission or a task on the page is missing: see `channelmix check --online`",
    (
        200,
        2534041,
    ): "the account's settings let no app read its messages: allow access",
    (200, 1545041): "this person is not available",
    (341, None): "Meta blocks the app for too many posts",
    (368, None): "Meta blocks this action as abusive: a person must look at it",
    (506, None): "the same text was published just before",
    (551, 1545041): "this person is not available",
    (613, 2018338): "Meta warns of spam: stop automatic replies",
}


def judge(code: int, subcode: int | None, *, transient: bool, status: int) -> Verdict:
    """Say what an error means, by `code` and `error_subcode`.

    `transient` and `status` decide of codes that no table here names, and of those alone:
    Meta refuses for good with status 500, too, and what was refused must not go out again.
    """
    known = _BY_SUBCODE.get((code, subcode or 0)) or _BY_CODE.get(code)
    if known is not None:
        return known
    return Verdict.PASSING if transient or status >= 500 else Verdict.REFUSED  # noqa: PLR2004 - 500: server faults, as HTTP has it


def advice(code: int, subcode: int | None) -> str | None:
    """Return what to do about an error, None if there is nothing to say beyond its code."""
    return ADVICE.get((code, subcode)) or ADVICE.get((code, None))


def pause(percent: float) -> timedelta:
    """Return how long polls rest when `percent` of a limit is used: longer, the nearer it is."""
    share = min(max((percent - SLOW_FROM) / (STOP_FROM - SLOW_FROM), 0.0), 1.0)
    return SHORTEST_PAUSE + share * (LONGEST_PAUSE - SHORTEST_PAUSE)
