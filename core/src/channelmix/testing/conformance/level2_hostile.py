"""Level 2, *correct*: whatever comes in does no harm, and no text is harmed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import get_args

import attrs

from channelmix.errors import ChannelmixError, InvalidPayload
from channelmix.records import Inbound
from channelmix.testing.conformance import hostile
from channelmix.testing.conformance.needs import READS
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import TEXT, Living, Subject, messages, why

MOST_MUTANTS = 5_000
"""How many mutations of JSON are tried in all; the time goes there."""
SLOW = 2.0
"""Seconds of work that reading one payload may take, however large it is."""


@check(*READS, since="0.1")
async def c209_hostile_input_is_said_to_be_bad(subject: Subject) -> AsyncIterator[str]:
    """Whatever arrives ends in inbounds or in `InvalidPayload`, never in another exception.

    Networks change, proxies truncate, people attack. Take nothing for granted: that a field is
    there, has its type, fits a number or a time. What is understood and useless is `Ignored` with a
    reason; what cannot be read is `InvalidPayload` and is kept for a mended plugin. The finding
    names the mutation of your fixture.
    """
    living = subject.raw()
    most = max(20, MOST_MUTANTS // max(1, len(subject.cases)))
    for number, case in enumerate(subject.cases):
        if not case.body:
            continue
        for what, body in hostile.mutants(case.body, most=most, huge=number < hostile.FEW):
            started = time.process_time()
            problem = await _survives(living, body, case.source)
            spent = time.process_time() - started
            if problem is None and spent > SLOW:
                problem = f"takes {spent:.1f} s of work"
            if problem is not None:
                yield f"{case.name}, {what}: {problem}"


async def _survives(living: Living, body: bytes, source: str) -> str | None:
    try:
        events = await living.split(body, source)
    except InvalidPayload:
        events = (living.whole(body, source),)
    except ChannelmixError as error:
        return f"split: {why(error)}"
    for event in events:
        try:
            found = await living.ingest(event)
        except InvalidPayload:
            continue
        except ChannelmixError as error:
            return f"ingest: {why(error)}"
        if not found:
            return "ingest: it says nothing at all; say Ignored, with a reason"
        if strange := [one for one in found if not isinstance(one, get_args(Inbound))]:
            return f"ingest: {type(strange[0]).__name__} is no inbound"
        if not all(isinstance(one, str) and one for one in (event.key,)):
            return "split: an event without a key"
    return None


@check(*READS, since="0.1")
async def c210_text_arrives_unharmed(subject: Subject) -> AsyncIterator[str]:
    """A customer's text is kept as it came: emoji, right to left, NUL, half of a pair.

    Do not strip, re-encode or cut text. NUL and lone surrogates are the store's business; what the
    plugin hands on still has what a person can read. The kit puts its own text where a fixture has
    the text of a message, as a value of its own or as what a reader sees of a value in HTML. Where
    it finds none, the plugin makes the text in another way: add a fixture whose text it hands on
    as it stands, or say in `deviations` where its own tests look at that.
    """
    living = subject.raw()
    tried, read = 0, "no fixture has a message with a text"
    for case in subject.cases:
        said = {one.text for one in messages(await living.meanings(case)) if one.text}
        for text in sorted(said):
            read = f"{case.name} gives {text!a:.60}"
            for instead in (TEXT, f"{TEXT}\x00\ud800"):
                for body in hostile.texts(case.body, text, instead):
                    tried += 1
                    changed = attrs.evolve(case, body=body, request=None)
                    got = [one.text or "" for one in messages(await living.meanings(changed))]
                    if not any(TEXT in one for one in got):
                        yield f"{case.name}: {instead!a} instead of {text!r:.40} gives {got!a:.80}"
    if not tried:
        yield f"no text of a message stands in a fixture as it is read, bare or in HTML: {read}"
