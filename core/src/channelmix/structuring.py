"""From the tables of a TOML file to attrs records, strictly, with every mistake and its path.

cattrs does the work; here is what it leaves open: nothing is converted in silence (`5` is no
text), durations and secrets are types, and its errors become sentences for a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from functools import partial
from inspect import isfunction
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import attrs
from cattrs import (
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    StructureHandlerNotFoundError,
)
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from channelmix.hints import did_you_mean, near_miss
from channelmix.secrets import Secret, SecretSource

REQUIRED = "it is required"

DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


class Wrong(ValueError):
    """One mistake, in words for the person who wrote the file; it never holds a secret."""


@attrs.frozen
class Problem:
    """One mistake."""

    path: str
    text: str
    meant: str | None = None
    """For an unknown key: the path of the key that was probably meant."""


class Invalid(Exception):
    """A section with mistakes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `1h`, `2d` or `1h30m`. Raises: `Wrong`."""
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise Wrong('write a duration like "90s", "15m", "1h30m" or "2d"')
    try:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        read = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, ValueError):
        raise Wrong("it is longer than anybody waits") from None
    if not read:
        raise Wrong("it must be longer than nothing")
    return read


def converter(secrets: SecretSource) -> Converter:
    """Make the converter for one reading of a file."""
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    plain: dict[type, Callable[[Any], Any]] = {
        str: partial(_exactly, str, 'write a text, in quotes: "..."'),
        int: partial(_exactly, int, "write a whole number"),
        bool: partial(_exactly, bool, "write true or false"),
        float: _number,
        timedelta: duration,
        Path: lambda value: secrets.folder / _exactly(str, 'write a path: "..."', value),
        Secret: secrets.read,
    }
    for cls, read in plain.items():
        made.register_structure_hook(cls, _plain_hook(read))
    made.register_structure_hook_func(is_choice, lambda value, tp: _chosen(tp, value))
    made.register_structure_hook_factory(_is_annotated, partial(_annotated_hook, made, secrets))
    made.register_structure_hook_factory(is_list, partial(_list_hook, made))
    made.register_structure_hook_factory(attrs.has, partial(_section_hook, made))
    return made


def structure(converter: Converter, tp: Any, value: object, path: str) -> Any:
    """Make a `tp`, an attrs class or a sequence of them, of what the file says at `path`.

    Raises: `Invalid` with all that is wrong.
    """
    try:
        return converter.structure(value, tp)
    except (StructureHandlerNotFoundError, NameError) as error:
        what = f"{tp} has a field that no file can fill: {error}"
        raise Invalid([Problem(path, what)]) from error
    except (ClassValidationError, IterableValidationError, Wrong) as error:
        raise Invalid(list(_problems(error, path))) from None


def unknown_key(path: str, key: str, known: AbstractSet[str]) -> Problem:
    """Say that nothing takes `key` in the section at `path`, and which may have been meant."""
    near = near_miss(key, known)
    text = f"unknown key{did_you_mean(key, known)}"
    return Problem(f"{path}.{key}", text, f"{path}.{near}" if near else None)


def lines(problems: Sequence[Problem]) -> list[str]:
    """Write one line for each mistake.

    A misspelt key is one mistake, although the key that was meant is then missing, too.
    """
    meant = {one.meant for one in problems}
    return [
        f"{one.path}: {one.text}"
        for one in problems
        if one.text != REQUIRED or one.path not in meant
    ]


def field_names(cls: type | None) -> set[str]:
    """Name the keys that a section for `cls` takes; none for None."""
    return {one.name for one in attrs.fields(cls) if one.init} if cls else set()


def is_choice(tp: Any) -> bool:
    """Say whether `tp` is a `Literal` or an enumeration."""
    return get_origin(tp) is Literal or (isinstance(tp, type) and issubclass(tp, Enum))


def is_list(tp: Any) -> bool:
    """Say whether `tp` is written as a list of any length, whatever it becomes."""
    any_length = get_args(tp)[1:] in ((), (...,))
    return any_length and (get_origin(tp) or tp) in (list, tuple, frozenset, set, Sequence)


def choices(tp: Any) -> list[Any]:
    """List what a `Literal` or an enumeration allows, as it is written in the file."""
    return list(get_args(tp)) if get_origin(tp) is Literal else [one.value for one in tp]


def _plain_hook(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    # cattrs hands the subclasses of str and int to their hooks too: StrEnum, IntEnum.
    return lambda value, tp: _chosen(tp, value) if is_choice(tp) else read(value)


def _exactly(cls: type, wanted: str, value: object) -> Any:
    # `type() is`, because True is an int to isinstance.
    if type(value) is not cls:
        raise Wrong(wanted)
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise Wrong("write a number")
    return float(value)  # type: ignore[arg-type]  # narrowed above, by identity of the type


def _chosen(tp: Any, value: object) -> Any:
    allowed = choices(tp)
    if value not in allowed:
        raise Wrong(f"write one of {', '.join(map(str, allowed))}")
    return value if get_origin(tp) is Literal else tp(value)


def _is_annotated(tp: Any) -> bool:
    return get_origin(tp) is Annotated


def _annotated_hook(made: Converter, secrets: SecretSource, tp: Any) -> Callable[[Any, Any], Any]:
    """Read what is annotated, as a secret if it says so, then let its checks see it."""
    base, *notes = get_args(tp)
    checks = [note for note in notes if isfunction(note)]
    inner = made.get_structure_hook(base)

    def hook(value: Any, _: Any) -> Any:
        found = secrets.read(value).reveal() if Secret in notes else inner(value, base)
        for check in checks:
            found = check(found)
        return found

    return hook


def _list_hook(made: Converter, tp: Any) -> Callable[[Any, Any], Any]:
    # Left to itself, cattrs takes a text for a list of its letters.
    into = get_origin(tp) or tp
    element = (get_args(tp) or (Any,))[0]
    read = list_structure_factory(list[element], made)  # type: ignore[valid-type]  # made at run time

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise Wrong("write a list: [...]")
        found = read(value, list[element])  # type: ignore[valid-type]  # made at run time
        return tuple(found) if into is Sequence else into(found)

    return hook


def _section_hook(made: Converter, cls: Any) -> Callable[[Any, Any], Any]:
    fields = attrs.fields(attrs.resolve_types(cls))
    validated: dict[str, Any] = {
        one.name: override(struct_hook=_validating(made, one))
        for one in fields
        if one.init and one.validator and not one.converter
    }
    read = make_dict_structure_fn(cls, made, _cattrs_detailed_validation=True, **validated)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Wrong("write a table: { key = value }")
        return read(value, cls)

    return hook


def _validating(made: Converter, one: attrs.Attribute[Any]) -> Callable[[Any, Any], Any]:
    # attrs validates only once every field is there, and stops at the first that is wrong.
    read = made.get_structure_hook(one.type)

    def hook(value: Any, _: Any) -> Any:
        found = read(value, one.type)
        # A validator that wants the whole instance is left to attrs.
        with suppress(AttributeError):
            one.validator(None, one, found)  # type: ignore[misc]  # it has one: see the caller
        return found

    return hook


def _problems(error: BaseException, path: str) -> Iterator[Problem]:
    match error:
        case ClassValidationError() | IterableValidationError():
            noted, bare = error.group_exceptions()
            for inner, note in noted:
                yield from _problems(inner, _below(path, note))
            for inner in bare:
                yield from _problems(inner, path)
        case ForbiddenExtraKeysError(extra_fields=extra, cl=cls):
            for key in sorted(extra):
                yield unknown_key(path, key, field_names(cls))
        case _:
            yield Problem(_located(error, path), _sentence(error, path))


def _below(path: str, note: Any) -> str:
    # A note names a field, or the key or the position of an element.
    name = getattr(note, "name", None)
    if name is None and isinstance(note.index, int):
        return f"{path}[{note.index}]"
    return f"{path}.{note.index if name is None else name}"


def _located(error: BaseException, path: str) -> str:
    # A validator of attrs passes the field it looked at beside its message.
    fields = [one.name for one in error.args if isinstance(one, attrs.Attribute)]
    return ".".join([path, *(name for name in fields if not path.endswith(f".{name}"))])


def _sentence(error: BaseException, path: str) -> str:
    # cattrs reports a missing key with the bare KeyError of that key.
    if isinstance(error, KeyError) and path.endswith(f".{error.args[0]}"):
        return REQUIRED
    if isinstance(error, AttributeError) and "'items'" in str(error):
        return "write a table: { key = value }"
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    line = " ".join(text.split())
    return line if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: {line}"
