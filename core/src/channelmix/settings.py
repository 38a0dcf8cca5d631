"""The records that a configuration becomes, and `setting`, with which a plugin declares its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from attrs import Factory, field, frozen

from channelmix.checks import (
    known_holidays,
    known_timezone,
    positive,
    readable_hours,
    readable_pointer,
    share_of_one,
    some_text,
    store_address,
    web_address,
)
from channelmix.hookspecs import Plugin
from channelmix.records import Kind
from channelmix.secrets import Secret

OnError = Literal["disable", "fail"]
Hours = Annotated[Mapping[str, str], readable_hours]
HolidayCode = Annotated[str, known_holidays]
StoreAddress = Annotated[str, Secret, store_address]
"""A text that may hold a password, so it may be written like a secret."""

_BODY_LIMIT = 2 * 1024 * 1024


def setting(
    *,
    help: str,  # noqa: A002 - the word that click, argparse and every author of a plugin know
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    validator: Callable[[Any, attrs.Attribute[Any], Any], Any] | None = None,
    repr: bool = True,  # noqa: A002 - the name it has in attrs
    example: Any = None,
) -> Any:
    """Declare one setting of a plugin's `Config` or `App` class: an attrs field with its help.

    `help` is one sentence for the person who fills in the file; it shows in the JSON Schema and
    in the starter file. A setting without `default` and `factory` is required. `example` is a
    value for the starter file, where nobody could guess one. `validator` gets the instance, the
    attribute and the value, and raises `ValueError` with what is wrong. A type may be text, a
    number, true or false, `timedelta`, an enum, `Secret`, a tuple or a mapping of these.
    """
    metadata = {"help": help, "example": example}
    if factory is not None:
        return field(factory=factory, validator=validator, repr=repr, metadata=metadata)
    return field(default=default, validator=validator, repr=repr, metadata=metadata)


@frozen(kw_only=True)
class LevelKeys:
    """What a service level of one channel may say."""

    first_response: timedelta = setting(help='How soon the first answer is due, like "1h30m".')
    kind: Kind | None = setting(default=None, help="Only for this kind of message.")
    topic: str | None = setting(default=None, help="Only for this topic.")


@frozen(kw_only=True)
class ServiceLevel(LevelKeys):
    """How soon a first answer is due, in business time."""

    channel: str | None = setting(default=None, help="Only for this channel.")


@frozen(kw_only=True)
class FirstAnswer:
    """The section `[desk.first_answer]`: what customers hear by itself before a person answers."""

    text: Annotated[str, some_text] = setting(
        default="Thank you for your message. / Danke für Ihre Nachricht.",
        help="What it says first.",
    )
    person: Annotated[str, some_text] = setting(
        default="This is an automatic answer; a person will follow. / Dies ist eine automatische "
        "Antwort; ein Mensch meldet sich.",
        help="What it says last, always: that a person follows.",
    )
    when: Literal["closed", "always"] = setting(
        default="closed", help="Only outside the channel's opening hours, or always."
    )
    sure: Annotated[float, share_of_one] = setting(
        default=0.5, help="How sure an article must be to be offered with it, 0 to 1."
    )
    channels: tuple[str, ...] = setting(default=(), help="Where it is given; none: everywhere.")
    kinds: tuple[Kind, ...] = setting(
        default=(), help="To which kinds of message; none: to all that can be answered."
    )


@frozen(kw_only=True)
class DeskSettings:
    """The section `[desk]`. Paths are absolute once loaded."""

    name: str = setting(default="channelmix", help="What the desk is called.")
    store: StoreAddress = setting(
        default="sqlite:///desk.db",
        repr=False,
        help="The database: sqlite:///FILE (beside this file) or postgresql://...",
    )
    media: Path = setting(default=Path("media"), help="The folder for photos and other files.")
    timezone: Annotated[str, known_timezone] = setting(
        default="UTC", help="The desk's time zone, like Europe/Berlin."
    )
    hours: Hours = setting(
        factory=dict, help='Opening hours, like { mon-fri = "08:00-18:00" }; none: always open.'
    )
    holidays: HolidayCode | None = setting(
        default=None, help="Public holidays of a place, like DE-BW."
    )
    base: str | None = setting(
        default=None, help="The channel from which the others inherit teams, hours, levels."
    )
    first_answer: FirstAnswer | None = setting(
        default=None, help="An automatic first answer; without the section there is none."
    )
    body_limit: Annotated[int, positive] = setting(
        default=_BODY_LIMIT, help="The largest webhook body, in bytes."
    )


@frozen(kw_only=True)
class AppKeys:
    """What every section `[apps.NAME]` may say, whatever its network."""

    network: str = setting(help="The network at which the app is registered.")


@frozen(kw_only=True)
class AppSettings(AppKeys):
    """What channels share at a network. A channel without `app` is its own."""

    name: str
    config: Any = None
    """An instance of the plugin's `App` class; None if no enabled channel uses the app."""


