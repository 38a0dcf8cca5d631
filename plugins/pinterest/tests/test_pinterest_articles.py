"""Our pins as articles of the help library, with the names of their boards."""

import json
from datetime import timedelta

import pytest
from channelmix.records import Article, Deletion, Message, Poll, RawEvent


def articles(inbounds):
    return [one for one in inbounds if isinstance(one, Article)]


def boards_read(p):
    return [one.request.path for one in p.sim.sent].count("/v5/boards")


async def test_a_pin_of_ours_is_an_article(p) -> None:
    pin = p.sim.pin("Lampe wechseln", board="900002")
    pin.description, pin.alt_text = "In zehn Minuten.", "Eine Hand an einer Lampe"
    pin.media["images"]["400x300"] = {"width": 400, "height": 300, "url": "https://i.pinimg.com/s"}
    pin.media["images"]["150x150"] = {"width": 150, "height": 150, "url": "https://i.pinimg.com/t"}
    assert articles(await p.sweep()) == [
        Article(
            id=pin.id,
            title="Lampe wechseln",
            url=f"https://www.pinterest.com/pin/{pin.id}/",
            published_at=p.clock.now(),
            text="In zehn Minuten.\nEine Hand an einer Lampe",
            thumbnail="https://i.pinimg.com/s",
            topics=("Garden",),
        )
    ]


async def test_without_a_title_the_description_names_it(p) -> None:
    p.sim.pin(None).description = "Lampe wechseln\nIn zehn Minuten."
    (article,) = articles(await p.sweep())
    assert (article.title, article.text) == ("Lampe wechseln", "Lampe wechseln\nIn zehn Minuten.")


async def test_a_pin_that_says_nothing_is_no_article(p) -> None:
    p.sim.pin(None)
    told = await p.sweep()
    assert (len(told), articles(told)) == (1, [])


def test_a_pin_that_others_made_is_no_article(p) -> None:
    body = {"pin": {"id": "7", "title": "Theirs", "is_owner": False}}
    told = p.channel.ingest(RawEvent(key="k", body=json.dumps(body).encode())).inbounds
    assert [type(one) for one in told] == [Message]


async def test_a_deleted_pin_is_taken_out(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    del p.sim.pins[pin.id]
    assert await p.sweep() == [Deletion(id=pin.id, at=p.clock.now(), thread=pin.id)]


@pytest.mark.parametrize("part", ["title", "description"])
async def test_a_changed_pin_comes_in_a_new_version_and_an_unchanged_one_does_not(p, part) -> None:
    pin = p.sim.pin("Lampe")
    first = await p.channel.poll(Poll(source="pins"))
    p.cursor = first.cursor
    assert await p.sweep() == []
    setattr(pin, part, "Neu")
    second = await p.channel.poll(Poll(source="pins", cursor=p.cursor))
    (before,), (after,) = first.events, second.events
    assert before.key != after.key
    assert articles(p.channel.ingest(before).inbounds) != articles(p.channel.ingest(after).inbounds)


async def test_more_comments_are_no_other_article(p) -> None:
    pin = p.sim.pin("Lampe")
    before = articles(await p.sweep())
    p.sim.comment(pin)
    assert articles(await p.sweep()) == before


async def test_boards_are_named_once_a_day_and_for_a_new_one(p) -> None:
    pin = p.sim.pin("Lampe")
    await p.sweep()
    await p.sweep()
    assert boards_read(p) == 1
    p.sim.boards["900003"] = "Energie"
    p.sim.pin("Heizung", board="900003")
    (article,) = articles(await p.sweep())
    assert (article.topics, boards_read(p)) == (("Energie",), 2)
    p.sim.boards[pin.board] = "So geht es"
    assert articles(await p.sweep()) == []
    p.clock.advance(timedelta(days=1))
    (article,) = articles(await p.sweep())
    assert (article.id, article.topics) == (pin.id, ("So geht es",))


async def test_many_boards_are_read_to_the_end(p) -> None:
    p.sim.boards |= {str(910000 + number): f"Board {number}" for number in range(300)}
    p.sim.pin("Lampe", board="910299")
    (article,) = articles(await p.sweep())
    assert (article.topics, boards_read(p)) == (("Board 299",), 2)


async def test_a_board_that_is_not_listed_names_no_topic_and_is_not_asked_for_again(p) -> None:
    p.sim.pin("Lampe", board="999999")
    (article,) = articles(await p.sweep())
    await p.sweep()
    assert (article.topics, boards_read(p)) == ((), 1)


async def test_without_names_of_boards_pins_come_all_the_same(p) -> None:
    p.sim.fault("error_before_accept", on="GET /boards")
    p.sim.pin("Lampe")
    (article,) = articles(await p.sweep())
    assert article.topics == ()
