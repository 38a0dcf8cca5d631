from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest
from channelmix import Channel, Plugin, config
from channelmix.config import Secret, Settings, setting
from channelmix.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st

ENVIRON = {"TOKEN": "t0ken-value", "APP_SECRET": "app-value", "EMPTY": ""}


def even(number: int) -> int:
    if number % 2:
        raise ValueError("write an even number")
    return number


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class PageConfig:
    page_id: str = setting(help="The page.")
    access_token: Secret = setting(help="Its token.")
    depth: Annotated[int, even] = setting(default=2, help="How deep.")
    colour: Colour = setting(default=Colour.RED, help="Which.")
    speed: float = setting(default=1.0, help="How fast.", validator=attrs.validators.le(9))
    rules: tuple[Rule, ...] = setting(default=(), help="What for.")


@attrs.frozen(kw_only=True)
class Rule:
    topic: str
    after: timedelta | None = None


@attrs.frozen(kw_only=True)
class PageApp:
    app_secret: Secret = setting(help="The app's secret.")


class Page(Channel):
    network = "social"
    Config = PageConfig
    App = PageApp
    account_field = "page_id"


class Bare(Channel):
    network = "bare"


@attrs.frozen(kw_only=True)
class TriageConfig:
    threshold: float = setting(default=0.5, help="From where on.")


class Triage(Plugin):
    Config = TriageConfig


CLASSES: Mapping[str, type[Plugin]] = {"social": Page, "bare": Bare, "triage": Triage}

BASE = """
[desk]
name = "Stadtwerke Musterstadt"
base = "page"
timezone = "Europe/Berlin"
hours = { mon-fri = "08:00-18:00" }
holidays = "DE-BW"

[apps.meta]
network = "social"
app_secret = { env = "APP_SECRET" }

[channels.page]
network = "social"
app = "meta"
page_id = "17"
access_token = { env = "TOKEN" }
every = "1h30m"
"""

BARE = '[channels.x]\nnetwork = "bare"\n'

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, **options: Any) -> Settings:
        path = tmp_path / "channelmix.toml"
        path.write_text(text)
        return config.load(path, **{"environ": ENVIRON, "plugins": CLASSES, **options})

    return loaded


@pytest.fixture
def problems(load: Load) -> Callable[..., list[str]]:
    def found(text: str, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **options)
        assert str(caught.value).splitlines() == list(caught.value.problems)
        return list(caught.value.problems)

    return found


def test_a_good_file(load: Load, tmp_path: Path) -> None:
    settings = load(BASE)
    page = settings.channels["page"]
    assert page.config == PageConfig(page_id="17", access_token=Secret("t0ken-value"))
    assert page.app_config == PageApp(app_secret=Secret("app-value"))
    assert settings.apps[page.app].config is page.app_config
    assert page.every == timedelta(minutes=90)
    assert settings.desk.store == f"sqlite:///{tmp_path}/desk.db"
    assert settings.desk.media == tmp_path / "media"
    assert settings.classes == {"social": Page}
    assert settings.path == tmp_path / "channelmix.toml"


