"""Keys are held against each other by the worker that leases an event, not when it arrives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Give the events a column; those that are there were told apart when they arrived."""
    original: sa.Column[bool] = sa.Column(
        "original", sa.Boolean(), server_default=sa.true(), nullable=False
    )
    with op.batch_alter_table("raw_events") as table:  # SQLite makes the table anew
        table.add_column(original)
        table.drop_constraint("uq_raw_events_scope_key", type_="unique")
    op.create_index(
        "uq_raw_events_original",
        "raw_events",
        ["scope", "key"],
        unique=True,
        sqlite_where=sa.text("original = 1"),
        postgresql_where=sa.text("original = true"),
    )
