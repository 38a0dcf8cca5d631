"""The frozen records that cross every border: network, plugin, core, desk.

Rules that hold for all of them: ids are strings, times are aware datetimes, sequences are
tuples. A record grows by fields with defaults, never by a changed meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from attrs import field, frozen


class Kind(StrEnum):
    """What sort of utterance a message is."""

    POST = "post"
    """Written on our page or profile, or ours: it begins a thread."""
    COMMENT = "comment"
    """In public below something of ours: a comment, an answer to our post or to our reply."""
    DIRECT_MESSAGE = "direct_message"
    """Only we can read it; the action that answers it is `private_reply`."""
    MENTION = "mention"
    """In public elsewhere, with our name in it. Below something of ours it is a comment."""
    REVIEW = "review"
    """A judgement of us, with or without stars (`Message.rating`)."""
    STORY_REPLY = "story_reply"
    """An answer to something of ours that vanishes by itself; only we can read it."""


class Action(StrEnum):
    """What can be done at a network; a channel declares which in its `limits`."""

    PUBLIC_REPLY = "public_reply"
    """Answers where everybody reads it: below a post, a comment, a mention, a review."""
    PRIVATE_REPLY = "private_reply"
    """Answers so that only the customer reads it: a direct message, or in private to a comment."""
    HIDE = "hide"
    """Hides what the customer said from others."""
    UNHIDE = "unhide"
    LIKE = "like"
    EDIT = "edit"
    """Changes a message of our own, `Outgoing.own_id`, to `text`."""
    DELETE = "delete"
    """Deletes a message of our own, `Outgoing.own_id`, or without one the customer's."""
    BAN = "ban"
    """Lets the author of the message say no more."""
    PUBLISH = "publish"
    """Says something new that answers nothing: `Outgoing.target` is None."""


class Road(StrEnum):
    """How a raw event reached the journal."""

    PUSH = "push"
    POLL = "poll"


class Fate(StrEnum):
    """What became of a raw event. Every event ends in exactly one."""

    TICKET = "ticket"
    """A customer's message: it opened a ticket or joined one."""
    CONTEXT = "context"
    """Our own post or reply: kept beside the tickets, never one itself."""
    APPLIED = "applied"
    """An edit, a deletion, a reaction, a delivery status, an article for the help library."""
    FETCHED = "fetched"
    """Only an id came, or a payload that was cut late: what is in it are events of their own."""
    DUPLICATE = "duplicate"
    """Everything in it was known already, from whichever road."""
    IGNORED = "ignored"
    """Understood and of no concern; the reason says why."""
    QUARANTINED = "quarantined"
    """Not understood: kept with its error until `replay`."""
    UNROUTED = "unrouted"
    """It names an account that no channel has: kept until one does and `replay`."""


class TicketState(StrEnum):
    """Where a ticket stands."""

    OPEN = "open"
    """The customer waits for us."""
    ANSWERED = "answered"
    """We spoke last; the customer may come back."""
    CLOSED = "closed"
    """Done, by a person, or taken back by the customer."""
    FILTERED = "filtered"
    """A classifier says: no request for service. Kept, and open to review."""


class OutboxState(StrEnum):
    """Where an outgoing action, or one part of it, stands."""

    HELD = "held"
    """Not to be sent before a second person approves it."""
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttachmentKind(StrEnum):
    """What an attachment is."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    STICKER = "sticker"
    LOCATION = "location"
    LINK = "link"
    TEMPLATE = "template"
    OTHER = "other"


# --- what came in -----------------------------------------------------------------------


@frozen(kw_only=True)
class WebhookRequest:
    """An HTTP request to a webhook address, as plain data, so that any framework carries it.

    Header names are lower case; `body` is the raw bytes, untouched.
    """

    method: str
    headers: Mapping[str, str] = field(factory=dict)
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)


@frozen(kw_only=True)
class WebhookResponse:
    """The answer the network gets."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@frozen(kw_only=True)