def test_five_mistakes_five_messages(problems: Callable[..., list[str]]) -> None:
    text = """
    [desk]
    timezone = "Europe/Berln"
    [channels.page]
    network = "social"
    page_id = 17
    acces_token = { env = "TOKEN" }
    app_secret = { env = "NOBODY_SET_THIS" }
    every = "soon"
    """
    assert sorted(problems(text)) == [
        "channels.page.acces_token: unknown key; did you mean access_token?",
        "channels.page.app_secret: environment variable NOBODY_SET_THIS is not set",
        'channels.page.every: write a duration like "90s", "15m", "1h30m" or "2d"',
        'channels.page.page_id: write a text, in quotes: "..."',
        "desk.timezone: unknown time zone; did you mean Europe/Berlin?",
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("[desck]", "desck: unknown section; did you mean desk?"),
        ("[channels]\nx = 3", "channels.x: write a table: [channels.x]"),
        ("[channels.x]", "channels.x.network: it is required"),
        (
            '[channels.x]\nnetwrok = "bare"',
            "channels.x.netwrok: unknown key; did you mean network?",
        ),
        (
            '[channels.x]\nnetwork = "socal"',
            "channels.x.network: no plugin socal is installed; did you mean social?",
        ),
        (
            '[channels.x]\nnetwork = "triage"',
            "channels.x.network: this plugin is no network; move it to [plugins]",
        ),
        (
            '[plugins.x]\nplugin = "bare"',
            "plugins.x.plugin: this plugin is a network; move it to [channels]",
        ),
        ('[channels."a b"]\nnetwork = "bare"', "channels.a b: a name takes letters, digits"),
        (
            BARE + 'topics = "one"',
            "channels.x.topics: write a list: [...]",
        ),
        (BARE + "push = 1", "channels.x.push: write true or false"),
        (
            BARE + 'api_url = "host"',
            "channels.x.api_url: write an address",
        ),
        (BARE + 'hours = {mo = "8-9"}', "channels.x.hours: cannot read the hours"),
        (BARE + "hours = 8", "channels.x.hours: write a table"),
        (BARE + 'holidays = "DE-XX"', "channels.x.holidays: DE has no"),
        (BARE + 'on_error = "ask"', "channels.x.on_error: write one of"),
        (BARE + 'every = "0s"', "channels.x.every: it must be longer"),
        (BARE + 'every = "9999999999d"', "channels.x.every: it is longer"),
        (BARE + 'app = "mta"', "channels.x.app: there is no app mta; did"),
        (
            BARE + 'app = "meta"',
            "channels.x.app: the app meta is not at b",
        ),
        (BARE + 'teams = ["t"]', "channels.x.teams: there is no team t"),
        ('[channels.meta]\nnetwork = "bare"', "channels.meta: there is an app of that name; write"),
        ('[plugins.page]\nplugin = "triage"', "plugins.page: there is a channel of that name"),
        (
            "[plugins.triage]\nthreshhold = 1",
            "plugins.triage.threshhold: unknown key; did you mean",
        ),
        (
            '[teams.t]\nagents = ["ana"]\n[agents.anna]',
            "teams.t.agents: there is no agent ana; did",
        ),
        (
            '[teams.t]\nchannels = ["pge"]',
            "teams.t.channels: there is no channel pge; did you mean",
        ),
        ("[teams.t]\ntopics = [1]", "teams.t.topics[0]: write a text"),
        ("[agents.a]\ncapacity = 0", "agents.a.capacity: write a number above zero"),
        ("[agents.a]\ncapacity = true", "agents.a.capacity: write a whole number"),
        ("[service_levels]", "service_levels: write a list: [...]"),
        ("[[service_levels]]", "service_levels[0].first_response: it is required"),
        (
            '[[service_levels]]\nfirst_response = "1h"\nkind = "dm"',
            "service_levels[0].kind: write one of post, comment, direct_message",
        ),
        (
            '[[service_levels]]\nfirst_response = "1h"\nchannel = "pag"',
            "service_levels[0].channel: there is no channel pag; did you mean page?",
        ),
        (
            BARE + 'service_levels = [{ first_response = "1h", kin = 1 }]',
            "channels.x.service_levels[0].kin: unknown key; did you mean kind?",
        ),
    ],
)
def test_each_mistake_has_its_path(
    problems: Callable[..., list[str]], more: str, problem: str
) -> None:
    (found,) = problems(f"{BASE}\n{more}")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('store = "mysql://x"', "desk.store: write sqlite:///FILE or postgresql://"),
        ('store = { env = "NO" }', "desk.store: environment variable NO is not set"),
        ("body_limit = -1", "desk.body_limit: write a number above zero"),
        ('base = "pgae"', "desk.base: there is no channel pgae"),
    ],
)
def test_mistakes_in_the_desk(problems: Callable[..., list[str]], line: str, problem: str) -> None:
    (found,) = problems(f"[desk]\n{line}")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("depth = 3", "channels.page.depth: write an even number"),
        ('colour = "rde"', "channels.page.colour: write one of red, blue"),
        ("speed = 10", "channels.page.speed: 'speed' must be <= 9: 10"),
        ('speed = "fast"', "channels.page.speed: write a number"),
        ('rules = [{ topic = "a" }, 1]', "channels.page.rules[1]: write a table"),
        ('rules = [{ after = "1h", topik = "a" }]', "channels.page.rules[0].topik: unknown key"),
        ('app_secret = "x"', "channels.page.app_secret: it belongs to the app: move it to [apps."),
    ],
)
def test_mistakes_in_a_plugins_own_keys(
    problems: Callable[..., list[str]], line: str, problem: str
) -> None:
    (found,) = problems(BASE + line)
    assert found.startswith(problem)