@frozen(kw_only=True)
class ChannelKeys:
    """What every section `[channels.NAME]` may say; None: not said, so inherited."""

    network: str = setting(help="The network it is on.")
    app: str | None = setting(default=None, help="The [apps] section it shares with others.")
    api_url: Annotated[str, web_address] | None = setting(
        default=None, help="Where the network is, if not at its own address (a simulator)."
    )
    enabled: bool = setting(default=True, help="Whether the channel is used.")
    push: bool = setting(default=True, help="Whether the network sends webhooks for it.")
    every: timedelta | None = setting(default=None, help='How often to poll, like "5m".')
    on_error: OnError = setting(
        default="disable", help="What to do if its plugin cannot start: go on without, or stop."
    )
    topics: tuple[str, ...] = setting(default=(), help="What the channel is for.")
    known_as: str | None = setting(
        default=None, help="What customers call the account, like @stadtwerke_bill."
    )
    wrong_topic: Literal["keep", "move", "point"] = setting(
        default="keep",
        help="What to do with a request for another channel's topic: keep it, move it to that "
        "channel's team, or point the customer there.",
    )
    approval: bool = setting(
        default=False, help="Whether a second person approves what is published here."
    )
    approvers: tuple[str, ...] = setting(
        default=(), help="The teams or agents who may approve; none: anybody but the author."
    )
    pointer: Annotated[str, readable_pointer] = setting(
        default="Please write to {account} about this. / Bitte dazu an {account} schreiben.",
        help="What the pointer says; {account} and {topic} are filled in.",
    )
    teams: tuple[str, ...] | None = setting(default=None, help="The teams that answer here.")
    hours: Hours | None = setting(default=None, help="Opening hours, as in [desk].")
    holidays: HolidayCode | None = setting(default=None, help='As in [desk]; "" for none.')
    service_levels: tuple[LevelKeys, ...] | None = setting(
        default=None, help="Its own service levels, in place of all others."
    )


@frozen(kw_only=True)
class ChannelSettings(ChannelKeys):
    """One channel, with everything inherited filled in.

    A channel that is not `enabled` is listed too, with neither `config` nor `app_config`.
    """

    name: str
    app: str = field(default=Factory(lambda self: self.name, takes_self=True))
    app_config: Any = None
    config: Any = None
    teams: tuple[str, ...] = ()
    """Empty: every team."""
    hours: Mapping[str, str] = field(factory=dict)
    """Empty: around the clock."""
    service_levels: tuple[ServiceLevel, ...] = ()
    """All that hold for this channel, and only those."""


@frozen(kw_only=True)
class TeamKeys:
    """What a section `[teams.NAME]` may say."""

    topics: tuple[str, ...] = setting(default=(), help="What the team answers.")
    agents: tuple[str, ...] = setting(default=(), help="Who is in it.")
    channels: tuple[str, ...] = setting(default=(), help="Where it answers; none: everywhere.")


@frozen(kw_only=True)
class Team(TeamKeys):
    """Agents who answer the same things."""

    name: str


@frozen(kw_only=True)
class AgentKeys:
    """What a section `[agents.NAME]` may say."""

    languages: tuple[str, ...] = setting(default=(), help="What the agent speaks, like de.")
    capacity: Annotated[int, positive] | None = setting(
        default=None, help="How many open tickets at a time; left out: any number."
    )
    topics: tuple[str, ...] = setting(default=(), help="What the agent knows best.")


@frozen(kw_only=True)
class Agent(AgentKeys):
    """A person who answers."""

    name: str


@frozen(kw_only=True)
class PluginKeys:
    """What every section `[plugins.NAME]` may say."""

    plugin: str | None = setting(default=None, help="Its entry point; left out: as the section.")
    enabled: bool = setting(default=True, help="Whether it is used.")
    on_error: OnError = setting(
        default="disable", help="What to do if it cannot start: go on without, or stop."
    )


@frozen(kw_only=True)
class PluginSettings(PluginKeys):
    """One plugin that is no network."""

    name: str
    plugin: str = field(default=Factory(lambda self: self.name, takes_self=True))
    config: Any = None


@frozen(kw_only=True)
class Settings:
    """A whole configuration, checked; each mapping is by name, in the order of the file."""

    desk: DeskSettings = DeskSettings()
    apps: Mapping[str, AppSettings] = field(factory=dict)
    """With one for each channel that is its own app: `apps[channel.app]` is always there."""
    channels: Mapping[str, ChannelSettings] = field(factory=dict)
    service_levels: tuple[ServiceLevel, ...] = ()
    teams: Mapping[str, Team] = field(factory=dict)
    agents: Mapping[str, Agent] = field(factory=dict)
    plugins: Mapping[str, PluginSettings] = field(factory=dict)
    unavailable: Mapping[str, str] = field(factory=dict)
    """Channels and plugins left out because their code cannot be had: name and one-line reason."""
    classes: Mapping[str, type[Plugin]] = field(factory=dict)
    """The class behind every entry point that is enabled (`facebook`), to make instances of."""
    path: Path | None = None
