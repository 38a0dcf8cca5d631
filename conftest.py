"""What all tests share: a real PostgreSQL, and README.md and docs/, whose examples are run."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from channelmix.testing.postgresql import (  # noqa: F401 - fixtures, for every folder of tests
    postgresql,
    start_postgresql,
)
from hypothesis import HealthCheck, settings
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

collect_ignore_glob = ["docs/tutorial/stage*"]  # tests/test_tutorial.py runs each by itself

# Types are checked by many tests, each in its plugin's folder: once is enough for what they share.
# A cache for each of the processes that test: mypy waits where another one has it open.
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["MYPY_CACHE_DIR"] = str(Path(__file__).parent / ".mypy_cache" / f"tests-{_PROCESS}")

# A busy machine is no finding: examples may take their time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def _load(example: Example) -> None:
    """Load a configuration as `channelmix check` would; whatever is wrong with it is raised."""
    from channelmix.config import load  # noqa: PLC0415 - only where an example needs it

    settings = load(tomllib.loads(example.parsed), secrets="optional")
    if settings.unavailable:
        raise LookupError(settings.unavailable)


SLOW_CHECKS = re.compile(r"test_c(103|209|302|308|310|312|314|401)_")
"""Checks of the kit that start other programs, try hundreds of inputs or wait for what is lost."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what takes a plugin more than a second to `make test`."""
    for item in items:
        if SLOW_CHECKS.match(item.name):
            item.add_marker("slow")


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


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("toml", _load), PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    fixtures=["in_a_new_folder"],
).pytest()