def test_a_validator_hides_no_other_mistake(problems: Callable[..., list[str]]) -> None:
    assert len(problems(f"{BASE}speed = 10\ndepth = 3\n[agents.a]\ncapacity = 0")) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\nb = = 2\n", "line 2"),
        ("a = 1\n\nb = [", "at line 3, the last"),
        ("a = 1\na = 2", "line 2"),
    ],
)
def test_broken_toml_is_one_line_with_its_number(
    problems: Callable[..., list[str]], text: str, problem: str
) -> None:
    (found,) = problems(text)
    assert "channelmix.toml: " in found
    assert problem in found


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"a = 1\nb = '\xff'")
    for path, problem in [
        (tmp_path / "none.toml", "there is no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (bad, "this is not UTF-8 text (at line 2)"),
    ]:
        with pytest.raises(ConfigError) as caught:
            config.load(str(path))
        assert str(caught.value).startswith(f"{path}: {problem}")


# --- secrets ------------------------------------------------------------------------------


def test_a_secret_from_a_file_beside_the_configuration(load: Load, tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("from-a-file\n")
    settings = load(BASE.replace('env = "TOKEN"', 'file = "token.txt"'))
    assert settings.channels["page"].config.access_token.reveal() == "from-a-file"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ('{ env = "NO" }', "environment variable NO is not set"),
        ('{ env = "EMPTY" }', "environment variable EMPTY is not set"),
        ('{ file = "no.txt" }', "the file no.txt cannot be read: No such file or directory"),
        ('""', "it is empty"),
        ("3", 'write { env = "NAME" } or { file = "path" }'),
        ('{ evn = "NO" }', 'write { env = "NAME" } or { file = "path" }'),
        ('{ env = "A", file = "b" }', 'write { env = "NAME" } or { file = "path" }'),
    ],
)
def test_a_missing_secret(problems: Callable[..., list[str]], secret: str, problem: str) -> None:
    text = BASE.replace('{ env = "TOKEN" }', secret)
    assert problems(text) == [f"channels.page.access_token: {problem}"]


def test_a_dry_run_needs_no_secret(load: Load) -> None:
    text = BASE.replace('env = "TOKEN"', 'file = "no.txt"')
    settings = load(text, environ={}, secrets="optional")
    assert settings.channels["page"].config.access_token == Secret()
    assert settings.channels["page"].app_config.app_secret == Secret()


def test_no_secret_shows_in_settings(load: Load) -> None:
    text = BASE.replace("[desk]", '[desk]\nstore = "postgresql://me:pass-word@host/db"')
    shown = repr(load(text)) + str(attrs.asdict(load(text)))
    assert "***" in shown
    assert not any(value in repr(load(text)) for value in ("t0ken", "app-value", "pass-word"))
    assert not any(value in shown for value in ("t0ken", "app-value"))


# --- which code is imported ---------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Install a network whose code cannot be imported."""
    info = tmp_path / "brokennet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brokennet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[channelmix.v1]\nbrokennet = brokennet_code:Net\n")
    (tmp_path / "brokennet_code.py").write_text("raise RuntimeError('no luck')")
    monkeypatch.syspath_prepend(str(tmp_path))
    return '[channels.bad]\nnetwork = "brokennet"\nanything = 1\n[agents.anna]\n'


def test_a_plugin_that_cannot_be_imported_costs_its_own_channel_only(
    load: Load, broken: str
) -> None:
    settings = load(broken, plugins=None)
    assert list(settings.agents) == ["anna"]
    assert not settings.channels
    assert "bad" not in settings.apps
    assert "RuntimeError: no luck" in settings.unavailable["bad"]


