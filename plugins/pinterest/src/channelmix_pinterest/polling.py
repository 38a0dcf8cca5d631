"""Watching our pins: all of them are listed with their counts, and what changed is an event.

A cursor is plain JSON: `pins` has for each pin `[comments, reactions, rises, content, walk]` as it
was seen last, `walk` the number of this walk through the list, `bookmark` the page to read next,
`pages` how many pages this walk has read, `began` when it began, and `since` when the last whole
walk did (None: there was none). Only a pin that was made since then began without comments; what
another has is where we begin, not news, whether it is the very first walk that finds it or one
after a list that was not complete. `boards` has the name of each board, and `named_at` is when they
were read, in seconds since 1970: a pin tells its board by number only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from attrs import Factory, asdict, define, evolve
from channelmix.errors import PluginError, Rejected
from channelmix.payloads import objects, words
from channelmix.records import Poll, Polled, Source, minutes

from channelmix_pinterest import parsing
from channelmix_pinterest.client import Api, Refusal

PAGE = "250"
"""The most that `page_size` takes."""
OFTEN = minutes(30)
"""Counts lag by hours, so more often would only cost calls."""
CALLS = 500
"""How many of a day's calls watching may use: half of what trial access allows."""
NAMING = timedelta(days=1)
"""How long the names of boards hold: one call a day for 250 boards."""
BOARDS = 8
"""How many pages of boards are read: 2,000 boards, as many as an account may have."""
MEASURING = 20
"""For how many risen pins of one page analytics are read."""
SPAN = timedelta(days=30)
LATE = timedelta(hours=1)
"""How long it may take until a new pin is listed."""
CONFIRMED = 5
"""How many pins that are not listed any more are asked for in one walk: 240 calls a day."""
SOURCES = (Source(name=parsing.SOURCE, every=OFTEN),)


@define(kw_only=True)
class _Cursor:
    pins: dict[str, list[Any]] = Factory(dict)
    walk: int = 0
    bookmark: str | None = None
    pages: int = 0
    began: str | None = None
    since: str | None = None
    boards: dict[str, str | None] = Factory(dict)
    named_at: float = 0.0

    def saved(self) -> dict[str, Any]:
        return asdict(self)


async def poll(api: Api, wanted: Poll) -> Polled:
    """Read one page of our pins. Raises: `RetryLater`, `AuthorizationLost`, `Rejected`."""
    cursor = _cursor(wanted.cursor)
    cursor.began = cursor.began or api.clock.now().isoformat()
    try:
        page = await api.get("pins", _query(cursor.bookmark))
    except Refusal:
        if cursor.bookmark is None:
            raise
        # A bookmark does not live for ever: begin this walk anew.
        return Polled(cursor=_begun_anew(cursor).saved(), again_in=minutes(1))
    items = page.get("items")
    if not isinstance(items, list):
        raise Rejected("GET /pins: the answer has no items")
    pins = [one for one in objects(items) if one.get("id")]
    await _name_boards(api, cursor, pins)
    found = [_seen(cursor, pin) for pin in pins]
    changed = [one for one in found if one is not None]
    seen_at = api.clock.now().isoformat()
    await _measure(api, changed)
    events = [parsing.event({**one, "seen_at": seen_at}) for one in changed]
    cursor.pages += 1
    following = page.get("bookmark")
    if isinstance(following, str) and following and following != cursor.bookmark:
        cursor.bookmark = following
        return Polled(events=tuple(events), cursor=cursor.saved(), more=True)
    gone = await _gone(api, cursor)
    events += [parsing.event({"gone": pin, "seen_at": seen_at}) for pin in gone]
    again_in = max(OFTEN, timedelta(days=1) * cursor.pages / CALLS)
    done = evolve(_begun_anew(cursor), since=cursor.began)
    return Polled(events=tuple(events), cursor=done.saved(), again_in=again_in)


def _cursor(saved: Any) -> _Cursor:
    known = saved if isinstance(saved, dict) else {}
    return _Cursor(
        pins={pin: list(row) for pin, row in known.get("pins", {}).items()},
        walk=int(known.get("walk", 0)),
        bookmark=known.get("bookmark"),
        pages=int(known.get("pages", 0)),
        began=known.get("began"),
        since=known.get("since"),
        boards=dict(known.get("boards", {})),
        named_at=float(known.get("named_at", 0)),
    )


