"""Bring a database to this version's tables."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from channelmix.errors import StoreError

HEAD = "0001"
"""The newest revision in `migrations/versions`; a test holds it to that."""
KNOWN = frozenset({HEAD})
"""Every revision this version can start from."""


def prepare(engine: sa.Engine, place: str) -> None:
    """Create or upgrade the tables; do nothing if they are up to date.

    Raises: `StoreError` if the database was written by a newer version.
    """
    found = revision(engine)
    if found == HEAD:
        return
    if found is not None and found not in KNOWN:
        raise StoreError(
            f"store {place}: was written by a newer channelmix (revision {found}); "
            f"install that version, or point [desk] store at another database"
        )
    _upgrade(engine)


def revision(engine: sa.Engine) -> str | None:
    """Return the revision of the database, None if it is empty."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(engine: sa.Engine) -> None:
    """Run the missing migrations; Alembic is imported only here, it is slow to load."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