def test_unless_the_file_says_fail(problems: Callable[..., list[str]], broken: str) -> None:
    (found,) = problems(broken.replace("anything = 1", 'on_error = "fail"'), plugins=None)
    assert found.startswith("channels.bad.network: brokennet_code:Net of brokennet 1.0 cannot be")


def test_a_disabled_section_imports_nothing(load: Load, broken: str) -> None:
    settings = load(broken.replace("anything = 1", "enabled = false"), plugins=None)
    assert not settings.unavailable
    assert not settings.channels["bad"].enabled
    assert settings.channels["bad"].config is None


def test_a_disabled_section_is_checked_for_the_common_keys(
    problems: Callable[..., list[str]],
) -> None:
    text = '[channels.x]\nenabled = false\nnetwork = "nowhere"\nfoo = 1\nevery = "never"'
    assert [one.partition(":")[0] for one in problems(text)] == ["channels.x.every"]


def test_a_class_with_a_field_that_no_file_can_fill(problems: Callable[..., list[str]]) -> None:
    @attrs.frozen
    class Odd:
        either: str | int = 1

    class Net(Channel):
        network = "odd"
        Config = Odd

    (found,) = problems('[channels.x]\nnetwork = "odd"\neither = 1', plugins={"odd": Net})
    assert found.startswith("channels.x")
    assert "Unsupported type: str | int" in found


# --- apps, plugins ------------------------------------------------------------------------


def test_a_channel_without_an_app_is_its_own(load: Load) -> None:
    text = '[channels.x]\nnetwork = "social"\npage_id = "1"\naccess_token = "a"\napp_secret = "b"'
    settings = load(text)
    assert settings.channels["x"].app == "x"
    assert settings.channels["x"].app_config == PageApp(app_secret=Secret("b"))
    assert settings.apps["x"].config is settings.channels["x"].app_config


def test_channels_share_an_app(load: Load) -> None:
    more = '[channels.b]\nnetwork = "social"\napp = "meta"\npage_id = "2"\naccess_token = "a"'
    settings = load(BASE + more)
    assert settings.channels["b"].app_config is settings.channels["page"].app_config
    assert list(settings.apps) == ["meta"]


def test_mistakes_of_a_shared_app_are_told_once(problems: Callable[..., list[str]]) -> None:
    more = '[channels.b]\nnetwork = "social"\napp = "meta"\npage_id = "2"\naccess_token = "a"'
    found = problems((BASE + more).replace('env = "APP_SECRET"', 'env = "NO"'))
    assert found == ["apps.meta.app_secret: environment variable NO is not set"]


def test_plugins_that_are_no_network(load: Load) -> None:
    settings = load('[plugins.triage]\nthreshold = 1\n[plugins.second]\nplugin = "triage"')
    assert settings.plugins["triage"].config == TriageConfig(threshold=1.0)
    assert settings.plugins["second"].plugin == "triage"
    assert settings.classes == {"triage": Triage}


def test_a_mapping_instead_of_a_file() -> None:
    settings = config.load({"channels": {"x": {"network": "bare"}}}, environ={}, plugins=CLASSES)
    assert settings.channels["x"].network == "bare"
    assert settings.path is None
    assert settings.desk.store == f"sqlite:///{Path.cwd()}/desk.db"


@pytest.mark.parametrize(
    "store", ["sqlite:////var/desk.db", "sqlite:///:memory:", "postgresql://h/d"]
)
def test_a_store_that_has_no_relative_path(load: Load, store: str) -> None:
    assert load(f'[desk]\nstore = "{store}"').desk.store == store


# --- durations ----------------------------------------------------------------------------


@given(*[st.integers(0, 999)] * 4)
def test_durations(days: int, hours: int, minutes: int, seconds: int) -> None:
    wanted = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    values = {"service_levels": [{"first_response": text}]}
    if not wanted:
        with pytest.raises(ConfigError, match="longer than nothing"):
            config.load(values, plugins={})
        return
    assert config.load(values, plugins={}).service_levels[0].first_response == wanted


def test_reading_a_configuration_needs_no_heavy_import() -> None:
    code = (
        "import sys, channelmix.config, channelmix.schema, channelmix.registry; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"httpx", "sqlalchemy", "structlog", "click", "rich", "holidays", "msgspec"}
    assert not heavy & set(run.stdout.split())
