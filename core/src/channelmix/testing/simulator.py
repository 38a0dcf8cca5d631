"""What the simulated networks share: arrivals, faults, and webhooks with their retries.

A simulator is a plain ASGI application. A network's own class answers one request in `answer`
and says in `wrap` how webhooks look and how they are signed; this one does the rest.

    class StatusPageSimulator(Simulator):
        async def answer(self, request): ...     # what the API does, its refusals included
        def wrap(self, events): ...              # a signed webhook body, if the network pushes

A few more let the conformance kit play on it: `section` and `vault` (what a channel needs to talk
to it), `kinds` and `customer` (with `customer_edits` and `customer_deletes`), `spoken`, `refusal`,
`handshake` and `consent`, as far as the network has such things.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

import httpx
from attrs import define, evolve, field, frozen

from channelmix.hookspecs import Clock
from channelmix.records import Kind, WebhookRequest
from channelmix.testing.server import Receive, Scope, Send, serve

FaultName = Literal[
    "timeout_before_accept",
    "timeout_after_accept",
    "close_before_accept",
    "close_after_accept",
    "error_before_accept",
    "error_after_accept",
]
Outcome = Literal["throttled", "unauthorized", "window_closed", "refused"]
"""How a network may refuse a reply: for now, for want of credentials, too late, for good."""


@frozen(kw_only=True)
class Request:
    """One HTTP request as the simulator got it. Header names are lower case."""

    method: str
    path: str
    query: httpx.QueryParams = field(converter=httpx.QueryParams, factory=httpx.QueryParams)
    """A mapping of texts; `get_list("id[]")` gives all that a repeated key says."""
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@frozen(kw_only=True)
class Answer:
    """What goes back: JSON of `body`, or the bytes themselves."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(factory=dict)
    content_type: str = "application/json; charset=UTF-8"

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


