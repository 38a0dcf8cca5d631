"""What X allows, what it costs, and how it refuses, as data.

Sources: X's pages "Posts: Manage", "Direct Messages: Manage", "Media", "Rate limits", "Pricing"
and "Response codes and errors". Branching is by status and problem type, never by what a
message says.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import Any

from channelmix.records import Action, AttachmentKind, Draft, Kind, Limits

from channelmix_twitter import text
from channelmix_twitter.config import Prices

PUBLIC = frozenset({Kind.POST, Kind.COMMENT, Kind.MENTION})
MEDIA = frozenset({AttachmentKind.IMAGE, AttachmentKind.VIDEO})
PHOTOS = 4
DIRECT_TEXT = 10_000
SETTLE_PUBLIC = timedelta(minutes=2)
"""How long a post may be missing from the account's timeline. X names no time."""
SETTLE_DIRECT = timedelta(seconds=30)
DEFAULT_PAUSE = timedelta(minutes=15)
"""How long to wait where X says only that it is too much: its limits are for 15 minutes."""
BROKE_PAUSE = timedelta(hours=1)
"""How long to rest when the credit at X is used up: somebody has to pay."""
SHORTEST_PAUSE = timedelta(seconds=1)


def limits(prices: Prices, *, long_posts: bool = False) -> tuple[Limits, ...]:
    """Return what an account may do, at these prices."""
    most = text.LONG_POST if long_posts else text.POST

    def answer(draft: Draft) -> float:
        summoned = draft.target is not None and draft.target.kind is not Kind.POST
        plain = prices.summoned_reply if summoned else prices.create
        rest = max(0, -(-len(draft.attachments) // PHOTOS) - 1) * prices.create
        first, *more = _posts(draft, most)
        below = sum(_post(one, prices.create, prices) for one in more)
        return rest + _post(first, plain, prices) + below

    def publish(draft: Draft) -> float:
        return sum(_post(one, prices.create, prices) for one in _posts(draft, most))

    public: dict[str, Any] = {
        "text": most,
        "count": text.count,
        "unit": "weighted characters",
        "thread": text.thread,
        "attachments": PHOTOS,
        "media": MEDIA,
        "settle": SETTLE_PUBLIC,
    }
    return (
        Limits(actions={Action.PUBLIC_REPLY}, kinds=PUBLIC, cost=answer, **public),
        Limits(actions={Action.PUBLISH}, cost=publish, **public),
        Limits(
            actions={Action.PRIVATE_REPLY},
            kinds=PUBLIC | {Kind.DIRECT_MESSAGE},
            text=DIRECT_TEXT,
            attachments=1,
            media=MEDIA,
            settle=SETTLE_DIRECT,
            cost=lambda draft: prices.direct_message * max(1, len(draft.attachments)),
        ),
        Limits(
            actions={Action.HIDE, Action.UNHIDE},
            kinds={Kind.COMMENT},
            settle=SETTLE_PUBLIC,
            cost=lambda _: prices.manage,
        ),
        Limits(
            actions={Action.DELETE},
            kinds=PUBLIC,
            settle=SETTLE_PUBLIC,
            cost=lambda _: prices.delete,
        ),
    )


def _posts(draft: Draft, most: int) -> tuple[str, ...]:
    try:
        return text.thread(draft.text, most) if draft.thread else (draft.text,)
    except ValueError:  # too long for any thread: it is refused, whatever it would cost
        return (draft.text,)


def _post(words: str, plain: float, prices: Prices) -> float:
    return prices.create_with_link if text.has_link(words) else plain


class Verdict(Enum):
    """What an error answer means for us."""

    THROTTLED = auto()
    BROKE = auto()
    """The credit or a cap of the plan is used up."""
    PASSING = auto()
    """A fault on X's side; whether something was carried out is open."""
    TOKEN = auto()
    REFUSED = auto()
    GONE = auto()
    BAD_CURSOR = auto()
    """A `since_id` or a page token that X does not take (any more)."""


CURSOR_PARAMETERS = frozenset({"since_id", "pagination_token", "next_token"})
_TYPES = {
    "usage-capped": Verdict.BROKE,
    "resource-not-found": Verdict.GONE,
    "rate-limit-exceeded": Verdict.THROTTLED,
}
"""By the end of the problem's `type`, an address."""
_STATUS = {
    401: Verdict.TOKEN,
    402: Verdict.BROKE,
    404: Verdict.GONE,
    408: Verdict.PASSING,
    429: Verdict.THROTTLED,
}
_TOO_MANY, _SERVER = 429, 500


def judge(status: int, kind: str, parameters: frozenset[str]) -> Verdict:
    """Say what an error answer means: `kind` is the problem's type, `parameters` are to blame."""
    known = _TYPES.get(kind.rstrip("/").rpartition("/")[2])
    if known is not None and status != _TOO_MANY:
        return known
    if parameters & CURSOR_PARAMETERS:
        return Verdict.BAD_CURSOR
    if status >= _SERVER:
        return Verdict.PASSING
    # 200 with nothing but errors: X took the request and refused what was in it.
    return _STATUS.get(status, Verdict.REFUSED)
