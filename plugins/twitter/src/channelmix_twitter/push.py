"""The app's webhook at X: registered, checked again, subscribed to, and what it missed.

Sources: X's pages "Webhooks" (one whose challenge fails is invalid until it is checked again),
"X Activity API" (subscriptions) and the reference of `POST /2/webhooks/replay`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import frozen
from channelmix.errors import Rejected, Uncertain
from channelmix.hookspecs import Vault
from channelmix.payloads import Json, ident, obj, objects
from structlog.typing import FilteringBoundLogger

from channelmix_twitter.client import Api
from channelmix_twitter.signing import replay_time

LAST = "webhook"
"""The name under which it is kept when the webhook was last seen to work."""
REACH = timedelta(hours=24)
"""How far back a replay reaches."""


@frozen(kw_only=True)
class Webhook:
    """The webhook of an app, as one of its accounts needs it."""

    app: Api
    """With the app's own token."""
    user: Api
    """With the account's: what is private needs its consent."""
    vault: Vault
    log: FilteringBoundLogger
    url: str
    account: str
    events: tuple[str, ...]
    replay: bool

    async def keep(self) -> None:
        """See to it that events arrive; what cannot be had is logged, sweeps do without it.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        try:
            await self._keep()
        except (Rejected, Uncertain) as error:
            self.log.warning("webhook.not_kept", why=str(error))

    async def state(self) -> tuple[Json | None, frozenset[str]]:
        """Return our webhook as X has it, and the events this account is subscribed to."""
        hook = await self._hook()
        return hook, await self._subscribed(str(hook["id"])) if hook else frozenset()

    async def _keep(self) -> None:
        now = self.app.clock.now()
        hook = await self._hook()
        broken = hook is not None and hook.get("valid") is not True
        if hook is None:
            made = await self.app.send("POST", "/2/webhooks", {"url": self.url})
            hook = obj(made.get("data"))
        elif broken:
            await self.app.send("PUT", f"/2/webhooks/{hook['id']}")
        webhook = ident(hook.get("id")) or ""
        for event in sorted(set(self.events) - await self._subscribed(webhook)):
            try:
                await self._subscribe(event, webhook)
            except (Rejected, Uncertain) as error:
                self.log.warning("webhook.not_subscribed", to=event, why=str(error))
        if broken and self.replay:
            await self._replay(webhook, now)
        await self.vault.put({"seen": now.isoformat()}, LAST)

    async def _hook(self) -> Json | None:
        told = await self.app.get("/2/webhooks", {"webhook_config.fields": "id,url,valid"})
        ours = [one for one in objects(told.body.get("data")) if one.get("url") == self.url]
        return ours[0] if ours and ident(ours[0].get("id")) else None

    async def _subscribed(self, webhook: str) -> frozenset[str]:
        told = await self.app.get("/2/activity/subscriptions")
        return frozenset(
            str(one.get("event_type"))
            for one in objects(told.body.get("data"))
            if obj(one.get("filter")).get("user_id") == self.account
            and one.get("webhook_id") == webhook
        )

    async def _subscribe(self, event: str, webhook: str) -> None:
        body = {
            "event_type": event,
            "filter": {"user_id": self.account},
            "tag": "channelmix",
            "webhook_id": webhook,
        }
        await self.user.send("POST", "/2/activity/subscriptions", body)

    async def _replay(self, webhook: str, now: datetime) -> None:
        """Have X send again what came since the webhook last worked; sweeps find it, too."""
        kept = await self.vault.get(LAST)
        since = datetime.fromisoformat(kept["seen"]) if kept else now - REACH
        body = {
            "webhook_id": webhook,
            "from_date": replay_time(max(since, now - REACH)),
            "to_date": replay_time(now),
        }
        try:
            await self.app.send("POST", "/2/webhooks/replay", body)
        except (Rejected, Uncertain) as error:
            self.log.info("webhook.no_replay", why=str(error))
