"""What customers took back: asked of X once a day, which tells nobody but the author by itself.

Source: X's pages "Batch Compliance" (read in November 2026). A job is made, the ids are handed
over, and when X is done it says which posts are gone: deleted, or their author's account was
closed, suspended or made private; in all these cases X's terms want them forgotten. One job runs at
a time for each app. The addresses for the ids and the result are signed: they need no key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
from attrs import frozen
from channelmix.errors import AuthorizationLost, RetryLater, Uncertain
from channelmix.payloads import digest, encode, ident, obj, words
from channelmix.records import Poll, Polled, RawEvent
from structlog.typing import FilteringBoundLogger

from channelmix_twitter.client import Api, Refusal

NAME = "withdrawn"
"""The source."""
AGAIN, SOON, BUSY = timedelta(days=1), timedelta(minutes=2), timedelta(hours=1)
"""When to come again: after a job, to one that runs, where another one runs."""
KEPT = "scrub_geo"
"""The one reason for which the text may stay: only where it was written is gone."""


@frozen(kw_only=True)
class Withdrawn:
    """Asks for one account."""

    app: Api
    """With the app's own token."""
    log: FilteringBoundLogger

    async def poll(self, wanted: Poll) -> Polled:
        """Begin a job over what is `known`, or look how far the one in the cursor is.

        Raises: `RetryLater`.
        """
        job = ident(obj(wanted.cursor).get("job"))
        try:
            return await (self._look(job) if job else self._begin(wanted.known))
        except (AuthorizationLost, Refusal, Uncertain) as error:
            # It is the app that may not ask, or not now: the account does well all the same.
            self.log.info("withdrawn.not_asked", why=str(error))
            return Polled(again_in=BUSY)

    async def _begin(self, ids: Sequence[str]) -> Polled:
        ids = [one for one in ids if one.isdecimal()]
        if not ids:
            return Polled(again_in=AGAIN)
        told = await self.app.send("POST", "/2/compliance/jobs", {"type": "tweets"})
        made = obj(told.get("data"))
        job, address = ident(made.get("id")), words(made.get("upload_url"))
        if job is None or address is None:
            raise RetryLater("POST /2/compliance/jobs: the answer names no job")
        await self._transfer("PUT", address, content="\n".join(ids))
        return Polled(cursor={"job": job}, again_in=SOON)

    async def _look(self, job: str) -> Polled:
        told = obj((await self.app.get(f"/2/compliance/jobs/{job}")).body.get("data"))
        if told.get("status") in {"created", "in_progress"}:
            return Polled(cursor={"job": job}, again_in=SOON)
        address = words(told.get("download_url"))
        if told.get("status") != "complete" or address is None:
            return Polled(again_in=BUSY)
        answer = await self._transfer("GET", address)
        return Polled(events=tuple(_events(answer.text)), again_in=AGAIN)

    async def _transfer(self, method: str, address: str, content: str | None = None) -> Any:
        headers = {"Content-Type": "text/plain"} if content else {}
        try:
            answer = await self.app.http.request(method, address, content=content, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise RetryLater(f"{method} of post ids: {type(error).__name__}") from error
        return answer


def _events(result: str) -> Iterator[RawEvent]:
    """Yield an event for each line that names a post to forget."""
    for line in result.splitlines():
        try:
            told = obj(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if told.get("action") == "delete" and told.get("reason") != KEPT and ident(told.get("id")):
            part = {"withdrawn": told}
            yield RawEvent(key=digest(part), body=encode(part), source=NAME)
