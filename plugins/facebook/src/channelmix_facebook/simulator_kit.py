"""What the conformance kit asks of the simulated page, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.records import Kind, WebhookRequest
from channelmix.testing.simulator import Answer, Outcome, Request, Spoken

from channelmix_facebook.simulator_reading import RefusedError
from channelmix_facebook.simulator_script import Script
from channelmix_facebook.simulator_world import Comment, Note, Post

_REGAIN = {"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 7}
_REFUSALS: Mapping[Outcome, RefusedError] = {
    "throttled": RefusedError(32, "(#32) Page request limit reached", status=403),
    "unauthorized": RefusedError(190, "Session has expired", subcode=463, status=401),
    "window_closed": RefusedError(10, "(#10) Outside of allowed window", subcode=2018278),
    "refused": RefusedError(368, "The action is deemed abusive", subcode=1404078),
}
"""Meta's "Error Codes" pages of the Graph API and of the Messenger Platform."""


@define(eq=False, kw_only=True, slots=False)
class Kit(Script):
    """The page as the kit plays on it."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.POST, Kind.COMMENT, Kind.DIRECT_MESSAGE)

    app_secret: str = "simulated-app-secret"  # noqa: S105 - the simulator's own, opens nothing
    access_token: str = "EAAsimulatedPageToken"  # noqa: S105 - as above
    verify_token: str = "simulated-verify-token"  # noqa: S105 - as above

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this page."""
        return {
            "page_id": self.account,
            "access_token": self.access_token,
            "app_secret": self.app_secret,
            "verify_token": self.verify_token,
            "app_id": self.app_id,
        }

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody write on the page, below a post of the page, or to the page."""
        if kind is Kind.DIRECT_MESSAGE:
            return self.direct_message("Jonas Weber", text).id
        if kind is Kind.POST:
            return self.visitor_post("Jonas Weber", text).id
        ours = [one for one in self.world.posts.values() if one.author == self.page]
        return self.comment(ours[-1] if ours else self.post("News"), "Mira Sommer", text).id

    def spoken(self) -> Sequence[Spoken]:
        """Return the posts, comments and messages of the page."""
        public: list[Post | Comment] = [*self.world.posts.values(), *self.world.comments.values()]
        notes = [note for one in self.world.conversations.values() for note in one.notes]
        things: list[Post | Comment | Note] = [*public, *notes]
        return [
            Spoken(id=one.id, text=one.text, attachments=_attachments(one))
            for one in things
            if one.author == self.page
        ]

    def sends(self, request: Request) -> bool:
        """Tell an action from the upload of a picture and from a batch that only reads."""
        reads = request.path.endswith(("/photos", "/"))
        return request.method in {"POST", "DELETE"} and not reads

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return the error of the Graph API, and for a limit the header with its end."""
        error, headers = _REFUSALS[outcome], {}
        if outcome == "throttled":
            usage = json.dumps({self.account: [_REGAIN]})
            headers["x-business-use-case-usage"] = usage
        return Answer(status=error.status, body=error.body(), headers=headers)

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Ask as Meta does for an address that somebody typed in (Webhooks, Getting Started)."""
        query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
        query["hub.verify_token"] = self.verify_token
        return WebhookRequest(method="GET", query=query), query["hub.challenge"]

    def refuse(
        self,
        error: RefusedError,
        *,
        on: str,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let the next `times` requests that match `on` be refused with a Graph error."""
        answer = Answer(status=error.status, body=error.body(), headers=headers or {})
        self.fault("error_before_accept", on=on, times=times, answer=answer)


def _attachments(one: Post | Comment | Note) -> int:
    return len(one.attachments) if isinstance(one, Note) else int(one.photo is not None)
