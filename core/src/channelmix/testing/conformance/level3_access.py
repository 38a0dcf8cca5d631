"""Level 3, *replies well*: credentials and money last."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from channelmix.errors import AuthorizationLost, ChannelmixError, PluginError, RetryLater
from channelmix.records import Connect, Connected, Poll, Renewed
from channelmix.testing.conformance.needs import SIMULATED, implements
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.replying import ways
from channelmix.testing.conformance.subject import Living, Subject, why

REDIRECT = "http://127.0.0.1:8721/"
STEPS = 5
"""How many addresses a log-in may lead to."""


@check(*SIMULATED, implements("connect"), since="0.1")
async def c316_logging_in_ends_connected(subject: Subject) -> AsyncIterator[str]:
    """`connect` leads a person through the log-in, and the channel works afterwards.

    The first step gives an address with a `state`; with what the person comes back with, exchange
    the code and put the tokens into `services.vault` before returning. A refused or forged way
    back is `Rejected`. Secrets stay out of the address.
    """
    async with subject.stage() as living:
        living.vault.values.clear()
        memory: dict[str, str] = {}
        callback = None
        for _ in range(STEPS):
            request = Connect(redirect_uri=REDIRECT, callback=callback, memory=memory)
            step: Connected = await living.ask("connect", request)
            if step.url is None:
                break
            if any(secret in step.url for secret in subject.secrets_at(living)):
                yield "a secret stands in the address that the person is sent to"
            memory, callback = dict(step.memory), dict(living.sim.consent(step.url))
        else:
            yield f"it is not connected after {STEPS} steps"
            return
        if not living.vault.values:
            yield "nothing is in the vault afterwards"
        async for line in _works(subject, living):
            yield f"after logging in, {line}"
        refused = Connect(redirect_uri=REDIRECT, callback={"error": "access_denied"}, memory=memory)
        try:
            if (await living.ask("connect", refused)).url is None:
                yield "a person who said no counts as connected"
        except PluginError:
            pass
        except ChannelmixError as error:
            yield f"a person who said no: {why(error)}"


async def _works(subject: Subject, living: Living) -> AsyncIterator[str]:
    """Make the calls that need credentials, and yield which of them fail."""
    calls: list[tuple[str, object]] = [("poll", Poll(source=one)) for one in subject.polled()[:1]]
    if subject.implements("check"):
        calls.append(("check", living.plugin.services))
    for hook, request in calls:
        try:
            done = await living.ask(hook, request)
            for one in getattr(done, "findings", ()):
                if one.level == "block":
                    yield f"{hook} finds: {one.text}"
        except ChannelmixError as error:
            yield f"{hook} fails: {why(error)}"


@check(*SIMULATED, implements("renew"), since="0.1")
async def c317_credentials_are_renewed_in_time(subject: Subject) -> AsyncIterator[str]:
    """`renew` renews a token before it ends, also where nothing else happens on the channel.

    Say in `Renewed` until when it holds now, renew in good time before that through
    `services.vault.refresh`, and do nothing while all is well.
    """
    async with subject.stage() as living:
        first: Renewed = await living.ask("renew", living.plugin.services)
        if first.expires_at is None:
            return
        kept = dict(living.vault.values)
        again: Renewed = await living.ask("renew", living.plugin.services)
        if dict(living.vault.values) != kept or again.expires_at != first.expires_at:
            yield "it renews although all is well"
        living.clock.set(first.expires_at - timedelta(seconds=1))
        last: Renewed = await living.ask("renew", living.plugin.services)
        if last.expires_at is None or last.expires_at <= first.expires_at:
            yield f"a second before {first.expires_at:%F %T} it does not renew"
        living.clock.set(first.expires_at + timedelta(minutes=1))
        async for line in _works(subject, living):
            yield f"after the first token has ended, {line}"


@check(*SIMULATED, implements("renew"), since="0.1")
async def c318_a_revoked_grant_is_named(subject: Subject) -> AsyncIterator[str]:
    """Where a token can no longer be renewed, `renew` raises `AuthorizationLost`.

    The core then asks for a person in good time. What is in the vault stays there.
    """
    async with subject.stage() as living:
        first: Renewed = await living.ask("renew", living.plugin.services)
        answer = living.sim.refusal("unauthorized")
        if first.expires_at is None or answer is None:
            return
        living.clock.set(first.expires_at - timedelta(seconds=1))
        kept = dict(living.vault.values)
        living.sim.fault("error_before_accept", on=lambda _request: True, times=1000, answer=answer)
        try:
            await living.ask("renew", living.plugin.services)
            yield "nothing is raised, AuthorizationLost is wanted"
        except AuthorizationLost:
            pass
        except ChannelmixError as error:
            yield f"{type(error).__name__}, not AuthorizationLost: {why(error)}"
        if dict(living.vault.values) != kept:
            yield "what was in the vault is gone"


def _has_allowance(subject: Subject) -> str | None:
    section = subject.simulated().section
    allowance = subject.raw(**section).channel.allowance
    return None if allowance else "it declares no allowance"


@check(*SIMULATED, _has_allowance, since="0.1")
async def c319_nothing_is_spent_that_is_not_there(subject: Subject) -> AsyncIterator[str]:
    """A call that costs is paid before it is made, and not made where nothing is left.

    Await `services.budget.spend` before the call, with `reply=True` for replies, and let its
    `RetryLater` pass. Otherwise the network sends the bill, or blocks the app for everybody.
    """
    async with subject.stage() as living:
        outgoing = [
            await way.outgoing(living, "Guten Tag") for way in ways(subject) if not way.limits.once
        ][:1]
        with contextlib.suppress(RetryLater):
            for _ in range(STEPS):
                state = await living.budget.state()
                await living.budget.spend(max(state.left, 0), reply=True)
        requests: list[tuple[str, object]] = [
            *(("poll", Poll(source=one)) for one in subject.polled()),
            *(("reply", one) for one in outgoing),
        ]
        for hook, request in requests:
            before = len(living.sim.sent)
            try:
                await living.ask(hook, request)
                if len(living.sim.sent) > before:
                    yield f"{hook}: it calls the network although nothing is left"
            except RetryLater:
                continue
            except ChannelmixError as error:
                yield f"{hook}: {type(error).__name__}, not RetryLater: {why(error)}"
