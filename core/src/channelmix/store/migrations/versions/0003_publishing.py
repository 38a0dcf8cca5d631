"""What is published: its details, and who approved it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from channelmix.store import types

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give the outbox two columns; what it holds already has neither."""
    op.add_column("outbox", sa.Column("details", types.Json(), nullable=True))
    op.add_column("outbox", sa.Column("approved_by", types.String(), nullable=True))
