"""What the conformance kit asks of a simulated account, and how it refuses."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from channelmix.records import WebhookRequest
from channelmix.testing.simulator import Answer, Outcome, Request, Spoken

from channelmix_meta.simulator_reading import RefusedError, W
from channelmix_meta.simulator_script import InboxScript

PREPARING = ("/", "/photos", "/message_attachments")
"""What is posted and says nothing: a batch that reads, a file handed over."""


@define(eq=False, kw_only=True, slots=False)
class Kit(InboxScript[W]):
    """The account as the kit plays on it."""

    limit: ClassVar[int]
    """The code of a limit that is reached: Meta's page "Rate Limits"."""
    outside_window: ClassVar[int]
    """The subcode of error 10 for a message outside of the window."""

    @abc.abstractmethod
    def public(self) -> Sequence[Any]:
        """Return everything that stands in public."""

    def spoken(self) -> Sequence[Spoken]:
        """Return what the account said in public and in conversations."""
        notes = [note for one in self.world.conversations.values() for note in one.notes]
        return [
            Spoken(id=one.id, text=one.text, attachments=_attachments(one), private=private)
            for some, private in ((self.public(), False), (notes, True))
            for one in some
            if one.author == self.world.account
        ]

    def sends(self, request: Request) -> bool:
        """Tell an action from what only prepares it, or reads."""
        return request.method in {"POST", "DELETE"} and not request.path.endswith(PREPARING)

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return the error of the Graph API, and for a limit the header with its end."""
        error = self._error(outcome)
        regain = {"call_count": 100, "estimated_time_to_regain_access": 7}
        usage = json.dumps({self.account: [regain]})
        headers = {"x-business-use-case-usage": usage} if outcome == "throttled" else {}
        return Answer(status=error.status, body=error.body(), headers=headers)

    def _error(self, outcome: Outcome) -> RefusedError:
        """Choose from Meta's "Error Codes" pages."""
        match outcome:
            case "throttled":
                return RefusedError(self.limit, "Request limit reached", status=403)
            case "unauthorized":
                return RefusedError(190, "Session has expired", subcode=463, status=401)
            case "window_closed":
                return RefusedError(10, "Outside of allowed window", subcode=self.outside_window)
            case "refused":
                return RefusedError(368, "The action is deemed abusive", subcode=1404078)

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Ask as Meta does for an address that somebody typed in (Webhooks, Getting Started)."""
        query: Mapping[str, str] = {
            "hub.mode": "subscribe",
            "hub.challenge": "1158201444",
            "hub.verify_token": self.verify_token,
        }
        return WebhookRequest(method="GET", query=query), query["hub.challenge"]


def _attachments(one: Any) -> int:
    if hasattr(one, "attachments"):
        return len(one.attachments)
    return int(getattr(one, "photo", None) is not None)
