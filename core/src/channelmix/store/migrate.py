"""Bring a database to this version's tables."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from channelmix.errors import StoreError
from channelmix.store import locks
from channelmix.store import schema as s

HEAD = "0005"
"""The newest revision in `migrations/versions`; a test holds it to that."""
KNOWN = frozenset({"0001", "0002", "0003", "0004", HEAD})
"""Every revision this version can start from."""


def prepare(engine: sa.Engine, place: str) -> None:
    """Create or upgrade the tables; do nothing if they are up to date.

    Raises: `StoreError` if the database was written by a newer version.
    """
    with engine.begin() as connection:
        if _checked(connection, place) == HEAD:
            return
        locks.hold(connection, [locks.MIGRATION])  # another process may be at it
        if _checked(connection, place) != HEAD:
            _upgrade(connection)


def _checked(connection: sa.Connection, place: str) -> str | None:
    """Return the revision of the database, None if it is empty; refuse a newer one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        sa.text("SELECT version_num FROM alembic_version")
    ).scalar()
    if found is not None and found not in KNOWN:
        raise StoreError(
            f"store {place}: was written by a newer channelmix (revision {found}); "
            f"install that version, or point [desk] store at another database"
        )
    return found


def _upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations; Alembic is imported only here, it is slow to load."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def origin(connection: sa.Connection) -> str | None:
    """Return the name that the database was given when it was made."""
    return connection.execute(sa.select(s.origin.c.id)).scalar()
