"""Whether an account's credentials, scopes and webhook suffice (`channelmix check --online`)."""

from __future__ import annotations

from collections.abc import Iterator

from channelmix.errors import AuthorizationLost, Rejected
from channelmix.payloads import obj
from channelmix.records import Checked, Finding

from channelmix_twitter.client import Api, Key
from channelmix_twitter.config import TwitterConfig
from channelmix_twitter.push import Webhook
from channelmix_twitter.tokens import SpareKey


async def check(api: Api, config: TwitterConfig, webhook: Webhook | None, key: Key) -> Checked:
    """Ask X about the account; change nothing. Raises: `RetryLater`."""
    try:
        me = obj((await api.get("/2/users/me")).body.get("data"))
        if me.get("id") != config.user_id:
            text = f"the token belongs to @{me.get('username')}, not to {config.user_id}"
            return Checked(findings=(_finding("block", "account", text),))
        found = list(_handle(me.get("username"), config))
        if isinstance(key, SpareKey) and await key.lost():
            text = "the log-in by OAuth 2.0 is lost, that by 1.0a stands in: connect again"
            found.append(_finding("warn", "spare", text))
        return Checked(findings=(*found, *await _webhook(webhook, config)))
    except (AuthorizationLost, Rejected) as error:
        return Checked(findings=(_finding("block", "token", str(error)),))


def _handle(told: object, config: TwitterConfig) -> Iterator[Finding]:
    if isinstance(told, str) and told.lower() != config.handle.lower():
        text = f"the account is now called @{told}: change handle = {config.handle!r}"
        yield _finding("warn", "handle", text)


async def _webhook(webhook: Webhook | None, config: TwitterConfig) -> list[Finding]:
    if webhook is None:
        text = "no webhook_url and bearer_token: everything is found by polls, which cost"
        return [_finding("warn", "webhook", text)]
    hook, events = await webhook.state()
    if hook is None:
        return [_finding("warn", "webhook", f"{webhook.url} is not registered yet")]
    if hook.get("valid") is not True:
        return [_finding("block", "webhook", "X calls the webhook invalid: is it reachable?")]
    missing = [one for one in config.events if one not in events]
    if not missing:
        return []
    return [_finding("warn", "webhook", f"not subscribed to {', '.join(missing)}")]


def _finding(level: str, code: str, text: str) -> Finding:
    return Finding(level="block" if level == "block" else "warn", code=code, text=text)