class RawEvent:
    """One event as the network sent it or a poll returned it.

    A plugin fills in `key` and `body`, and for a webhook `account`; the core adds the rest.
    """

    key: str
    """The delivery key: equal for the same delivery sent again, different for all else."""
    body: bytes = field(repr=False)
    account: str = ""
    """The account at the network that the event names; the core routes it to the channel."""
    source: str = "webhook"
    """`webhook`, or the name of the source that was polled."""
    cost: float = 0.0
    """What the network charges for having pushed it, in the unit of the allowance.

    The core counts it as it is stored, each event once; not what could only be cut later. What was
    polled is paid by who polls.
    """
    road: Road = Road.PUSH
    channel: str = ""
    id: int = 0
    received_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class Received:
    """What `receive` made of a webhook request."""

    response: WebhookResponse = WebhookResponse()
    """Sent after the payload is stored."""
    payload: bytes | None = field(default=None, repr=False)
    """What is to be split and stored; None where there is nothing (a challenge)."""
    refused: str | None = None
    """Why the request is not authentic (`bad signature`); None if it is."""

    @classmethod
    def refuse(cls, reason: str, *, status: int = 401) -> Received:
        """Refuse the request: nothing of it is stored."""
        return cls(response=WebhookResponse(status=status, body=reason), refused=reason)


@frozen(kw_only=True)
class Payload:
    """What the network sent in one piece: a webhook body, or the answer to a poll."""

    body: bytes = field(repr=False)
    source: str = "webhook"


@frozen(kw_only=True)
class Split:
    """The raw events in a payload, in its order."""

    events: tuple[RawEvent, ...] = ()


@frozen(kw_only=True)
class Source:
    """A list at the network that can be polled, with a cursor of its own."""

    name: str
    every: timedelta | None = None
    """How often it is polled where the network does not push, None: only for a `Lookup`."""
    sweep: timedelta | None = None
    """How often it is swept for missed events where the network does push; None: as `every`."""
    known: timedelta | None = None
    """How far back each poll is told what customers said in public; None: it does not want to know.

    For a source that looks whether it is still there.
    """
    cost: float | None = None
    """The most that one poll costs, in the allowance's unit; None: nothing, or nobody knows."""


@frozen(kw_only=True)
class Poll:
    """Ask for one page of one source."""

    source: str
    cursor: Any = None
    """What the last `Polled` gave, JSON-safe; None at the very first poll."""
    argument: str | None = None
    """For a `Lookup`: which object is wanted."""
    known: tuple[str, ...] = ()
    """The ids of what customers said in public and the store still holds, if the source asks."""


@frozen(kw_only=True)
class Polled:
    """One page of a source. Its events and its cursor are stored in one commit."""

    events: tuple[RawEvent, ...] = ()
    cursor: Any = None
    more: bool = False
    """There is another page right now."""
    again_in: timedelta | None = None
    """The network's own hint when to come again; None: as declared."""


# --- what it means ----------------------------------------------------------------------


@frozen(kw_only=True)
class Identity:
    """An account on a network."""

    id: str
    name: str | None = None
    handle: str | None = None
    url: str | None = None


@frozen(kw_only=True)
class Attachment:
    """A photo, a video, a place … that belongs to a message.

    `url` may expire; the core downloads what `kind` says is a file, after the event is stored.
    """

    kind: AttachmentKind
    url: str | None = None
    id: str | None = None
    name: str | None = None
    mime: str | None = None
    size: int | None = None
    """Bytes, where the network says."""
    text: str | None = None
    """What there is to read: a picture's description, a title, an address, coordinates."""
    path: str | None = None
    """The local file with its bytes, where the core has them."""


@frozen(kw_only=True)
class Unlocked:
    """How a file is asked for that its address alone does not give."""

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    """Sent with the first request alone, never on to where that redirects."""


@frozen(kw_only=True)
class Message:
    """Something that somebody said."""

    id: str
    kind: Kind
    thread: str
    """The public post with its comments, or the direct conversation, as the network has it.

    An id of the network, the same for all that belongs together and for ever; a poll may ask for it
    with one more call. Where there is none, the id of the first message.
    """
    sent_at: datetime
    author: Identity | None = None
    """None where the network does not tell."""
    text: str | None = None
    parent: str | None = None
    """The id of the message that this one answers."""
    attachments: tuple[Attachment, ...] = ()
    url: str | None = None
    """The permanent link, to answer natively."""
    own: bool = False
    """Said by the channel's own account, or by another of ours (`Channel.siblings`)."""
    revision: str | None = None
    """The network's name for this version; left out, the text's hash is one."""
    hidden: bool | None = None
    rating: Literal["positive", "negative"] | None = None
    no_reply: str | None = None
    """Why the network lets nobody answer this message through its API; None: it does."""
    reply_until: datetime | None = None
    reply_cost: float | None = None
    opens_window: bool = True
    """Whether it opens the network's reply window, where there is one."""
    payload: str | None = None
    """What a button or a referral carried, for machines."""
    thread_text: str | None = None
    """What the post above says, where the event tells."""
    thread_url: str | None = None


