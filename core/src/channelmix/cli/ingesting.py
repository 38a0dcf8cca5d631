"""`channelmix ingest`: a dry run over files, for people and for machines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from attrs import frozen
from rich.progress import track

from channelmix.cli import desks, output
from channelmix.cli.assembled import assembled
from channelmix.cli.call import Call
from channelmix.cli.dry_run import DryRun, Read, only
from channelmix.errors import InvalidPayload, PluginUnavailable
from channelmix.payloads import decode, encode, obj
from channelmix.records import INBOUNDS, Echo, Ignored, Inbound
from channelmix.settings import Settings

_NAMES = {cls: name for name, cls in INBOUNDS.items()}
_KEYS = ("kind", "id", "thread", "author", "text", "sent_at")
_SAID = ("text", "reason", "name", "status", "argument")
"""Where an inbound says the most about itself."""
_IN = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)


@frozen(kw_only=True)
class Opened:
    """What became of one file."""

    file: str
    reads: tuple[Read, ...] = ()
    refused: str | None = None


@click.command("ingest")
@click.argument("channel")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_IN)
@click.option("--headers", type=_IN, help="Check the signature: JSON, or `Name: value` lines.")
@click.option("--source", default="webhook", help="For the answer to a poll: the source asked.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each raw event.")
@click.pass_obj
def ingest_command(
    call: Call,
    /,
    *,
    channel: str,
    files: tuple[Path, ...],
    headers: Path | None,
    source: str,
    as_json: bool,
) -> None:
    """Show what raw payloads would become; store nothing.

    Calls nobody and needs no credentials. CHANNEL is a configured channel, or the name of a
    network. FILE is a webhook body or the answer to a poll, also as a recorded exchange
    (`{"request": …, "response": {"body": …}}`); `-` is standard input. With --headers it exits
    with 1 if a file is refused.
    """
    desks.quiet(call)
    given = None if headers is None else _headers(_bytes(headers))
    done = asyncio.run(_all(only(call, channel), channel, files, source, given))
    if as_json:
        output.print_json((line for one in done for line in _lines(one)), lines=True)
    else:
        _print_table(done)
    if any(one.refused for one in done):
        click.get_current_context().exit(1)


def _bytes(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _headers(given: bytes) -> dict[str, str]:
    """Read headers; their names come out in lower case."""
    try:
        text = given.decode()
        pairs = json.loads(text) if text.lstrip().startswith("{") else _colons(text)
        return {
            str(name).strip().lower(): str(value).strip() for name, value in dict(pairs).items()
        }
    except UnicodeDecodeError:
        raise click.UsageError("--headers: the file is no UTF-8 text") from None
    except RecursionError:
        raise click.UsageError("--headers: the JSON is nested too deep") from None
    except ValueError as error:
        raise click.UsageError(f"--headers: write JSON, or `Name: value` lines: {error}") from None


def _colons(text: str) -> list[list[str]]:
    return [line.split(":", 1) for line in text.splitlines() if line.strip()]


async def _all(
    settings: Settings,
    name: str,
    files: Iterable[Path],
    source: str,
    headers: Mapping[str, str] | None,
) -> list[Opened]:
    async with assembled(settings) as (assembly, dispatch):
        if why := assembly.unavailable.get(name):
            raise PluginUnavailable(why)
        channel = assembly.channels()[name]
        run = DryRun(channel=channel, dispatch=dispatch, clock=assembly.clock, source=source)
        out = output.console(err=True)
        watched = track(files, "reading", console=out, transient=True, disable=not out.is_terminal)
        return [await _open(run, file, headers) for file in watched]


async def _open(run: DryRun, file: Path, headers: Mapping[str, str] | None) -> Opened:
    given = _bytes(file)
    body: bytes | None = _answered(given)
    if headers is not None:
        received = await run.receive(given, headers)
        if received.refused is not None:
            return Opened(file=str(file), refused=received.refused)
        body = received.payload
    reads = () if body is None else tuple(await run.read(body))
    return Opened(file=str(file), reads=reads)


def _answered(given: bytes) -> bytes:
    """Return what the network said, where a recording has what it was asked beside it."""
    try:
        exchange = obj(decode(given))
    except InvalidPayload:
        return given
    answer = obj(exchange.get("response"))
    if exchange.keys() != {"request", "response"} or "body" not in answer:
        return given
    said = answer["body"]
    return said.encode("utf-8", "replace") if isinstance(said, str) else encode(said)


def _lines(one: Opened) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a file: one for each raw event, or the refusal."""
    if one.refused is not None:
        yield {"file": one.file, "refused": one.refused}
    for read in one.reads:
        line: dict[str, Any] = {"file": one.file, "key": read.key}
        if read.unrouted is not None:
            line["unrouted"] = read.unrouted
        if read.quarantined is not None:
            line["quarantined"] = read.quarantined
        elif all(isinstance(inbound, Ignored) for inbound in read.inbounds):
            line["ignored"] = _reasons(read)
        else:
            line["inbounds"] = [_inbound(inbound) for inbound in read.inbounds]
        yield line


def _reasons(read: Read) -> str:
    found = [one.reason for one in read.inbounds if isinstance(one, Ignored)]
    return ", ".join(dict.fromkeys(found)) or "it means nothing"


def _inbound(one: Inbound) -> dict[str, Any]:
    """Write an inbound out: the common keys always, of the rest what it says."""
    told: dict[str, Any] = output.plain(one)
    if isinstance(one, Echo):
        told |= told.pop("message")
    told.setdefault("sent_at", told.pop("at", None))
    attachments = [_filled(each) for each in told.pop("attachments", None) or ()]
    told["author"] = told.get("author") and _filled(told["author"])
    common = {key: told.pop(key, None) for key in _KEYS}
    return {"type": _NAMES[type(one)], **common, "attachments": attachments, **_filled(told)}


def _filled(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None}


def _print_table(done: Iterable[Opened]) -> None:
    listing = output.table("file", "event", "type", "author", "text*")
    for one in done:
        for cells, style in _rows(one):
            output.row(listing, Path(one.file).name, *cells, style=style)
    output.show(listing, empty="")


def _rows(one: Opened) -> Iterator[tuple[tuple[str, str, str, str], str | None]]:
    """Yield the cells of each row of a file, and how they look."""
    if one.refused is not None:
        yield ("", "refused", "", one.refused), "red"
    elif not one.reads:
        yield ("", "nothing", "", "there is no event in it"), None
    for read in one.reads:
        if read.unrouted is not None:
            yield (read.key[:8], "unrouted", "", f"it is for account {read.unrouted}"), "yellow"
        if read.quarantined is not None:
            yield (read.key[:8], "quarantined", "", read.quarantined), "red"
        for inbound in read.inbounds:
            yield (read.key[:8], *_cells(_inbound(inbound))), None


def _cells(told: Mapping[str, Any]) -> tuple[str, str, str]:
    author = told["author"] or {}
    media = " ".join(f"[{one['kind']}]" for one in told["attachments"])
    said = next((told[key] for key in _SAID if told.get(key)), "")
    if not said and told.get("hidden") is not None:
        said = "hidden" if told["hidden"] else "shown again"
    what = f"{told['type']} {told['kind'] or ''}".replace("_", " ").strip()
    return what, author.get("name") or author.get("id") or "", f"{said} {media}".strip()
