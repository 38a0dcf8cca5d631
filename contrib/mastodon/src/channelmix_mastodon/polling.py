"""The lists that are read: mentions, what we said, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen
from channelmix.records import Polled, RawEvent

from channelmix_mastodon import wire
from channelmix_mastodon.client import Client, Gone, Params
from channelmix_mastodon.parsing import ASKED, THREAD, event

Items = list[dict[str, Any]]

PAGE = 20
"""How many items a page has: for each that answers something its thread is asked as well."""
NEWEST = 80
CHUNK = 20
WATCHED = 200
MENTIONS: Params = (*(("types[]", one) for one in ASKED), ("include_filtered", "true"))
"""Filtered ones too: customers are mostly people whom the account does not follow."""


@frozen(kw_only=True)
class Poller:
    """Polls of one account."""

    client: Client
    account: str
    now: datetime

    async def mentions(self, cursor: Any, *, days: int) -> Polled:
        """Read a page of notifications."""
        return await self._walk("/api/v1/notifications", MENTIONS, cursor, days)

    async def own(self, me: str, cursor: Any, *, days: int) -> Polled:
        """Read a page of what the account itself said, by whatever app."""
        path = f"/api/v1/accounts/{me}/statuses"
        return await self._walk(path, (("exclude_reblogs", "true"),), cursor, days)

    async def _walk(self, path: str, params: Params, cursor: Any, days: int) -> Polled:
        """Read a page: backwards in time at first, for `days`, then forwards for ever.

        What cannot be read is an event, too: it is set aside later, and holds up nothing.
        """
        known: Mapping[str, str] = cursor or {}
        if "after" in known:
            page = await self._list(path, (*params, ("min_id", known["after"])))
            after = _ids(page)[0] if _ids(page) else known["after"]
            more = after != known["after"]
            return Polled(events=await self._events(page), cursor={"after": after}, more=more)
        before = (("max_id", known["before"]),) if "before" in known else ()
        page = await self._list(path, (*params, *before))
        ids = _ids(page)
        newest = known.get("newest") or (ids[0] if ids else "0")
        young = self._young(page, days)
        events = await self._events(young)
        if len(young) < len(page) or not ids:
            return Polled(events=events, cursor={"after": newest})
        return Polled(events=events, cursor={"before": ids[-1], "newest": newest}, more=True)

    async def _list(self, path: str, params: Params, limit: int = PAGE) -> Items:
        """Return a page, newest first."""
        return await self.client.get(path, Items, (*params, ("limit", str(limit))))

    def _young(self, items: Iterable[dict[str, Any]], days: int) -> Items:
        oldest = self.now - timedelta(days=days)
        stamped = ((one, wire.stamp(one)) for one in items)
        return [one for one, at in stamped if at is None or at.created_at >= oldest]

    async def _events(self, items: Iterable[dict[str, Any]]) -> tuple[RawEvent, ...]:
        return tuple([event(await self._threaded(one), self.account) for one in items])

    async def _threaded(self, item: dict[str, Any]) -> dict[str, Any]:
        """Add the first post of the thread, which no post says itself."""
        status = item.get("status", item)
        if not isinstance(status, dict) or not status.get("in_reply_to_id"):
            return item
        path = f"/api/v1/statuses/{status.get('id')}/context"
        try:
            above = (await self.client.get(path, wire.Context)).ancestors
        except Gone:
            return item
        return {**item, THREAD: above[0].id} if above else item

    async def changes(self, cursor: Any, *, backfill: int, watch: int) -> Polled:
        """Look at the posts of the last days again: which were edited, which are gone."""
        watched: Mapping[str, str] = cursor or {}
        newest = await self._list("/api/v1/notifications", MENTIONS, NEWEST)
        listed = (one["status"] for one in newest if isinstance(one.get("status"), dict))
        found = _by_id(self._young(listed, backfill if cursor is None else watch))
        rest = [one for one in watched if one not in found]
        for chunk in (rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)):
            asked = [("id[]", one) for one in chunk]
            found |= _by_id(await self.client.get("/api/v1/statuses", Items, asked))
        lost = [one for one in rest if one not in found]
        gone = [one for one in lost[:CHUNK] if await self._is_gone(one)]
        events = [
            self._change("status.update", one)
            for number, one in found.items()
            if one.get("edited_at") and watched.get(number) != one["edited_at"]
        ]
        events += [self._change("delete", one, noticed_at=self.now.isoformat()) for one in gone]
        unclear = {one: watched[one] for one in lost if one not in gone}
        young = self._young(found.values(), watch)
        return Polled(events=tuple(events), cursor={**unclear, **_to_watch(young)})

    def _change(self, name: str, payload: Any, **more: str) -> RawEvent:
        return event({"event": name, "payload": payload, **more}, self.account)

    async def _is_gone(self, number: str) -> bool:
        try:
            await self.client.get(f"/api/v1/statuses/{number}", wire.Ancestor)
        except Gone:
            return True
        return False


def _by_id(statuses: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in statuses if isinstance(one.get("id"), str)}


def _ids(items: Items) -> list[str]:
    return [one["id"] for one in items if isinstance(one.get("id"), str)]


def _to_watch(statuses: Iterable[dict[str, Any]]) -> dict[str, str]:
    stamps = [one for one in map(wire.stamp, statuses) if one is not None]
    latest = sorted(stamps, key=lambda one: one.created_at)[-WATCHED:]
    return {one.id: one.edited_at or "" for one in latest}


def split(body: bytes, account: str) -> tuple[RawEvent, ...]:
    """Cut a list into events. Raises: `InvalidPayload`."""
    return tuple(event(one, account) for one in wire.read(body, Items))
