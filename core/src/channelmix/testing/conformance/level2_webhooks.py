"""Level 2, *correct*: only the network itself is let in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import attrs

from channelmix.errors import ChannelmixError
from channelmix.records import Received, WebhookRequest
from channelmix.testing.conformance.needs import PUSHES
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import TEXT, Living, Subject, delivered, request_of, why


@check(*PUSHES, since="0.1")
async def c211_forged_webhooks_are_refused(subject: Subject) -> AsyncIterator[str]:
    """An authentic webhook is let in; one that was changed, or that is not signed, is not.

    Compare the signature over the raw body in constant time (`hmac.compare_digest`), refuse when it
    is missing, and never fall back to a weaker one. The authentic request comes from the simulator,
    or from a fixture with a `request`.
    """
    requests = [one for one in _requests(subject) if one.body]
    if not requests:
        yield "there is no authentic request: give a fixture a `request`, or a simulator"
    living = subject.raw() if subject.suite.simulator is None else subject.as_simulated()
    for request in requests[:3]:
        received = await living.receive(request)
        if received.refused is not None or received.payload is None:
            yield f"an authentic webhook is refused: {received.refused}"
            continue
        async for line in _let_in(living, request):
            yield line


async def _let_in(living: Living, request: WebhookRequest) -> AsyncIterator[str]:
    for what, forged in _forgeries(request):
        got = await _received(living, forged)
        if isinstance(got, str):
            yield f"{what}: {got}"
        elif got.refused is None:
            yield f"{what}: it is let in"
        elif got.payload is not None:
            yield f"{what}: it is refused, but its payload is kept"
    without = [(name, _without(request, name)) for name in (*request.headers, *request.query)]
    needed = [name for name, one in without if await _refused(living, one)]
    if not needed:
        yield "no header and no query parameter is needed: nothing proves where it comes from"
    for name in needed:
        for value in ("", "0", "é", f"{request.headers.get(name, '')[:-2]}zz", "=" * 5000):
            changed = _with(request, name, value)
            if not await _refused(living, changed):
                yield f"with {value!r:.20} as {name} it is let in"


def _forgeries(request: WebhookRequest) -> Iterator[tuple[str, WebhookRequest]]:
    body = request.body
    middle = len(body) // 2
    yield (
        "one byte of the body changed",
        attrs.evolve(request, body=body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]),
    )
    yield "a space after the body", attrs.evolve(request, body=body + b" ")
    yield "an empty body", attrs.evolve(request, body=b"")
    yield "neither headers nor query", attrs.evolve(request, headers={}, query={})


def _without(request: WebhookRequest, name: str) -> WebhookRequest:
    headers = {key: one for key, one in request.headers.items() if key != name}
    query = {key: one for key, one in request.query.items() if key != name}
    return attrs.evolve(request, headers=headers, query=query)


def _with(request: WebhookRequest, name: str, value: str) -> WebhookRequest:
    if name in request.headers:
        return attrs.evolve(request, headers={**request.headers, name: value})
    return attrs.evolve(request, query={**request.query, name: value})


async def _received(living: Living, request: WebhookRequest) -> Received | str:
    try:
        return await living.receive(request)
    except ChannelmixError as error:
        return why(error)


async def _refused(living: Living, request: WebhookRequest) -> bool:
    got = await _received(living, request)
    return isinstance(got, Received) and got.refused is not None


def _requests(subject: Subject) -> list[WebhookRequest]:
    """Return authentic requests: those of the simulator, else those of fixtures."""
    if subject.suite.simulator is None:
        return [request_of(case) for case in subject.cases if case.request and case.events]
    sim = subject.simulated()
    for kind in sim.kinds:
        sim.customer(kind, TEXT)
    return delivered(sim)


def _has_handshake(subject: Subject) -> str | None:
    return None if list(_handshakes(subject)) else "no handshake is described"


@check(*PUSHES, _has_handshake, since="0.1")
async def c212_the_handshake_is_answered(subject: Subject) -> AsyncIterator[str]:
    """The network's verification of the webhook address gets its answer, others do not.

    Answer the challenge as the network documents it, with nothing to store (`payload=None`), and
    refuse one with the wrong token. The request comes from the simulator (`handshake`), or from a
    fixture with a `request`, a `response` and no events.
    """
    for living, request, answer in _handshakes(subject):
        got = await living.receive(request)
        if got.refused is not None:
            yield f"the handshake is refused: {got.refused}"
        elif not _same(got.response.body, answer):
            yield f"the handshake wants {answer!r:.80} and gets {got.response.body!r:.80}"
        elif got.payload is not None:
            yield "the handshake is stored as if it were an event"
        bare = await _received(living, WebhookRequest(method=request.method))
        if isinstance(bare, str):
            yield f"without its parameters: {bare}"
        elif bare.refused is None:
            yield "a handshake without its parameters is answered"


def _handshakes(subject: Subject) -> Iterator[tuple[Living, WebhookRequest, str]]:
    if subject.suite.simulator is not None and (found := subject.simulated().handshake()):
        yield (subject.as_simulated(), *found)
    for case in subject.cases:
        if case.request and case.response and case.response.body and not case.events:
            yield subject.raw(), request_of(case), case.response.body


def _same(got: str, wanted: str) -> bool:
    """Compare answers; as JSON where they are."""
    try:
        return got == wanted or bool(json.loads(got) == json.loads(wanted))
    except ValueError:
        return False
