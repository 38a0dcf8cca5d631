"""The help library: what we published, found for what customers ask, on both databases."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from channelmix.config import load
from channelmix.errors import ConfigError, Refused
from channelmix.first_answer import NAME
from channelmix.library import LOOKED_AT, Question, find, said
from channelmix.records import Action, Fate, Kind, Limits, Road
from channelmix.store import schema as s
from channelmix.testing.clock import FakeClock

METER = {
    "id": "v1",
    "type": "article",
    "title": "So lesen Sie Ihren Zähler ab",
    "text": "Der Zählerstand steht im Display, die Nummer darunter.",
    "url": "https://youtu.be/v1",
    "language": "de",
    "topics": ["meter"],
}
BILL = {
    "id": "v2",
    "type": "article",
    "title": "Ihre Rechnung verstehen",
    "text": "Abschlag, Verbrauch und Nachzahlung, Zeile für Zeile.",
    "url": "https://youtu.be/v2",
    "language": "de",
    "topics": ["bill"],
}
MOVE = {
    "id": "v3",
    "type": "article",
    "title": "Moving house: what to tell us",
    "text": "Your new address, the day, and the reading of the meter.",
    "url": "https://youtu.be/v3",
    "language": "en",
}
ARTICLES = (METER, BILL, MOVE)
NIGHT = datetime(2026, 3, 2, 23, tzinfo=UTC)


def question(text, **more):
    return {"id": "c1", "by": "eva", "text": text, "at": int(NIGHT.timestamp()), **more}


async def titles(desk, text, **more):
    found = await desk.search_articles(Question(text=text, **more))
    return [line.article.title for _, line in found]


async def test_an_article_is_taken_in_changes_and_goes(open_desk, push, settle):
    async with open_desk() as desk:
        await push(desk, *ARTICLES)
        await settle(desk)
        assert {one.article.id for one in await desk.articles()} == {"v1", "v2", "v3"}
        assert await titles(desk, "Zählerstand") == [METER["title"]]
        await push(desk, {**METER, "title": "Smart Meter ablesen", "text": None})
        await settle(desk)
        assert await titles(desk, "Zählerstand") == []
        assert await titles(desk, "smart") == ["Smart Meter ablesen"]
        await push(desk, {"id": "v1", "type": "deletion", "at": int(NIGHT.timestamp())})
        await settle(desk)
        assert await titles(desk, "smart") == []
        await push(desk, METER)  # late, from another road
        await settle(desk)
        assert {one.article.id for one in await desk.articles()} == {"v2", "v3"}
        assert (await desk.ledger()).fates == {Fate.APPLIED: 5}


async def test_what_was_private_comes_back_when_a_list_shows_it(open_desk, push, settle, until):
    gone = {"id": "v1", "type": "deletion", "at": int(NIGHT.timestamp())}
    clock = FakeClock(NIGHT)
    async with open_desk(clock=clock) as desk:
        numbers = itertools.count()

        async def known():
            return [one.article.title for one in await desk.articles()]

        async def pushed(event):
            await push(desk, {**event, "delivery": next(numbers)})
            await settle(desk)
            return await known()

        async def listed(event):
            feed = desk.registry.get("toy").feed
            feed.append({**event, "delivery": next(numbers)})
            by_poll = s.raw_events.select().where(s.raw_events.c.road == Road.POLL)
            due = s.sources.update().values(next_at=clock.now())
            await desk.store.write(lambda c: c.execute(due))
            desk.bell.ring()

            async def told():
                rows = await desk.store.read(lambda c: c.execute(by_poll).all())
                return len(rows) == len(feed)

            await until(desk, told)
            await settle(desk)
            return await known()

        assert await pushed(METER) == [METER["title"]]
        assert await pushed(gone) == []
        assert await pushed(METER) == []  # on its way for long: it tells what was
        assert await listed(METER) == []  # a list lags behind
        clock.advance(timedelta(minutes=10))
        assert await listed(METER) == [METER["title"]]
        assert await titles(desk, "Zählerstand") == [METER["title"]]
        assert await pushed(gone) == []
        assert (await desk.ledger()).adds_up


@pytest.mark.parametrize(
    ("asked", "best"),
    [
        ("Wo sehe ich den Zählerstand?", METER["title"]),
        ("zahler ABLESEN", METER["title"]),
        ("Zaehler?", METER["title"]),
        ("Ich verstehe meine Rechnungen nicht", BILL["title"]),
        ("Warum die Nachzahlung?", BILL["title"]),
        ("We are moving to a new address", MOVE["title"]),
    ],
)
async def test_what_answers_a_question_is_found(open_desk, push, settle, asked, best):
    async with open_desk() as desk:
        await push(desk, *ARTICLES)
        await settle(desk)
        assert (await titles(desk, asked))[0] == best


async def test_what_nobody_wrote_about_is_not_offered(open_desk, push, settle):
    async with open_desk() as desk:
        await push(desk, *ARTICLES)
        await settle(desk)
        for text in ("Where is my parcel?", "", "!?", "' \" * : NEAR(", "\0\ud800"):
            assert await titles(desk, text) == []


@pytest.mark.slow
async def test_a_very_long_article_is_taken_in(open_desk, push, settle):
    async with open_desk() as desk:
        text = " ".join(f"wort{n}" for n in range(300_000)) + "x" * 5000
        await push(desk, {**METER, "text": text})
        await settle(desk)
        assert await titles(desk, "wort77") == [METER["title"]]


async def test_of_many_the_best_are_judged_in_bounds(open_desk, push, settle):
    async with open_desk() as desk:
        many = [{**METER, "id": f"m{n}", "title": "Zähler"} for n in range(LOOKED_AT + 50)]
        await push(desk, *many, {**METER, "id": "best", "title": "Zähler im Display ablesen"})
        await settle(desk)
        asked = Question(text="Zähler im Display ablesen?")
        found = await desk.store.read(lambda c: find(c, asked, {}, most=1000, least=0))
        assert len(found) == LOOKED_AT
        assert found[0][1].article.id == "best"


async def test_topic_and_language_count(open_desk, push, settle):
    async with open_desk() as desk:
        english = {**METER, "id": "v4", "title": "Reading Zähler", "language": "en-GB"}
        await push(desk, *ARTICLES, english)
        await settle(desk)
        assert (await titles(desk, "Zähler", language="en"))[0] == "Reading Zähler"
        assert (await titles(desk, "Zähler", language="de"))[0] == METER["title"]
        other = {**METER, "id": "v5", "title": "Zähler", "text": None, "topics": ["smart"]}
        await push(desk, other)
        await settle(desk)
        assert (await titles(desk, "Zähler", topic="smart"))[0] == "Zähler"


async def test_a_ticket_is_offered_what_answers_it(open_desk, push, settle):
    async with open_desk() as desk:
        await push(desk, *ARTICLES, question("Wo steht der Zählerstand?"))
        await settle(desk)
        best = (await desk.suggest(1))[0]
        assert best.text == f"{METER['title']}: {METER['url']}"
        assert (best.source, best.article.id) == ("library:toy", "v1")
        assert 0.25 <= best.confidence <= 1


SHORT = Limits(actions={Action.PUBLIC_REPLY}, text=30)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (None, "How to read a meter: https://www.example.org/p?id=7"),
        (SHORT, "https://www.example.org/p?id=7"),
        (
            Limits(actions={Action.PUBLIC_REPLY}, text=45),
            "How to read…: https://www.example.org/p?id=7",
        ),
        (
            Limits(actions={Action.PUBLIC_REPLY}, links=False),
            "How to read a meter: example.org/p?id=7",
        ),
    ],
)
def test_an_article_is_said_as_the_channel_takes_it(limits, text):
    assert said("How to read a meter", "https://www.example.org/p?id=7", limits) == text


# --- the first answer -----------------------------------------------------------------------

FIRST = {"text": "Danke!", "person": "Ein Mensch meldet sich."}


def night_desk(open_desk, toy_settings, **first):
    """Open a desk with hours by day and a first answer; the clock shows 23:00."""
    desk = {
        **toy_settings()["desk"],
        "hours": {"mon-fri": "08:00-18:00"},
        "first_answer": {**FIRST, **first},
    }
    clock = FakeClock(NIGHT)
    levels = [{"first_response": "1h"}]
    return open_desk(desk=desk, service_levels=levels, clock=clock), clock


async def answers(desk, until, count=1):
    async def there():
        return len(await desk.outbox()) >= count and await desk.settled()

    await until(desk, there)
    return await desk.outbox()


async def test_at_night_a_customer_hears_that_a_person_follows(
    open_desk, toy_settings, push, settle, until
):
    opening, _ = night_desk(open_desk, toy_settings)
    async with opening as desk:
        await push(desk, *ARTICLES, question("Wie lese ich den Zähler ab? Wo ist der Zählerstand?"))
        (one,) = await answers(desk, until)
        assert one.automatic
        assert one.text == "\n\n".join(
            ["Danke!", f"{METER['title']}: {METER['url']}", "Ein Mensch meldet sich."]
        )
        ticket = await desk.ticket(1)
        assert ticket.line.state == "open"  # the clock goes on
        assert ticket.line.waiting_since == NIGHT
        assert ticket.line.due_at == NIGHT + timedelta(hours=10)
        assert ticket.first_response_at is None
        await desk.reply(1, "Im Display, unten.", agent="anna")
        assert (await desk.ticket(1)).line.state == "answered"


async def test_it_is_given_once_in_a_thread(open_desk, toy_settings, push, settle, until):
    opening, _ = night_desk(open_desk, toy_settings)
    async with opening as desk:
        await push(desk, question("Hallo?"))
        await answers(desk, until)
        await push(
            desk,
            question("Ist da wer?", id="c2"),
            question("Ich auch", id="c3", by="tom"),
            question("Anderswo", id="c4", by="kim", thread="post-2"),
        )
        await settle(desk)
        found = await answers(desk, until, count=2)
        assert sorted(one.ticket for one in found) == [1, 3]


@pytest.mark.parametrize("together", [True, False], ids=["one process", "two processes"])
async def test_it_is_given_once_whoever_gives_it(open_desk, push, settle, together):
    async with open_desk() as one, open_desk(work=False) as other:
        await push(one, question("Hallo?"), question("Ich auch", id="c2", by="tom"))
        await settle(one)
        desks = [one, one if together else other]
        given = await asyncio.gather(
            *(
                desk.reply(ticket, "Danke!", agent="first-answer", automatic=True, interim=True)
                for ticket, desk in enumerate(desks, 1)
            ),
            return_exceptions=True,
        )
        assert len(await one.outbox()) == 1
        (refused,) = (one for one in given if isinstance(one, Refused))
        assert "a machine has spoken in this thread before" in str(refused)
        # A person may say that it takes a while as often as it does.
        for ticket in (1, 2):
            await one.reply(ticket, f"Es dauert noch {ticket}.", agent="anna", interim=True)


async def test_what_was_given_before_a_crash_is_not_given_again(
    open_desk, toy_settings, push, settle, until
):
    opening, _ = night_desk(open_desk, toy_settings)
    async with opening as desk:
        await push(desk, question("Hallo?"))
        await answers(desk, until)
        await settle(desk)
    forget = s.observers.update().where(s.observers.c.name == NAME).values(position=0)
    opening, _ = night_desk(open_desk, toy_settings)
    async with opening as desk:
        await desk.store.write(lambda c: c.execute(forget))  # as if it had gone down in between
        await push(desk, question("Anderswo", id="c4", by="kim", thread="post-2"))
        found = await answers(desk, until, count=2)
        assert sorted(one.ticket for one in found) == [1, 2]


def test_how_sure_is_no_percentage(toy_settings):
    desk = {**toy_settings()["desk"], "first_answer": {**FIRST, "sure": 60}}
    with pytest.raises(ConfigError, match=r"desk\.first_answer.sure: write a number from 0 to 1"):
        load(toy_settings(desk=desk))


@pytest.mark.parametrize(
    ("first", "asked", "hour"),
    [
        ({}, {}, 10),
        ({"kinds": ["direct_message"]}, {}, 23),
        ({}, {"kind": "review"}, 23),
        ({}, {"at": int(NIGHT.timestamp()) - 86_400}, 23),
    ],
    ids=["by day", "another kind", "nothing can be said", "an old one, of the first poll"],
)
async def test_when_there_is_none(
    open_desk, toy_settings, push, settle, until, toy, first, asked, hour
):
    opening, clock = night_desk(open_desk, toy_settings, **first)
    async with opening as desk:
        desk.registry.get("toy").limits = [
            Limits(actions={Action.PUBLIC_REPLY}, kinds={Kind.COMMENT}, text=200),
            Limits(actions={Action.PRIVATE_REPLY}, kinds={Kind.DIRECT_MESSAGE}, text=200),
        ]
        clock.advance(timedelta(hours=hour - 23 + 24))
        now = int(clock.now().timestamp())
        await push(desk, question("Hallo?", **{"at": now, **asked}))
        await settle(desk)
        talk = {"kind": "direct_message", "thread": "eva", "by": "tom", "id": "d1", "at": now}
        if hour == 23:  # what comes later is answered, so the former was looked at
            await push(desk, question("Hallo", **talk))
            (one,) = await answers(desk, until)
            assert one.ticket == 2
        assert [one for one in await desk.outbox() if one.ticket == 1] == []


async def test_what_does_not_fit_is_said_without_the_article_or_noted(
    open_desk, toy_settings, push, settle, until
):
    opening, _ = night_desk(open_desk, toy_settings)
    async with opening as desk:
        toy = desk.registry.get("toy")
        toy.limits = [Limits(actions={Action.PUBLIC_REPLY}, text=40)]
        await push(desk, *ARTICLES, question("Wie lese ich den Zähler ab? Wo ist der Zählerstand?"))
        (one,) = await answers(desk, until)
        assert one.text == "Danke!\n\nEin Mensch meldet sich."
        toy.limits = [Limits(actions={Action.PUBLIC_REPLY}, text=10)]
        await push(desk, question("Zählerstand?", thread="post-2", id="c2"))
        await settle(desk)

        async def noted():
            return [one for one in (await desk.ticket(2)).actions if one.kind == "note"]

        await until(desk, noted)
        assert "no first answer: " in (await noted())[0].data["text"]