@frozen(kw_only=True)
class Edit:
    """A message changed. A field that is None did not.

    It may come before its message, and then waits for it. A `Message` whose id is known and whose
    `revision` is new says the same; one that was edited before it was first seen is a `Message`.
    """

    id: str
    at: datetime
    revision: str
    thread: str | None = None
    text: str | None = None
    attachments: tuple[Attachment, ...] | None = None
    hidden: bool | None = None


@frozen(kw_only=True)
class Deletion:
    """A message was taken back. What it said is scrubbed everywhere, and cannot be had again."""

    id: str
    at: datetime
    """When; where the network gives no time, when it was noticed."""
    thread: str | None = None


@frozen(kw_only=True)
class Echo:
    """Our own reply seen again, also one typed in the network's own app."""

    message: Message
    token: str | None = None
    """The send key of the outgoing part (`Outgoing.token`), where the network carries it back."""
    ours: bool | None = None
    """Sent through our app (True), another way (False), or the network does not say."""


@frozen(kw_only=True)
class DeliveryStatus:
    """How far our messages got."""

    status: Literal["delivered", "read", "failed"]
    at: datetime
    thread: str
    ids: tuple[str, ...] = ()
    watermark: datetime | None = None
    """It applies to everything of ours in the thread up to here."""


@frozen(kw_only=True)
class Reaction:
    """A like or its kin, on a message."""

    target: str
    at: datetime
    name: str = "like"
    author: Identity | None = None
    thread: str | None = None
    removed: bool = False


@frozen(kw_only=True)
class Article:
    """Something we published that helps: a video, a pin, a photo, a post of a blog.

    It goes into the help library, from which answers are suggested on every channel. A
    `Deletion` of the same id takes it out, until a later poll shows it again.
    """

    id: str
    title: str
    url: str
    """Where a customer reads or sees it: short, without tracking, fit for a phone."""
    published_at: datetime
    text: str | None = None
    """What else there is to find it by: its description, its full text."""
    thumbnail: str | None = None
    """The address of a small picture."""
    language: str | None = None
    """The language it is in (`de`), where the network says."""
    topics: tuple[str, ...] = ()
    """What it is about: its tags, its board, its playlist."""


@frozen(kw_only=True)
class Lookup:
    """Only an id came: the core polls `source` once with `argument` and takes what it gives."""

    source: str
    argument: str


@frozen(kw_only=True)
class Ignored:
    """Understood, and nothing to do. `reason` is a short constant that can be counted."""

    reason: str


Inbound = Message | Edit | Deletion | Echo | DeliveryStatus | Reaction | Article | Lookup | Ignored

INBOUNDS: Mapping[str, type[Inbound]] = {
    "message": Message,
    "edit": Edit,
    "deletion": Deletion,
    "echo": Echo,
    "delivery_status": DeliveryStatus,
    "reaction": Reaction,
    "article": Article,
    "lookup": Lookup,
    "ignored": Ignored,
}
"""The name under which each inbound is stored."""


@frozen(kw_only=True)
class Ingested:
    """Everything that one raw event means, in its order."""

    inbounds: tuple[Inbound, ...]


# --- deciding ---------------------------------------------------------------------------


@frozen(kw_only=True)
class Classify:
    """A customer's message to be labelled."""

    channel: str
    message: Message


@frozen(kw_only=True)
class Label:
    """One judgement on a message.

    Names the core knows: `service` (`yes` or `no`), `intent`, `topic`, `urgency`
    (`low`, `normal`, `high`), `sentiment`, `language`. Others are kept and shown.
    """

    name: str
    value: str
    confidence: float = 1.0
    """0 to 1. The core keeps the most confident label of each name."""


@frozen(kw_only=True)
class Labels:
    """What one classifier thinks."""

    labels: tuple[Label, ...] = ()


@frozen(kw_only=True)
class Assign:
    """A request that needs a team or a person."""

    channel: str
    message: Message
    labels: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Assignment:
    """Who takes a ticket, and why."""

    reason: str
    team: str | None = None
    agent: str | None = None


