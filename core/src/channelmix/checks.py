"""What a setting may say beyond its type.

Each check takes a value of the right type and returns it, as it is to be used; it raises
`ValueError` with one line. A field asks for one through its annotation:
`timezone: Annotated[str, known_timezone]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from channelmix.hints import did_you_mean
from channelmix.service_levels import check_holidays, parse_hours


def known_timezone(name: str) -> str:
    """Want an IANA time zone, like `Europe/Berlin`."""
    try:
        ZoneInfo(name)
    except (OSError, LookupError, ValueError):
        hint = did_you_mean(name, available_timezones())
        raise ValueError(f"unknown time zone{hint}") from None
    return name


def readable_hours(hours: Mapping[str, str]) -> Mapping[str, str]:
    """Want opening hours, like `{ mon-fri = "08:00-18:00" }`; none: always open."""
    parse_hours(hours)
    return hours


def known_holidays(code: str) -> str:
    """Want a country or a part of one, like `DE` or `DE-BW`; empty: no holidays."""
    if code:
        check_holidays(code)
    return code


def web_address(url: str) -> str:
    """Want an http or https address; a slash at its end is dropped."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write an address like https://example.org")
    return url.rstrip("/")


def store_address(url: str) -> str:
    """Want the address of a database that the core can use."""
    # Empty it is in a dry run only, where the variable that holds it is not set.
    if url and not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("write sqlite:///FILE or postgresql://...")
    return url


def positive(number: int) -> int:
    """Want a number above zero."""
    if number <= 0:
        raise ValueError("write a number above zero")
    return number


def share_of_one(number: float) -> float:
    """Want a number from 0 to 1."""
    if not 0 <= number <= 1:
        raise ValueError("write a number from 0 to 1")
    return number


def readable_pointer(text: str) -> str:
    """Want a text with no other place to fill in than {account} and {topic}."""
    try:
        text.format(account="", topic="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError("write a text with {account}, and {topic} if you like") from error
    return text


def some_text(text: str) -> str:
    """Want a text that says something."""
    if not text.strip():
        raise ValueError("write a text")
    return text
