"""Who gets a ticket: the team of its topic, and there whoever has the fewest open tickets."""

from __future__ import annotations

import pytest
from attrs import evolve
from channelmix.rules import Rules
from channelmix.settings import Agent, ChannelSettings, Settings, Team


@pytest.fixture
def rules() -> Rules:
    agents = (
        Agent(name="anna", languages=("de",)),
        Agent(name="bob", capacity=5),
        Agent(name="carl"),
        Agent(name="dora"),
    )
    teams = (
        Team(name="desk", agents=("anna", "bob")),
        Team(name="money", agents=("carl",), topics=("invoice", "refund")),
        Team(name="other", agents=("dora",), topics=("invoice",), channels=("forum",)),
    )
    channels = (
        ChannelSettings(name="page", network="toy"),
        ChannelSettings(name="forum", network="toy", teams=("other",)),
    )
    settings = Settings(
        agents={one.name: one for one in agents},
        teams={one.name: one for one in teams},
        channels={one.name: one for one in channels},
    )
    return Rules(settings=settings, limits=lambda _channel: ())


def choose(rules, *, channel="page", topic=None, language=None, **load):
    return rules.choose(channel=channel, topic=topic, language=language, load=load)


@pytest.mark.parametrize(
    ("load", "agent"),
    [
        ({}, "anna"),
        ({"anna": 1}, "bob"),
        ({"anna": 2, "bob": 1}, "bob"),
        ({"anna": 1, "bob": 2, "carl": 0}, "anna"),
        ({"anna": 6, "bob": 5}, "anna"),  # bob is at capacity
    ],
)
def test_the_fewest_open_tickets_decide(rules, load, agent):
    chosen = choose(rules, **load)
    assert (chosen.team, chosen.agent) == ("desk", agent)
    assert chosen.reason == f"team of channel page, fewest open tickets ({load.get(agent, 0)})"


@pytest.mark.parametrize(
    ("channel", "topic", "team"),
    [
        ("page", "refund", "money"),
        ("page", "invoice", "money"),
        ("forum", "invoice", "other"),
        ("page", "weather", "desk"),
        ("page", None, "desk"),
    ],
)
def test_the_topic_decides_on_the_team(rules, channel, topic, team):
    chosen = choose(rules, channel=channel, topic=topic, carl=9, dora=9)
    assert chosen.team == team
    assert chosen.reason.startswith(f"topic {topic}") == (team != "desk")


def test_who_speaks_the_language_comes_before_who_has_less_to_do(rules):
    assert choose(rules, language="de", anna=3).agent == "anna"
    assert choose(rules, language="fr", anna=3).agent == "bob"


def test_no_more_open_tickets_are_counted_than_matter(rules):
    patient = Agent(name="emil", capacity=900)
    settings = evolve(rules.settings, agents={**rules.settings.agents, "emil": patient})
    counted = Rules(settings=settings, limits=rules.limits).counted()
    assert counted == {"anna": 500, "bob": 500, "carl": 500, "dora": 500, "emil": 900}
