"""The help library."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from channelmix.store import types

revision = "0002"
down_revision = "0001"

_WORDS = {
    "sqlite": ["CREATE VIRTUAL TABLE article_words USING fts5(title, text)"],
    "postgresql": [
        "CREATE TABLE article_words (id bigint PRIMARY KEY, title tsvector, text tsvector)",
        "CREATE INDEX ix_article_words_title ON article_words USING gin (title)",
        "CREATE INDEX ix_article_words_text ON article_words USING gin (text)",
    ],
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "articles",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("external_id", types.String(), nullable=False),
        sa.Column("title", types.String(), nullable=False),
        sa.Column("text", types.String(), nullable=True),
        sa.Column("url", types.String(), nullable=False),
        sa.Column("thumbnail", types.String(), nullable=True),
        sa.Column("language", types.String(), nullable=True),
        sa.Column("topics", types.Json(), nullable=False),
        sa.Column("published_at", types.Time(), nullable=False),
        sa.Column("seen_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
        sa.UniqueConstraint("channel", "external_id", name=op.f("uq_articles_channel_external_id")),
    )
    op.create_index("ix_articles_published_at", "articles", ["published_at"], unique=False)
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)
