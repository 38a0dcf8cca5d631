"""Facebook on the wire, for tests and for the demo: one page, its people, its refusals.

    sim = FacebookSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        sim.webhook = "http://127.0.0.1:8000/webhooks/page"
        post = sim.post("We open at nine.")
        sim.comment(post, "Mira Sommer", "Where is my parcel?")
        await sim.flush()                    # or let `sim.run()` deliver in a task

It answers as the Graph API documents, and refuses parameters and fields that do not exist.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import define, field
from channelmix.testing.simulator import Answer, Event, Request

from channelmix_facebook import simulator_events as tell
from channelmix_facebook.health import FIELDS, PERMISSIONS
from channelmix_facebook.signing import proof
from channelmix_facebook.simulator_fields import (
    FILES,
    UnknownNameError,
    check_fields,
    check_params,
    listed,
    parse,
)
from channelmix_facebook.simulator_kit import Kit
from channelmix_facebook.simulator_reading import Reader, RefusedError
from channelmix_facebook.simulator_world import Comment, Conversation, Note, Post
from channelmix_facebook.simulator_writing import Writer

_PATH = re.compile(r"/v\d+\.\d+/(?P<object>[^/]*)(?:/(?P<edge>\w+))?")
_NEEDS: Mapping[tuple[str, str], str] = {
    ("GET", "feed"): "pages_read_engagement",
    ("GET", "tagged"): "pages_read_user_content",
    ("GET", "ratings"): "pages_read_user_content",
    ("GET", "conversations"): "pages_messaging",
    ("GET", "comments"): "pages_read_user_content",
    ("GET", "Comment"): "pages_read_user_content",
    ("GET", "PagePost"): "pages_read_engagement",
    ("GET", "blocked"): "pages_manage_engagement",
    ("POST", "messages"): "pages_messaging",
    ("POST", "comments"): "pages_manage_engagement",
    ("POST", "likes"): "pages_manage_engagement",
    ("POST", "blocked"): "pages_manage_engagement",
    ("POST", "Comment"): "pages_manage_engagement",
    ("DELETE", "Comment"): "pages_manage_engagement",
    ("POST", "feed"): "pages_manage_posts",
    ("POST", "photos"): "pages_manage_posts",
    ("POST", "PagePost"): "pages_manage_posts",
    ("DELETE", "PagePost"): "pages_manage_posts",
}
"""By method, and by edge or type of object: Meta's "Permissions Reference" and "Posts" guide.