def _begun_anew(cursor: _Cursor) -> _Cursor:
    return evolve(cursor, walk=cursor.walk + 1, bookmark=None, pages=0, began=None)


def _query(bookmark: str | None) -> dict[str, str]:
    return {"pin_metrics": "true", **_page(bookmark)}


def _page(bookmark: str | None) -> dict[str, str]:
    return {"page_size": PAGE} | ({"bookmark": bookmark} if bookmark else {})


def _seen(cursor: _Cursor, pin: Mapping[str, Any]) -> dict[str, Any] | None:
    """Compare a pin with what was seen before; None if nothing changed."""
    board = cursor.boards.get(str(pin.get("board_id")))
    pin_id, now, says = str(pin["id"]), parsing.counts(pin), parsing.content(pin, board)
    row = cursor.pins.get(pin_id)
    before = [row[0], row[1]] if row else ([0, 0] if _is_new(pin, cursor.since) else None)
    rises = row[2] if row else 0
    rose = now is not None and before is not None and now[0] > before[0]
    kept = list(now) if now is not None else before or [0, 0]
    cursor.pins[pin_id] = [*kept, rises + rose, says, cursor.walk]
    if row and row[3] == says and (now is None or list(now) == before):
        return None
    seen = {"pin": pin, "before": before, "now": now and list(now), "rise": rises + rose}
    return {**seen, "board": board} if board else seen


def _is_new(pin: Mapping[str, Any], since: str | None) -> bool:
    """Say whether a pin was made since the last whole walk began."""
    made = parsing.time(pin.get("created_at"))
    return bool(since and made and made >= datetime.fromisoformat(since) - LATE)


async def _gone(api: Api, cursor: _Cursor) -> list[str]:
    """Forget the pins that a whole walk did not show and Pinterest has no more, and name them.

    A list can be incomplete for once, so each is asked for: those first that are missed longest.
    """
    missing = sorted((row[4], pin) for pin, row in cursor.pins.items() if row[4] != cursor.walk)
    gone = []
    for _, pin in missing[:CONFIRMED]:
        try:
            await api.get(f"pins/{pin}")
        except Refusal as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                del cursor.pins[pin]
                gone.append(pin)
                continue
        cursor.pins[pin][4] = cursor.walk
    return gone


async def _name_boards(api: Api, cursor: _Cursor, pins: list[dict[str, Any]]) -> None:
    """Read the names of all boards, if there is one without, or it was long ago.

    Source: `GET /boards`, 250 a page. Pins stand without them, so no refusal matters; a board
    that is not listed is not asked for again the same day.
    """
    now = api.clock.now().timestamp()
    used = {str(one["board_id"]) for one in pins if one.get("board_id")}
    if used <= cursor.boards.keys() and now < cursor.named_at + NAMING.total_seconds():
        return
    cursor.named_at = now
    cursor.boards = dict.fromkeys(used) | cursor.boards
    bookmark: str | None = None
    for _ in range(BOARDS):
        try:
            page = await api.get("boards", _page(bookmark))
        except PluginError:
            return
        cursor.pages += 1
        listed = objects(page.get("items"))
        cursor.boards |= {str(one.get("id")): words(one.get("name")) for one in listed}
        bookmark = words(page.get("bookmark"))
        if bookmark is None:
            return


async def _measure(api: Api, changed: list[dict[str, Any]]) -> None:
    """Add the analytics of pins with new comments: how many people see what stands there.

    Source: `GET /pins/{pin_id}/analytics`, 90 days back at the most. Without them the alert still
    stands, so no refusal matters.
    """
    risen = [
        one for one in changed if one["before"] and one["now"] and one["now"][0] > one["before"][0]
    ]
    end = api.clock.now().date()
    query = {
        "start_date": (end - SPAN).isoformat(),
        "end_date": end.isoformat(),
        "metric_types": ",".join(parsing.MEASURED),
    }
    for one in risen[:MEASURING]:
        try:
            told = await api.get(f"pins/{one['pin']['id']}/analytics", query)
        except Refusal:
            continue
        except PluginError:
            return
        one["analytics"] = _summary(told)


def _summary(told: Mapping[str, Any]) -> dict[str, Any]:
    part = told.get("all")
    summary = part.get("summary_metrics") if isinstance(part, dict) else None
    return (
        {name: summary[name] for name in parsing.MEASURED if name in summary}
        if isinstance(summary, dict)
        else {}
    )
