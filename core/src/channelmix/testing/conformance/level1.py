"""Level 1, *loads*: what has to hold before the plugin is asked anything."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import attrs
import httpx

from channelmix.discovery import installed
from channelmix.errors import ChannelmixError, ConfigError, RegistrationError
from channelmix.hookspecs import ENTRY_POINTS
from channelmix.records import Action, Kind, Limits, Message, Outgoing, Poll, Source
from channelmix.settings import ChannelKeys, PluginKeys
from channelmix.structuring import field_names
from channelmix.testing.conformance import importing
from channelmix.testing.conformance.needs import network
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import (
    START,
    Living,
    Subject,
    configs_of,
    sounds_secret,
    tasks,
)

_MUTABLE = (list, dict, set, bytearray)


@check(since="0.1")
def c101_the_suite_is_whole(subject: Subject) -> Iterator[str]:
    """No check is left out or replaced without a written reason.

    A check that does not fit your network may be left out, but say why: put its id and the reason
    into `deviations`, where everybody can read it. A reason that is not needed any more has to go.
    """
    from channelmix.testing.conformance.suite import left_out  # noqa: PLC0415 - it imports this

    yield from left_out(subject.suite)


@check(since="0.1")
def c102_it_is_found_by_its_entry_point(subject: Subject) -> Iterator[str]:
    """The package names the class in the entry point group of this contract.

    In its `pyproject.toml`: `[project.entry-points."channelmix.v1"]` with `NAME = "module:Class"`.
    For a network the name is the class's `network`. Install the package (`pip install -e .`) after
    each change of it. A name that two packages claim, or a group with another number, is of no use.
    """
    target = f"{subject.plugin.__module__}:{subject.plugin.__qualname__}"
    found = installed()
    name = subject.network.network if subject.network else None
    mine = [one for one in found.values() if one.value == target or one.name == name]
    if not mine:
        yield f"no installed package names {target} in the group {ENTRY_POINTS}"
    for one in mine:
        try:
            cls = one.load()
        except ChannelmixError as error:
            yield str(error)
            continue
        if cls is not subject.plugin:
            yield f"the entry point {one.name} is {one.value}, and not {target}"
        elif name not in {None, one.name}:
            yield f"its network is {name}, but its entry point is called {one.name}"


@check(since="0.1")
def c103_its_import_is_quick_and_quiet(subject: Subject) -> Iterator[str]:
    """Importing it takes under two seconds of work, and no network.

    Every start of every desk imports it. Move what is slow into the function that needs it, read
    nothing from the network and start nothing; `python -X importtime` shows where the time goes.
    A module must not exit, print or wait.
    """
    if problem := importing.tried(subject.plugin.__module__).problem:
        yield problem


@check(since="0.1")
def c104_its_hooks_fit(subject: Subject) -> Iterator[str]:
    """Every hook has the marker, the name, the arguments and the colour of the contract.

    Mark each hook with `@hook`, take exactly what `channelmix.hookspecs.Hooks` has, use `async def`
    where it does and a plain `def` elsewhere, and declare the class with
    `@attrs.define(eq=False, kw_only=True, slots=False)`.
    """
    try:
        subject.raw()
    except RegistrationError as error:
        yield str(error)
    except ConfigError:
        pass  # another check tells of it


@check(network, since="0.1")
def c105_its_declarations_hold(subject: Subject) -> Iterator[str]:
    """What the class declares is there, is of the right type, and fits its hooks.

    `network` and `account_field` are required; `sources` and `limits` belong to `poll` and `reply`:
    a hook without its declaration is never called, a declaration without its hook promises too
    much. Each source has a name of its own.
    """
    cls = subject.channel
    yield from _named(cls)
    sources: list[Any] = list(cls.sources)
    limits: list[Any] = list(cls.limits)
    for name, declared, wanted in (("sources", sources, Source), ("limits", limits, Limits)):
        if wrong := [one for one in declared if not isinstance(one, wanted)]:
            yield f"`{name}` holds what is no {wanted.__name__}: {wrong[0]!r}"
            return
    if len({one.name for one in sources}) < len(sources):
        yield "`sources` has two of one name"
    for hook, name, declared in (("poll", "sources", sources), ("reply", "limits", limits)):
        if subject.implements(hook) and not declared:
            yield f"it implements `{hook}`, but declares no `{name}`: it will never be called"
        if declared and not subject.implements(hook):
            yield f"it declares `{name}`, but implements no `{hook}`"
    for one, other in (("receive", "split"), ("split", "ingest"), ("poll", "ingest")):
        if subject.implements(one) and not subject.implements(other):
            yield f"it implements `{one}` without `{other}`: nothing comes of what arrives"


def _named(cls: Any) -> Iterator[str]:
    if not isinstance(getattr(cls, "network", None), str) or not cls.network:
        yield "`network` names no network"
    field = getattr(cls, "account_field", None)
    if field not in field_names(cls.Config):
        yield f"`account_field` is {field!r}, which is no field of its `Config`"


@check(since="0.1")
def c106_its_good_configuration_is_taken(subject: Subject) -> Iterator[str]:
    """A good section of the configuration makes an instance.

    `config` of your `Conformance` is such a section. If it is good, look at the class that `Config`
    (or `App`) names: attrs, frozen, with the types that the file can have.
    """
    try:
        subject.raw()
    except RegistrationError:
        pass  # another check tells of it
    except ConfigError as error:
        yield from error.problems


@check(since="0.1")
def c107_mistakes_in_its_section_are_named(subject: Subject) -> Iterator[str]:
    """A missing key, an unknown key and a wrong type each get a line that names the key.

    Declare each key as an attrs field with `channelmix.config.setting`, required ones without a
    default, and check values in a `validator` of that field, which knows the key's name. What
    `__attrs_post_init__` raises names no key.
    """
    subject.settings(subject.section())
    required = set(_required(subject))
    shared = field_names(ChannelKeys if subject.network else PluginKeys)
    for key in sorted(set(subject.suite.config) - shared):
        without = {name: one for name, one in subject.section().items() if name != key}
        lines = _problems(subject, without)
        if key in required and not lines:
            yield f"without {key}, which is required, nothing is said"
        yield from _unnamed(lines, key, f"without {key}")
        yield from _unnamed(
            _problems(subject, {**subject.section(), key: [object]}), key, f"a wrong type in {key}"
        )
        misspelt = f"{key}z"
        lines = _problems(subject, {**subject.section(), misspelt: "x"})
        if not any(misspelt in line for line in lines):
            yield f"the unknown key {misspelt} is taken in silence"


def _required(subject: Subject) -> Iterator[str]:
    for cls in (subject.plugin.Config, subject.network.App if subject.network else None):
        if cls is not None:
            yield from (one.name for one in attrs.fields(cls) if one.default is attrs.NOTHING)


def _problems(subject: Subject, section: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        subject.settings(section)
    except ConfigError as error:
        return error.problems
    return ()


def _unnamed(lines: tuple[str, ...], key: str, when: str) -> Iterator[str]:
    if lines and not any(key in line for line in lines):
        yield f"{when}, the error does not name it: {lines[0]}"


@check(since="0.1")
async def c108_no_secret_shows(subject: Subject) -> AsyncIterator[str]:
    """Every token is a `Secret`, and shows in no repr.

    Give each field that holds a token, a password or a key the type `channelmix.config.Secret`, and
    call `reveal()` where it goes to the network and nowhere else. A record of your own that carries
    the revealed value has `field(repr=False)` for it.
    """
    configs = configs_of(subject.settings(subject.section()))
    for one in configs:
        for field in attrs.fields(type(one)):
            if sounds_secret(field.name) and isinstance(getattr(one, field.name), str):
                yield f"{type(one).__qualname__}.{field.name} is a str; make it a Secret"
    async with subject.living() as living:
        for what in (living.plugin, *vars(living.plugin).values(), *configs):
            for shown in (repr(what), str(what)):
                if any(secret in shown for secret in subject.secrets):
                    yield f"the repr of {type(what).__qualname__} shows a secret"
                    break


@check(since="0.1")
async def c109_no_secret_is_told(subject: Subject) -> AsyncIterator[str]:
    """No secret stands in a log line or an error, whatever the network answers.

    Networks repeat a bad token in their error message. Do not quote an answer where it may hold one
    (or replace the token in it), log ids and codes instead of whole requests, and never put a
    URL with a token in it into an error.
    """
    secrets: set[str] = set()
    with _library_log() as lines:
        for status in (200, 400, 401, 403, 429, 500):
            async with subject.echoed(httpx.MockTransport(_parrot(status))) as living:
                secrets |= set(subject.secrets_at(living))
                lines += [str(error) async for error in _errors(subject, living)]
                lines += [str(dict(one)) for one in living.logged]
    for line in lines:
        for secret in secrets:
            if secret in line:
                yield f"a secret is told: {line.replace(secret, '***'):.300}"


def _parrot(status: int) -> Any:
    """Answer as the worst network would: with everything that it was asked."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {request.url.raw_path.decode()} {dict(request.headers)}"
        said = {"message": asked + request.read().decode("utf-8", "replace"), "code": 190}
        body = json.dumps({"error": said, "errors": [said], "detail": said}).encode()
        # As a stream: of an answer that is there already, httpx would never close the stream.
        stream, kind = httpx.ByteStream(body), {"content-type": "application/json"}
        return httpx.Response(status, headers=kind, stream=stream)

    return answer


