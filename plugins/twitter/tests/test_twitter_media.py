"""Photos in direct messages, which only who may read the message gets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from channelmix.config import Secret
from channelmix.errors import AuthorizationLost, MediaError
from channelmix.media import Downloader
from channelmix.records import Attachment, AttachmentKind, Poll
from channelmix_twitter.simulator import PICTURE


@pytest.fixture
async def downloader(tmp_path: Path) -> AsyncIterator[Downloader]:
    downloader = Downloader(tmp_path / "media")
    yield downloader
    await downloader.close()


async def attached(s: Any) -> Attachment:
    """Let somebody write with a photo, and return what the plugin reads of it."""
    s.sim.write("Ole Brandt", "So sieht es aus.", media=[s.sim.picture("customer")])
    [first, *_] = (await s.x.poll(Poll(source="direct"))).events
    [photo] = s.x.ingest(first).inbounds[0].attachments
    assert isinstance(photo, Attachment)
    assert (photo.kind, "/dm/" in (photo.url or "")) == (AttachmentKind.IMAGE, True)
    return photo


def sign_by_1(s: Any) -> None:
    token, secret = s.sim.gate.signing(s.us)
    keys = {"access_token": Secret(token), "access_token_secret": Secret(secret)}
    s.x.config = evolve(s.x.config, auth="oauth1", **keys)


@pytest.mark.parametrize("by1", [True, False])
async def test_a_photo_in_a_message_is_fetched_with_our_key(
    s: Any,
    downloader: Downloader,
    by1: bool,  # noqa: FBT001 - parametrized
) -> None:
    if by1:
        sign_by_1(s)
    photo = await attached(s)
    unlocked = await s.x.unlock(photo)
    assert ("/2/dm_conversations/media/" in unlocked.url) is not by1
    assert "token" not in repr(unlocked)
    stored = await downloader.fetch(unlocked.url, allow_origin=s.x.host, headers=unlocked.headers)
    assert stored.path.read_bytes() == PICTURE
    with pytest.raises(MediaError, match="401") as refused:
        await downloader.fetch(unlocked.url, allow_origin=s.x.host)
    assert refused.value.permanent


async def test_our_key_is_for_x_alone(s: Any) -> None:
    path = "/1.1/ton/data/dm/1/2/a.jpg"
    for url in (
        f"https://evil.example{path}",
        f"http://ton.twitter.com{path}",
        f"https://ton.twitter.com@evil.example{path}",
        f"https://evil.example/?https://ton.twitter.com{path}",
        f"https://ton.twitter.com{path}/../../../../oauth",
        "https://pbs.twimg.com/media/a.jpg",
        None,
    ):
        assert await s.x.unlock(Attachment(kind=AttachmentKind.IMAGE, url=url)) is None
    found = await s.x.unlock(
        Attachment(kind=AttachmentKind.IMAGE, url=f"https://ton.twitter.com{path}")
    )
    assert found.url == f"{s.x.host}/2/dm_conversations/media/1/2/a.jpg"


async def test_without_a_log_in_nothing_is_given_up(s: Any) -> None:
    photo = await attached(s)
    await s.x.vault.put({})
    with pytest.raises(AuthorizationLost):
        await s.x.unlock(photo)
