"""Column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Text, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only for a column that is called INTEGER."""


def clean(text: str) -> str:
    """Return `text` with NUL and lone surrogates replaced by U+FFFD.

    PostgreSQL refuses the one, UTF-8 the other. The raw event keeps what really came.
    """
    if text.isascii() and "\0" not in text:
        return text
    return _FORBIDDEN.sub("\ufffd", text)


def _rows(rows: Iterable[Any]) -> str:
    """Encode rows; PostgreSQL takes no NUL in JSON either."""
    listed = rows if isinstance(rows, list) else list(rows)
    encoded = encode(listed)
    if b"\\u0000" in encoded:
        encoded = msgspec.json.encode(_clean_all(listed))
    return encoded.decode()


def encode(value: Any) -> bytes:
    """Encode a record or plain data as JSON, with `clean` text."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean_all(msgspec.to_builtins(value)))


def _clean_all(value: Any) -> Any:
    """Clean every text in plain data."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _clean_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_all(item) for item in value]
    return value


class Kept(TypeDecorator[Any]):
    """Values that are kept as something else: how they are put there, and taken out again.

    Neither function is ever given None, which stays what it is.
    """

    put: ClassVar[Any]
    take: ClassVar[Any] = None

    # Both processors are asked for once; `process_bind_param` would add a call for each value.
    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what puts a value there."""
        put = type(self).put
        return lambda value: None if value is None else put(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return what takes a value out, if it is not as it was kept."""
        take = type(self).take
        return take and (lambda value: None if value is None else take(value))


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _time(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


class Time(Kept):
    """An aware time, kept as microseconds since 1970: it sorts, and it costs little."""

    impl = BigInteger
    cache_ok = True
    put = staticmethod(_microseconds)
    take = staticmethod(_time)


class String(Kept):
    """Text that every database can keep, see `clean`."""

    impl = Text
    cache_ok = True
    put = staticmethod(clean)


class Word(String):
    """Text of our own making: states, kinds, names of the configuration. `dialect` trusts it."""

    cache_ok = True


class Json(Kept):
    """Plain data as JSON, in bytes: PostgreSQL's own type refuses what customers send."""

    impl = LargeBinary
    cache_ok = True
    put = staticmethod(encode)
    take = staticmethod(msgspec.json.Decoder().decode)


class Rows(Kept):
    """Rows as a JSON list of lists, or of one column a list of its values, for `among`."""

    impl = Text
    cache_ok = True
    put = staticmethod(_rows)
