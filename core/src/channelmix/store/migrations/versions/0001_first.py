"""The first tables."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

from channelmix.store import types

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "actions",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("ticket_id", types.Id, nullable=False),
        sa.Column("kind", types.String(), nullable=False),
        sa.Column("by", types.String(), nullable=False),
        sa.Column("at", types.Time(), nullable=False),
        sa.Column("covers", types.Json(), nullable=False),
        sa.Column("data", types.Json(), nullable=False),
        sa.Column("outbox_id", types.Id, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
    )
    op.create_index(op.f("ix_actions_ticket_id"), "actions", ["ticket_id"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("message_id", types.Id, nullable=False),
        sa.Column("kind", types.String(), nullable=False),
        sa.Column("url", types.String(), nullable=True),
        sa.Column("external_id", types.String(), nullable=True),
        sa.Column("name", types.String(), nullable=True),
        sa.Column("mime", types.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("text", types.String(), nullable=True),
        sa.Column("state", types.String(), nullable=False),
        sa.Column("path", types.String(), nullable=True),
        sa.Column("error", types.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", types.Time(), nullable=True),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index(op.f("ix_attachments_message_id"), "attachments", ["message_id"], unique=False)
    op.create_index("ix_attachments_state", "attachments", ["state", "next_at"], unique=False)
    op.create_table(
        "channels",
        sa.Column("name", types.String(), nullable=False),
        sa.Column("state", types.String(), nullable=False),
        sa.Column("why", types.String(), nullable=True),
        sa.Column("since", types.Time(), nullable=False),
        sa.Column("last_push_at", types.Time(), nullable=True),
        sa.Column("last_poll_at", types.Time(), nullable=True),
        sa.Column("token_expires_at", types.Time(), nullable=True),
        sa.Column("checked_at", types.Time(), nullable=True),
        sa.Column("held_until", types.Time(), nullable=True),
        sa.Column("held_because", types.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channels")),
    )
    op.create_table(
        "customers",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("name", types.String(), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    op.create_table(
        "fates",
        sa.Column(
            "event_id",
            types.Id,
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("fate", types.String(), nullable=False),
        sa.Column("reason", types.String(), nullable=True),
        sa.Column("item", types.String(), nullable=True),
        sa.Column("inbounds", sa.Integer(), nullable=False),
        sa.Column("at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_fates")),
    )
    op.create_index("ix_fates_fate", "fates", ["fate"], unique=False)
    op.create_index("ix_fates_item", "fates", ["item"], unique=False)
    op.create_table(
        "happenings",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("kind", types.String(), nullable=False),
        sa.Column("at", types.Time(), nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("ticket_id", types.Id, nullable=True),
        sa.Column("data", types.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_happenings")),
    )
    op.create_table(
        "identities",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("customer_id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("external_id", types.String(), nullable=False),
        sa.Column("name", types.String(), nullable=True),
        sa.Column("handle", types.String(), nullable=True),
        sa.Column("url", types.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint(
            "channel", "external_id", name=op.f("uq_identities_channel_external_id")
        ),
    )
    op.create_index(op.f("ix_identities_customer_id"), "identities", ["customer_id"], unique=False)
    op.create_table(
        "inbounds",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("event_id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("item", types.String(), nullable=False),
        sa.Column("type", types.String(), nullable=False),
        sa.Column("revision", types.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("road", types.String(), nullable=False),
        sa.Column("pushed", sa.Boolean(), nullable=False),
        sa.Column("arrived_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbounds")),
        sa.UniqueConstraint(
            "channel",
            "item",
            "type",
            "revision",
            name=op.f("uq_inbounds_channel_item_type_revision"),
        ),
    )
    op.create_index(op.f("ix_inbounds_event_id"), "inbounds", ["event_id"], unique=False)
    op.create_table(
        "intake",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("scope", types.String(), nullable=False),
        sa.Column("road", types.String(), nullable=False),
        sa.Column("at", types.Time(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake")),
    )
    op.create_table(
        "labels",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("message_id", types.Id, nullable=False),
        sa.Column("source", types.String(), nullable=False),
        sa.Column("name", types.String(), nullable=False),
        sa.Column("value", types.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint(
            "message_id", "source", "name", name=op.f("uq_labels_message_id_source_name")
        ),
    )
    op.create_table(
        "lookups",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("source", types.String(), nullable=False),
        sa.Column("argument", types.String(), nullable=False),
        sa.Column("state", types.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", types.Time(), nullable=False),
        sa.Column("error", types.String(), nullable=True),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookups")),
    )
    op.create_index("ix_lookups_state", "lookups", ["channel", "state", "next_at"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("external_id", types.String(), nullable=False),
        sa.Column("thread", types.String(), nullable=False),
        sa.Column("person", types.String(), nullable=False),
        sa.Column("author", types.String(), nullable=True),
        sa.Column("kind", types.String(), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("native", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("text", types.String(), nullable=True),
        sa.Column("sent_at", types.Time(), nullable=False),
        sa.Column("arrived_at", types.Time(), nullable=False),
        sa.Column("edited_at", types.Time(), nullable=True),
        sa.Column("deleted_at", types.Time(), nullable=True),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("parent", types.String(), nullable=True),
        sa.Column("url", types.String(), nullable=True),
        sa.Column("rating", types.String(), nullable=True),
        sa.Column("payload", types.String(), nullable=True),
        sa.Column("no_reply", types.String(), nullable=True),
        sa.Column("reply_until", types.Time(), nullable=True),
        sa.Column("reply_cost", sa.Float(), nullable=True),
        sa.Column("opens_window", sa.Boolean(), nullable=False),
        sa.Column("delivered_at", types.Time(), nullable=True),
        sa.Column("read_at", types.Time(), nullable=True),
        sa.Column("ticket_id", types.Id, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("channel", "external_id", name=op.f("uq_messages_channel_external_id")),
    )
    op.create_index("ix_messages_parent", "messages", ["channel", "parent"], unique=False)
    op.create_index(op.f("ix_messages_ticket_id"), "messages", ["ticket_id"], unique=False)
    op.create_index("ix_messages_unit", "messages", ["channel", "thread", "person"], unique=False)
    op.create_table(
        "observers",
        sa.Column("name", types.String(), nullable=False),
        sa.Column("position", types.Id, nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", types.String(), nullable=True),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_observers")),
    )
    origin = op.create_table(
        "origin",
        sa.Column("id", types.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_origin")),
    )
    op.bulk_insert(origin, [{"id": secrets.token_hex(8)}])
    op.create_table(
        "outbox",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("ticket_id", types.Id, nullable=True),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("action", types.String(), nullable=False),
        sa.Column("target", types.String(), nullable=True),
        sa.Column("own_id", types.String(), nullable=True),
        sa.Column("text", types.String(), nullable=False),
        sa.Column("by", types.String(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("window_opened_at", types.Time(), nullable=True),
        sa.Column("created_at", types.Time(), nullable=False),
        sa.Column("state", types.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_state", "outbox", ["state"], unique=False)
    op.create_index("ix_outbox_target", "outbox", ["channel", "target"], unique=False)
    op.create_index(op.f("ix_outbox_ticket_id"), "outbox", ["ticket_id"], unique=False)
    op.create_table(
        "outbox_parts",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("outbox_id", types.Id, nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("token", types.String(), nullable=False),
        sa.Column("text", types.String(), nullable=False),
        sa.Column("attachments", types.Json(), nullable=False),
        sa.Column("state", types.String(), nullable=False),
        sa.Column("owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.Column("first_sent_at", types.Time(), nullable=True),
        sa.Column("last_sent_at", types.Time(), nullable=True),
        sa.Column("sent_at", types.Time(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", types.Time(), nullable=True),
        sa.Column("error", types.String(), nullable=True),
        sa.Column("for_person", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_parts")),
        sa.UniqueConstraint("outbox_id", "idx", name=op.f("uq_outbox_parts_outbox_id_idx")),
        sa.UniqueConstraint("token", name=op.f("uq_outbox_parts_token")),
    )
    op.create_index("ix_outbox_parts_state", "outbox_parts", ["state", "next_at"], unique=False)
    op.create_table(
        "raw_events",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("scope", types.String(), nullable=False),
        sa.Column("key", types.String(), nullable=False),
        sa.Column("app", types.String(), nullable=False),
        sa.Column("channel", types.String(), nullable=True),
        sa.Column("account", types.String(), nullable=False),
        sa.Column("source", types.String(), nullable=False),
        sa.Column("road", types.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", types.Time(), nullable=False),
        sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raw_events")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_raw_events_scope_key")),
    )
    op.create_index(
        "ix_raw_events_unsettled",
        "raw_events",
        ["id"],
        unique=False,
        sqlite_where=sa.text("settled = 0"),
        postgresql_where=sa.text("settled = false"),
    )
    op.create_table(
        "receipts",
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("external_id", types.String(), nullable=False),
        sa.Column("part_id", types.Id, nullable=False),
        sa.Column("at", types.Time(), nullable=False),
        sa.Column("how", types.String(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "external_id", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_part_id"), "receipts", ["part_id"], unique=False)
    op.create_table(
        "sources",
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("source", types.String(), nullable=False),
        sa.Column("cursor", types.Json(), nullable=True),
        sa.Column("next_at", types.Time(), nullable=False),
        sa.Column("polled_at", types.Time(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", types.String(), nullable=True),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "source", name=op.f("pk_sources")),
    )
    op.create_table(
        "spending",
        sa.Column("app", types.String(), nullable=False),
        sa.Column("unit", types.String(), nullable=False),
        sa.Column("begins_at", types.Time(), nullable=False),
        sa.Column("account", types.Json(), nullable=False),
        sa.PrimaryKeyConstraint("app", "unit", "begins_at", name=op.f("pk_spending")),
    )
    op.create_table(
        "threads",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("external_id", types.String(), nullable=False),
        sa.Column("text", types.String(), nullable=True),
        sa.Column("url", types.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threads")),
        sa.UniqueConstraint("channel", "external_id", name=op.f("uq_threads_channel_external_id")),
    )
    op.create_table(
        "tickets",
        sa.Column("id", types.Id, nullable=False),
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("thread", types.String(), nullable=False),
        sa.Column("person", types.String(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("customer_id", types.Id, nullable=True),
        sa.Column("kind", types.String(), nullable=False),
        sa.Column("subject", types.String(), nullable=False),
        sa.Column("state", types.String(), nullable=False),
        sa.Column("reason", types.String(), nullable=True),
        sa.Column("topic", types.String(), nullable=True),
        sa.Column("priority", types.String(), nullable=False),
        sa.Column("team", types.String(), nullable=True),
        sa.Column("agent", types.String(), nullable=True),
        sa.Column("assigned_because", types.String(), nullable=True),
        sa.Column("opened_at", types.Time(), nullable=False),
        sa.Column("waiting_since", types.Time(), nullable=True),
        sa.Column("first_response_at", types.Time(), nullable=True),
        sa.Column("last_message_at", types.Time(), nullable=False),
        sa.Column("due_at", types.Time(), nullable=True),
        sa.Column("late", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_at", types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint(
            "channel",
            "thread",
            "person",
            "episode",
            name=op.f("uq_tickets_channel_thread_person_episode"),
        ),
    )
    op.create_index("ix_tickets_agent", "tickets", ["state", "agent"], unique=False)
    op.create_index("ix_tickets_queue", "tickets", ["state", "due_at"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("channel", types.String(), nullable=False),
        sa.Column("name", types.String(), nullable=False),
        sa.Column("value", types.Json(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", types.Time(), nullable=True),
        sa.Column("lease_owner", types.String(), nullable=True),
        sa.Column("lease_until", types.Time(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "name", name=op.f("pk_tokens")),
    )
