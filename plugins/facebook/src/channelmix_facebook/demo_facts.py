"""What a simulated page saw, as the demo wants to know it."""

from __future__ import annotations

import json

import httpx
from channelmix.demo import Arrived, Facts
from channelmix.testing.simulator import Arrival, Event

from channelmix_facebook.simulator import FacebookSimulator


def facts(sim: FacebookSimulator) -> Facts:
    """Say what has happened so far, from the page's own record."""
    accepted = [one for one in sim.delivered if one.accepted]
    told = {event.number for one in accepted for event in one.events}
    times = sum(
        len(one.events)
        for one in accepted
        for _, status in one.attempts
        if status == httpx.codes.OK
    )
    said = [event for event in sim.events() if _is_said(event)]
    effects = [one for one in sim.sent if _took_effect(one)]
    return Facts(
        told=len(told),
        repeated=times - len(told),
        said=frozenset(event.subject for event in said),
        silent=frozenset(event.subject for event in said if not event.pushed),
        replies=tuple(_arrived(sim, one) for one in effects if _is_reply(one)),
        hidden=frozenset(_object(one) for one in effects if _hides(sim, one)),
    )


def _is_said(event: Event) -> bool:
    """Say whether a customer said something new."""
    kinds = {"comment add", "post add", "message add", "mention add", "review add"}
    return event.name in kinds and not event.own


def _took_effect(arrival: Arrival) -> bool:
    """Say whether the page did as it was told, whatever became of its answer."""
    answer = arrival.answer
    done = answer is not None and answer.status == httpx.codes.OK
    return done and arrival.request.method == "POST"


def _is_reply(arrival: Arrival) -> bool:
    return arrival.request.path.endswith(("/comments", "/messages"))


def _arrived(sim: FacebookSimulator, arrival: Arrival) -> Arrived:
    params, _ = sim.read_params(arrival.request)
    body = arrival.answer.body if arrival.answer else {}
    if "message_id" in body:
        message = json.loads(params["message"])
        text = str(message.get("text") or message.get("attachment"))
        return Arrived(id=body["message_id"], target=params["recipient"], text=text)
    return Arrived(id=body["id"], target=_object(arrival), text=params.get("message", ""))


def _hides(sim: FacebookSimulator, arrival: Arrival) -> bool:
    return sim.read_params(arrival.request)[0].get("is_hidden") == "true"


def _object(arrival: Arrival) -> str:
    """Return the object that a call is about: what follows the version in its path."""
    return arrival.request.path.split("/")[2]
