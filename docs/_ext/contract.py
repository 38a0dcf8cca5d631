"""Hooks, records and errors, as the code has them."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import attrs
from channelmix import errors as families
from channelmix import hookspecs
from channelmix import records as module
from channelmix.desk import Desk
from channelmix.dispatch import DEADLINES
from channelmix.registry import HOOKS
from channelmix.settings import setting
from channelmix.testing import clock, lent, server, simulator, stage
from channelmix.testing.conformance import suite
from markdown import code, docstring, linked, page, table
from sphinx.pycode import ModuleAnalyzer

TESTING = (suite, stage, simulator, clock, lent, server)
PLAYED = {"on_stage", "serve"}
"""The functions among them that are for authors."""
CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    simulator.__name__: {
        "FaultName": get_args(simulator.FaultName),
        "Outcome": get_args(simulator.Outcome),
    }
}
REMOVALS = Path(__file__).parents[2] / "core" / "removals.toml"


def own(of: ModuleType) -> Iterator[type]:
    """Give the public classes that a module defines, in its order."""
    for name, value in vars(of).items():
        if isinstance(value, type) and value.__module__ == of.__name__ and name[0] != "_":
            yield value


def signature(function: Any, name: str | None = None) -> str:
    """Write a function as its `def` line, with the annotations of its source."""
    colour = "async def" if inspect.iscoroutinefunction(function) else "def"
    line = f"{colour} {name or function.__name__}{_bare(inspect.signature(function))}"
    if hasattr(function, "__wrapped__"):  # made into a context manager
        return line.replace("AsyncIterator[", "AsyncContextManager[")
    return line


class _Written:
    """An annotation as it stands in the source: inspect puts it into quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _bare(of: inspect.Signature) -> inspect.Signature:
    parameters = [
        one.replace(annotation=_Written(one.annotation)) if isinstance(one.annotation, str) else one
        for one in of.parameters.values()
    ]
    returns = of.return_annotation
    returns = _Written(returns) if isinstance(returns, str) else returns
    return of.replace(parameters=parameters, return_annotation=returns)


def hooks() -> str:
    """Describe every hook: signature, colour, deadline, meaning."""
    return page(_hook(name, function) for name, function in HOOKS.items())


def _hook(name: str, function: Any) -> str:
    asynchronous = inspect.iscoroutinefunction(function)
    how = f"It has {DEADLINES[name]:g} seconds." if asynchronous else ""
    return page([f"### `{name}`", code(signature(function)), docstring(function), how])


def bases() -> str:
    """Describe what a plugin starts from, and the services that it is lent."""
    shown = [one for one in own(hookspecs) if one is not hookspecs.Hooks]
    return page(_class(one, _docs(hookspecs), level=3) for one in shown)


def records() -> str:
    """Describe every record, each field with its type and default."""
    return page(_class(one, _docs(module), level=2) for one in own(module))


def errors() -> str:
    """Describe every error, with what its maker has to say."""
    return page(_error(one) for one in own(families))


def _error(cls: type[Exception]) -> str:
    base = cls.__bases__[0].__name__
    heading = f"## `{cls.__name__}`"
    takes = f"({', '.join(_takes(cls))})" if "__init__" in vars(cls) else "(text)"
    made = code(f"{cls.__name__}{takes}")
    return page([heading, docstring(cls), made, linked(f"It is a `{base}`.")])


def _takes(cls: type[Exception]) -> list[str]:
    parameters = str(_bare(inspect.signature(cls))).partition(" ->")[0]
    return [parameters.strip("()")]


def desk() -> str:
    """Describe the public methods of the desk."""
    methods = {
        name: inspect.unwrap(getattr(value, "__func__", value))
        for name, value in vars(Desk).items()
        if name[0] != "_" and callable(getattr(value, "__func__", value))
    }
    return page(
        page([f"### `{name}`", code(_wrapped(signature(function, name))), docstring(function)])
        for name, function in methods.items()
    )


def _wrapped(line: str) -> str:
    """Break a long signature after each parameter."""
    if len(line) <= 90:  # noqa: PLR2004 - as wide as the page's column
        return line
    head, _, rest = line.partition("(")
    inside, _, tail = rest.rpartition(")")
    return f"{head}(\n" + "".join(f"    {one},\n" for one in _split(inside)) + f"){tail}"


