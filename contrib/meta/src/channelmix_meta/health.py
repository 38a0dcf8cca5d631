"""Whether a token, its permissions and the webhook subscription suffice, with what to do if not.

Sources: Meta's pages "Debug Token", "Subscribed Apps" (of Page and IG User) and "Permissions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from attrs import evolve, frozen
from channelmix.errors import AuthorizationLost, Rejected
from channelmix.payloads import Json, array, obj
from channelmix.records import Checked, Finding

from channelmix_meta.client import Graph
from channelmix_meta.parsing_json import data


@frozen(kw_only=True)
class Needs:
    """What an account's plugin needs at Meta."""

    owner: str
    """The account, as the path of a call names it."""
    subscriber: str
    """Whose `subscribed_apps` they are: the account itself, or the page that it is linked to."""
    permissions: Mapping[str, str]
    """Each with what does not work without it."""
    optional: frozenset[str] = frozenset()
    """Permissions that it can do without."""
    fields: Iterable[str]
    """The webhook fields that the plugin reads."""
    app_id: str | None
    asks: str = "id,name"
    """What is asked of the account itself."""
    about: Callable[[Json], Iterable[Finding]] = lambda _: ()
    """What there is to say about that answer."""
    debug: bool = True
    """Whether the host tells about tokens; graph.instagram.com does not."""


async def check(graph: Graph, needs: Needs) -> Checked:
    """Ask Meta about the account, the token and the subscription; change nothing.

    Raises: `RetryLater`.
    """
    try:
        account = await graph.get(needs.owner, {"fields": needs.asks})
        token = await _token(graph, needs.app_id) if needs.debug else {}
        findings = [*needs.about(account), *_about(token, needs)]
        findings += await _subscription(graph, needs)
    except AuthorizationLost as error:
        return Checked(findings=(block("token", str(error)),))
    except Rejected as error:
        return Checked(findings=(block("account", f"account {needs.owner}: {error}"),))
    return Checked(findings=tuple(findings), token_expires_at=_expiry(token))


async def _token(graph: Graph, app_id: str | None) -> Mapping[str, Any]:
    """Ask with the app's own credentials about the token; it must not stand in a URL."""
    if app_id is None:
        return {}
    app = evolve(graph, token=f"{app_id}|{graph.secret}")
    answer = await app.batch(f"debug_token?input_token={quote(graph.token, safe='')}")
    return obj(answer.get("data"))


def _about(token: Mapping[str, Any], needs: Needs) -> Iterator[Finding]:
    if not needs.debug:
        return
    if needs.app_id is None:
        yield warn("app_id", "set app_id: without it neither permissions nor expiry can be read")
        return
    if token.get("is_valid") is not True:
        yield block("token", "the token no longer holds: connect the account again")
    if str(token.get("app_id")) != needs.app_id:
        yield block("app_id", f"the token was made by another app than {needs.app_id}")
    granted = array(token.get("scopes"))
    for name, lack in needs.permissions.items():
        if name not in granted:
            find = warn if name in needs.optional else block
            yield find("permission", f"grant {name}: without it {lack}")


async def _subscription(graph: Graph, needs: Needs) -> list[Finding]:
    apps = data(await graph.get(f"{needs.subscriber}/subscribed_apps"))
    # A page's list names apps by `id`, an Instagram account's by `app_id`.
    ours = [
        one for one in apps if needs.app_id in {None, str(one.get("id")), str(one.get("app_id"))}
    ]
    if not ours:
        what = f"POST /{needs.subscriber}/subscribed_apps, or at Webhooks in the App Dashboard"
        return [block("webhook", f"the app is not subscribed to the account: {what}")]
    known = {field for one in ours for field in array(one.get("subscribed_fields"))}
    missing = [name for name in needs.fields if name not in known]
    if not missing:
        return []
    return [warn("webhook", f"subscribe to {', '.join(missing)}: only sweeps find these now")]


def _expiry(token: Mapping[str, Any]) -> datetime | None:
    """Return when the token ends; Meta writes 0 for never."""
    moments = [token.get(name) for name in ("expires_at", "data_access_expires_at")]
    real = [one for one in moments if isinstance(one, int) and one > 0]
    return datetime.fromtimestamp(min(real), UTC) if real else None


def block(code: str, text: str) -> Finding:
    """Say what keeps the channel from working."""
    return Finding(level="block", code=code, text=text)


def warn(code: str, text: str) -> Finding:
    """Say what could be better."""
    return Finding(level="warn", code=code, text=text)
