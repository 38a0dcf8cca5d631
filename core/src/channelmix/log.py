"""Logging: structlog with secrets masked, and no set-up forced on an embedding program.

The loggers are lazy. Where the program has configured structlog, its configuration renders and
writes what is logged; where it has not, the lines go to the standard library's logger
`channelmix`. Either way they have passed the mask first.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, cast
from urllib.parse import quote

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

MASK = "***"
_SHORTEST_SECRET = 4
_LOOKS_SECRET = re.compile(r"\S{16,}")
_REMEMBERED = 256
"""How many learned values are masked: of tokens that change every hour, the old are dead."""
_SENSITIVE = re.compile(
    r"(^|[_-])(token|secret|passw(or)?d|authorization|cookie|proof|api[_-]?key|credentials?"
    r"|signature([_-]\d+)?)$",
    re.IGNORECASE,
)


class SecretMask:
    """A structlog processor through which no secret comes out.

    It masks the value of every key with a telling name (`access_token`), and each of `values`
    wherever it stands, also inside of other text, in nested values, in the `repr` of an object
    and percent-encoded. Values of fewer than four characters are left alone: they would mask
    half of any text.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._given = tuple(values)
        self._learned: dict[str, None] = {}
        self._known = self._compiled()

    def learn(self, value: Any) -> None:
        """Mask from now on what is secret in plain data: a token that came while we run.

        That is every text under a telling key, and every other that is long and has no space.
        """
        found = set(_secrets_in("", value))
        if found <= self._learned.keys():
            return
        self._learned |= dict.fromkeys(found)
        for oldest in list(self._learned)[:-_REMEMBERED]:
            del self._learned[oldest]
        self._known = self._compiled()

    def _compiled(self) -> re.Pattern[str] | None:
        values = [*self._given, *self._learned]
        known = {form for value in values for form in (value, quote(value, safe=""))}
        # The longest first: one secret may be a part of another.
        ordered = sorted(filter(_long_enough, known), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Mask one event."""
        return {key: self._under(key, value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """Mask the known values in `text`."""
        return self._known.sub(MASK, text) if self._known else text

    def _under(self, key: object, value: Any) -> Any:
        return MASK if value and _SENSITIVE.search(str(key)) else self._plain(value)

    def _plain(self, value: Any) -> Any:
        """Masked, and made of nothing but plain types, so that no renderer sees more."""
        match value:
            case None | bool() | int() | float():
                return value
            case str() | PurePath():
                return self.text(str(value))
            case bytes():
                return self.text(value.decode(errors="backslashreplace"))
            case Mapping() | tuple() | list() | set() | frozenset():
                return self._each(value)
            case _:
                return self.text(repr(value))

    def _each(self, values: Mapping[Any, Any] | Collection[Any]) -> Any:
        if isinstance(values, Mapping):
            return {self.text(str(key)): self._under(key, one) for key, one in values.items()}
        masked = [self._plain(one) for one in values]
        # The standard library's formatter counts on a tuple staying one.
        return tuple(masked) if isinstance(values, tuple) else masked


def _secrets_in(key: str, value: Any) -> Iterator[str]:
    """Find the texts in plain data that are secret, by their key or by their looks."""
    match value:
        case str():
            if _SENSITIVE.search(key) or _LOOKS_SECRET.fullmatch(value):
                yield value
        case Mapping():
            for name, one in value.items():
                yield from _secrets_in(str(name), one)
        case list() | tuple():
            for one in value:
                yield from _secrets_in(key, one)


def _long_enough(secret: str) -> bool:
    return len(secret) >= _SHORTEST_SECRET


def get_logger(mask: SecretMask | None = None, **bound: Any) -> FilteringBoundLogger:
    """Return a lazy logger that masks before anything else sees the event."""
    logger = structlog.wrap_logger(
        None, processors=[_flatten_error, mask or SecretMask(), _onward], **bound
    )
    return cast("FilteringBoundLogger", logger)


def configure(*, json: bool, level: str = "info", mask: SecretMask | None = None) -> None:
    """Set structlog up for a program of our own: lines on standard error from `level` on.

    Only the command line calls this. `json` gives one object a line, else text for people. All
    lines pass `mask`, also those of loggers that were made without one.
    """
    renderer, factory = _json_output() if json else _text_output()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            mask or SecretMask(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=factory,
    )


@contextmanager
def libraries(mask: SecretMask) -> Iterator[None]:
    """Let what libraries log or warn about pass the mask and join our own lines meanwhile."""
    handler = _Joining(mask)
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)


class _Joining(logging.Handler):
    """Hands a record of the standard library on to structlog."""

    def __init__(self, mask: SecretMask) -> None:
        super().__init__(logging.WARNING)
        self._log = get_logger(mask)

    def emit(self, record: logging.LogRecord) -> None:
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        write("library", logger=record.name, what=record.getMessage(), exc_info=record.exc_info)


def frames(error: BaseException, *, last: int = 6) -> list[str]:
    """Say where `error` was raised, innermost last: file, line and function, and no values."""
    walk = traceback.walk_tb(error.__traceback__)
    stack = traceback.StackSummary.extract(walk, limit=-last, lookup_lines=False)
    return [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in stack]


def _flatten_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into plain values here: what is rendered later would pass the mask by."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if info is not True else sys.exception()
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
        event["trace"] = frames(error)
    return event


def _onward(logger: WrappedLogger, method: str, event: EventDict) -> Any:
    """Hand the event to whatever configuration holds now, not to that of import time."""
    if not structlog.is_configured():
        _to_standard_library(method, event)
        raise structlog.DropEvent
    result: Any = event
    for processor in structlog.get_config()["processors"]:
        result = processor(logger, method, result)
    return result


def _to_standard_library(method: str, event: EventDict) -> None:
    level = logging.getLevelNamesMapping().get(method.upper(), logging.ERROR)
    rest = " ".join(f"{key}={value!r}" for key, value in event.items() if key != "event")
    logging.getLogger("channelmix").log(level, "%s %s", event["event"], rest)


def _json_output() -> tuple[structlog.typing.Processor, Callable[..., WrappedLogger]]:
    renderer = structlog.processors.JSONRenderer(serializer=_encode)
    return renderer, structlog.BytesLoggerFactory(sys.stderr.buffer)


def _encode(event: EventDict, **_: Any) -> bytes:
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:  # a lone surrogate: what a network sent is logged all the same
        return repr(event).encode()


def _text_output() -> tuple[structlog.typing.Processor, Callable[..., WrappedLogger]]:
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return renderer, structlog.WriteLoggerFactory(sys.stderr)
