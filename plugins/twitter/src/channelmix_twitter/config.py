"""What an account on X and its app there need to be told."""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import Attribute, frozen
from channelmix.config import Secret, setting
from channelmix.records import Allowance

QUERY = 512
"""How long a query of recent search may be (X, "Build a query", self-serve plans)."""
EVENTS = (
    *("post.create", "post.delete", "post.mention.create", "post.reply.create"),
    *("post.quote.create", "dm.received", "dm.sent"),
)


def _user_id(_: object, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,19}", value):
        raise ValueError(f"{attribute.name} is the account's number, not its @handle")


def _handle(_: object, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", value):
        raise ValueError(f"{attribute.name} is the account's name without the @")


def _not_negative(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{attribute.name} cannot be negative")


def _share(_: object, attribute: Attribute[Any], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} is a part of the budget, from 0 to 1")


@frozen(kw_only=True)
class Prices:
    """What X charges, in US dollars (X's page "Pricing", as of November 2026)."""

    post: float = setting(default=0.005, help="Reading a post.", validator=_not_negative)
    owned_post: float = setting(
        default=0.001, help="Reading one's own post or mention.", validator=_not_negative
    )
    dm_event: float = setting(
        default=0.010, help="Reading a direct message.", validator=_not_negative
    )
    user: float = setting(default=0.010, help="Reading a profile.", validator=_not_negative)
    create: float = setting(default=0.015, help="Publishing a post.", validator=_not_negative)
    create_with_link: float = setting(
        default=0.200, help="A post with a link in it.", validator=_not_negative
    )
    summoned_reply: float = setting(
        default=0.010, help="Answering who mentioned us.", validator=_not_negative
    )
    direct_message: float = setting(
        default=0.015, help="Sending a direct message.", validator=_not_negative
    )
    manage: float = setting(default=0.005, help="Hiding a reply.", validator=_not_negative)
    delete: float = setting(default=0.010, help="Deleting a post.", validator=_not_negative)
    pushed_post: float = setting(
        default=0.005, help="A post by webhook, for each event.", validator=_not_negative
    )
    pushed_message: float = setting(
        default=0.010, help="A direct message by webhook.", validator=_not_negative
    )
    pushed_like: float = setting(default=0.001, help="A like by webhook.", validator=_not_negative)


@frozen(kw_only=True)
class TwitterConfig:
    """One account."""

    user_id: str = setting(help="The account's number, as a string.", validator=_user_id)
    handle: str = setting(help="The account's name, without the @.", validator=_handle)
    auth: Literal["oauth2", "oauth1"] = setting(
        default="oauth2", help="How `channelmix connect` logs in."
    )
    access_token: Secret | None = setting(
        default=None, help="OAuth 1.0a: the access token from X's console, in place of connecting."
    )
    access_token_secret: Secret | None = setting(
        default=None, help="OAuth 1.0a: the secret of that token."
    )
    search: tuple[str, ...] = setting(
        default=(), help="Search rules for talk that does not address the account."
    )
    may_reply: Literal["summoned", "all"] = setting(
        default="summoned",
        help='Whom the plan lets us answer: who mentioned us, or "all" (Enterprise).',
    )
    long_posts: bool = setting(
        default=False, help="The account has X Premium and may write long posts."
    )
    complete_threads: bool = setting(
        default=True, help="Fetch what else the author and we said in a conversation."
    )
    events: tuple[str, ...] = setting(
        default=EVENTS, help="The activity events to subscribe to, where the app has a webhook."
    )
    withdrawn_days: int = setting(
        default=90,
        help="How far back X is asked once a day what customers deleted; 0: it is not asked.",
        validator=_not_negative,
    )
    backfill_days: int = setting(
        default=2, help="How many days back the very first poll looks.", validator=_not_negative
    )

    @search.validator
    def _short_enough(self, _: Attribute[Any], value: tuple[str, ...]) -> None:
        if len(query(value, self.handle)) > QUERY:
            raise ValueError(f"search: all rules together are longer than X's {QUERY} characters")


def query(rules: tuple[str, ...], handle: str) -> str:
    """Join search rules to one query that leaves out reposts and our own."""
    return f"({' OR '.join(f'({one})' for one in rules)}) -is:retweet -from:{handle}"


@frozen(kw_only=True)
class TwitterApp:
    """The app at X that several accounts can share."""

    consumer_key: str = setting(default="", help="The API key (OAuth 1.0a).")
    consumer_secret: Secret = setting(
        help="The API key's secret: it signs webhooks, and calls with OAuth 1.0a."
    )
    client_id: str = setting(default="", help="The client id (OAuth 2.0).")
    client_secret: Secret | None = setting(
        default=None, help="The client's secret, if X calls the app confidential."
    )
    bearer_token: Secret | None = setting(
        default=None, help="The app's own token: it registers the webhook."
    )
    webhook_url: str | None = setting(
        default=None, help="Where X is to send events: https, without a port."
    )
    replay: bool = setting(default=True, help="Ask X to repeat what a broken webhook has missed.")
    budget: float | None = setting(
        default=None, help="What all accounts may spend, in US dollars.", validator=_not_negative
    )
    period: Literal["day", "month"] = setting(default="month", help="How often the budget begins.")
    reserve: float = setting(
        default=0.5, help="The part of the budget kept for replies.", validator=_share
    )
    prices: Prices = setting(factory=Prices, help="What X charges, where it has changed.")

    @property
    def allowance(self) -> Allowance | None:
        """The budget as the core counts it; X's days and months are UTC."""
        if self.budget is None:
            return None
        kept = self.budget * self.reserve
        return Allowance(unit="USD", amount=self.budget, period=self.period, reserve=kept)