def _split(parameters: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, letter in enumerate(parameters):
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            yield parameters[start:place].strip()
            start = place + 1
    yield parameters[start:].strip()


def _docs(of: ModuleType) -> Mapping[tuple[str, str], str]:
    """Read the texts under attributes, by class and attribute."""
    found = ModuleAnalyzer.for_module(of.__name__).find_attr_docs()
    return {key: " ".join(lines) for key, lines in found.items()}


def _class(cls: type, docs: Mapping[tuple[str, str], str], *, level: int) -> str:
    told = {name: text for (owner, name), text in docs.items() if owner == cls.__name__}
    heading = f"{'#' * level} `{cls.__name__}`"
    if issubclass(cls, Enum):
        members = [
            (f"`{one.name}`", f"`{one.value}`", linked(told.get(one.name, ""))) for one in cls
        ]
        return page([heading, docstring(cls), table(["member", "value", "meaning"], members)])
    rows = list(_fields(cls, told))
    methods = [_method(name, value) for name, value in vars(cls).items()]
    head = ["field", "type", "default", "meaning"]
    return page([heading, docstring(cls), table(head, rows), *methods])


def _fields(cls: type, told: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    defaults = {one.name: one for one in attrs.fields(cls)} if attrs.has(cls) else {}
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        if name[0] != "_":
            default = defaults[name].default if name in defaults else _constant(cls, name)
            meaning = linked(told.get(name, ""))
            yield f"`{name}`", f"`{annotation}`", _default(default), meaning


def _constant(cls: type, name: str) -> object:
    return vars(cls).get(name, attrs.NOTHING)


def _default(value: Any) -> str:
    if value is attrs.NOTHING:
        return "required"
    if hasattr(value, "takes_self"):  # an attrs.Factory, which is no class to the type checker
        made = value.factory()
        return f"`{made!r}`" if not made or attrs.has(type(made)) else "all of them"
    if isinstance(value, Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if isinstance(value, str):
        return f"`{value!r}`"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return f"`{value.__name__}`" if callable(value) else f"`{value}`"


def _method(name: str, value: Any) -> str:
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    if name.startswith(("_", "test_")) or not inspect.isfunction(function):
        return ""
    if isinstance(value, property):
        returns = inspect.signature(function).return_annotation
        return f"`.{name}` → `{returns}`: {docstring(function)}"
    return page([code(_wrapped(signature(function))), _told(function)])


def _told(function: Any) -> str:
    """Describe a method; one that a base class describes needs no words."""
    return docstring(function) if inspect.getdoc(function) else ""


def settings() -> str:
    """Describe how a plugin declares its settings."""
    return page([code(_wrapped(signature(setting))), docstring(setting)])


def testing() -> str:
    """Describe what the author of a plugin tests with, module by module."""
    return page(
        page([f"## `{of.__name__.removesuffix('.suite')}`", linked(_intro(of)), *_public(of)])
        for of in TESTING
    )


def _intro(of: ModuleType) -> str:
    return inspect.cleandoc(of.__doc__ or "").partition("\n")[0]


def _public(of: ModuleType) -> Iterator[str]:
    docs = _docs(of)
    for name, value in vars(of).items():
        if name[0] == "_" or getattr(value, "__module__", "") != of.__name__:
            continue
        if isinstance(value, type) and not issubclass(value, Exception | Warning):
            yield _class(value, docs, level=3)
        elif inspect.isfunction(value) and name in PLAYED:
            yield page([f"### `{name}`", code(_wrapped(signature(value))), docstring(value)])
    for name, values in CHOICES.get(of.__name__, {}).items():
        listed = ", ".join(f"`{one}`" for one in values)
        yield page([f"### `{name}`", f"One of {listed}. {docs.get(('', name), '')}"])


def removals() -> str:
    """List what is announced to go, with the version that takes it away."""
    rows = [
        (f"`{name}`", one["deprecated"], one["removed"], one["instead"])
        for name, one in tomllib.loads(REMOVALS.read_text()).items()
    ]
    listed = table(["what", "deprecated in", "removed in", "instead"], rows)
    return listed or "Nothing is announced at the moment."
