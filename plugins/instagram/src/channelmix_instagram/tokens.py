"""The token: where it is kept, and how it is renewed.

Sources: Instagram Platform, "Refresh Access Token"; Facebook Login, "Long-Lived Access Tokens". A
token of a log-in at Instagram lives for 60 days; it can be renewed when it is a day old, and not
any more when it has ended. A page's token, of a log-in at Facebook, does not end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen
from channelmix.errors import AuthorizationLost, RetryLater
from channelmix.hookspecs import Services
from channelmix.records import Renewed
from channelmix_meta.client import Graph, Refusal

from channelmix_instagram.config import InstagramConfig

EARLY = timedelta(days=30)
"""How long before its end a token is renewed: weeks, so that a long failure does no harm."""
YOUNG = timedelta(days=1)
"""How old a token must be to be renewed."""
NONE_YET = "there is no token yet: run `channelmix connect`"
Kept = Mapping[str, Any]


@frozen(kw_only=True)
class Access:
    """One account's way in."""

    config: InstagramConfig
    services: Services
    graph: Graph
    """Without a token of its own."""

    async def token(self) -> str:
        """Return the token to call with. Raises: `AuthorizationLost` if there is none."""
        return self._usable(await self.services.vault.get())

    async def ends(self) -> datetime | None:
        """Return when the token ends, as far as it is known."""
        return _end(self._mine(await self.services.vault.get()))

    async def renew(self) -> Renewed:
        """Renew a token that ends within weeks.

        Raises: `RetryLater`, `AuthorizationLost`.
        """
        if self.config.login == "facebook":
            return Renewed()
        try:
            await self.services.vault.refresh(self._renewed, stale=self._stale)
        except Refusal as refusal:
            # A token younger than a day is refused, too, and good for weeks.
            self.services.log.warning("token.not_renewed", why=str(refusal))
        return Renewed(expires_at=await self.ends(), again_in=YOUNG)

    def kept(self, answer: Kept) -> Kept:
        """Make what the vault keeps of an answer with a token in it, and perhaps its end.

        Raises: `RetryLater` where it holds no token.
        """
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise RetryLater("the network's answer holds no token")
        ends = None
        if isinstance(seconds, int):
            moment = self.services.clock.now() + timedelta(seconds=seconds)
            ends = moment.astimezone(UTC).isoformat()
        return {"access_token": token, "expires_at": ends, "given": self._given}

    @property
    def _given(self) -> str:
        """Name the configured token, so that a new one there counts more than what is kept."""
        return hashlib.sha256(self.config.access_token.reveal().encode()).hexdigest()[:16]

    def _mine(self, kept: Kept | None) -> Kept | None:
        return kept if kept is not None and kept.get("given") == self._given else None

    def _usable(self, kept: Kept | None) -> str:
        mine = self._mine(kept)
        found = str(mine["access_token"]) if mine else self.config.access_token.reveal()
        if not found:
            raise AuthorizationLost(NONE_YET)
        return found

    def _stale(self, kept: Kept | None) -> bool:
        ends = _end(self._mine(kept))
        return ends is None or ends - self.services.clock.now() < EARLY

    async def _renewed(self, kept: Kept | None) -> Kept:
        asked = evolve(self.graph, token=self._usable(kept), version="")
        params = {"grant_type": "ig_refresh_token"}
        return self.kept(await asked.get("refresh_access_token", params))


def _end(kept: Kept | None) -> datetime | None:
    ends = kept.get("expires_at") if kept else None
    return datetime.fromisoformat(ends) if ends else None
