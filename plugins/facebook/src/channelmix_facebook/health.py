"""Whether token, permissions and webhook subscription suffice, with what to do if not.

Sources: Meta's pages "Debug Token", "Page Subscribed Apps" and "Permissions Reference".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from attrs import evolve
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.records import Checked, Finding

from channelmix_facebook.client import Graph
from channelmix_facebook.parsing_json import array, data, obj

PERMISSIONS: Mapping[str, str] = {
    "pages_show_list": "the page is not found",
    "pages_manage_metadata": "no webhooks arrive",
    "pages_read_engagement": "the page's own posts cannot be read",
    "pages_read_user_content": "comments, visitor posts and reviews cannot be read",
    "pages_manage_engagement": "comments cannot be answered, hidden or liked",
    "pages_messaging": "Messenger and private replies do not work",
    "pages_manage_posts": "posts cannot be published, edited or deleted, nor pictures uploaded",
}
"""What each permission is for."""
OPTIONAL = frozenset({"pages_manage_posts"})
"""What a page that only answers with words can do without."""
FIELDS = (
    "feed",
    "mention",
    "ratings",
    "messages",
    "message_echoes",
    "message_edits",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "messaging_postbacks",
    "messaging_referrals",
    "standby",
)
"""The webhook fields of object `page` that this plugin reads."""


async def check(graph: Graph, *, page_id: str, app_id: str | None) -> Checked:
    """Ask Facebook about the page, the token and the subscription; change nothing.

    Raises: `RetryLater`.
    """
    try:
        await graph.get(page_id, {"fields": "id,name"})
        token = await _token(graph, app_id)
        findings = [*_about(token, app_id), *await _subscription(graph, page_id, app_id)]
    except AuthorizationLost as error:
        return Checked(findings=(_block("token", str(error)),))
    except Rejected as error:
        return Checked(findings=(_block("page", f"page {page_id}: {error}"),))
    return Checked(findings=tuple(findings), token_expires_at=_expiry(token))


async def _token(graph: Graph, app_id: str | None) -> Mapping[str, Any]:
    """Ask with the app's own credentials about the page token; it must not stand in a URL."""
    if app_id is None:
        return {}
    app = evolve(graph, token=f"{app_id}|{graph.secret}")
    answer = await app.batch(f"debug_token?input_token={quote(graph.token, safe='')}")
    return obj(answer.get("data"))


def _about(token: Mapping[str, Any], app_id: str | None) -> Iterator[Finding]:
    if app_id is None:
        yield _warn("app_id", "set app_id: without it neither permissions nor expiry can be read")
        return
    if token.get("is_valid") is not True:
        yield _block("token", "the page token no longer holds: connect the page again")
    if str(token.get("app_id")) != app_id:
        yield _block("app_id", f"the page token was made by another app than {app_id}")
    granted = array(token.get("scopes"))
    for name, lack in PERMISSIONS.items():
        if name not in granted:
            find = _warn if name in OPTIONAL else _block
            yield find("permission", f"grant {name}: without it {lack}")


async def _subscription(graph: Graph, page_id: str, app_id: str | None) -> list[Finding]:
    apps = data(await graph.get(f"{page_id}/subscribed_apps"))
    ours = [one for one in apps if app_id is None or str(one.get("id")) == app_id]
    if not ours:
        what = f"POST /{page_id}/subscribed_apps, or at Webhooks in the App Dashboard"
        return [_block("webhook", f"the app is not subscribed to the page: {what}")]
    known = {field for one in ours for field in array(one.get("subscribed_fields"))}
    missing = [name for name in FIELDS if name not in known]
    if not missing:
        return []
    return [_warn("webhook", f"subscribe to {', '.join(missing)}: only sweeps find these now")]


def _expiry(token: Mapping[str, Any]) -> datetime | None:
    """Return when the token ends; Facebook writes 0 for never."""
    moments = [token.get(name) for name in ("expires_at", "data_access_expires_at")]
    real = [one for one in moments if isinstance(one, int) and one > 0]
    return datetime.fromtimestamp(min(real), UTC) if real else None


def _block(code: str, text: str) -> Finding:
    return Finding(level="block", code=code, text=text)


def _warn(code: str, text: str) -> Finding:
    return Finding(level="warn", code=code, text=text)
