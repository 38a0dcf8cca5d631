"""What the configuration says about tickets: deadlines, windows, who gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from attrs import field, frozen

from channelmix.projection import Answer, Close, Projected, Said, project
from channelmix.records import Action, Assignment, Kind, Limits, limits_for
from channelmix.service_levels import Calendar, deadline
from channelmix.settings import Agent, ChannelSettings, Settings, Team

REOPEN_WITHIN = timedelta(days=14)
MANY = 500
"""So many open tickets are more than anybody can overlook."""


@frozen(kw_only=True, eq=False)
class Rules:
    """The rules of one desk. `limits` returns what the plugin of a channel declares."""

    settings: Settings
    limits: Callable[[str], Sequence[Limits]]
    _calendars: dict[str, Calendar] = field(factory=dict, init=False)

    def due(
        self, *, channel: str, kind: Kind, topic: str | None, since: datetime
    ) -> datetime | None:
        """Return when a request that waits since then is late by our own promise."""
        settings = self.settings.channels.get(channel)
        if settings is None:
            return None
        return deadline(
            settings.service_levels,
            channel=channel,
            kind=kind,
            topic=topic,
            opened_at=since,
            calendar=self._calendar(settings),
        )

    def is_open(self, channel: str, at: datetime) -> bool:
        """Say whether somebody answers on a channel at this time."""
        settings = self.settings.channels.get(channel)
        return settings is None or self._calendar(settings).is_open(at)

    def _calendar(self, channel: ChannelSettings) -> Calendar:
        """Return the opening hours of a channel; made once, holidays are slow to load."""
        if channel.name not in self._calendars:
            self._calendars[channel.name] = Calendar(
                timezone=self.settings.desk.timezone,
                hours=channel.hours,
                holidays=channel.holidays,
            )
        return self._calendars[channel.name]

    def window(self, *, channel: str, kind: Kind, since: datetime) -> datetime | None:
        """Return until when the network lets a person answer in the same place."""
        limits = limits_for(self.limits(channel), answering(kind), kind)
        if limits is None or limits.window is None:
            return None
        return since + max(limits.window, limits.human_window or limits.window)

    def topic(self, channel: str) -> str | None:
        """Return the topic of everything on a channel, if it has just one."""
        settings = self.settings.channels.get(channel)
        return settings.topics[0] if settings is not None and len(settings.topics) == 1 else None

    def project(
        self, said: Iterable[Said], answers: Sequence[Answer], closes: Sequence[Close]
    ) -> Sequence[Projected]:
        """Project with this desk's times."""
        return project(said, answers, closes, reopen_within=REOPEN_WITHIN)

    def counted(self) -> Mapping[str, int]:
        """Return every agent's name, and how many of their open tickets are worth counting.

        Who has more than that has too many, and takes turns with others who do.
        """
        return {one.name: max(one.capacity or 0, MANY) for one in self.settings.agents.values()}

    def choose(
        self, *, channel: str, topic: str | None, language: str | None, load: Mapping[str, int]
    ) -> Assignment:
        """Assign by topic and team, then to whom has the fewest open tickets."""
        team, why = self._team(channel, topic)
        agents = self._agents(team, language)
        free = [one for one in agents if _has_room(one, load)]
        if free:
            agent = min(free, key=lambda one: (load.get(one.name, 0), one.name))
            return Assignment(
                reason=f"{why}, fewest open tickets ({load.get(agent.name, 0)})",
                team=team.name if team else None,
                agent=agent.name,
            )
        rest = "everybody is at capacity" if agents else "nobody is in it"
        return Assignment(reason=f"{why}, {rest}", team=team.name if team else None)

    def _team(self, channel: str, topic: str | None) -> tuple[Team | None, str]:
        """Choose the team: that of the topic, else the first that answers on the channel."""
        teams = [team for team in self.settings.teams.values() if self._serves(team, channel)]
        for team in teams:
            if topic is not None and topic in team.topics:
                return team, f"topic {topic}"
        general = [team for team in teams if not team.topics] or teams
        if general:
            return general[0], f"team of channel {channel}"
        return None, "no team is configured"

    def _serves(self, team: Team, channel: str) -> bool:
        """Say whether a team answers on a channel."""
        settings = self.settings.channels.get(channel)
        wanted = settings.teams if settings is not None else ()
        return (not wanted or team.name in wanted) and (
            not team.channels or channel in team.channels
        )

    def _agents(self, team: Team | None, language: str | None) -> list[Agent]:
        """Return who could take it: of the team, and of these who speak the language if any do."""
        everyone = self.settings.agents
        agents = [everyone[name] for name in team.agents] if team else list(everyone.values())
        speaking = [one for one in agents if language is not None and language in one.languages]
        return speaking or agents


def _has_room(agent: Agent, load: Mapping[str, int]) -> bool:
    """Say whether an agent may take one more."""
    return agent.capacity is None or load.get(agent.name, 0) < agent.capacity


def answering(kind: Kind) -> Action:
    """Return the action that answers a message in its own place."""
    private = kind in {Kind.DIRECT_MESSAGE, Kind.STORY_REPLY}
    return Action.PRIVATE_REPLY if private else Action.PUBLIC_REPLY
