"""The command line, as click knows it."""

from __future__ import annotations

import re

import click
from channelmix.cli import SECTIONS, channelmix
from markdown import page as joined
from markdown import table


def page() -> str:
    """Describe the program's own options, then every command by section."""
    root = click.Context(channelmix, info_name="channelmix")
    parts = [_options(channelmix, root)]
    for title, commands in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [_command(name, root) for name in commands]
    return joined(parts)


def _command(name: str, above: click.Context) -> str:
    command = channelmix.get_command(above, name)
    if command is None:
        raise LookupError(name)
    return _described(command, click.Context(command, info_name=name, parent=above), "###")


def _described(command: click.Command, context: click.Context, level: str) -> str:
    path = context.command_path.removeprefix("channelmix ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{level} `{path}`", f"```text\n{usage}\n```", _help(command)]
    parts.append(_options(command, context))
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            below = click.Context(one, info_name=name, parent=context)
            parts.append(_described(one, below, f"{level}#"))
    return joined(parts)


def _help(command: click.Command) -> str:
    # click marks "do not wrap" with a control character; < and > are no tags here
    text = re.sub("[\b\f]", "", command.help or "")
    return joined(" ".join(block.split()) for block in text.split("\n\n"))


def _options(command: click.Command, context: click.Context) -> str:
    records = [one.get_help_record(context) for one in command.get_params(context)]
    rows = [(f"`{names}`", text.replace("[", r"\[")) for names, text in filter(None, records)]
    return table(["option", "meaning"], rows)
