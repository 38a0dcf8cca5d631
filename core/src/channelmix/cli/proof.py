"""Proof and health: the ledger, what is read again, and how the channels do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from channelmix.allowances import figure
from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.desk import REPLAYABLE, ChannelLine
from channelmix.errors import NotFound
from channelmix.hints import did_you_mean
from channelmix.records import Fate, Forecast
from channelmix.store.ledger import Ledger


@click.command("ledger")
@desks.as_json
@click.pass_obj
def ledger_command(call: Call, *, as_json: bool) -> None:
    """Count what became of everything that arrived.

    Exits with 1 if it does not add up.
    """
    ledger = desks.on_desk(call, lambda desk: desk.ledger())
    if as_json:
        output.print_json({**output.plain(ledger), "adds_up": ledger.adds_up})
    else:
        print_ledger(ledger)
    if not ledger.adds_up:
        click.get_current_context().exit(1)


def print_ledger(ledger: Ledger) -> None:
    """Print a ledger for people."""
    arrived = {
        "arrived": ledger.arrived,
        "came before": ledger.repeated,
        "stored": ledger.stored,
        "settled": ledger.settled,
        "unsettled": ledger.unsettled,
        "seen by a sweep only": ledger.sweep_only,
    }
    _print_counts("Events", arrived)
    _print_counts("Fates", ledger.fates)
    _print_counts("Reasons", ledger.reasons)
    _print_counts("Tickets", ledger.tickets)
    _print_counts("Outbox", ledger.outbox)
    balances = output.table("", "left", "right", "claim*")
    for one in ledger.balances:
        good = "ok" if one.holds else "NO"
        output.row(balances, good, one.left, one.right, one.claim, style=_colour(good=one.holds))
    output.show(balances, empty="")
    output.say("", "It adds up." if ledger.adds_up else "It does NOT add up.")


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    listing = output.table(title, "")
    listing.columns[1].justify = "right"
    for name, count in counts.items():
        output.row(listing, name, count)
    output.show(listing, empty="")
    output.say("")


def _colour(*, good: bool) -> str | None:
    return None if good else "red"


@click.command("replay")
@click.option("--ignored", is_flag=True, help="What was ignored, too.")
@click.option("--channel", help="Only of this channel.")
@desks.as_json
@click.pass_obj
def replay_command(call: Call, channel: str | None, *, ignored: bool, as_json: bool) -> None:
    """Read again what could not be understood.

    What belonged to no channel or could not be fetched, too. The desk that runs does it.
    """
    settings = desks.settings_of(call)
    if channel is not None and channel not in settings.channels:
        raise NotFound(f"there is no channel {channel}{did_you_mean(channel, settings.channels)}")
    fates = [fate for fate in REPLAYABLE if ignored or fate is not Fate.IGNORED]
    counts = desks.on_desk(
        call, lambda desk: desk.replay(fates=fates, channel=channel), settings=settings
    )
    if as_json:
        output.print_json(dict(counts))
    else:
        told = ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items())) or "nothing"
        output.say(f"To be read again: {told}.")


@click.command("channels")
@desks.as_json
@click.pass_obj
def channels_command(call: Call, *, as_json: bool) -> None:
    """Say how every channel does.

    When it was last seen, until when its token holds, its budget and how long it lasts at the
    present pace, its cursors, and what is wrong.
    """
    settings = desks.settings_of(call)
    found = desks.on_desk(call, lambda desk: desk.channels(), settings=settings)
    if as_json:
        output.print_json(found)
        return
    zone = ZoneInfo(settings.desk.timezone)
    _print_channels(found, zone)
    _print_budgets(found, zone)
    _print_sources(found, zone)


def _print_channels(found: Sequence[ChannelLine], zone: ZoneInfo) -> None:
    listing = output.table(
        "channel", "network", "state", "last push", "last poll", "token until", "why*"
    )
    for one in found:
        output.row(
            listing,
            one.name,
            one.network,
            one.state,
            output.when(one.last_push_at, zone),
            output.when(one.last_poll_at, zone),
            output.when(one.token_expires_at, zone),
            output.listed([one.why, _held(one, zone), *_paused(one)]),
            style=_colour(good=one.why is None),
        )
    output.show(listing, empty="No channel is configured.")


def _print_budgets(found: Sequence[ChannelLine], zone: ZoneInfo) -> None:
    listing = output.table("channel", "budget*")
    for one in found:
        if told := _budget(one, zone):
            listing.add_row(one.name, output.safe(told))  # wrapped: the end of it matters most
    if listing.row_count:
        output.say("")
        output.show(listing, empty="")


def _held(channel: ChannelLine, zone: ZoneInfo) -> str | None:
    if channel.held_until is None or channel.held_until < datetime.now(UTC):
        return None
    return f"waits until {output.when(channel.held_until, zone)}: {channel.held_because}"


def _budget(channel: ChannelLine, zone: ZoneInfo) -> str:
    one = channel.spending
    if one is None:
        return ""
    spent = f"{figure(one.spent)} of {figure(one.amount)} {one.unit} spent"
    polls = f"{figure(one.left_for_polls)} for polls"
    until = output.when(one.ends_at, zone)
    now = f"{spent}, {figure(one.left)} left ({polls}) until {until}"
    return f"{now}; at this pace {_forecast(one.forecast, zone)}" if one.forecast else now


def _forecast(told: Forecast, zone: ZoneInfo) -> str:
    if told.used_up_at is not None:
        return f"it is used up on {output.when(told.used_up_at, zone)}"
    left = f"{figure(round(told.left, 2))} are left then"
    if told.polls_until is None:
        return left
    return f"polls wait from {output.when(told.polls_until, zone)} on, {left}"


def _price(channel: ChannelLine, cost: float | None) -> str:
    """Say what a poll costs, where that is counted."""
    if cost is None or channel.spending is None:
        return ""
    return f"{figure(cost)} {channel.spending.unit}"


def _paused(channel: ChannelLine) -> list[str]:
    return [f"{hook} is paused" for hook in channel.breakers]


def _print_sources(found: Sequence[ChannelLine], zone: ZoneInfo) -> None:
    listing = output.table(
        "channel", "source", "polled", "next", "costs up to", "cursor*", "error*"
    )
    for channel in found:
        for source in channel.sources:
            output.row(
                listing,
                channel.name,
                source["source"],
                output.when(source["polled_at"], zone),
                output.when(source["next_at"], zone),
                _price(channel, source["cost"]),
                source["cursor"],
                source["error"],
                style=_colour(good=source["error"] is None),
            )
    if listing.row_count:
        output.say("")
        output.show(listing, empty="")
