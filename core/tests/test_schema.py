from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import attrs
import pytest
from channelmix import Channel, Plugin, config
from channelmix.config import Secret, setting
from channelmix.errors import ConfigError
from channelmix.schema import json_schema

jsonschema = pytest.importorskip("jsonschema", reason="an independent reader of JSON Schema")


@attrs.frozen(kw_only=True)
class PageConfig:
    page_id: str = setting(help="The page's number.")
    token: Secret = setting(help="Its token.")
    mode: Literal["fast", "slow"] = setting(default="fast", help="Which way.")
    wait: timedelta | None = setting(default=None, help="How long.")
    words: tuple[str, ...] = setting(factory=tuple, help="Which words.")
    names: Mapping[str, int] = setting(factory=dict, help="Numbers by name.")


@attrs.frozen(kw_only=True)
class PageApp:
    app_secret: Secret = setting(help="The app's secret.")


class Page(Channel):
    network = "social"
    Config = PageConfig
    App = PageApp


class Bare(Channel):
    network = "bare"


@attrs.frozen(kw_only=True)
class TriageConfig:
    threshold: float = setting(help="From where on.")


class Triage(Plugin):
    Config = TriageConfig


CLASSES: Mapping[str, type[Plugin]] = {"social": Page, "bare": Bare, "triage": Triage}
SCHEMA = json_schema(CLASSES)
PAGE = '[channels.page]\nnetwork = "social"\npage_id = "1"\ntoken = "t"\n'
APP = '[apps.meta]\nnetwork = "social"\napp_secret = "s"\n'

GOOD = [
    "",
    '[desk]\nhours = { mon = "08:00-09:00" }\nstore = { env = "HOME" }',
    PAGE + 'app_secret = { env = "HOME" }',
    APP + PAGE + 'app = "meta"\nmode = "slow"\nwait = "1h30m"\nwords = ["a"]\nnames = { a = 1 }',
    '[channels.x]\nnetwork = "bare"\nevery = "2d"\nservice_levels = [{ first_response = "1h" }]',
    '[channels.x]\nnetwork = "of an uninstalled plugin"\nenabled = false\nany = 1',
    "[plugins.triage]\nthreshold = 1",
    '[plugins.other]\nplugin = "triage"\nthreshold = 0.5',
    '[[service_levels]]\nfirst_response = "1h"\nkind = "comment"',
    '[teams."every one"]\ntopics = ["a"]\n[agents.anna]\ncapacity = 3',
]
BAD = [
    "[desck]",
    '[desk]\nnam = "x"',
    "[desk]\nbody_limit = 0",
    PAGE,
    PAGE + 'app_secret = ""',
    PAGE + 'app_secret = { evn = "HOME" }',
    APP + PAGE + 'app = "meta"\napp_secret = "s"',
    APP + PAGE + 'app = "meta"\nmode = "slwo"',
    APP + PAGE + 'app = "meta"\nwait = "1.5h"',
    APP + PAGE + 'app = "meta"\nwords = "a"',
    APP + PAGE + 'app = "meta"\nnames = { a = "b" }',
    '[channels.x]\nnetwork = "nowhere"',
    '[channels."a b"]\nnetwork = "bare"',
    '[channels.x]\nnetwork = "bare"\non_error = "ask"',
    "[plugins.triage]",
    "[plugins.other]\nthreshold = 0.5",
    '[[service_levels]]\nfirst_response = "1h"\nkind = "dm"',
    "[[service_levels]]",
    "[agents.anna]\ncapacity = true",
]


def valid(text: str) -> bool:
    checker = jsonschema.Draft202012Validator(SCHEMA)
    return bool(checker.is_valid(tomllib.loads(text)))


def loads(text: str) -> bool:
    try:
        config.load(tomllib.loads(text), environ={"HOME": "sqlite:///x"}, plugins=CLASSES)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_is_valid(text: str) -> None:
    assert loads(text)
    assert valid(text)


@pytest.mark.parametrize("text", BAD)
def test_what_does_not_load_is_not_valid(text: str) -> None:
    assert not loads(text)
    assert not valid(text)


def test_the_schema_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    empty = json_schema({})
    jsonschema.Draft202012Validator.check_schema(empty)


def page_properties() -> dict[str, Any]:
    sections = SCHEMA["properties"]["channels"]["additionalProperties"]["anyOf"]
    found: dict[str, Any] = next(
        one["properties"] for one in sections if "page_id" in one["properties"]
    )
    return found


def test_help_and_defaults_reach_the_schema() -> None:
    properties = page_properties()
    assert properties["page_id"] == {"type": "string", "description": "The page's number."}
    assert properties["mode"]["default"] == "fast"
    assert properties["mode"]["enum"] == ["fast", "slow"]
