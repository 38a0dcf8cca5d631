from datetime import timedelta
from typing import Any

import pytest
from channelmix.errors import InvalidPayload
from channelmix.records import Deletion, Echo, Edit, Kind, Message, Poll

DAY = timedelta(days=1)


async def test_the_first_poll_looks_back_for_some_days_only(at: Any) -> None:
    old = at.server.customer(Kind.MENTION, "long ago")
    at.clock.advance(3 * DAY)
    new = [at.server.customer(Kind.MENTION, f"number {one}") for one in range(45)]
    found, cursor = await at.poll("mentions")
    assert sorted(one.id for one in found) == sorted(new)
    assert old not in {one.id for one in found}
    later = [at.server.customer(Kind.DIRECT_MESSAGE, f"later {one}") for one in range(25)]
    found, cursor = await at.poll("mentions", cursor)
    assert sorted(one.id for one in found) == sorted(later)
    assert await at.poll("mentions", cursor) == ([], cursor)


async def test_an_account_to_which_nobody_has_written_yet_misses_nothing(at: Any) -> None:
    found, cursor = await at.poll("mentions")
    assert found == []
    number = at.server.customer(Kind.MENTION, "first")
    found, _ = await at.poll("mentions", cursor)
    assert [one.id for one in found] == [number]


async def test_what_cannot_be_read_holds_nothing_up(at: Any) -> None:
    first = at.server.customer(Kind.MENTION, "first")
    at.server.customer(Kind.MENTION, "second")
    at.server.notifications[0]["created_at"] = "yesterday"
    page = await at.plugin.poll(Poll(source="mentions"))
    assert len(page.events) == 2
    with pytest.raises(InvalidPayload):
        at.plugin.ingest(page.events[1])
    assert (await at.plugin.poll(Poll(source="mentions", cursor=page.cursor))).events == ()
    at.server.statuses[first]["created_at"] = None
    found, cursor = await at.poll("changes")
    assert (found, len(cursor)) == ([], 1)


async def test_boosts_are_not_asked_for(at: Any) -> None:
    at.server.notify("reblog", at.server.post(at.server.us, "Warm again."))
    at.server.notify("follow", None)
    assert (await at.poll("mentions"))[0] == []
    asked = at.server.sent[-1].request.query
    assert asked["types[]"] == "mention,quote"
    assert asked["include_filtered"] == "true"


async def test_a_thread_is_named_by_its_first_post(at: Any) -> None:
    target = await at.target(Kind.COMMENT)
    number = await at.answer(target)
    last = at.server.post(at.server.them, "Thanks!", above=number, to=at.server.us)
    at.server.notify("mention", last)
    found, _ = await at.poll("mentions")
    own, _ = await at.poll("own")
    assert {one.thread for one in found} == {target.thread}
    assert {one.message.thread for one in own} == {target.thread}
    assert found[0].parent == number


async def test_edits_and_deletions_are_noticed(at: Any) -> None:
    kept, edited, deleted = [at.server.customer(Kind.MENTION, one) for one in "abc"]
    _, cursor = await at.poll("changes")
    at.clock.advance(timedelta(minutes=5))
    at.server.edit(edited, "better")
    at.server.delete(deleted)
    found, cursor = await at.poll("changes", cursor)
    edit, deletion = found
    assert isinstance(edit, Edit)
    assert (edit.id, edit.text, edit.at) == (edited, "better", at.clock.now())
    assert isinstance(deletion, Deletion)
    assert (deletion.id, deletion.at) == (deleted, at.clock.now())
    assert await at.poll("changes", cursor) == ([], cursor)
    assert set(cursor) == {kept, edited}


async def test_a_dismissed_notification_is_no_deletion(at: Any) -> None:
    numbers = [at.server.customer(Kind.MENTION, f"number {one}") for one in range(50)]
    _, cursor = await at.poll("changes")
    at.server.notifications.clear()
    at.server.edit(numbers[7], "still watched")
    found, cursor = await at.poll("changes", cursor)
    assert [one.id for one in found] == [numbers[7]]
    assert len(cursor) == len(numbers)
    at.clock.advance(8 * DAY)
    assert (await at.poll("changes", cursor))[1] == {}


async def test_an_edit_before_the_first_look_is_the_same_version_on_both_lists(at: Any) -> None:
    number = at.server.customer(Kind.MENTION, "a")
    at.server.edit(number, "b")
    (message,), _ = await at.poll("mentions")
    (edit,), _ = await at.poll("changes")
    assert isinstance(message, Message)
    assert (message.revision, message.text) == (edit.revision, edit.text)


async def test_sisters_are_ours_whatever_their_server(at: Any) -> None:
    at.plugin.siblings = frozenset({"mira_sommer_aus_der_hafenstadt@kunden.example"})
    number = at.server.customer(Kind.MENTION, "We know more about this.")
    (echo,), _ = await at.poll("mentions")
    assert isinstance(echo, Echo)
    assert (echo.message.id, echo.message.own) == (number, True)


async def test_polls_wait_before_the_limit_is_reached(at: Any) -> None:
    await at.poll("mentions")
    assert at.pace.held == []
    at.server.gate.spend(280)
    await at.poll("mentions")
    until, _, replies = at.pace.held[0]
    assert until == at.clock.now() + timedelta(minutes=5)
    assert not replies
