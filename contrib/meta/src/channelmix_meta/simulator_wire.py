"""A Graph API on the wire: signatures, tokens, parameters, uploads, errors.

A network's own class answers one authentic call in `call`; this one does the rest.
"""

from __future__ import annotations

import abc
import json
import re
from collections.abc import Collection, Mapping, Sequence
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import define, field
from channelmix.testing.simulator import Answer, Event, Request, Simulator

from channelmix_meta import simulator_events as tell
from channelmix_meta.signing import proof, signature
from channelmix_meta.simulator_fields import FILES, UnknownNameError
from channelmix_meta.simulator_reading import RefusedError
from channelmix_meta.simulator_world import Inbox

_PATH = re.compile(r"/(?P<version>v\d+\.\d+)/(?P<object>[^/]*)(?:/(?P<edge>\w+))?")


@define(eq=False, kw_only=True, slots=False)
class GraphSimulator(Simulator):
    """One simulated account of one of Meta's networks."""

    object_name: ClassVar[str]
    """The `object` of its webhooks."""
    platform: ClassVar[str]
    """`messenger` or `instagram`: whose conversations there are."""

    app_id: str = "990000000000001"
    world: Inbox = field(init=False)
    app_secret: str = "simulated-app-secret"  # noqa: S105 - the simulator's own, opens nothing
    access_token: str = "EAAsimulatedAccountToken"  # noqa: S105 - as above
    verify_token: str = "simulated-verify-token"  # noqa: S105 - as above
    permissions: set[str] = field(factory=set)
    fields: set[str] = field(factory=set)
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

    def media(self, name: str = "photo.jpg") -> str:
        """Return the address of a file: `photo.jpg`, `picture.png` or `film.mp4`."""
        return f"{self.base_url}/media/{name}"

    @abc.abstractmethod
    def call(
        self, request: Request, object_id: str, edge: str | None, params: Mapping[str, str]
    ) -> Any:
        """Answer one authentic call. Raises: `RefusedError`, `UnknownNameError`."""

    # the base class asks

    def wrap(self, events: Sequence[Event]) -> tuple[bytes, Mapping[str, str]]:
        """Make a webhook body and sign it with the app secret."""
        body = tell.body(events, self.object_name)
        headers = {"content-type": "application/json", **signature(self.app_secret, body)}
        return body, headers

    async def answer(self, request: Request) -> Answer:
        """Answer one call of the Graph API, or serve a file."""
        if request.path.startswith("/media/"):
            return self._serve(request.path.removeprefix("/media/"))
        try:
            answer = Answer(body=self._answer(request), headers=self.usage)
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

    def _answer(self, request: Request) -> Any:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise RefusedError(2500, "(#2500) Unknown path components")
        params, files = self.read_params(request)
        if not match["object"]:
            return self._batch(request, params)
        self._authentic(request, params, self.tokens())
        return self.call(request, match["object"], match["edge"], {**params, **files})

    def tokens(self) -> Collection[str]:
        """Return the tokens that hold."""
        return [self.access_token]

    def link(self, path: str, after: str) -> str:
        """Return the address of a list's next page; like Meta's it holds the token."""
        query = urlencode({"access_token": self.access_token, "after": after})
        return f"{self.base_url}/v26.0/{path}?{query}"

    def permitted(self, needed: str | None, *, of_conversations: bool) -> None:
        """Refuse what the token may not do. Raises: `RefusedError`."""
        if needed is not None and needed not in self.permissions:
            code = 10 if of_conversations else 200
            raise RefusedError(code, f"(#{code}) Requires {needed}", status=403)

    def _authentic(
        self, request: Request, params: Mapping[str, str], tokens: Collection[str]
    ) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in tokens:
            raise RefusedError(190, "Malformed access token", subcode=467, status=401)
        if self.token_problem is not None:
            text = f"Error validating access token {given}"
            raise RefusedError(190, text, subcode=self.token_problem, status=401)
        if params.get("appsecret_proof") != proof(self.app_secret, given):
            raise RefusedError(100, "Invalid appsecret_proof provided in the API argument")

    def _batch(self, request: Request, params: Mapping[str, str]) -> Any:
        """Answer a batch with the app's own token."""
        self._authentic(request, params, [f"{self.app_id}|{self.app_secret}"])
        answers = []
        for call in json.loads(params.get("batch", "[]")):
            url = urlsplit(call["relative_url"])
            body = self.app_call(url.path, dict(parse_qsl(url.query)))
            answers.append({"code": 200 if body else 404, "body": json.dumps(body)})
        return answers

    def app_call(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer one call of a batch with the app's own token; empty: there is no such thing."""
        return self._debug(query) if path == "debug_token" else {}

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
