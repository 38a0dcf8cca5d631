"""What the simulated X saw, as the demo wants to know it."""

from __future__ import annotations

import json
from collections.abc import Iterable

import httpx
from channelmix.demo import Arrived, Facts
from channelmix.testing.simulator import Arrival

from channelmix_twitter.simulator import XSimulator

SAID = {"post.mention.create", "post.quote.create", "dm.received"}


def facts(sim: XSimulator, talk: Iterable[str]) -> Facts:
    """Say what has happened so far, from X's own record; `talk` is what addressed nobody of us."""
    accepted = [one for one in sim.delivered if one.accepted]
    told = {event.number for one in accepted for event in one.events}
    times = sum(
        len(one.events)
        for one in accepted
        for _, status in one.attempts
        if status == httpx.codes.OK
    )
    ours = {one.id for one in sim.ours}
    said = [one for one in sim.events() if one.name in SAID and not one.own]
    heard = [one for one in said if not _by(sim, one.subject, ours)]
    pushed = {one.subject for one in heard if one.pushed}
    effects = [one for one in sim.sent if _took_effect(one)]
    silent = {one.subject for one in heard} - pushed
    return Facts(
        told=len(told),
        repeated=times - len(told),
        said=frozenset({one.subject for one in heard} | set(talk)),
        silent=frozenset(silent | set(talk)),
        replies=tuple(_arrived(one) for one in effects if _is_reply(one)),
        hidden=frozenset(_first(sim, one) for one in effects if _hides(one)),
    )


def _by(sim: XSimulator, subject: str, ours: set[str]) -> bool:
    """Say whether one of our accounts said it: to the other it is told like anybody's word."""
    post, direct = sim.world.found(subject), sim.world.directs.get(subject)
    author = post.author if post else direct.sender if direct else None
    return author is not None and author.id in ours


def _took_effect(arrival: Arrival) -> bool:
    return arrival.answer is not None and arrival.answer.status < httpx.codes.MULTIPLE_CHOICES


def _is_reply(arrival: Arrival) -> bool:
    path = arrival.request.path
    return arrival.request.method == "POST" and path.endswith(("/2/tweets", "/messages"))


def _arrived(arrival: Arrival) -> Arrived:
    body = json.loads(arrival.request.body)
    made = arrival.answer.body["data"] if arrival.answer else {}
    above = body.get("reply", {}).get("in_reply_to_tweet_id")
    found = made.get("id") or made.get("dm_event_id")
    return Arrived(id=str(found), target=above or arrival.request.path, text=body.get("text", ""))


def _hides(arrival: Arrival) -> bool:
    path = arrival.request.path
    return path.endswith("/hidden") and b"true" in arrival.request.body


def _first(sim: XSimulator, arrival: Arrival) -> str:
    found = arrival.request.path.split("/")[3]
    post = sim.world.found(found)
    return post.history[0] if post else found