Banning is our reading: the guide "Manage a Page" has a list for all its calls together.
"""


@define(eq=False, kw_only=True, slots=False)
class FacebookSimulator(Kit):
    """One simulated page."""

    permissions: set[str] = field(factory=lambda: set(PERMISSIONS))
    fields: set[str] = field(factory=lambda: set(FIELDS))
    """The webhook fields that the app is subscribed to."""
    token_problem: int | None = None
    """A subcode of error 190 with which every call is refused."""
    token_expires: int = 0
    """When the token ends, in seconds since 1970; 0: never."""
    human_agent: bool = True
    """Whether the app has the Human Agent feature."""
    usage: Mapping[str, str] = field(factory=dict)
    """Usage headers sent with every answer."""
    echo_first: bool = False
    """Deliver the echo of a reply before the reply itself is answered."""

    # the base class asks

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Make a webhook body and sign it with the app secret."""
        body = tell.body(events)
        digest = hmac.new(self.app_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}
        return body, headers

    async def answer(self, request: Request) -> Answer:
        """Answer one call of the Graph API, or serve a file."""
        if request.path.startswith("/media/"):
            return self._serve(request.path.removeprefix("/media/"))
        try:
            answer = Answer(body=self._call(request), headers=self.usage)
        except RefusedError as error:
            answer = Answer(status=error.status, body=error.body(), headers=self.usage)
        except UnknownNameError as error:
            refusal = RefusedError(100, f"(#100) {error}")
            answer = Answer(status=400, body=refusal.body(), headers=self.usage)
        if self.echo_first:
            await self.flush()
        return answer

    def _serve(self, name: str) -> Answer:
        if name not in self.world.media:
            return Answer(status=404, body=b"", content_type="text/plain")
        kind, content = self.world.media[name]
        return Answer(body=content, content_type=kind)

    def _call(self, request: Request) -> Any:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise RefusedError(2500, "(#2500) Unknown path components")
        params, files = self.read_params(request)
        if not match["object"]:
            return self._batch(request, params)
        self._authentic(request, params, self.access_token)
        target = self._reader().find(match["object"])
        self._permitted(request.method, match["edge"] or target.kind)
        if request.method == "GET":
            return self._read(match["object"], match["edge"], params)
        check_params(request.method, target.kind, match["edge"], {**params, **files})
        writer = Writer(
            world=self.world, now=self.clock.now(), witness=self, human_agent=self.human_agent
        )
        return writer.write(request.method, target.thing, match["edge"], params, files)

    def _read(self, object_id: str, edge: str | None, params: Mapping[str, str]) -> Any:
        reader = self._reader()
        shown = reader.find(object_id)
        fields = parse(params.get("fields", ""))
        check_params("GET", shown.kind, edge, params)
        check_fields(shown.kind if edge is None else listed(shown.kind, edge), fields)
        if edge is None:
            return reader.show(shown, fields)
        return reader.page(shown, edge, params, fields)

    def _reader(self) -> Reader:
        app = {"id": self.app_id, "name": "Desk", "subscribed_fields": sorted(self.fields)}
        return Reader(
            world=self.world,
            now=self.clock.now(),
            link=self._link,
            subscribed=[app] if self.fields else [],
        )

    def _link(self, path: str, after: str) -> str:
        query = urlencode({"access_token": self.access_token, "after": after})
        return f"{self.base_url}/v26.0/{path}?{query}"

    def _authentic(self, request: Request, params: Mapping[str, str], token: str) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given != token:
            raise RefusedError(190, "Malformed access token", subcode=467, status=401)
        if self.token_problem is not None:
            text = f"Error validating access token {given}"
            raise RefusedError(190, text, subcode=self.token_problem, status=401)
        if params.get("appsecret_proof") != proof(self.app_secret, given):
            raise RefusedError(100, "Invalid appsecret_proof provided in the API argument")

    def _permitted(self, method: str, what: str) -> None:
        needed = _NEEDS.get((method, what))
        if needed == "pages_messaging" and needed not in self.permissions:
            raise RefusedError(10, f"(#10) Requires {needed}", status=403)
        if needed is not None and needed not in self.permissions:
            raise RefusedError(200, f"(#200) Requires {needed}", status=403)

    def _batch(self, request: Request, params: Mapping[str, str]) -> Any:
        """Answer a batch with the app's own token; the one call in it is `debug_token`."""
        self._authentic(request, params, f"{self.app_id}|{self.app_secret}")
        answers = []
        for call in json.loads(params.get("batch", "[]")):
            url = urlsplit(call["relative_url"])
            body = self._debug(dict(parse_qsl(url.query))) if url.path == "debug_token" else {}
            answers.append({"code": 200 if body else 404, "body": json.dumps(body)})
        return answers

    def _debug(self, query: Mapping[str, str]) -> dict[str, Any]:
        data = {
            "app_id": self.app_id,
            "is_valid": query.get("input_token") == self.access_token,
            "expires_at": self.token_expires,
            "scopes": sorted(self.permissions),
        }
        return {"data": data}

    def read_params(self, request: Request) -> tuple[dict[str, str], dict[str, str]]:
        """Return parameters, and for each uploaded file the address where it now lies."""
        params, kind = dict(request.query), request.headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            fields, files = _multipart(kind, request.body)
            return {**params, **fields}, {name: self._keep(one) for name, one in files.items()}
        return {**params, **dict(parse_qsl(request.body.decode(), keep_blank_values=True))}, {}

    def _keep(self, file: tuple[str, bytes]) -> str:
        name = f"upload-{self.world.number()}"
        self.world.media[name] = file
        return self.media(name)

    # the writer tells what the page did

    def commented(self, comment: Comment) -> None:
        """Tell of a comment by the page."""
        self.tell_comment(comment, "add")

    def said(self, conversation: Conversation, note: Note, metadata: str | None) -> None:
        """Tell of a message by the page."""
        self.echo(conversation, note, app=self.app_id, metadata=metadata)

    def posted(self, post: Post) -> None:
        """Tell of a post by the page."""
        self.changed(post, "add")


def _multipart(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    mail = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    fields, files = {}, {}
    for part in mail.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        raw = content if isinstance(content, bytes) else b""
        if name in FILES:
            files[name] = (part.get_content_type(), raw)
        else:
            fields[name] = raw.decode()
    return fields, files
