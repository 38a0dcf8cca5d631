"""A simulated X says which posts are gone ("Batch Compliance")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import define, field
from channelmix.testing.simulator import Answer, Request

from channelmix_twitter.simulator_reading import RefusedError, gone, invalid
from channelmix_twitter.simulator_world import World


@define(kw_only=True)
class Compliance:
    """Jobs over lists of posts, one at a time."""

    world: World
    slow: int = 0
    """How often X must be asked until it is done with a job."""
    jobs: dict[str, dict[str, Any]] = field(factory=dict)
    uploads: dict[str, list[str]] = field(factory=dict)

    def create(self, body: dict[str, Any], base: str, number: str) -> Any:
        """Make a job."""
        if body.get("type") not in {"tweets", "users"} or set(body) - {"type", "name", "resumable"}:
            raise invalid("type", body.get("type"), "There is no such type of job")
        if any(one["status"] in {"created", "in_progress"} for one in self.jobs.values()):
            raise RefusedError(409, "Conflict", "There is a job of this type already.")
        self.jobs[number] = {
            "id": number,
            "type": body["type"],
            "status": "created",
            "upload_url": f"{base}/compliance/{number}?signature=a",
            "download_url": f"{base}/compliance/{number}?signature=b",
        }
        return {"data": self.jobs[number]}

    def look(self, number: str) -> Any:
        """Say how far a job is."""
        if number not in self.jobs:
            raise gone(f"job {number}")
        job = self.jobs[number]
        if job["status"] == "in_progress":
            self.slow -= 1
            job["status"] = "in_progress" if self.slow >= 0 else "complete"
        return {"data": job}

    def transfer(self, request: Request) -> Answer:
        """Take the ids, or give the result; the address is proof enough, a key would be a leak."""
        job = self.jobs.get(request.path.rpartition("/")[2])
        if job is None or "authorization" in request.headers:
            return Answer(status=403, body=b"<Error/>", content_type="application/xml")
        if request.method == "PUT":
            self.uploads[job["id"]] = request.body.decode().splitlines()
            job["status"] = "in_progress"
            return Answer(body=b"")
        lines = "\n".join(map(json.dumps, self._result(self.uploads[job["id"]])))
        return Answer(body=lines.encode(), content_type="text/plain")

    def _result(self, ids: list[str]) -> Iterator[dict[str, str]]:
        for one in ids:
            post = self.world.found(one)
            reason = "deleted" if post is None else "protected" if post.author.protected else None
            if reason:
                told = {"id": one, "action": "delete", "reason": reason}
                yield {**told, "created_at": "2026-11-03T08:00:00.000Z"}
