"""What to know before pressing the button, of Instagram alone."""

from __future__ import annotations

from collections.abc import Iterator

from channelmix.records import Action, Draft, Finding

from channelmix_instagram import policy
from channelmix_instagram.replies import NO_UPLOAD, ON_AIR


def review(draft: Draft, *, uploads: bool) -> Iterator[Finding]:
    """Find what Instagram would refuse and no limit says. `uploads`: files can be handed over."""
    target = draft.target
    if target is not None and draft.action is Action.PUBLIC_REPLY:
        if target.payload == policy.LIVE:
            yield Finding(level="block", code="live", text=ON_AIR)
        if target.hidden:
            text = "the comment is hidden: unhide it first, or answer in private"
            yield Finding(level="block", code="hidden", text=text)
    if not uploads and any(one.path and not one.url for one in draft.attachments):
        yield Finding(level="block", code="upload", text=NO_UPLOAD)
