from __future__ import annotations

import tomllib
from datetime import timedelta

from channelmix import Channel, config
from channelmix.config import ServiceLevel, Settings
from channelmix.records import Kind


class Bare(Channel):
    network = "bare"


BASE = """
[desk]
base = "page"
hours = { mon-fri = "08:00-18:00" }
holidays = "DE-BW"

[channels.page]
network = "bare"
"""
ADD_ON = '[teams.billing]\n[channels.tweets]\nnetwork = "bare"\n'
GENERAL = '[[service_levels]]\nfirst_response = "4h"\n'
OF_PAGE = '[[service_levels]]\nfirst_response = "1h"\nchannel = "page"\nkind = "comment"\n'
HOUR = timedelta(hours=1)


def load_text(text: str) -> Settings:
    return config.load(tomllib.loads(text), environ={}, plugins={"bare": Bare})


def test_an_add_on_inherits_from_the_base() -> None:
    own = 'teams = ["billing"]\nhours = { sat = "09:00-12:00" }\nholidays = "AT"\n'
    tweets = load_text(BASE + own + ADD_ON).channels["tweets"]
    assert tweets.teams == ("billing",)
    assert tweets.hours == {"sat": "09:00-12:00"}
    assert tweets.holidays == "AT"


def test_where_the_base_says_nothing_the_desk_counts() -> None:
    tweets = load_text(BASE + ADD_ON).channels["tweets"]
    assert tweets.teams == ()
    assert tweets.hours == {"mon-fri": "08:00-18:00"}
    assert tweets.holidays == "DE-BW"


def test_what_an_add_on_says_itself_counts_first() -> None:
    own = 'teams = []\nhours = {}\nholidays = ""\n'
    tweets = load_text(f'{BASE}teams = ["billing"]\n{ADD_ON}{own}').channels["tweets"]
    assert (tweets.teams, tweets.hours, tweets.holidays) == ((), {}, None)


def test_without_a_base_nobody_inherits_from_a_channel() -> None:
    text = BASE.replace('base = "page"', "") + 'teams = ["billing"]\n' + ADD_ON
    assert load_text(text).channels["tweets"].teams == ()


def test_a_base_that_is_switched_off_still_passes_on() -> None:
    text = f'{BASE}enabled = false\nteams = ["billing"]\n{ADD_ON}'
    assert load_text(text).channels["tweets"].teams == ("billing",)


def levels_of(settings: Settings, name: str) -> list[tuple[timedelta, Kind | None, str | None]]:
    levels = settings.channels[name].service_levels
    return [(one.first_response, one.kind, one.channel) for one in levels]


def test_an_add_on_inherits_the_service_levels_that_name_the_base() -> None:
    settings = load_text(BASE + ADD_ON + GENERAL + OF_PAGE)
    general = (4 * HOUR, None, None)
    assert levels_of(settings, "page") == [(HOUR, Kind.COMMENT, "page"), general]
    assert levels_of(settings, "tweets") == [(HOUR, Kind.COMMENT, "tweets"), general]


def test_an_add_on_with_a_service_level_inherits_none() -> None:
    own = '[[service_levels]]\nfirst_response = "2h"\nchannel = "tweets"\n'
    settings = load_text(BASE + ADD_ON + GENERAL + OF_PAGE + own)
    assert levels_of(settings, "tweets") == [(2 * HOUR, None, "tweets"), (4 * HOUR, None, None)]


def test_an_inline_list_stands_alone_and_is_inherited() -> None:
    inline = 'service_levels = [{ first_response = "30m" }]\n'
    settings = load_text(BASE + inline + ADD_ON + GENERAL)
    assert levels_of(settings, "page") == levels_of(settings, "tweets") == [(HOUR / 2, None, None)]
    assert isinstance(settings.channels["page"].service_levels[0], ServiceLevel)
    settings = load_text(BASE + inline + ADD_ON + "service_levels = []\n" + GENERAL)
    assert levels_of(settings, "tweets") == []