# --- answering --------------------------------------------------------------------------


def _actions(actions: Iterable[Action]) -> frozenset[Action]:
    return frozenset(actions)


def _kinds(kinds: Iterable[Kind]) -> frozenset[Kind]:
    return frozenset(kinds)


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


def _media(kinds: Iterable[AttachmentKind]) -> frozenset[AttachmentKind]:
    return frozenset(kinds)


@frozen(kw_only=True)
class Limits:
    """What a channel allows for some actions on some kinds of message.

    A channel lists several; the first that names the action and the kind holds. Where they depend
    on `config` (a server that allows more), the plugin sets `self.limits` when it is made. What
    depends on the one message answered (a mention that comes first), or on what is attached
    together, is for the hook `review`: a finding that blocks is shown before anything is sent.
    """

    actions: frozenset[Action] = field(converter=_actions)
    kinds: frozenset[Kind] = field(converter=_kinds, factory=lambda: frozenset(Kind))
    text: int | None = None
    """How long a text may be, as `count` counts it; None: it takes no text."""
    count: Callable[[str], int] = len
    unit: str = "characters"
    thread: Callable[[str, int], Sequence[str]] | None = None
    """Cuts a text that is too long into several, numbered, each of which answers the one before.

    Takes the text and `text`; raises `ValueError` for more than is sensible. None: no such thing.
    """
    attachments: int = 0
    """How many attachments one call takes."""
    media: frozenset[AttachmentKind] = field(converter=_media, default=frozenset())
    text_with_media: bool = True
    """Whether one call carries text and attachment together; if not, each is a part."""
    window: timedelta | None = None
    """How long after the customer's last message the network accepts this."""
    human_window: timedelta | None = None
    """How long it accepts it from a person, where that is longer."""
    once: bool = False
    """Once for each message."""
    settle: timedelta = timedelta(seconds=30)
    """How long a sent action may take to show on the network; before, absent means nothing."""
    links: bool = True
    """Whether a customer can tap a link in the text."""
    cost: Callable[[Draft], float] | None = None
    """What the whole action costs, known before it is made, in the unit of the allowance."""
    details: frozenset[str] = field(converter=_names, default=frozenset())
    """For `publish`: which `details` of a draft it takes beside the text."""


@frozen(kw_only=True)
class Draft:
    """A reply being written, or another action being considered."""

    channel: str
    action: Action
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    target: Message | None = None
    automatic: bool = False
    """Written by a machine."""
    thread: bool = False
    """May become several messages, each answering the one before, if it is too long for one."""
    ticket: int | None = None
    window_opened_at: datetime | None = None
    """When the customer last said something that opens the reply window."""
    details: Mapping[str, str] = field(factory=dict)
    """For `publish`: what the network takes beside the text (`title`, `link`, `topic`, `board`)."""


@frozen(kw_only=True)
class Finding:
    """Something to know before sending. A `block` stops it, a `warn` does not."""

    level: Literal["block", "warn"]
    code: str
    text: str


@frozen(kw_only=True)
class Findings:
    """What one reviewer found."""

    findings: tuple[Finding, ...] = ()


@frozen(kw_only=True)
class Suggest:
    """A ticket that wants ideas for its answer."""

    channel: str
    message: Message
    labels: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Suggestion:
    """An answer somebody could give."""

    text: str
    source: str
    confidence: float = 1.0
    article: Article | None = None
    """What of the help library it points to."""


@frozen(kw_only=True)
class Suggestions:
    """What one source of ideas offers."""

    suggestions: tuple[Suggestion, ...] = ()


@frozen(kw_only=True)
class Outgoing:
    """One part of an action accepted for sending: one call to the network."""

    token: str
    """Our send key: the same for this part for ever, different for all else."""
    channel: str
    action: Action
    target: Message | None = None
    """The message answered, hidden, liked …; None for `publish`."""
    own_id: str | None = None
    """For `edit` and `delete`: the external id of our own message."""
    previous: str | None = None
    """The external id of the part before, where an action has several; None for the first."""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    """Each has a `path` with the bytes to upload, or a `url` that the network can reach.

    What an agent sends has a path; refuse a bare `url` (`Rejected`) if the network cannot fetch it.
    """
    automatic: bool = False
    window_opened_at: datetime | None = None
    details: Mapping[str, str] = field(factory=dict)
    """For `publish`: what the network takes beside the text, as the draft had it."""
    first_sent_at: datetime | None = None
    """When it was first handed to the network; None before. `reconcile` looks from here on."""
    taken: frozenset[str] = frozenset()
    """External ids already matched to other parts: `reconcile` must not use them again."""