async def _errors(subject: Subject, living: Living) -> AsyncIterator[BaseException]:
    """Make every call that the plugin makes, and yield what it raises."""
    asked: list[tuple[str, Any]] = [("check", living.plugin.services)]
    if subject.network:
        sources = [one.name for one in subject.network.sources]
        asked += [("poll", Poll(source=name, argument="1")) for name in sources]
        asked += [
            (hook, _outgoing(one)) for one in _targets(subject) for hook in ("reply", "reconcile")
        ]
    for hook, request in asked:
        if subject.implements(hook):
            try:
                await living.ask(hook, request)
            except ChannelmixError as error:
                yield error
                if error.__cause__ is not None:
                    yield error.__cause__


def _targets(subject: Subject) -> Iterator[tuple[Action, Kind]]:
    for limits in subject.channel.limits:
        for action in limits.actions:
            yield from ((action, kind) for kind in sorted(limits.kinds)[:1])


def _outgoing(one: tuple[Action, Kind]) -> Outgoing:
    action, kind = one
    target = Message(id="1_2", kind=kind, thread="1", sent_at=START, text="Hallo?")
    return Outgoing(
        token="key-1",  # noqa: S106 - a send key
        channel="kit",
        action=action,
        target=target,
        own_id="1_3",
        text="Guten Tag",
        first_sent_at=START,
        window_opened_at=START,
    )


