"""Level 3, *replies well*: a reply is where it belongs, and is looked for there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs

from channelmix.errors import PluginError
from channelmix.records import Action, Found, Message
from channelmix.testing.conformance.needs import REPLIES, answers_in_private, implements
from channelmix.testing.conformance.registry import DoesNotApply, check
from channelmix.testing.conformance.replying import speaking
from channelmix.testing.conformance.subject import MOMENT, Subject


@check(*REPLIES, answers_in_private, since="0.2")
async def c320_a_private_answer_stays_private(subject: Subject) -> AsyncIterator[str]:
    """A private reply is read by the customer alone, never by the public.

    `Action.PRIVATE_REPLY` answers direct messages, and whatever else `limits` names for it: send it
    by the network's call, or with the visibility, for private messages. What a customer wrote in
    confidence (an address, a bill) would stand in public otherwise. The simulator tells by
    `Spoken(private=...)`; while it says None, nobody checks this.
    """
    told = False
    async for living, way in speaking(subject):
        if way.action is not Action.PRIVATE_REPLY:
            continue
        outgoing = await way.outgoing(living, "Ihre Rechnung liegt bei.")
        before = {one.id for one in living.sim.spoken()}
        await living.ask("reply", outgoing)
        for one in (one for one in living.sim.spoken() if one.id not in before):
            told = told or one.private is not None
            if one.private is False:
                yield f"{way}: everybody can read {one.id}"
    if not told:
        raise DoesNotApply("the simulator does not tell who can read an answer (`Spoken.private`)")


def _one_conversation(one: Message | None, other: Message | None) -> bool:
    """Say whether private answers to both would stand side by side."""
    if one is None or other is None:
        return True
    same_author = one.author is not None and one.author == other.author
    return same_author or one.thread == other.thread


@check(*REPLIES, implements("reconcile"), since="0.2")
async def c321_a_reply_is_looked_for_where_it_belongs(subject: Subject) -> AsyncIterator[str]:
    """The same words in answer to somebody else are not taken for an uncertain reply.

    Agents answer many people with one text. `reconcile` looks only below the message that was
    answered, or by the send key: else a reply that never arrived counts as sent. The check answers
    one message, loses the same answer to the next, and asks. In one private conversation nobody can
    tell two equal answers apart by their place, so it tries only what has a place of its own.
    """
    async for living, way in speaking(subject):
        first = await way.outgoing(living, "Guten Tag")
        second = await way.outgoing(living, "Guten Tag")
        second = attrs.evolve(second, token=f"{second.token}-2")
        if way.action is Action.PRIVATE_REPLY and _one_conversation(first.target, second.target):
            continue
        await living.ask("reply", first)
        living.sim.fault("close_before_accept")
        with contextlib.suppress(PluginError):
            await living.ask("reply", second)
        living.clock.advance(way.limits.settle + MOMENT)
        found: Found = await living.ask("reconcile", second)
        if found.status == "found":
            yield f"{way}: {found.ids} answers somebody else, and is found all the same"
