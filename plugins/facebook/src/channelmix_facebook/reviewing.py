"""What Facebook would refuse, said before somebody presses the button."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from channelmix.records import Action, Draft, Finding, Kind

from channelmix_facebook import policy
from channelmix_facebook.replies import age


def review(draft: Draft, now: datetime) -> Iterator[Finding]:
    """Find what stands against a draft at this time."""
    if draft.target is not None and draft.target.no_reply:
        yield _block("no_reply", draft.target.no_reply)
    if draft.action is not Action.PRIVATE_REPLY or draft.target is None:
        return
    if draft.target.kind is Kind.DIRECT_MESSAGE:
        yield from _messenger(draft, now)
    elif draft.target.kind not in policy.ANSWERED_PRIVATELY:
        yield _block(
            "no_private_reply", f"Facebook takes no private reply to a {draft.target.kind}"
        )
    elif age(draft, now) > policy.PRIVATE_REPLY_WINDOW:
        yield _block("window_closed", "a private reply is possible for 7 days only")
    else:
        yield _warn(
            "only_one", "this is the one private reply; more only after the customer answers"
        )


def _messenger(draft: Draft, now: datetime) -> Iterator[Finding]:
    since = age(draft, now)
    if since > policy.HUMAN_WINDOW:
        yield _block("window_closed", "the customer's last message is more than 7 days old")
    elif since > policy.STANDARD_WINDOW and draft.automatic:
        yield _block("automatic", "after 24 hours only a person may answer")
    elif since > policy.STANDARD_WINDOW:
        yield _warn("human_agent", "goes out as HUMAN_AGENT: the app needs that feature from Meta")


def _block(code: str, text: str) -> Finding:
    return Finding(level="block", code=code, text=text)


def _warn(code: str, text: str) -> Finding:
    return Finding(level="warn", code=code, text=text)
