"""What to know before pressing the button. What the network refuses, the core reads in `LIMITS`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from channelmix.records import Action, Draft, Finding

from channelmix_meta import policy
from channelmix_meta.sending import CONVERSATION, age


def review(draft: Draft, now: datetime) -> Iterator[Finding]:
    """Find what asks for a second thought at this time."""
    if draft.action is not Action.PRIVATE_REPLY or draft.target is None:
        return
    if draft.target.kind in policy.ANSWERED_PRIVATELY:
        text = "this is the one private reply; more only after the customer answers"
        yield Finding(level="warn", code="only_one", text=text)
    late = policy.STANDARD_WINDOW < age(draft, now) <= policy.HUMAN_WINDOW
    if draft.target.kind in CONVERSATION and late and not draft.automatic:
        text = "goes out as HUMAN_AGENT: the app needs that feature from Meta"
        yield Finding(level="warn", code="human_agent", text=text)
