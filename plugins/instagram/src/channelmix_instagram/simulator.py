"""Instagram on the wire, for tests and for the demo: one account, its people, its refusals.

    sim = InstagramSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        sim.webhook = "http://127.0.0.1:8000/webhooks/photos"
        post = sim.post("The new bus.")
        sim.comment(post, "Mira Sommer", "Where does it stop?")
        await sim.flush()                    # or let `sim.run()` deliver in a task

With `login="instagram"` it is graph.instagram.com: other permissions, tokens that end, webhooks of
another shape. It refuses parameters and fields that do not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from attrs import define, field
from channelmix.testing.simulator import Answer, Event, Request
from channelmix_meta.signing import signature
from channelmix_meta.simulator_fields import FILES, parse
from channelmix_meta.simulator_reading import RefusedError

from channelmix_instagram import simulator_events as tell
from channelmix_instagram.health import FIELDS, PERMISSIONS, SCOPES
from channelmix_instagram.simulator_fields import CATALOGUE
from channelmix_instagram.simulator_login import Desk
from channelmix_instagram.simulator_reading import AccountReader
from channelmix_instagram.simulator_script import Script
from channelmix_instagram.simulator_writing import Writer

_MESSAGES, _COMMENTS, _BASIC = "messages", "comments", "basic"
_NEEDS: Mapping[str, str] = {
    "conversations": _MESSAGES,
    "messages": _MESSAGES,
    "message_attachments": _MESSAGES,
    "UnifiedMessage": _MESSAGES,
    "replies": _COMMENTS,
    "IGComment": _COMMENTS,
    "mentions": _COMMENTS,
    "media": _BASIC,
    "IGUser": _BASIC,
}
"""What each list, or type of object, asks for."""
_NAMES: Mapping[str, Mapping[str, str]] = {
    "facebook": {
        _BASIC: "instagram_basic",
        _COMMENTS: "instagram_manage_comments",
        _MESSAGES: "instagram_manage_messages",
    },
    "instagram": {
        _BASIC: "instagram_business_basic",
        _COMMENTS: "instagram_business_manage_comments",
        _MESSAGES: "instagram_business_manage_messages",
    },
}
"""How each permission is called: Instagram Platform, "Overview"."""


@define(eq=False, kw_only=True, slots=False)
class InstagramSimulator(Script):
    """One simulated account."""

    object_name: ClassVar[str] = "instagram"
    platform: ClassVar[str] = "instagram"

    login: Literal["facebook", "instagram"] = "facebook"
    permissions: set[str] = field(factory=lambda: {*PERMISSIONS, *SCOPES})
    fields: set[str] = field(factory=lambda: set(FIELDS))
    linked: bool = True
    """Whether the account is linked to the page."""
    message_access: bool = True
    """Whether the account lets apps read its messages."""
    desk: Desk = field(init=False)
    """Where tokens come from with log-in at Instagram."""

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        super().__attrs_post_init__()
        self.desk = Desk(app_id=self.app_id, secret=self.app_secret, account=self.account)

    def tokens(self) -> Collection[str]:
        """Return the tokens that hold."""
        people = self.desk.valid(self.clock.now())
        return [*super().tokens(), *people] if self.login == "facebook" else people

    def app_call(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer one call of a batch with the app's own token."""
        if path == "oauth/access_token":
            return self.desk.at_facebook(query, self.clock.now())
        return super().app_call(path, query)

    @property
    def section(self) -> Mapping[str, Any]:
        """What the section of a channel says that talks to this account."""
        if self.login == "instagram" and not self.desk.issued:
            self.access_token = self.desk.issue(self.clock.now() - timedelta(days=2))
        return {
            "account_id": self.account,
            "login": self.login,
            "username": self.username,
            "access_token": self.access_token,
            "app_id": self.app_id,
            "app_secret": self.app_secret,
            "verify_token": self.verify_token,
            "instagram_app_id": self.app_id,
            "instagram_app_secret": self.app_secret,
        }

    def consent(self, url: str) -> Mapping[str, str]:
        """Let a person agree at the address of a log-in."""
        return self.desk.agree(url)

    async def answer(self, request: Request) -> Answer:
        """Answer one request."""
        about_tokens = self.desk.answer(request, self.clock.now())
        return about_tokens or await super().answer(request)

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Make a signed webhook body, in the shape of the log-in."""
        if self.login == "facebook":
            return super().wrap(events)
        body = tell.flat_body(events)
        return body, {"content-type": "application/json", **signature(self.app_secret, body)}

    def call(
        self, request: Request, object_id: str, edge: str | None, params: Mapping[str, str]
    ) -> Any:
        """Answer one authentic call."""
        reader = self._reader()
        target = reader.find(object_id)
        needed = _NEEDS.get(edge or target.kind)
        name = _NAMES[self.login][needed] if needed else None
        self.permitted(name, of_conversations=needed == _MESSAGES)
        if needed == _MESSAGES and not self.message_access:
            raise RefusedError(200, "(#200) Access to messages is off", subcode=2534041, status=403)
        if request.method == "GET":
            return self._read(reader, object_id, edge, params)
        CATALOGUE.check_params(request.method, target.kind, edge, params)
        files = {one: value for one, value in params.items() if one in FILES}
        return self._writer().write(request.method, target.thing, edge, params, files)

    def _read(
        self, reader: AccountReader, object_id: str, edge: str | None, params: Mapping[str, str]
    ) -> Any:
        """Read; a mention is a field of the account that takes a parameter."""
        answer = reader.answer(object_id, edge, params)
        for one in parse(params.get("fields", "")):
            if edge is None and one.name.startswith("mentioned_"):
                (wanted,) = one.params.values()
                seen = reader.mentioned(one.name, wanted)
                answer[one.name] = {below.name: seen.get(below.name) for below in one.below or ()}
        return answer

    def _reader(self) -> AccountReader:
        app = {"id": self.app_id, "app_id": self.app_id, "subscribed_fields": sorted(self.fields)}
        return AccountReader(
            world=self.world,
            catalogue=CATALOGUE,
            now=self.clock.now(),
            link=self.link,
            platform=self.platform,
            subscribed=[app] if self.fields else [],
            accounts=self._accounts(),
        )

    def _accounts(self) -> Sequence[Mapping[str, Any]]:
        """Return the pages of the person who logs in: one without an account, and ours."""
        linked = {"id": self.account, "username": self.username}
        ours = {"id": "101", "name": self.account_name, "access_token": self.access_token}
        return [
            {"id": "100", "name": "Stadtbad", "access_token": "EAAanotherPage"},
            {**ours, "instagram_business_account": linked if self.linked else None},
        ]

    def _writer(self) -> Writer:
        return Writer(
            world=self.world,
            now=self.clock.now(),
            witness=self,
            human_agent=self.human_agent,
            uploads=self.login == "facebook",
        )

    # the writer tells what the account did

    def subscribe(self, fields: str) -> None:
        """Send webhooks of these fields from now on."""
        self.fields = set(fields.split(","))
