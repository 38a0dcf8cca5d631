"""Setting a desk up: a starter file, its check, and what is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import click

from channelmix import config
from channelmix.assembly import mask_of
from channelmix.cli import apart, desks, output
from channelmix.cli.assembled import assembled
from channelmix.cli.call import Call
from channelmix.cli.starter import starter
from channelmix.desk import Desk
from channelmix.discovery import installed
from channelmix.errors import ChannelmixError, PluginUnavailable, Refused
from channelmix.hookspecs import Plugin
from channelmix.schema import json_schema
from channelmix.settings import Settings


@click.command("init")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.pass_obj
def init_command(call: Call, path: Path | None, *, force: bool) -> None:
    """Write a commented starter file.

    It has every setting of every installed network, with its help.
    """
    classes, problems = _classes(call)
    target = path or call.config
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter(classes, problems))
    except FileExistsError:
        raise Refused(f"{target} is there already; --force overwrites it") from None
    output.say(
        f"Wrote {target}.",
        "Fill in what says `required`, set the variables that it names, then: channelmix check",
    )


def _classes(call: Call) -> tuple[dict[str, type[Plugin]], dict[str, str]]:
    """Import everything installed; return the classes, and what is wrong with the others."""
    classes: dict[str, type[Plugin]] = {}
    problems = dict(apart.broken(call, installed()))
    for name, one in installed().items():
        if name in problems:
            continue
        try:
            classes[name] = one.load()
        except PluginUnavailable as error:
            problems[name] = str(error)
    return classes, problems


@click.command("schema")
@click.pass_obj
def schema_command(call: Call) -> None:
    """Print a JSON Schema of the configuration.

    With everything that is installed.
    """
    classes, problems = _classes(call)
    for name in problems.keys() - call.broken.keys():  # of those it was told
        why = problems[name]
        click.echo(f"left out: {name}: {why}", err=True)
    output.print_json(json_schema(classes))


@click.command("plugins")
@desks.as_json
def plugins_command(*, as_json: bool) -> None:
    """List what is installed.

    Nothing of it is imported.
    """
    fields = ("name", "distribution", "version", "value", "problem")
    found = [{key: getattr(one, key) for key in fields} for one in installed().values()]
    if as_json:
        output.print_json(found)
        return
    listing = output.table("name", "package", "version", "class*", "problem*")
    for one in found:
        output.row(listing, *one.values(), style="red" if one["problem"] else None)
    output.show(listing, empty="No plugin is installed; install one for each network you need.")


@click.command("check")
@click.option("--online", is_flag=True, help="Ask the networks about credentials and permissions.")
@desks.as_json
@click.pass_obj
def check_command(call: Call, *, online: bool, as_json: bool) -> None:
    """Say what is wrong with the configuration.

    With its plugins, too, and with --online its credentials and permissions. Exits with 2 for
    mistakes in the file, and with 1 for anything else that is wrong.
    """
    desks.quiet(call)
    settings = config.load(call.config, broken=apart.broken(call))
    disabled = asyncio.run(_disabled(settings))
    answers = desks.on_desk(call, _online, settings=settings) if online else {}
    mask = mask_of(settings)
    findings = [
        {"channel": name, **finding, "text": mask.text(finding["text"])}
        for name, answer in ({**answers, **disabled}).items()
        for finding in answer["findings"]
    ]
    if as_json:
        channels = [_channel(settings, name, answers) for name in settings.channels]
        output.print_json({"channels": channels, "findings": findings})
    else:
        _print_findings(call, settings, findings)
        _print_tokens(settings, answers)
    if any(one["level"] == "block" for one in findings):
        click.get_current_context().exit(1)


async def _disabled(settings: Settings) -> dict[str, dict[str, Any]]:
    """Make every plugin once; say which cannot be had, and why."""
    async with assembled(settings) as (assembly, _):
        return {name: _blocked("disabled", why) for name, why in assembly.unavailable.items()}


def _blocked(code: str, text: str) -> dict[str, Any]:
    return {"findings": [{"level": "block", "code": code, "text": text}]}


async def _online(desk: Desk) -> dict[str, dict[str, Any]]:
    """Ask every channel's network."""
    out, answers = output.console(err=True), {}
    for name, channel in desk.settings.channels.items():
        if channel.enabled:
            with out.status(f"asking about {name}") if out.is_terminal else nullcontext():
                answers[name] = await _ask(desk, name)
    return answers


async def _ask(desk: Desk, name: str) -> dict[str, Any]:
    """Ask about one channel; that it cannot be asked is an answer too."""
    try:
        answer: dict[str, Any] = attrs.asdict(await desk.check(name))
    except ChannelmixError as error:
        answer = _blocked(type(error).__name__, str(error))
    return answer


def _channel(
    settings: Settings, name: str, answers: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    one = settings.channels[name]
    expires = answers.get(name, {}).get("token_expires_at")
    told = {"name": name, "network": one.network, "app": one.app, "enabled": one.enabled}
    return {**told, "token_expires_at": expires}


def _print_findings(call: Call, settings: Settings, findings: list[dict[str, str]]) -> None:
    listing = output.table("channel", "level", "code", "what*")
    for one in findings:
        cells = (one[key] for key in ("channel", "level", "code", "text"))
        output.row(listing, *cells, style="red" if one["level"] == "block" else None)
    channels = output.counted(len(settings.channels), "channel")
    plugins = output.counted(len(settings.plugins), "plugin")
    output.show(listing, empty=f"{call.config} is in order: {channels}, {plugins}.")


def _print_tokens(settings: Settings, answers: Mapping[str, dict[str, Any]]) -> None:
    zone = ZoneInfo(settings.desk.timezone)
    for name, answer in answers.items():
        if expires := answer.get("token_expires_at"):
            output.say(f"The token of {name} holds until {output.when(expires, zone)}.")
