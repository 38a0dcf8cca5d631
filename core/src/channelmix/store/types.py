"""Column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

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


class Time(TypeDecorator[datetime]):
    """An aware time, kept as microseconds since 1970: it sorts, and it costs little."""

    impl = BigInteger
    cache_ok = True

    # Both processors are asked for once; `process_bind_param` would add a call for each value.
    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        """Count the microseconds."""
        return lambda value: None if value is None else (value - _EPOCH) // _MICROSECOND

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[int | None], datetime | None]:
        """Turn them back into a time in UTC."""
        return lambda value: None if value is None else _EPOCH + value * _MICROSECOND


class String(TypeDecorator[str]):
    """Text that every database can keep, see `clean`."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        """Clean the text."""
        return lambda value: None if value is None else clean(value)


class Json(TypeDecorator[Any]):
    """Plain data as JSON, in bytes: PostgreSQL's own type refuses what customers send."""

    impl = LargeBinary
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], bytes | None]:
        """Encode, cleaning only where it is needed."""
        return lambda value: None if value is None else encode(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | None], Any]:
        """Decode."""
        return lambda value: None if value is None else msgspec.json.decode(value)


class Rows(TypeDecorator[Iterable[Any]]):
    """Rows as a JSON list of lists, for `among`; of one column also the bare values."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Iterable[Any] | None], str]:
        """Encode, with `clean` text."""
        return _rows


def _rows(rows: Iterable[Any] | None) -> str:
    """Encode rows; PostgreSQL takes no NUL in JSON either."""
    listed = [row if isinstance(row, tuple) else (row,) for row in rows or ()]
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