@frozen(kw_only=True)
class Receipt:
    """What the network answered. `ids` may be empty where it names none (a like)."""

    ids: tuple[str, ...] = ()
    url: str | None = None


@frozen(kw_only=True)
class Found:
    """What `reconcile` saw."""

    status: Literal["found", "absent", "unknown"]
    ids: tuple[str, ...] = ()
    why: str | None = None


@frozen(kw_only=True)
class Checked:
    """The health of a channel's credentials, asked of the network."""

    findings: tuple[Finding, ...] = ()
    token_expires_at: datetime | None = None


# --- access and money -------------------------------------------------------------------


@frozen(kw_only=True)
class Connect:
    """One step of logging a channel in (OAuth)."""

    redirect_uri: str
    """Where the network is to send the person back, as it is registered there."""
    callback: Mapping[str, str] | None = field(default=None, repr=False)
    """The query that the person came back with; None at the first step."""
    memory: Mapping[str, str] = field(factory=dict, repr=False)
    """What the step before remembered (a code verifier)."""


@frozen(kw_only=True)
class Connected:
    """What a step of logging in leads to: another step, or a channel that is connected."""

    url: str | None = None
    """Send the person there, then ask again with what they come back with; None: done.

    It carries a `state` (or the `oauth_token` of OAuth 1.0a), which the core compares.
    """
    memory: Mapping[str, str] = field(factory=dict, repr=False)
    """What the next step needs to know. It is a secret."""
    account: str | None = None
    """Who is connected, as a person knows the account."""
    expires_at: datetime | None = None
    """When the access ends unless somebody logs in again; None: never, or nobody knows."""


@frozen(kw_only=True)
class Renewed:
    """How long the credentials hold now."""

    expires_at: datetime | None = None
    """When the access ends unless it is renewed; None: never, or nobody knows."""
    again_in: timedelta | None = None
    """When to look again; None: after half the time that is left, within a day."""


@frozen(kw_only=True)
class Allowance:
    """What an app may spend at its network, in money or in the network's own units."""

    unit: str
    """`USD`, `units`."""
    amount: float
    period: Literal["day", "month"]
    """A calendar day or month, of `timezone`."""
    timezone: str = "UTC"
    reserve: float = 0.0
    """How much of `amount` is kept for replies."""


@frozen(kw_only=True)
class Forecast:
    """What comes of an allowance if its period goes on as it went so far."""

    polls_until: datetime | None = None
    """When polls have spent all that they may, so that they wait; None if they never do."""
    used_up_at: datetime | None = None
    """When everything is spent, replies wait as well; None if it lasts."""
    left: float = 0.0
    """What is left when the period ends."""


@frozen(kw_only=True)
class Spending:
    """How much of an allowance is spent, as one channel sees it."""

    unit: str
    amount: float
    spent: float
    """By all channels of the app, in this period."""
    left: float
    left_for_polls: float
    """What this channel may still spend on polls before anything more is shared out."""
    channels: int
    """How many channels share what is there for polls."""
    ends_at: datetime
    """When the period ends and all is there again."""
    forecast: Forecast | None = None
    """None while too little of the period is over to tell."""


@frozen(kw_only=True)
class Happening:
    """Something that happened, from the durable feed.

    Kinds: `ticket_opened`, `ticket_changed`, `ticket_late`, `message_added`,
    `message_changed`, `message_deleted`, `replied`, `reply_failed`, `reply_uncertain`,
    `approval_wanted`, `approved`, `channel_changed`.
    """

    id: int
    kind: str
    at: datetime
    channel: str
    ticket: int | None = None
    data: Mapping[str, Any] = field(factory=dict)


def minutes(count: float) -> timedelta:
    """`count` minutes."""
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    """`count` hours."""
    return timedelta(hours=count)


def limits_for(limits: Sequence[Limits], action: Action, kind: Kind | None) -> Limits | None:
    """Return the first of `limits` that names `action` and `kind`, None if there is none."""
    for one in limits:
        if action in one.actions and (kind is None or kind in one.kinds):
            return one
    return None
