"""Level 2, *correct*: what customers change arrives, by whichever road the network has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from channelmix.records import Deletion, Edit, Inbound, Message, minutes
from channelmix.testing.conformance.needs import SIMULATED, implements, lets_customers
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.replying import inbounds
from channelmix.testing.conformance.subject import Subject

LATER = minutes(7)
"""How long after they said it customers change their mind."""
CHANGED = "Doch nicht 🙏🏽: שלום"


@check(*SIMULATED, implements("ingest"), lets_customers("customer_edits"), since="0.2")
async def c217_edits_arrive(subject: Subject) -> AsyncIterator[str]:
    """What a customer edits arrives, by webhook or by the next poll.

    As an `Edit`, or as the same `Message` in another `revision`. A network that pushes nothing is
    looked at again: the how-to "A network that is only polled" shows it. The check plays when the
    simulator has `customer_edits`.
    """

    def changed(inbound: Inbound, ident: str) -> bool:
        if not isinstance(inbound, Edit | Message) or inbound.id != ident:
            return False
        return CHANGED in (inbound.text or "")

    def edit(sim: Any, ident: str) -> None:
        sim.customer_edits(ident, CHANGED)

    async for line in _come(subject, edit, changed, "edited"):
        yield line


@check(*SIMULATED, implements("ingest"), lets_customers("customer_deletes"), since="0.2")
async def c218_deletions_arrive(subject: Subject) -> AsyncIterator[str]:
    """What a customer takes back arrives as a `Deletion`, by webhook or by the next poll.

    The core then scrubs it. A network that pushes nothing shows it no more: the poll remembers what
    it saw and looks again, as the how-to "A network that is only polled" shows. The check plays
    when the simulator has `customer_deletes`.
    """

    def gone(inbound: Inbound, ident: str) -> bool:
        return isinstance(inbound, Deletion) and inbound.id == ident

    def delete(sim: Any, ident: str) -> None:
        sim.customer_deletes(ident)

    async for line in _come(subject, delete, gone, "taken back"):
        yield line


async def _come(
    subject: Subject,
    change: Callable[[Any, str], None],
    tells: Callable[[Inbound, str], bool],
    what: str,
) -> AsyncIterator[str]:
    """Let customers say something and change it, with every cursor kept from one poll to the next.

    `change` does it at the simulated network; `tells` recognises the inbound that tells of it.
    """
    for kind in subject.simulated().kinds:
        async with subject.stage() as living:
            cursors: dict[str, Any] = {}
            said = living.sim.customer(kind, "Wo bleibt mein Paket?")
            came = await inbounds(subject, living, cursors)
            if not any(isinstance(one, Message) and one.id == said for one in came):
                yield f"{kind} {said}: what a customer said does not come, by webhook or by poll"
                continue
            living.clock.advance(LATER)
            try:
                change(living.sim, said)
            except NotImplementedError:
                continue  # not this kind
            cursors = json.loads(json.dumps(cursors))
            if not any(tells(one, said) for one in await inbounds(subject, living, cursors)):
                yield f"{kind} {said}: it was {what}, and neither webhook nor poll tells of it"