@contextlib.contextmanager
def _library_log() -> Iterator[list[str]]:
    """Collect what goes to the standard library's log meanwhile."""
    lines: list[str] = []

    class _Collects(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, root = _Collects(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


@check(since="0.1")
async def c110_it_opens_and_closes(subject: Subject) -> AsyncIterator[str]:
    """It can be opened and closed twice, and leaves nothing running.

    `close` undoes everything that `open` did, cancels and awaits the tasks it started, and does not
    mind when there is nothing to undo: it is called after a failed `open`, too.
    """
    living = subject.raw()
    before = tasks()
    try:
        for hook in ("close", "open", "close", "open", "close", "close"):
            try:
                await subject.life(living, hook)
            except ChannelmixError as error:
                yield f"{hook}: {error}"
        left = [one for one in tasks() if one not in before]
        for task in left:
            task.cancel()
            yield f"it leaves a task running: {task.get_coro()!r:.120}"
    finally:
        await living.plugin.services.http.aclose()


@check(since="0.1")
async def c111_two_instances_share_nothing(subject: Subject) -> AsyncIterator[str]:
    """Two channels of one network do not know of each other.

    Keep state in attrs fields with a `factory`, made anew for each instance, never in the class, in
    a module or in a default value.
    """
    for cls in subject.plugin.__mro__:
        if cls.__module__.split(".")[0] == "channelmix":
            continue
        for name, value in vars(cls).items():
            if isinstance(value, _MUTABLE) and not _constant(name):
                yield f"the class attribute {name} is a {type(value).__name__}: all share it"
    async with subject.living() as one, subject.living(name="other") as other:
        for name, value in vars(one.plugin).items():
            if _stateful(value) and vars(other.plugin).get(name) is value:
                yield f"both instances have the same {name} ({type(value).__name__})"


def _constant(name: str) -> bool:
    """Say whether a class attribute is Python's, attrs' or a declaration."""
    return name.startswith("__") or name in {"sources", "limits"}


def _stateful(value: Any) -> bool:
    """Say whether a value can change: it is a container, or a record without a hash."""
    return isinstance(value, _MUTABLE) or type(value).__hash__ is None
