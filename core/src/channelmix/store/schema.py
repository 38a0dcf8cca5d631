"""Every table. The store is the truth: raw events, what they mean, tickets, the outbox.

Times are aware, ids of networks are text. A *scope* is what a delivery key is unique in: the
app for pushed events, the channel for polled ones.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    false,
    true,
)

from channelmix.store.types import Id, Json, String, Time, Word

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _lease() -> tuple[Column[str], Column[datetime]]:
    """Make the columns of what only one process may work on at a time, see `leases`."""
    return Column("lease_owner", Word), Column("lease_until", Time)


# --- the journal ----------------------------------------------------------------------------

raw_events = Table(
    "raw_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Word, nullable=False),
    Column("key", String, nullable=False),
    Column("app", Word, nullable=False),
    Column("channel", Word),  # None: no channel has this account
    Column("account", String, nullable=False),
    Column("source", String, nullable=False),
    Column("road", Word, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Time, nullable=False),
    # It is known that none with its key came before: see `journal`.
    Column("original", Boolean, nullable=False, server_default=true()),
    Column("settled", Boolean, nullable=False, server_default=false()),
    *_lease(),
    Column("attempts", Integer, nullable=False, server_default="0"),
)
Index(
    "uq_raw_events_original",
    raw_events.c.scope,
    raw_events.c.key,
    unique=True,
    sqlite_where=raw_events.c.original == true(),
    postgresql_where=raw_events.c.original == true(),
)
Index(
    "ix_raw_events_unsettled",
    raw_events.c.id,
    sqlite_where=raw_events.c.settled == false(),
    postgresql_where=raw_events.c.settled == false(),
)

intake = Table(  # a row for each commit and scope: what came, and what the journal has of it
    "intake",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Word, nullable=False),
    Column("road", Word, nullable=False),
    Column("at", Time, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
)

fates = Table(
    "fates",
    metadata,
    Column("event_id", Id, primary_key=True, autoincrement=False),
    Column("fate", Word, nullable=False),
    Column("reason", String),
    Column("item", String),  # what it was about, new or known
    Column("inbounds", Integer, nullable=False),  # how many new ones it brought
    Column("at", Time, nullable=False),
    Index("ix_fates_fate", "fate"),
    Index("ix_fates_item", "item"),
)

# --- what it means --------------------------------------------------------------------------

inbounds = Table(
    "inbounds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, nullable=False, index=True),
    Column("channel", Word, nullable=False),
    Column("item", String, nullable=False),  # the external id of what it is about
    Column("type", Word, nullable=False),
    Column("revision", String, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("road", Word, nullable=False),
    Column("pushed", Boolean, nullable=False),  # the network pushed it, first or later
    Column("arrived_at", Time, nullable=False),
    UniqueConstraint("channel", "item", "type", "revision"),
)

threads = Table(
    "threads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Word, nullable=False),
    Column("external_id", String, nullable=False),
    Column("text", String),
    Column("url", String),
    UniqueConstraint("channel", "external_id"),
)

customers = Table(
    "customers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String),
    Column("created_at", Time, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False, index=True),
    Column("channel", Word, nullable=False),
    Column("external_id", String, nullable=False),
    Column("name", String),
    Column("handle", String),
    Column("url", String),
    UniqueConstraint("channel", "external_id"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Word, nullable=False),
    Column("external_id", String, nullable=False),
    Column("thread", String, nullable=False),
    Column("person", String, nullable=False),  # who asks: the author's id, or the item's own
    Column("author", String),  # as it is shown
    Column("kind", Word, nullable=False),
    Column("own", Boolean, nullable=False),
    Column("native", Boolean, nullable=False, server_default=false()),  # ours, not sent by us
    Column("text", String),
    Column("sent_at", Time, nullable=False),
    Column("arrived_at", Time, nullable=False),
    Column("edited_at", Time),
    Column("deleted_at", Time),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("parent", String),
    Column("url", String),
    Column("rating", String),
    Column("payload", String),
    Column("no_reply", String),
    Column("reply_until", Time),
    Column("reply_cost", Float),
    Column("opens_window", Boolean, nullable=False),
    Column("delivered_at", Time),
    Column("read_at", Time),
    Column("ticket_id", Id, index=True),
    UniqueConstraint("channel", "external_id"),
    Index("ix_messages_unit", "channel", "thread", "person"),
    Index("ix_messages_parent", "channel", "parent"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False, index=True),
    Column("kind", Word, nullable=False),
    Column("url", String),
    Column("external_id", String),
    Column("name", String),
    Column("mime", String),
    Column("size", BigInteger),
    Column("text", String),
    Column("state", Word, nullable=False),  # none, wanted, stored, failed
    Column("path", String),
    Column("error", String),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Time),
    *_lease(),
    Index("ix_attachments_state", "state", "next_at"),
)

labels = Table(
    "labels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("source", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value", String, nullable=False),
    Column("confidence", Float, nullable=False),
    UniqueConstraint("message_id", "source", "name"),
)

lookups = Table(
    "lookups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Word, nullable=False),
    Column("source", String, nullable=False),
    Column("argument", String, nullable=False),
    Column("state", Word, nullable=False),  # wanted, done, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Time, nullable=False),
    Column("error", String),
    *_lease(),
    Index("ix_lookups_state", "channel", "state", "next_at"),
)

# --- tickets --------------------------------------------------------------------------------

tickets = Table(
    "tickets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Word, nullable=False),
    Column("thread", String, nullable=False),
    Column("person", String, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("customer_id", Id),
    Column("kind", Word, nullable=False),
    Column("subject", String, nullable=False),
    Column("state", Word, nullable=False),
    Column("reason", String),  # why it is closed or filtered
    Column("topic", String),
    Column("priority", String, nullable=False),
    Column("team", String),
    Column("agent", String),
    Column("assigned_because", String),
    Column("opened_at", Time, nullable=False),
    Column("waiting_since", Time),  # the customer, for our answer
    Column("first_response_at", Time),
    Column("last_message_at", Time, nullable=False),
    Column("due_at", Time),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("changed_at", Time, nullable=False),
    UniqueConstraint("channel", "thread", "person", "episode"),
    Index("ix_tickets_queue", "state", "due_at"),
    Index("ix_tickets_agent", "state", "agent"),
)

actions = Table(  # what we did to a ticket: inputs of the projection, like messages
    "actions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Id, nullable=False, index=True),
    Column("kind", Word, nullable=False),  # assign, note, close, reopen, reply, topic
    Column("by", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("covers", Json, nullable=False),  # external ids of the messages it has seen
    Column("data", Json, nullable=False),
    Column("outbox_id", Id),
)

# --- answers --------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Id, index=True),
    Column("channel", Word, nullable=False),
    Column("action", Word, nullable=False),
    Column("target", String),
    Column("own_id", String),
    Column("text", String, nullable=False),
    Column("details", Json),  # what is published beside the text
    Column("by", String, nullable=False),
    Column("approved_by", String),
    Column("automatic", Boolean, nullable=False),
    Column("window_opened_at", Time),
    Column("created_at", Time, nullable=False),
    Column("state", Word, nullable=False),
    Index("ix_outbox_state", "state"),
    Index("ix_outbox_target", "channel", "target"),
)

outbox_parts = Table(
    "outbox_parts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("outbox_id", Id, nullable=False),
    Column("channel", Word, nullable=False),  # that of its action
    Column("idx", Integer, nullable=False),
    Column("token", Word, nullable=False, unique=True),
    Column("text", String, nullable=False),
    Column("attachments", Json, nullable=False),
    Column("state", Word, nullable=False),
    Column("owner", Word),
    Column("lease_until", Time),
    Column("first_sent_at", Time),
    Column("last_sent_at", Time),
    Column("sent_at", Time),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("next_at", Time),
    Column("error", String),
    Column("for_person", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("outbox_id", "idx"),
    Index("ix_outbox_parts_due", "state", "channel", "next_at"),
)

receipts = Table(  # an external id belongs to one part, for ever: a match is used up once
    "receipts",
    metadata,
    Column("channel", Word, primary_key=True),
    Column("external_id", String, primary_key=True),
    Column("part_id", Id, nullable=False, index=True),
    Column("at", Time, nullable=False),
    Column("how", Word, nullable=False),  # answer, echo, reconcile, person
)

# --- the help library -----------------------------------------------------------------------

articles = Table(  # its words are in `article_words`, which `library` knows
    "articles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Word, nullable=False),
    Column("external_id", String, nullable=False),
    Column("title", String, nullable=False),
    Column("text", String),
    Column("url", String, nullable=False),
    Column("thumbnail", String),
    Column("language", String),
    Column("topics", Json, nullable=False),
    Column("published_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    UniqueConstraint("channel", "external_id"),
    Index("ix_articles_published_at", "published_at"),
)

# --- the rest -------------------------------------------------------------------------------

origin = Table(  # one row, written with the tables: it tells this database from another
    "origin",
    metadata,
    Column("id", String, primary_key=True),
)

happenings = Table(
    "happenings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("at", Time, nullable=False),
    Column("channel", Word, nullable=False),
    Column("ticket_id", Id),
    Column("data", Json, nullable=False),
)

observers = Table(
    "observers",
    metadata,
    Column("name", String, primary_key=True),
    Column("position", Id, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", String),
    *_lease(),
)

sources = Table(
    "sources",
    metadata,
    Column("channel", Word, primary_key=True),
    Column("source", String, primary_key=True),
    Column("cursor", Json),
    Column("next_at", Time, nullable=False),
    Column("polled_at", Time),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", String),
    *_lease(),
)

channels = Table(
    "channels",
    metadata,
    Column("name", Word, primary_key=True),
    Column("state", Word, nullable=False),  # ok, degraded, paused, unauthorized, disabled
    Column("why", String),
    Column("since", Time, nullable=False),
    Column("last_push_at", Time),
    Column("last_poll_at", Time),
    Column("token_expires_at", Time),
    Column("checked_at", Time),
    Column("held_until", Time),  # the network's limits are near: polls, or all, wait
    Column("held_because", String),
)

tokens = Table(  # secrets that change while we run; read by the channel's vault and nothing else
    "tokens",
    metadata,
    Column("channel", Word, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Json),  # None: nothing is kept yet, somebody fetches the first
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("changed_at", Time),
    *_lease(),
)

spending = Table(  # what an app has spent in one period, see `budgets`
    "spending",
    metadata,
    Column("app", Word, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("begins_at", Time, primary_key=True),
    Column("account", Json, nullable=False),
)
