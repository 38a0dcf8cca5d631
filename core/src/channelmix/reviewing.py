"""What the core knows about a draft before a plugin is asked: the channel's own declaration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from channelmix.allowances import figure
from channelmix.hints import did_you_mean
from channelmix.records import Action, Attachment, Draft, Finding, Limits, Spending, limits_for
from channelmix.store.outbox import Part

ANSWERS = frozenset({Action.PUBLIC_REPLY, Action.PRIVATE_REPLY})
NEARLY_SPENT = 0.1
"""The part of a budget that is worth a warning when no more than that would be left."""


def findings(limits: Sequence[Limits], draft: Draft, *, now: datetime, used: bool) -> list[Finding]:
    """Hold a draft against what its channel declares.

    `used` says that the same action was accepted for the same message before.
    """
    kind = draft.target.kind if draft.target else None
    allowed = limits_for(limits, draft.action, kind)
    action = draft.action.value.replace("_", " ")
    if silent := _no_reply(draft):
        return [silent]
    if allowed is None:
        where = f" on a {kind.value.replace('_', ' ')}" if kind else ""
        return [_block("unsupported", f"this channel offers no {action}{where}{_there(draft)}")]
    found = list(_text(allowed, draft, action))
    found += _media(allowed, draft.attachments)
    if draft.action is Action.PUBLISH:
        found += _published(allowed, draft)
    closed = window_closed(
        allowed, opened_at=draft.window_opened_at, automatic=draft.automatic, now=now
    )
    if closed:
        found.append(_block("window", closed))
    if allowed.once and used:
        found.append(_block("once", f"there is only one {action} for each message"))
    return found


def _no_reply(draft: Draft) -> Finding | None:
    """Say why nobody can answer a message from here, and where a person can."""
    if draft.action not in ANSWERS or draft.target is None or draft.target.no_reply is None:
        return None
    why = f"the network takes no answer: {draft.target.no_reply}{_there(draft)}"
    return _block("no_reply", why)


def _there(draft: Draft) -> str:
    """Name the place at the network where a person can answer."""
    there = draft.target.url if draft.action in ANSWERS and draft.target else None
    return f": {there}" if there else ""


def money(limits: Limits | None, draft: Draft, spending: Spending | None) -> Iterable[Finding]:
    """Say what a draft costs, and how little is left for it; neither stops it."""
    cost = limits.cost(draft) if limits and limits.cost else 0.0
    if not cost:
        return
    unit = f" {spending.unit}" if spending else ""
    yield Finding(level="warn", code="cost", text=f"this costs {figure(cost)}{unit}")
    if spending is None:
        return
    left = f"{figure(spending.left)} of {figure(spending.amount)}{unit} left"
    until = f"{spending.ends_at:%Y-%m-%d %H:%M} UTC"
    if cost > spending.left:
        text = f"the budget is spent ({left}): this waits until {until}"
        yield Finding(level="warn", code="budget", text=text)
    elif spending.left - cost < spending.amount * NEARLY_SPENT:
        text = f"the budget is nearly spent: {left} until {until}"
        yield Finding(level="warn", code="budget", text=text)


def _text(limits: Limits, draft: Draft, action: str) -> Iterable[Finding]:
    """Check the text."""
    if limits.text is None:
        if draft.text:
            yield _block("text", f"{action} takes no text")
        return
    if not draft.text.strip() and not draft.attachments:
        yield _block("empty", "there is nothing to say: give a text or an attachment")
    try:
        texts = cut(limits, draft.text, thread=draft.thread)
    except ValueError as error:
        yield _block("length", f"too long also for a thread: {error}")
        return
    length = max(map(limits.count, texts))
    if length > limits.text:
        yield _block(
            "length", f"{length} {limits.unit}, the network takes {limits.text}: shorten the text"
        )


def _media(limits: Limits, attachments: Sequence[Attachment]) -> Iterable[Finding]:
    """Check the attachments."""
    if attachments and not limits.attachments:
        yield _block("attachments", "no attachments are possible here")
        return
    for one in attachments:
        if one.kind not in limits.media:
            takes = ", ".join(sorted(limits.media))
            yield _block("media", f"{one.name or one.kind}: the network takes {takes}")


def _published(limits: Limits, draft: Draft) -> Iterable[Finding]:
    """Check what is published beside the text; more than one call takes would be several posts."""
    for name in sorted(draft.details.keys() - limits.details):
        hint = did_you_mean(name, limits.details)
        yield _block("details", f"there is no {name} in what is published here{hint}")
    if 0 < limits.attachments < len(draft.attachments):
        most = f"{len(draft.attachments)} attachments, the network takes {limits.attachments}"
        yield _block("attachments", most)


def window_closed(
    limits: Limits, *, opened_at: datetime | None, automatic: bool, now: datetime
) -> str | None:
    """Say why the reply window is over, None if it is open or there is none."""
    if limits.window is None:
        return None
    if opened_at is None:
        return "the reply window is closed: the customer has to write first"
    window = (
        limits.window if automatic else max(limits.window, limits.human_window or limits.window)
    )
    if now <= opened_at + window:
        return None
    who = "an automatic answer" if automatic else "an answer"
    return (
        f"the reply window is closed: {who} is possible for {_span(window)} "
        f"after the customer's last message"
    )


def _span(window: timedelta) -> str:
    """Say how long a window is."""
    hours = int(window.total_seconds() // 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"  # noqa: PLR2004 - 2 days


def _block(code: str, text: str) -> Finding:
    """Make a finding that stops the draft."""
    return Finding(level="block", code=code, text=text)


def cut(limits: Limits, text: str, *, thread: bool) -> Sequence[str]:
    """Return a text, or where that is wanted and offered, the messages of a thread.

    Raises: `ValueError` for a text that is too long for a thread as well.
    """
    if not thread or limits.thread is None or limits.text is None:
        return (text,)
    return limits.thread(text, limits.text)


def parts(
    limits: Limits | None, text: str, attachments: Sequence[Attachment], *, thread: bool = False
) -> list[Part]:
    """Cut an action into the calls it takes."""
    if limits is None:
        return [Part(text=text)]
    text, *more = cut(limits, text, thread=thread)
    return _parts(limits, text, attachments) + [Part(text=one) for one in more]


def _parts(limits: Limits, text: str, attachments: Sequence[Attachment]) -> list[Part]:
    """Cut one message into the calls it takes."""
    if not attachments:
        return [Part(text=text)]
    size = max(limits.attachments, 1)
    groups = [
        tuple(attachments[start : start + size]) for start in range(0, len(attachments), size)
    ]
    if not limits.text_with_media:
        said = [Part(text=text)] if text.strip() else []
        return said + [Part(attachments=group) for group in groups]
    first, *rest = groups
    return [Part(text=text, attachments=first), *(Part(attachments=group) for group in rest)]
