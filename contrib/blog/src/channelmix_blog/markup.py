"""What is in HTML that a blog wrote: its text, its first picture, the feeds that it names.

Tags are found by expressions that never go back (`++`), so that the time is that of reading once:
the standard library's parser takes minutes for 100 KB of `<a <a <a`, which anybody can comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

MOST = 200_000
"""Characters that are read: three times what WordPress lets a comment have."""
_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-z][a-z0-9]*+)(?P<said>(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>""",
    re.IGNORECASE,
)
_UNSHOWN = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^<>]*+>"
    r"|<(script|style|template|noscript|iframe)\b.*?(?:</\1\s*+>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"""(?<![a-z-])([a-z-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE
)
_ENDLESS = re.compile(r"&#x?[0-9a-f]{9,}+;?", re.IGNORECASE)
"""No character has such a number, and Python refuses to read very long ones."""
_BLOCK = re.compile(
    "address|article|aside|blockquote|d[dlt]|div|figcaption|figure|footer|form|h[1-6]|header|hr|li"
    "|main|nav|ol|p|pre|section|table|tr|ul"
)
_PARAGRAPH = re.compile("p|blockquote|[ou]l|h[1-6]")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_FEEDS = frozenset({"application/rss+xml", "application/atom+xml"})
_SMILEYS = frozenset({"emoji", "wp-smiley"})


def plain(html: str) -> str:
    """Return the text that people see, a line for each paragraph; what is no HTML stays."""
    if "<" not in html and "&" not in html:
        return html
    shown, pieces = _UNSHOWN.sub("", html[:MOST]), [""]
    at = 0
    for tag in _TAG.finditer(shown):
        _add(pieces, decoded(shown[at : tag.start()]))
        at = tag.end()
        _border(pieces, tag)
    _add(pieces, decoded(shown[at:]))
    text = re.sub(r" +", " ", "".join(pieces))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", text)).strip()


def _add(pieces: list[str], data: str) -> None:
    if data and not (pieces[-1].endswith("\n") and data.isspace()):
        pieces.append(_SPACE.sub(" ", data))


def _border(pieces: list[str], tag: re.Match[str]) -> None:
    """Note what a tag does to the text: it ends a line or a paragraph, or is a smiley."""
    name = tag["name"].lower()
    if name == "br":
        pieces.append("\n")
    elif name == "img":
        said = _attributes(tag)
        pieces.append(said.get("alt", "") if _is_smiley(said) else "")
    elif _PARAGRAPH.fullmatch(name):
        pieces.append("\n\n")
    elif _BLOCK.fullmatch(name) and not pieces[-1].endswith("\n"):
        pieces.append("\n")


def picture(html: str, base: str) -> str | None:
    """Return the address of the first picture."""
    images = (said for said in _tags(html, "img") if not _is_smiley(said))
    return next((found for one in images if (found := web(one.get("src"), base))), None)


def feeds(html: str, base: str) -> list[str]:
    """Return the feeds that a page names, by `<link rel="alternate">`, in its order."""
    named = (one for one in _tags(html, "link") if one.get("type", "").lower() in _FEEDS)
    alternate = (one for one in named if "alternate" in one.get("rel", "").lower().split())
    return [found for one in alternate if (found := web(one.get("href"), base))]


def _tags(html: str, name: str) -> Iterator[dict[str, str]]:
    for tag in _TAG.finditer(_UNSHOWN.sub("", html[:MOST])):
        if tag["name"].lower() == name:
            yield _attributes(tag)


def _attributes(tag: re.Match[str]) -> dict[str, str]:
    found = _ATTRIBUTE.findall(tag["said"])
    return {name.lower(): decoded("".join(values)) for name, *values in found}


def _is_smiley(said: dict[str, str]) -> bool:
    return bool(_SMILEYS & set(said.get("class", "").split()))


def decoded(text: str) -> str:
    """Return a text with its entities as the characters that they are."""
    return unescape(_ENDLESS.sub("\N{REPLACEMENT CHARACTER}", text))


def web(address: str | None, base: str = "") -> str | None:
    """Return a whole address of the web, None if it is none."""
    if not address:
        return None
    try:
        whole = urljoin(base, address.strip())
        parts = urlsplit(whole)
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and parts.netloc else None
