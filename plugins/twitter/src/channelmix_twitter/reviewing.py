"""What to know before pressing the button. What X refuses, the core reads in the limits."""

from __future__ import annotations

from collections.abc import Iterator

from channelmix.records import Action, AttachmentKind, Draft, Finding, Kind

from channelmix_twitter import text

CASHTAG = 1
_PUBLIC = frozenset({Action.PUBLIC_REPLY, Action.PUBLISH})


def review(draft: Draft) -> Iterator[Finding]:
    """Find what X refuses or charges more for, beyond what the limits say."""
    films = sum(one.kind is AttachmentKind.VIDEO for one in draft.attachments)
    if draft.action in _PUBLIC and films and len(draft.attachments) > 1:
        text_ = "X takes up to four photos or one film, not both"
        yield Finding(level="block", code="media", text=text_)
    if draft.action in _PUBLIC and text.has_link(draft.text):
        text_ = "a link makes this post many times dearer"
        yield Finding(level="warn", code="link", text=text_)
    public = draft.target is not None and draft.target.kind is not Kind.DIRECT_MESSAGE
    if draft.action is Action.PRIVATE_REPLY and public:
        text_ = "X takes this only if they let the account write to them"
        yield Finding(level="warn", code="may_be_closed", text=text_)
