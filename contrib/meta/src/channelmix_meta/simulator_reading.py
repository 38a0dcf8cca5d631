"""What every simulated Graph API shows: objects, lists, paging, conversations."""

from __future__ import annotations

import abc
import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from attrs import define, frozen

from channelmix_meta.simulator_fields import Catalogue, Field, parse
from channelmix_meta.simulator_world import Conversation, Inbox, Note, Person

W = TypeVar("W", bound=Inbox)

DETAILED = 20
"""Of how many messages of a conversation Meta gives details."""
DEFAULTS = frozenset({"id", "name", "message", "created_time", "updated_time", "subscribed_fields"})
"""What is shown where no `fields` are named."""
WHOLE = frozenset({"Attachment", "Share"})
"""What is shown with all its fields then."""


class RefusedError(Exception):
    """An error answer, with the numbers that Meta's "Error Codes" pages give."""

    def __init__(
        self,
        code: int,
        text: str,
        *,
        subcode: int | None = None,
        status: int = 400,
        transient: bool | None = None,
    ) -> None:
        super().__init__(text)
        self.transient = transient
        self.code = code
        self.subcode = subcode
        self.status = status

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        graph = self.code == 100  # noqa: PLR2004 - the code that has a type of its own
        error: dict[str, Any] = {
            "message": str(self),
            "type": "GraphMethodException" if graph else "OAuthException",
            "code": self.code,
            "fbtrace_id": "ASimulatedTrace",
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        return {"error": error}


def missing(object_id: str) -> RefusedError:
    """Refuse what does not exist, or no more."""
    return RefusedError(100, f"Object with ID '{object_id}' does not exist", subcode=33)


def stamp(moment: datetime) -> str:
    """Write a time as Graph does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


@frozen(kw_only=True)
class Shown:
    """Something that can be asked for: its type, its fields, and what stands behind it."""

    kind: str
    fields: Mapping[str, Any]
    thing: Any = None

    @property
    def mark(self) -> str:
        """What a paging cursor names."""
        story = self.fields.get("open_graph_story") or {}
        return str(self.fields.get("id") or story.get("id"))


@define(kw_only=True)
class Reader(abc.ABC, Generic[W]):
    """Reads a world at one moment."""

    world: W
    catalogue: Catalogue
    now: datetime
    link: Callable[[str, str], str]
    """Makes the `next` link of a list, from its path and the cursor."""
    platform: str
    """`messenger` or `instagram`: whose conversations there are."""
    subscribed: Sequence[Mapping[str, Any]] = ()
    """The apps that get webhooks."""

    @abc.abstractmethod
    def find(self, object_id: str) -> Shown:
        """Return an object by its id. Raises: `RefusedError` 100/33."""

    @abc.abstractmethod
    def lists(self, shown: Shown, edge: str, params: Mapping[str, str]) -> list[Shown]:
        """Return everything in a list, in its order."""

    def answer(self, object_id: str, edge: str | None, params: Mapping[str, str]) -> dict[str, Any]:
        """Answer a reading call. Raises: `RefusedError`, `UnknownNameError`."""
        shown, fields = self.find(object_id), parse(params.get("fields", ""))
        self.catalogue.check_params("GET", shown.kind, edge, params)
        kind = shown.kind if edge is None else self.catalogue.listed(shown.kind, edge)
        self.catalogue.check_fields(kind, fields)
        if edge is None:
            return self.show(shown, fields)
        return self.page(shown, edge, params, fields)

    def ref(self, person: Person) -> dict[str, str]:
        """Return a person as the network names people."""
        return person.ref()

    def find_in_inbox(self, object_id: str) -> Shown:
        """Return a person, a conversation or a message. Raises: `RefusedError` 100/33."""
        if object_id in self.world.people:
            return self.person(self.world.people[object_id])
        for conversation in self.world.conversations.values():
            if conversation.id == object_id:
                return self.conversation(conversation)
        if found := self.world.note(object_id):
            return self.note(*found)
        raise missing(object_id)

    def show(self, shown: Shown, fields: Sequence[Field]) -> dict[str, Any]:
        """Return the wanted fields of an object, and its id."""
        seen = {name: shown.fields[name] for name in ("id",) if name in shown.fields}
        for field in fields:
            value = self._field(shown, field)
            if value is not None:
                seen[field.name] = value
        return seen

    def _field(self, shown: Shown, field: Field) -> Any:
        if field.name in self.catalogue.edges.get(shown.kind, {}):
            return self.page(shown, field.name, field.params, field.below or ()) or None
        value = shown.fields.get(field.name)
        if field.below is None or not isinstance(value, dict):
            return value
        return {one.name: value[one.name] for one in field.below if one.name in value}

    def page(
        self, shown: Shown, edge: str, params: Mapping[str, str], fields: Sequence[Field]
    ) -> dict[str, Any]:
        """Return one page of a list; an empty one is left out inside an object."""
        everything = self.lists(shown, edge, params)
        start = _start(everything, params.get("after"))
        size = min(int(params.get("limit", 25)), 100)
        chosen = everything[start : start + size]
        if not chosen:
            return {"data": []}
        wanted = fields or _by_default(chosen[0])
        cursors = {"before": _cursor(chosen[0].mark), "after": _cursor(chosen[-1].mark)}
        paging: dict[str, Any] = {"cursors": cursors}
        if start + size < len(everything):
            paging["next"] = self.link(f"{shown.fields['id']}/{edge}", cursors["after"])
        return {"data": [self.show(one, wanted) for one in chosen], "paging": paging}

    def person(self, person: Person) -> Shown:
        """Show a person."""
        return Shown(kind="Profile", fields=self.ref(person), thing=person)

    def conversation(self, conversation: Conversation) -> Shown:
        """Show a conversation."""
        people = [self.ref(conversation.person), self.ref(self.world.account)]
        fields = {
            "id": conversation.id,
            "updated_time": stamp(conversation.updated),
            "participants": {"data": people},
        }
        return Shown(kind="UnifiedThread", fields=fields, thing=conversation)

    def note(self, conversation: Conversation, note: Note) -> Shown:
        """Show a message: whole if it is one of the latest, else little more than its id."""
        fields: dict[str, Any] = {"id": note.id, "created_time": stamp(note.created)}
        if note in conversation.notes[-DETAILED:]:
            other = (
                self.world.account if note.author == conversation.person else conversation.person
            )
            fields["message"] = note.text or ""
            fields["story"] = note.story
            fields["from"] = self.ref(note.author)
            fields["to"] = {"data": [self.ref(other)]}
        return Shown(kind="UnifiedMessage", fields=fields, thing=note)

    def conversations(self, params: Mapping[str, str]) -> list[Shown]:
        """Show the conversations, the most lively first."""
        if params.get("platform", "messenger") != self.platform:
            return []
        wanted = params.get("user_id")
        found = [
            one
            for one in self.world.conversations.values()
            if one.notes and wanted in {None, one.person.id}
        ]
        found.sort(key=lambda one: one.updated, reverse=True)
        return [self.conversation(one) for one in found]

    def notes(self, conversation: Conversation) -> list[Shown]:
        """Show the messages of a conversation, newest first."""
        return [self.note(conversation, one) for one in reversed(conversation.notes)]


def _by_default(shown: Shown) -> list[Field]:
    names = {*shown.fields} if shown.kind in WHOLE else DEFAULTS & {*shown.fields}
    return [Field(name=name) for name in sorted(names)]


def files_of(note: Note) -> list[Shown]:
    """Show the attachments of a message."""
    return [
        Shown(kind="Attachment", fields=_file(note, number, one))
        for number, one in enumerate(note.attachments)
    ]


def _file(note: Note, number: int, attachment: Mapping[str, Any]) -> dict[str, Any]:
    kind, url = attachment["type"], (attachment.get("payload") or {}).get("url")
    fields: dict[str, Any] = {"id": f"{note.id}:{number}", "name": str(url).rsplit("/", 1)[-1]}
    if kind in {"image", "video"}:
        mime = "image/jpeg" if kind == "image" else "video/mp4"
        return {**fields, "mime_type": mime, f"{kind}_data": {"url": url, "width": 1, "height": 1}}
    return {**fields, "file_url": url}


def _cursor(mark: str) -> str:
    return base64.urlsafe_b64encode(mark.encode()).decode()


def _start(everything: Sequence[Shown], after: str | None) -> int:
    if after is None:
        return 0
    for index, one in enumerate(everything):
        if _cursor(one.mark) == after:
            return index + 1
    raise RefusedError(100, "(#100) The cursor is no longer valid")
