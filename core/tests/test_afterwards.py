"""What comes after the sending: time to settle, marks of delivery, files that are forgotten."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from channelmix.cli.ticket_text import described
from channelmix.records import Action, DeliveryStatus, Limits, minutes
from channelmix.testing.clock import FakeClock

QUESTION = {"id": "c1", "by": "eva", "text": "Where is my parcel?"}


@pytest.mark.slow
async def test_absent_means_nothing_before_the_network_has_settled(open_desk, push, settle, until):
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with open_desk(clock=clock) as desk:
        toy = desk.registry.get("toy")
        toy.limits = [Limits(actions={Action.PUBLIC_REPLY}, text=100, settle=minutes(10))]
        toy.lost = True
        await push(desk, QUESTION)
        await settle(desk)
        await desk.reply(1, "Hello", agent="anna")

        async def line():
            return (await desk.outbox())[0]

        async def unclear():
            return (await line()).state == "uncertain"

        async def looked():
            return (await line()).error == "not there yet"

        async def sent():
            clock.advance(minutes(1))
            return (await line()).state == "sent"

        await until(desk, unclear)
        clock.advance(minutes(9))
        await until(desk, looked)
        assert ((await line()).state, toy.arrived) == ("uncertain", [])
        await until(desk, sent)
        assert [one.text for one in toy.arrived] == ["Hello"]


STATUSES = [{"ids": ("r1",)}, {"watermark": datetime(2026, 3, 2, tzinfo=UTC)}]


@pytest.mark.parametrize("which", STATUSES, ids=["ids", "watermark"])
async def test_our_messages_say_how_far_they_got(open_desk, push, settle, which):
    delivered = datetime(2026, 3, 3, 4, 5, tzinfo=UTC)
    async with open_desk() as desk:
        talk = {"kind": "direct_message", "thread": "eva"}
        first = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
        await push(desk, {**QUESTION, **talk, "at": first})
        await push(
            desk,
            {**talk, "type": "echo", "id": "r1", "by": "acme", "text": "At 7", "at": first + 9},
            {
                **talk,
                "type": "echo",
                "id": "r2",
                "by": "acme",
                "text": "Bye",
                "at": first + 900_000,
            },
        )
        await settle(desk)
        told: Any = iter(("delivered", "read"))
        desk.registry.get("toy")._inbound = lambda one: DeliveryStatus(
            status=next(told), at=delivered + timedelta(hours=one["n"]), thread="eva", **which
        )
        shown = []
        for number in range(2):
            await push(desk, {"n": number})
            await settle(desk)
            shown.append(await desk.ticket(1))
        marks = {one.id: (one.delivered_at, one.read_at) for one in shown[-1].messages}
        assert marks == {
            "c1": (None, None),
            "r1": (delivered, delivered + timedelta(hours=1)),
            "r2": (None, None),
        }
        before, after = ("\n".join(described(one, ZoneInfo("UTC"))) for one in shown)
        assert ("delivered 03 Mar" in before, "read 03 Mar" in after) == (True, True)


@pytest.fixture
async def album():
    """A server on loopback that gives for every path another photo."""

    async def serve(reader, writer):
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        photo = b"\x89PNG\r\n\x1a\n" + path
        writer.write(head % len(photo) + photo)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.slow
async def test_the_file_of_a_message_taken_back_is_deleted_unless_another_has_it(
    open_desk, push, settle, until, album
):
    channel = {"network": "toy", "account_id": "acme", "api_url": album}
    async with open_desk(channels={"toy": channel}) as desk:
        photos = [f"{album}/own", f"{album}/shared"]
        await push(desk, {**QUESTION, "photos": photos})
        await settle(desk)  # so that this is ticket 1
        await push(desk, {**QUESTION, "id": "c2", "by": "adam", "photos": photos[1:]})
        await settle(desk)
        kept = (await desk.ticket(1)).messages[0].attachments
        own, shared = (Path(one.path) for one in kept)
        assert own.read_bytes().endswith(b"/own")
        await push(desk, {"type": "deletion", "id": "c1", "at": 1_700_000_010})

        async def forgotten():
            return not own.exists()

        await until(desk, forgotten)
        assert shared.read_bytes().endswith(b"/shared")
