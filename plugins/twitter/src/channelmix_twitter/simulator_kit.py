"""What the conformance kit asks of the simulated X, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field
from channelmix.records import Kind, WebhookRequest
from channelmix.testing.simulator import Answer, Outcome, Request, Spoken

from channelmix_twitter.signing import sign
from channelmix_twitter.simulator import XSimulator
from channelmix_twitter.simulator_writing import SUMMON

_PROBLEMS: Mapping[Outcome, tuple[int, Mapping[str, str]]] = {
    "throttled": (429, {"title": "Too Many Requests", "detail": "Too Many Requests"}),
    "unauthorized": (401, {"title": "Unauthorized", "detail": "Unauthorized"}),
    "refused": (403, {"title": "Forbidden", "detail": SUMMON}),
}
"""X's page "Response codes and errors"; it knows no reply window."""


@define(eq=False, kw_only=True, slots=False)
class XKit(XSimulator):
    """The network as the kit plays on it, with a token of OAuth 1.0a that needs no log-in."""

    kinds: ClassVar[Sequence[Kind]] = (Kind.MENTION, Kind.COMMENT, Kind.DIRECT_MESSAGE)
    _section: dict[str, Any] = field(factory=dict)

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this network."""
        if not self._section:
            token, secret = self.gate.signing(self.ours[0])
            self._section = {
                "user_id": self.account,
                "handle": self.handle,
                "client_id": self.gate.client_id,
                "client_secret": self.gate.client_secret,
                "consumer_key": self.gate.consumer_key,
                "consumer_secret": self.gate.consumer_secret,
                "access_token": token,
                "access_token_secret": secret,
            }
        return self._section

    def __attrs_post_init__(self) -> None:
        """Let our own account sit at the browser."""
        super().__attrs_post_init__()
        self.gate.visitor = self.ours[0]

    def consent(self, url: str) -> Mapping[str, str]:
        """Let our account agree, and return what X sends it back with."""
        asked = urlsplit(url)
        query = dict(parse_qsl(asked.query))
        by2 = asked.path == "/i/oauth2/authorize"
        answer = self.gate.authorize(query) if by2 else self.gate.authorize1(query)
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def customer(self, kind: Kind, text: str) -> str:
        """Let somebody mention us, answer us, or write to us."""
        if kind is Kind.DIRECT_MESSAGE:
            return self.write("Jonas Weber", text).id
        if kind is Kind.MENTION:
            return self.say("Mira Sommer", f"@{self.handle} {text}").id
        ours = [one for one in self.world.posts.values() if one.author == self.ours[0]]
        above = ours[-1] if ours else self.native(self.ours[0], None, "News")
        return self.reply(above, "Mira Sommer", text).id

    def spoken(self) -> Sequence[Spoken]:
        """Return the account's posts and messages."""
        posts = [one for one in self.world.posts.values() if one.author == self.ours[0]]
        notes = [one for one in self.world.directs.values() if one.sender == self.ours[0]]
        return [
            Spoken(id=one.id, text=one.text, attachments=len(one.media), private=private)
            for some, private in ((posts, False), (notes, True))
            for one in some
        ]

    def sends(self, request: Request) -> bool:
        """Tell an action from the upload of a file and from what gets a token."""
        before = ("/2/media/", "/2/oauth2/", "/oauth/")
        return request.method != "GET" and not request.path.startswith(before)

    def refusal(self, outcome: Outcome) -> Answer | None:
        """Return the problem, and for a limit the header with its end."""
        if outcome not in _PROBLEMS:
            return None
        status, told = _PROBLEMS[outcome]
        headers = {}
        if outcome == "throttled":
            headers["x-rate-limit-reset"] = str(int(self.clock.now().timestamp()) + 420)
        body = {**told, "type": "about:blank", "status": status}
        return Answer(status=status, body=body, headers=headers)

    def handshake(self) -> tuple[WebhookRequest, str] | None:
        """Ask as X does for an address that is registered (CRC)."""
        token = "MTUxMjM0NTY3ODkw"  # noqa: S105 - signed for everybody to see
        answer = f'{{"response_token": "{sign(self.gate.consumer_secret, token.encode())}"}}'
        return WebhookRequest(method="GET", query={"crc_token": token}), answer
