"""An account on a real desk: connected by a person, and connected still after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest
from channelmix.clock import SystemClock
from channelmix.desk import Desk
from channelmix.errors import Refused
from channelmix.records import Connect
from channelmix_instagram.simulator import InstagramSimulator

pytestmark = pytest.mark.slow
BACK = "http://127.0.0.1:8917/callback"
Login = Literal["facebook", "instagram"]


def settings(sim: InstagramSimulator, folder: Path) -> dict[str, Any]:
    section = {**sim.section, "network": "instagram", "api_url": sim.base_url}
    del section["access_token"]
    return {
        "desk": {"store": f"sqlite:///{folder / 'desk.db'}", "media": str(folder)},
        "channels": {"photos": section},
    }


async def log_in(desk: Desk, sim: InstagramSimulator, **forged: str) -> Any:
    first = await desk.connect("photos", Connect(redirect_uri=BACK))
    callback = {**sim.consent(str(first.url)), **forged}
    return await desk.connect(
        "photos", Connect(redirect_uri=BACK, callback=callback, memory=first.memory)
    )


@pytest.mark.parametrize("login", ["facebook", "instagram"])
async def test_a_person_connects_and_it_lasts(login: Login, tmp_path: Path) -> None:
    sim = InstagramSimulator(clock=SystemClock(), login=login)
    async with sim.online():
        sim.comment(sim.post("Der Bus"), "Mira Sommer", "Wo hält er?")
        async with Desk.open(settings(sim, tmp_path), work=False) as desk:
            with pytest.raises(Refused, match="no answer to the address"):
                await log_in(desk, sim, state="forged")
            connected = await log_in(desk, sim)
            assert connected.account == sim.username
            assert (connected.expires_at is not None) is (login == "instagram")
        async with Desk.open(settings(sim, tmp_path)) as desk, asyncio.timeout(20):
            event = desk.bell.listen()
            while not (lines := await desk.tickets()):
                await event.wait()
                event.clear()
            assert [one.subject for one in lines] == ["Wo hält er?"]


async def test_before_that_the_desk_says_what_to_do(tmp_path: Path) -> None:
    sim = InstagramSimulator(clock=SystemClock())
    async with sim.online(), Desk.open(settings(sim, tmp_path), work=False) as desk:
        checked = await desk.check("photos")
    assert "run `channelmix connect`" in checked.findings[0].text


async def test_a_photo_of_ours_that_is_an_article_stays_context(tmp_path: Path) -> None:
    sim = InstagramSimulator(clock=SystemClock())
    async with sim.online():
        sim.post("Lampe wechseln")
        connected = settings(sim, tmp_path)
        connected["channels"]["photos"]["access_token"] = sim.section["access_token"]
        async with Desk.open(connected) as desk, asyncio.timeout(20):
            event = desk.bell.listen()
            while not (ledger := await desk.ledger()).fates:
                await event.wait()
                event.clear()
            assert (ledger.fates, ledger.adds_up) == ({"context": 1}, True)
            assert await desk.tickets() == []
            (line,) = await desk.articles()
            assert line.article.title == "Lampe wechseln"
