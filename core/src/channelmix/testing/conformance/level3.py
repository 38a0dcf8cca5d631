"""Level 3, *replies well*: every reply has one honest outcome."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

from channelmix.errors import (
    AuthorizationLost,
    ChannelmixError,
    PluginError,
    Rejected,
    RetryLater,
    Uncertain,
    WindowClosed,
)
from channelmix.records import Checked, Found, Poll
from channelmix.testing.conformance.needs import (
    REPLIES,
    SIMULATED,
    implements,
    takes_media,
    takes_more,
)
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.replying import (
    FILES,
    Way,
    exactly,
    inbounds,
    nowhere,
    said_by,
    speaking,
    ways,
)
from channelmix.testing.conformance.subject import MOMENT, TEXT, Living, Subject, why
from channelmix.testing.simulator import FaultName, Outcome

TRICKY = f"{TEXT}\nA & B = 100 % + «1/2»? #7; https://example.org/x?y=1&z=ä"
"""What breaks in a query, a form, a header or an escape that was forgotten."""


@check(*REPLIES, since="0.1")
async def c301_a_reply_arrives_once_and_has_a_receipt(subject: Subject) -> AsyncIterator[str]:
    """A reply is at the network once, and its receipt names it.

    `reply` makes one call that says something, and returns the ids from the network's answer: by
    them the core knows its own reply again. Calls that only look, or upload, may come before it.
    Do not retry inside; the core does, where it is safe.
    """
    async for living, way in speaking(subject):
        receipt = await living.ask("reply", await way.outgoing(living, "Guten Tag"))
        said = {one.id for one in living.sim.spoken()}
        there = _holding(living, "Guten Tag")
        if not receipt.ids:
            yield f"{way}: the receipt names no id"
        if len(there) != 1:
            yield f"{way}: it is there {len(there)} times{_shown(living)}"
        for one in receipt.ids:
            if one not in said:
                yield f"{way}: the receipt names {one}, which the network does not know"


@check(*REPLIES, since="0.1")
async def c302_the_limit_is_the_networks(subject: Subject) -> AsyncIterator[str]:
    """The longest text that is declared is taken whole, one character more is refused.

    `Limits.text` and `Limits.count` count as the network does: an emoji, a link or a letter of
    another alphabet may count for two, or for many at once. The simulator counts by the network's
    documentation, not by the plugin's function.
    """
    async for living, way in speaking(subject):
        if way.limits.text is None:
            continue
        for unit in ("a", "🙏🏽", "ש", "é\u0301"):
            longest = exactly(way.limits, unit)
            before = len(living.sim.spoken())
            try:
                await living.ask("reply", await way.outgoing(living, longest))
            except ChannelmixError as error:
                yield f"{way}: {way.limits.text} {way.limits.unit} of {unit!a} fail: {why(error)}"
                continue
            if not _holding(living, longest, after=before):
                yield f"{way}: {way.limits.text} {way.limits.unit} of {unit!a} arrive changed"
        # Sent in spite of the review, as by a host that knows another limit.
        too_long = f"{exactly(way.limits, 'a')}a"
        async for line in _refused(living, way, too_long, Rejected, "one character too many"):
            yield line


@check(*REPLIES, since="0.1")
async def c303_a_text_arrives_as_it_was_written(subject: Subject) -> AsyncIterator[str]:
    """Emoji, right to left, line breaks and the signs of URLs arrive unchanged.

    Let the HTTP client encode (`data=`, `json=`, `params=`); do not build bodies or queries by hand
    and do not normalise what a person wrote. Something may stand before or after it (a mention);
    what the simulator's `spoken()` shows holds the text itself, whole.
    """
    async for living, way in speaking(subject):
        if way.limits.text is None:
            continue
        await living.ask("reply", await way.outgoing(living, TRICKY))
        if not _holding(living, TRICKY):
            yield f"{way}: {TRICKY!a:.60} …{_shown(living)}"


def _holding(living: Living, text: str, *, after: int = 0) -> list[str]:
    """Return the ids of what was said and holds a text; `after` so many other things."""
    return [one.id for one in living.sim.spoken()[after:] if text in (one.text or "")]


def _shown(living: Living) -> str:
    """Say what the simulator shows last, for a finding."""
    last = [one.text for one in living.sim.spoken()[-1:]]
    return f" arrives as {last[0]!a:.120}" if last else " is not in what `spoken()` returns"


async def _refused(
    living: Living, way: Way, text: str, wanted: type[PluginError], what: str
) -> AsyncIterator[str]:
    """Let a reply fail, and yield what is wrong with how it does."""
    outgoing = await way.outgoing(living, text)
    before = len(living.sim.spoken())
    try:
        await living.ask("reply", outgoing)
        yield f"{way}, {what}: nothing is raised, {wanted.__name__} is wanted"
    except ChannelmixError as error:
        exact = wanted is not Rejected or not isinstance(error, WindowClosed)
        if not isinstance(error, wanted) or not exact:
            yield f"{way}, {what}: {type(error).__name__}, not {wanted.__name__}: {why(error)}"
        elif isinstance(error, RetryLater) and not (error.after and error.after > timedelta(0)):
            yield f"{way}, {what}: RetryLater does not say when"
    if len(living.sim.spoken()) != before and wanted is not Uncertain:
        yield f"{way}, {what}: something is said all the same"


async def _denied(
    subject: Subject, outcome: Outcome, wanted: type[PluginError]
) -> AsyncIterator[str]:
    async for living, way in speaking(subject):
        if not living.sim.deny(outcome, times=100):
            yield f"the simulated network never answers `{outcome}`"
            continue
        async for line in _refused(living, way, "Guten Tag", wanted, outcome):
            yield line


@check(*REPLIES, since="0.1")
async def c304_throttled_is_retry_later(subject: Subject) -> AsyncIterator[str]:
    """A limit that is reached becomes `RetryLater`, and says when.

    Read the time from the network's headers or answer (`RetryLater(..., after=timedelta)`), or give
    the length of its documented period. Networks answer 429, 403 or 400 here: go by their code.
    """
    async for line in _denied(subject, "throttled", RetryLater):
        yield line


@check(*REPLIES, since="0.1")
async def c305_lost_credentials_are_named(subject: Subject) -> AsyncIterator[str]:
    """A token that no longer holds becomes `AuthorizationLost`.

    The core then stops calling out and asks for a person. Do not take a missing permission for a
    lost token where the network tells them apart.
    """
    async for line in _denied(subject, "unauthorized", AuthorizationLost):
        yield line


def _has_window(subject: Subject) -> str | None:
    closes = subject.simulated().refusal("window_closed") is not None
    if closes or any(one.window for one in subject.channel.limits):
        return None
    return "the network has no reply window"


@check(*REPLIES, _has_window, since="0.1")
async def c306_a_closed_window_is_named(subject: Subject) -> AsyncIterator[str]:
    """A reply after the network's window becomes `WindowClosed`.

    Tell it from other refusals by the network's code. Where a window is declared in `limits`, a
    reply that comes after it is never sent at all, or the network's refusal is understood.
    """
    async for living, way in speaking(subject):
        if way.limits.window is not None:
            outgoing = await way.outgoing(living, "Guten Tag")
            longest = max(way.limits.window, way.limits.human_window or way.limits.window)
            living.clock.advance(longest + timedelta(minutes=1))
            try:
                await living.ask("reply", outgoing)
                yield f"{way}: after the window nothing is raised, WindowClosed is wanted"
            except WindowClosed:
                pass
            except ChannelmixError as error:
                yield f"{way}: after the window {type(error).__name__}: {why(error)}"
    async for living, way in speaking(subject):
        if way.limits.window is not None and living.sim.deny("window_closed", times=100):
            async for line in _refused(living, way, "Guten Tag", WindowClosed, "window_closed"):
                yield line


@check(*REPLIES, since="0.1")
async def c307_a_refusal_is_final(subject: Subject) -> AsyncIterator[str]:
    """What the network refuses for good becomes `Rejected`, and nothing else.

    The core does not try again and shows the reason to a person: put the network's code and words
    into it. `WindowClosed` is for closed windows only.
    """
    async for line in _denied(subject, "refused", Rejected):
        yield line


_LOST: tuple[FaultName, ...] = (
    "timeout_after_accept",
    "timeout_before_accept",
    "close_after_accept",
    "error_after_accept",
)


@check(*REPLIES, since="0.1")
async def c308_a_lost_answer_is_uncertain(subject: Subject) -> AsyncIterator[str]:
    """Where nobody knows whether a reply was carried out, it is `Uncertain`, and not tried again.

    That is a time-out after sending, a connection that closes, a 5xx from a gateway. Only what
    surely never left (`channelmix.http.was_not_sent`) is `RetryLater`.
    """
    for fault in _LOST:
        async for living, way in speaking(subject):
            living.sim.fault(fault)
            before = sum(living.sim.sends(one.request) for one in living.sim.sent)
            with living.impatient():
                async for line in _refused(living, way, "Guten Tag", Uncertain, fault):
                    yield line
            sent = sum(living.sim.sends(one.request) for one in living.sim.sent) - before
            if sent > 1:
                yield f"{way}, {fault}: it is sent {sent} times"


@check(*REPLIES, since="0.1")
async def c309_an_unreachable_network_is_retry_later(subject: Subject) -> AsyncIterator[str]:
    """Where no connection comes about, the reply is `RetryLater`.

    Nothing was said, so the core may try again: `channelmix.http.was_not_sent(error)` tells.
    """
    async for living, way in speaking(subject):
        outgoing = await way.outgoing(living, "Guten Tag")
        async with nowhere(subject, living) as away:
            try:
                await away.ask("reply", outgoing)
                yield f"{way}: nothing is raised, RetryLater is wanted"
            except RetryLater:
                pass
            except ChannelmixError as error:
                yield f"{way}: {type(error).__name__}, not RetryLater: {why(error)}"


@check(*REPLIES, implements("reconcile"), since="0.1")
async def c310_an_uncertain_reply_is_found(subject: Subject) -> AsyncIterator[str]:
    """`reconcile` finds a reply that arrived, and finds none that did not.

    Look at the network for what was said since `first_sent_at`, in the same thread, with the same
    text or send key; ids in `taken` belong to other replies. Say `absent` only if the network would
    show it by now, and `unknown` where it cannot be seen.
    """
    async for living, way in speaking(subject):
        for fault, wanted in (("timeout_after_accept", True), ("timeout_before_accept", False)):
            text = f"Guten Tag, {fault}"
            outgoing = await way.outgoing(living, text)
            living.sim.fault(fault)
            with living.impatient(), contextlib.suppress(PluginError):
                await living.ask("reply", outgoing)
            living.clock.advance(way.limits.settle + MOMENT)
            there = _holding(living, text)
            if wanted and not there:
                yield f"{way}: a reply whose answer is lost{_shown(living)}: see C303"
                continue
            found: Found = await living.ask("reconcile", outgoing)
            if wanted and (found.status != "found" or not set(found.ids) <= set(there)):
                yield f"{way}: it arrived as {there}, and is {found.status} {found.ids} {found.why}"
            elif not wanted and found.status == "found":
                yield f"{way}: it never arrived, and is found as {found.ids}"
            taken = way.taken(outgoing, there)
            if wanted and (again := await living.ask("reconcile", taken)).status == "found":
                yield f"{way}: {again.ids} belongs to another reply, and is found all the same"


@check(*REPLIES, since="0.1")
async def c311_the_echo_of_a_reply_makes_no_ticket(subject: Subject) -> AsyncIterator[str]:
    """A reply that is seen again, by webhook or by poll, is known as our own.

    It becomes an `Echo` (or a message with `own=True`) under the id of the receipt. If it came as
    a customer's message, the desk would answer itself.
    """
    async for living, way in speaking(subject):
        outgoing = await way.outgoing(living, "Guten Tag")
        await inbounds(subject, living)
        receipt = await living.ask("reply", outgoing)
        living.clock.advance(MOMENT)
        came = [said_by(one) for one in await inbounds(subject, living)]
        seen = [one for one in came if one is not None and one.id in receipt.ids]
        for one in seen:
            if not one.own:
                yield f"{way}: it comes back as a customer's message: {one!r:.160}"
        if not seen:
            yield f"{way}: it never comes back under {receipt.ids}, by webhook or by poll"


@check(*REPLIES, takes_media, since="0.1")
async def c312_attachments_go_out(subject: Subject) -> AsyncIterator[str]:
    """Every kind of attachment that `limits` claims arrives at the network.

    The core hands over a file (`path`) or an address (`url`) that the network can reach. Claim only
    the kinds that the network takes (`Limits.media`), and say in `text_with_media` whether text and
    attachment go in one call.
    """
    async for living, way in speaking(subject):
        for kind in sorted(way.limits.media & set(FILES)) if way.limits.attachments else ():
            with tempfile.TemporaryDirectory() as folder:
                attachment = FILES[kind].attachment(kind, Path(folder))
                text = "Siehe Anhang" if way.limits.text_with_media else ""
                outgoing = await way.outgoing(living, text, attachment)
                before = len(living.sim.spoken())
                try:
                    await living.ask("reply", outgoing)
                except ChannelmixError as error:
                    yield f"{way}, {kind}: {why(error)}"
                    continue
                if not sum(one.attachments for one in living.sim.spoken()[before:]):
                    yield f"{way}, {kind}: it is not there"


@check(*SIMULATED, since="0.1")
async def c313_no_secret_stands_in_a_url(subject: Subject) -> AsyncIterator[str]:
    """No address that is called holds a token or a password.

    URLs end up in the logs of every proxy. Send tokens in the `Authorization` header, or in the
    body where the network knows no header.
    """
    async with subject.stage() as living:
        if subject.implements("check"):
            await living.ask("check", living.plugin.services)
        for source in subject.polled():
            await living.ask("poll", Poll(source=source))
        for way in ways(subject):
            outgoing = await way.outgoing(living, "Guten Tag")
            await living.ask("reply", outgoing)
            if subject.implements("reconcile"):
                await living.ask("reconcile", outgoing)
        secrets = subject.secrets_at(living)
        if not living.sim.sent:
            yield "it makes no call at all"
        for one in living.sim.sent:
            query = [value for _, value in one.request.query.multi_items()]
            query.append(unquote(one.request.path))
            if any(secret in text for secret in secrets for text in query):
                yield f"{one.request.method} {one.request.path.split('/')[-1]}: a secret in the URL"
                return


@check(*REPLIES[:-1], takes_more, since="0.1")
async def c314_every_declared_action_works(subject: Subject) -> AsyncIterator[str]:
    """Each action in `limits` (hide, like, edit, delete ...) is carried out.

    What is declared is offered to people. `reply` gets all of them; an action that it does not know
    has no place in `limits`.
    """
    for way in ways(subject, speaking_too=False):
        async with subject.stage() as living:
            own = None
            for other in ways(subject):
                if other.kind is way.kind:
                    receipt = await living.ask("reply", await other.outgoing(living, "Guten Tag"))
                    own = (receipt.ids or (None,))[0]
                    break
            outgoing = await way.outgoing(living, "Neu" if way.limits.text else "", own=own)
            before = len([one for one in living.sim.sent if living.sim.sends(one.request)])
            try:
                await living.ask("reply", outgoing)
            except ChannelmixError as error:
                yield f"{way}: {why(error)}"
                continue
            if len([one for one in living.sim.sent if living.sim.sends(one.request)]) == before:
                yield f"{way}: the network was not asked to do it"


@check(*SIMULATED, implements("check"), since="0.1")
async def c315_check_says_that_credentials_are_gone(subject: Subject) -> AsyncIterator[str]:
    """`check` finds nothing wrong with good credentials, and blocks with lost ones.

    A person asks it before the desk goes live (`channelmix check --online`): return a finding with
    level `block` for what keeps the channel from working, and name what to do.
    """
    async with subject.stage() as living:
        good: Checked = await living.ask("check", living.plugin.services)
        for one in good.findings:
            if one.level == "block":
                yield f"with good credentials: {one.text}"
        answer = living.sim.refusal("unauthorized")
        if answer is None:
            return
        living.sim.fault("error_before_accept", on=lambda _request: True, times=1000, answer=answer)
        bad: Checked = await living.ask("check", living.plugin.services)
        if not any(one.level == "block" for one in bad.findings):
            yield "with lost credentials it finds nothing that blocks"