NO_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Webhooks go to loopback in plain: reading all the world's certificates each time is slow."""
BAD_GATEWAY = Answer(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html")


@frozen(kw_only=True)
class Arrival:
    """A request, what the network decided on it, and the fault that struck, if one did."""

    request: Request
    answer: Answer | None
    """None where the fault struck before the network took the request."""
    fault: str | None
    at: datetime


@define(kw_only=True)
class Fault:
    """What goes wrong for the next `times` requests that match `on`.

    It strikes before the network takes the request, or after, when the request has had its
    effect and only the answer is lost.
    """

    name: FaultName
    on: Callable[[Request], bool]
    times: int
    answer: Answer

    def strikes(self, request: Request) -> bool:
        """Whether it is this request's turn."""
        return self.times > 0 and self.on(request)


@frozen(kw_only=True)
class Event:
    """Something that happened at the network, whether or not a webhook tells of it."""

    number: int
    account: str
    name: str
    """Such as `comment add`."""
    subject: str
    """The external id of what it is about."""
    own: bool
    """Done by the account itself."""
    pushed: bool
    """Whether a webhook tells of it; what is not pushed only a sweep can find."""
    at: datetime
    content: Mapping[str, Any] = field(repr=False)
    """Its part of a webhook body."""


@define(kw_only=True)
class Delivery:
    """One webhook request: its events, and each attempt with its status (None: no answer)."""

    events: tuple[Event, ...]
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    attempts: list[tuple[datetime, int | None]] = field(factory=list)

    @property
    def accepted(self) -> bool:
        """Whether one attempt was answered 200."""
        return any(status == httpx.codes.OK for _, status in self.attempts)


@frozen(kw_only=True)
class Spoken:
    """Something that the account said.

    The kit looks for what it sent *in* `text`: the network, or the plugin, may put something before
    or after it (a mention, a link), and the simulator shows that, too.
    """

    id: str
    text: str | None = None
    """All that a reader sees, tags and entities resolved where the network stores HTML."""
    attachments: int = 0
    private: bool | None = None
    """Whether only the people addressed can read it; None: the simulator does not tell."""


@define(eq=False, kw_only=True, slots=False)
class Simulator(abc.ABC):
    """A network on the wire: an ASGI application with a script for tests and for the demo."""

    clock: Clock
    account: str = "1"
    """The account at the network that this simulator plays."""
    base_url: str = ""
    """Where it is on the wire: the `api_url` of the channel."""
    webhook: str | None = None
    """Where webhooks go; None: the app has not subscribed."""
    retries: Sequence[float] = (0.0, 0.05, 0.2)
    """Seconds before each new attempt of a webhook that was not answered 200."""
    batch: int = 20
    """How many events one webhook request carries at most."""
    sent: list[Arrival] = field(factory=list)
    """Every request, in order of arrival."""
    delivered: list[Delivery] = field(factory=list)
    """Every webhook request, in order."""
    _faults: list[Fault] = field(factory=list)
    _events: list[Event] = field(factory=list)
    _pending: deque[Event] = field(factory=deque)
    _ready: asyncio.Event = field(factory=asyncio.Event)
    _delivering: asyncio.Lock = field(factory=asyncio.Lock)
    _arrived: asyncio.Event = field(factory=asyncio.Event)

    # what a network says of itself

    @abc.abstractmethod
    async def answer(self, request: Request) -> Answer:
        """Carry out one request."""

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Put events into one signed webhook body; return it with its headers."""
        raise NotImplementedError

    def sends(self, request: Request) -> bool:
        """Say whether a request is one that carries out an action, and no preparation for it."""
        return request.method not in {"GET", "HEAD"}

    # what the conformance kit asks

    kinds: ClassVar[Sequence[Kind]] = ()
    """The kinds of message that `customer` can make."""

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this simulator: account, tokens."""
        return {}

    @property
    def vault(self) -> Mapping[str, Mapping[str, Any]]:
        """What the vault of a connected channel holds, by name: tokens that hold here."""
        return {}

    def consent(self, url: str) -> Mapping[str, str]:
        """Let a person agree at the address of a log-in; return the query of the way back."""
        raise NotImplementedError

    def customer(self, kind: Kind, text: str) -> str:
        """Let a customer say something, told by webhook if the network pushes; return its id."""
        raise NotImplementedError

    def customer_edits(self, ident: str, text: str) -> None:
        """Let a customer change what they said: what `customer` returned as `ident`."""
        raise NotImplementedError

    def customer_deletes(self, ident: str) -> None:
        """Let a customer take back what they said: what `customer` returned as `ident`."""
        raise NotImplementedError

    def spoken(self) -> Sequence[Spoken]:
        """Return what the account said that still stands, as the network shows it."""
        raise NotImplementedError

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return how the network says no, as it documents it; None where it never does so."""
        raise NotImplementedError

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Return the request by which the network verifies an address, and the answer it wants."""
        return None

    # the script

    @contextlib.asynccontextmanager
    async def online(self, *, port: int = 0) -> AsyncIterator[str]:
        """Be on the wire, and give the base URL."""
        async with serve(self, port=port) as self.base_url:
            yield self.base_url

    def fault(
        self,
        name: FaultName,
        *,
        on: str | Callable[[Request], bool] | None = None,
        times: int = 1,
        answer: Answer = BAD_GATEWAY,
    ) -> None:
        """Let the next `times` requests that match `on` go wrong.

        `on` is a method with the end of a path (`POST /messages`), or a function that says yes;
        left out, it is whatever `sends`. `answer` is what an `error_` fault sends instead of the
        network's own answer.
        """
        match = _matching(on) if isinstance(on, str) else on or self.sends
        self._faults.append(Fault(name=name, on=match, times=times, answer=answer))

    def heal(self) -> None:
        """Forget every fault that has not struck yet."""
        self._faults.clear()

    def deny(self, outcome: Outcome, *, times: int = 1) -> bool:
        """Refuse the next actions in one of the network's ways; False if it has no such way."""
        answer = self.refusal(outcome)
        if answer is not None:
            self.fault("error_before_accept", times=times, answer=answer)
        return answer is not None

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says so; asked again after each request that arrives."""
        while not ready():
            self._arrived.clear()
            await self._arrived.wait()

    def events(self) -> tuple[Event, ...]:
        """Everything that happened, in its order."""
        return tuple(self._events)

    def record(
        self,
        name: str,
        subject: str,
        content: Mapping[str, Any],
        *,
        own: bool = False,
        push: bool = True,
    ) -> Event:
        """Note an event, and with `push` queue it for the webhook."""
        event = Event(
            number=len(self._events) + 1,
            account=self.account,
            name=name,
            subject=subject,
            own=own,
            pushed=push and self.webhook is not None,
            at=self.clock.now(),
            content=content,
        )
        self._events.append(event)
        if event.pushed:
            self._pending.append(event)
            self._ready.set()
        return event

    # webhooks out

    def deliveries(self, *, backwards: bool = False) -> list[Delivery]:
        """Take everything that waits, as signed webhook requests that were not sent yet.

        Who throws them away loses them, as a network does now and then.
        """
        waiting = list(self._pending)
        self._pending.clear()
        self._ready.clear()
        if backwards:
            waiting.reverse()
        parts = [
            waiting[start : start + self.batch] for start in range(0, len(waiting), self.batch)
        ]
        return [self._delivery(part) for part in parts]

    def _delivery(self, events: Sequence[Event]) -> Delivery:
        body, headers = self.wrap(events)
        return Delivery(events=tuple(events), body=body, headers=headers)

    async def flush(self, *, repeat: int = 1, backwards: bool = False) -> None:
        """Deliver everything that waits, `repeat` times over, on request in wrong order.

        Returns when every delivery was answered 200 or ran out of attempts.
        """
        async with self._delivering:
            waiting = self.deliveries(backwards=backwards)
            if not waiting:
                return
            async with httpx.AsyncClient(trust_env=False, verify=NO_TRUST) as http:
                for _ in range(repeat):
                    for one in waiting:
                        await self._deliver(http, evolve(one, attempts=[]))

    async def run(self) -> None:
        """Deliver whenever something waits, until cancelled."""
        while True:
            await self._ready.wait()
            await self.flush()

    async def _deliver(self, http: httpx.AsyncClient, delivery: Delivery) -> None:
        self.delivered.append(delivery)
        await self._attempt(http, delivery)
        for pause in self.retries:
            if delivery.accepted:
                return
            await asyncio.sleep(pause)
            await self._attempt(http, delivery)

    async def _attempt(self, http: httpx.AsyncClient, delivery: Delivery) -> None:
        status: int | None = None
        try:
            answer = await http.post(
                self.webhook or "", content=delivery.body, headers=delivery.headers
            )
            status = answer.status_code
        except httpx.RequestError:
            pass
        delivery.attempts.append((self.clock.now(), status))

    # requests in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or let it go wrong as the script says."""
        request = await _read(scope, receive)
        fault = next((one for one in self._faults if one.strikes(request)), None)
        answer = None
        if fault is not None:
            fault.times -= 1
        if fault is None or "_after_" in fault.name:
            answer = await self.answer(request)
        name = fault.name if fault else None
        self.sent.append(Arrival(request=request, answer=answer, fault=name, at=self.clock.now()))
        self._arrived.set()
        await _respond(fault, answer, receive, send)


def _matching(on: str) -> Callable[[Request], bool]:
    method, _, ending = on.partition(" ")
    return lambda request: request.method == method and request.path.endswith(ending)


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode(),
        headers={name.decode(): value.decode() for name, value in scope["headers"]},
        body=body,
    )


async def _respond(
    fault: Fault | None, answer: Answer | None, receive: Receive, send: Send
) -> None:
    if fault is not None and fault.name.startswith("timeout"):
        while (await receive())["type"] != "http.disconnect":
            pass
    elif fault is not None and fault.name.startswith("close"):
        # A head without the body that it promises makes the server cut the connection.
        await _start(Answer(body=b"{}"), send)
    elif (whole := fault.answer if fault else answer) is not None:
        await _start(whole, send)
        await send({"type": "http.response.body", "body": whole.raw})


async def _start(answer: Answer, send: Send) -> None:
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.raw)),
        **answer.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
