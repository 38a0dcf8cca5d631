"""What each app has spent, period by period: a row that whoever spends takes turns with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
import sqlalchemy as sa
from attrs import frozen

from channelmix.allowances import Account
from channelmix.store import schema as s
from channelmix.store.dialect import lock, upsert


@frozen
class Key:
    """One period of one app."""

    app: str
    unit: str
    begins_at: datetime

    def row(self) -> sa.ColumnElement[bool]:
        """Select the row."""
        table = s.spending.c
        return sa.and_(
            table.app == self.app, table.unit == self.unit, table.begins_at == self.begins_at
        )


def account(connection: sa.Connection, key: Key) -> Account:
    """Return what is spent."""
    kept = connection.execute(sa.select(s.spending.c.account).where(key.row())).scalar()
    return Account(**kept) if kept else Account()


def change(connection: sa.Connection, key: Key, spend: Callable[[Account], Account]) -> None:
    """Put what `spend` makes of the account in its place; nothing changes if it raises.

    Nobody else changes it meanwhile: SQLite has one writer, on PostgreSQL the row is locked.
    """
    empty = {**attrs.asdict(key), "account": attrs.asdict(Account())}
    upsert(connection, s.spending, [empty], key=["app", "unit", "begins_at"], update=[])
    query = lock(connection, sa.select(s.spending.c.account).where(key.row()), s.spending)
    before = Account(**connection.execute(query).scalar_one())
    changed = s.spending.update().where(key.row())
    connection.execute(changed.values(account=attrs.asdict(spend(before))))
