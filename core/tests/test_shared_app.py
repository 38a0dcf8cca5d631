"""One registration at the network's company that serves several networks."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import attrs
import pytest
import sqlalchemy as sa
from channelmix import Plugin, config, hook
from channelmix.config import Secret, setting
from channelmix.errors import ConfigError, InvalidPayload
from channelmix.hookspecs import Channel
from channelmix.records import Payload, RawEvent, Split
from channelmix.store import schema as s


@attrs.frozen(kw_only=True)
class CompanyApp:
    key: Secret = setting(help="Signs webhooks.")


@attrs.frozen(kw_only=True)
class AccountConfig:
    account_id: str = setting(help="Whose.")


CHANNELS = {
    "wall": {"network": "toy", "account_id": "acme", "app": "company"},
    "photos": {"network": "album", "account_id": "acme.pics", "app": "company"},
}
APPS = {"company": {"network": "toy", "key": "good"}}
SAID = {"id": "c1", "by": "mira", "text": "Where is my parcel?"}
PICTURED = {"id": "p1", "by": "ole", "text": "Broken!", "account": "acme.pics", "album": ["x", "y"]}


@pytest.fixture
def networks(toy: type[Channel]) -> dict[str, Any]:
    """Two networks of one company. The second says several things in one event of the first."""

    class Wall(toy):  # type: ignore[misc, valid-type]  # made by a fixture
        App: ClassVar[Any] = CompanyApp
        Config: ClassVar[Any] = AccountConfig

    class Album(Wall):
        network: ClassVar[str] = "album"

        @hook
        def split(self, payload: Payload) -> Split:
            one = json.loads(payload.body)
            if isinstance(one, list):
                raise InvalidPayload("the album cuts only what is its own")
            parts = one.get("album", ())
            return Split(events=tuple(self._picture(one, number) for number, _ in enumerate(parts)))

        def _picture(self, one: dict[str, Any], number: int) -> RawEvent:
            body = json.dumps({**one, "id": f"{one['id']}-{number}"}).encode()
            return RawEvent(key=body.decode(), body=body, account="acme.pics")

    return {"toy": Wall, "album": Album}


async def test_each_network_cuts_and_reads_its_own_events(open_desk, networks, push, settle):
    async with open_desk(channels=CHANNELS, apps=APPS, classes=networks) as desk:
        await push(desk, SAID, PICTURED, app="company")
        await settle(desk)
        assert sorted(one.channel for one in await desk.tickets()) == ["photos", "wall"]
        assert (await desk.ledger()).fates == {"ticket": 3}


async def test_who_cannot_cut_leaves_the_event_as_it_is(open_desk, networks, push, settle):
    async with open_desk(channels=CHANNELS, apps=APPS, classes=networks) as desk:
        await push(desk, {**PICTURED, "album": 1}, app="company")
        await settle(desk)
        (ticket,) = await desk.tickets()
        assert ticket.channel == "photos"


def test_networks_that_read_an_app_differently_cannot_share_it(
    networks: dict[str, Any], tmp_path: Any
) -> None:
    other = {"network": "stranger", "App": AccountConfig}
    stranger = type("Stranger", (networks["album"],), other)
    classes: dict[str, type[Plugin]] = {**networks, "stranger": stranger}
    wrong = {**CHANNELS, "other": {"network": "stranger", "account_id": "x", "app": "company"}}
    with pytest.raises(ConfigError) as caught:
        config.load({"apps": APPS, "channels": wrong}, plugins=classes)
    assert caught.value.problems == ("channels.other.app: the app company is not at stranger",)
    settings = config.load({"apps": APPS, "channels": CHANNELS}, plugins=classes)
    assert settings.channels["photos"].app_config is settings.channels["wall"].app_config


@pytest.mark.parametrize("together", [False, True])
async def test_deliveries_are_counted_one_by_one(open_desk, push, *, together):
    asked = [{"id": f"c{number}", "by": "eva", "text": "Hello?"} for number in range(3)]
    async with open_desk(work=False) as desk:
        if together:
            await asyncio.gather(*(push(desk, one) for one in asked))
        else:
            for one in asked:
                await push(desk, one)
        count = sa.select(sa.func.sum(s.intake.c.deliveries), sa.func.sum(s.intake.c.stored))
        assert await desk.store.read(lambda c: tuple(c.execute(count).one())) == (3, 3)
