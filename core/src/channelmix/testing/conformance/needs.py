"""To whom a check applies: derived from what a plugin implements and declares."""

from __future__ import annotations

from channelmix.records import Action
from channelmix.testing.conformance.fixtures import BadFixture
from channelmix.testing.conformance.registry import Need
from channelmix.testing.conformance.subject import Subject
from channelmix.testing.simulator import Simulator

SPEAKING = (Action.PUBLIC_REPLY, Action.PRIVATE_REPLY)
"""The actions that say something to a customer."""


def implements(hook: str) -> Need:
    """Apply to plugins that implement a hook."""

    def need(subject: Subject) -> str | None:
        return None if subject.implements(hook) else f"it implements no `{hook}`"

    return need


def network(subject: Subject) -> str | None:
    """Apply to networks."""
    return None if subject.network else "it is no network"


def simulator(subject: Subject) -> str | None:
    """Apply where there is a simulator to talk to."""
    return None if subject.suite.simulator else "there is no simulator"


def fixtures(subject: Subject) -> str | None:
    """Apply where there are fixtures; that they cannot be read is told once."""
    try:
        return None if subject.cases else "there are no fixtures"
    except BadFixture:
        return "its fixtures cannot be read"


def speaks(subject: Subject) -> str | None:
    """Apply to networks on which a customer gets an answer."""
    if subject.network and subject.implements("reply"):
        declared = {action for one in subject.network.limits for action in one.actions}
        if declared & set(SPEAKING):
            return None
    return "it declares no reply"


def source_folder(subject: Subject) -> str | None:
    """Apply where the source of the distribution can be found."""
    return None if subject.folder else "there is no pyproject.toml above its fixtures or its code"


def answers_in_private(subject: Subject) -> str | None:
    """Apply to networks on which a customer gets an answer that only they read."""
    limits = subject.network.limits if subject.network else ()
    private = any(Action.PRIVATE_REPLY in one.actions for one in limits)
    return None if private else "it declares no private reply"


def lets_customers(do: str) -> Need:
    """Apply where the simulator's customers can do something (`customer_edits`)."""

    def need(subject: Subject) -> str | None:
        made = getattr(subject.suite.simulator, do, None)
        return None if made is not getattr(Simulator, do) else f"its simulator has no `{do}`"

    return need


def takes_media(subject: Subject) -> str | None:
    """Apply to networks that declare attachments."""
    limits = subject.network.limits if subject.network else ()
    found = (one for one in limits if one.actions & set(SPEAKING))
    return None if any(one.attachments for one in found) else "it declares no attachments"


def takes_more(subject: Subject) -> str | None:
    """Apply to networks on which one can do more than speak."""
    limits = subject.network.limits if subject.network else ()
    more = {action for one in limits for action in one.actions} - set(SPEAKING)
    return None if more else "it declares no other action"


READS = (network, implements("ingest"), fixtures)
SIMULATED = (network, simulator)
PUSHES = (network, implements("receive"))
POLLS = (*SIMULATED, implements("poll"))
REPLIES = (*SIMULATED, speaks)
