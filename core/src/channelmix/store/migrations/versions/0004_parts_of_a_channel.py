"""Parts of actions know their channel: what waits on another one is not looked at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from channelmix.store import types

revision = "0004"
down_revision = "0003"

_FILL = """
UPDATE outbox_parts
SET channel = (SELECT outbox.channel FROM outbox WHERE outbox.id = outbox_parts.outbox_id)
"""


def upgrade() -> None:
    """Give the parts a column, with what their action has, and find them by it."""
    op.add_column("outbox_parts", sa.Column("channel", types.String(), nullable=True))
    op.execute(_FILL)
    op.drop_index("ix_outbox_parts_state", "outbox_parts")
    with op.batch_alter_table("outbox_parts") as table:  # SQLite makes the table anew
        table.alter_column("channel", existing_type=types.String(), nullable=False)
        table.create_index("ix_outbox_parts_due", ["state", "channel", "next_at"])
