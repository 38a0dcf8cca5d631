"""Downloads: from where, how much, and what is kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field
from channelmix import media
from channelmix.errors import MediaError
from channelmix.media import Downloader, is_public
from channelmix.sniffing import sniff

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def reply(body: bytes, *headers: str, code: int = 200) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    start = f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n"
    return start.encode() + body


@define
class Album:
    """A server on loopback that gives for each path what the test put there."""

    pages: dict[str, bytes] = field(factory=dict)
    heads: list[str] = field(factory=list)
    url: str = ""
    keeps_open: bool = False
    stop: asyncio.Event = field(factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.pages.get(self.heads[-1].split()[1], reply(b"", code=404)))
            await writer.drain()
            if self.keeps_open:
                await self.stop.wait()
        writer.close()


@pytest.fixture
async def album() -> AsyncIterator[Album]:
    album = Album()
    server = await asyncio.start_server(album.serve, "127.0.0.1", 0)
    album.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield album
    album.stop.set()
    server.close()


@pytest.fixture
async def downloader(tmp_path: Path) -> AsyncIterator[Downloader]:
    downloader = Downloader(tmp_path / "media", limit_bytes=1000, timeout=5)
    yield downloader
    await downloader.close()


def files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "media").glob("*")]


async def test_a_photo_is_kept_under_its_hash(
    album: Album, downloader: Downloader, tmp_path: Path
) -> None:
    album.pages["/a?size=1"] = reply(PNG, "Content-Type: text/html")
    stored = await downloader.fetch(f"{album.url}/a?size=1", allow_origin=f"{album.url}/v1")
    assert stored.sha256 == hashlib.sha256(PNG).hexdigest()
    assert stored.path == tmp_path / "media" / f"{stored.sha256}.png"
    assert (stored.path.read_bytes(), stored.size, stored.mime) == (PNG, len(PNG), "image/png")


async def test_the_same_photo_twice_is_one_file(
    album: Album, downloader: Downloader, tmp_path: Path
) -> None:
    album.pages["/a"] = album.pages["/b"] = reply(PNG)
    one = await downloader.fetch(f"{album.url}/a", allow_origin=album.url)
    two = await downloader.fetch(f"{album.url}/b", allow_origin=album.url)
    assert one == two
    assert files(tmp_path) == [one.path.name]


async def refused(downloader: Downloader, url: str, **more: Any) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await downloader.fetch(url, **more)
    return caught.value


async def test_our_own_machine_is_out_of_reach(album: Album, downloader: Downloader) -> None:
    album.pages["/a"] = reply(PNG)
    port = album.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"):
        error = await refused(
            downloader, f"http://{host}:{port}/a", allow_origin="http://x.example"
        )
        assert error.permanent
        assert "no public address" in str(error)
    assert album.heads == []


@pytest.mark.parametrize(
    "origin", ["https://127.0.0.1:{}", "http://localhost:{}", "http://127.0.0.1"]
)
async def test_only_the_very_origin_is_allowed(
    album: Album, downloader: Downloader, origin: str
) -> None:
    other = origin.format(album.url.rpartition(":")[2])
    assert (await refused(downloader, album.url, allow_origin=other)).permanent
    assert album.heads == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "157.240.1.35", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


async def test_the_connection_goes_to_the_address_that_was_checked(
    album: Album, downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer of the name server, the attacker's, is never asked for."""
    album.pages["/a"] = reply(PNG)
    asked: list[bytes] = []

    async def resolve(host: bytes, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        addresses = ("10.0.0.1", "127.0.0.1") if len(asked) == 1 else ("10.6.6.6",)
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    monkeypatch.setattr(media, "is_public", "127.0.0.1".__eq__)
    port = album.url.rpartition(":")[2]
    stored = await downloader.fetch(f"http://photos.example:{port}/a")
    assert stored.size == len(PNG)
    assert asked == [b"photos.example"]
    assert f"host: photos.example:{port}" in album.heads[0].lower()


async def test_the_certificate_must_be_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        assert request.url.host == "9.9.9.9"
        return httpx.Response(200, stream=httpx.ByteStream(PNG))

    async def resolve(host: bytes, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("9.9.9.9", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    downloader = Downloader(tmp_path, transport=httpx.MockTransport(answer))
    await downloader.fetch("https://photos.example/a")
    await downloader.close()
    assert seen[0].extensions["sni_hostname"] == "photos.example"
    assert seen[0].headers["host"] == "photos.example"


async def test_redirects_are_followed_and_checked(album: Album, downloader: Downloader) -> None:
    album.pages["/a"] = reply(b"", "Location: /b", code=302)
    album.pages["/b"] = reply(PNG)
    album.pages["/out"] = reply(b"", "Location: http://localhost:1/x", code=302)
    album.pages["/file"] = reply(b"", "Location: file:///etc/passwd", code=302)
    album.pages["/ring"] = reply(b"", "Location: /ring", code=302)
    stored = await downloader.fetch(f"{album.url}/a", allow_origin=album.url)
    assert stored.mime == "image/png"
    for path, complaint in {
        "/out": "no public address",
        "/file": "only http and https",
        "/ring": "more than 3 redirects",
    }.items():
        error = await refused(downloader, album.url + path, allow_origin=album.url)
        assert complaint in str(error)
        assert error.permanent
    assert len(album.heads) == 2 + 2 + 4


async def test_what_opens_a_file_is_not_passed_on(album: Album, downloader: Downloader) -> None:
    album.pages["/a"] = reply(b"", "Location: /b", code=302)
    album.pages["/b"] = reply(PNG)
    await downloader.fetch(
        f"{album.url}/a", allow_origin=album.url, headers={"Authorization": "Bearer of-the-account"}
    )
    assert ["of-the-account" in one for one in album.heads] == [True, False]


@pytest.mark.parametrize(
    "url", ["ftp://x.example/a", "file:///etc/passwd", "data:,x", "http://x:port", ""]
)
async def test_other_schemes_are_refused(downloader: Downloader, url: str) -> None:
    assert (await refused(downloader, url)).permanent


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        reply(bytes(1001)),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        CHUNKED + b"1f4\r\n" + bytes(500) + b"\r\n1f5\r\n" + bytes(501) + b"\r\n",
    ],
    ids=["too long", "says so", "does not say so"],
)
async def test_what_is_too_large_is_not_kept(
    album: Album, downloader: Downloader, tmp_path: Path, answer: bytes
) -> None:
    album.pages["/a"], album.keeps_open = answer, True
    error = await refused(downloader, f"{album.url}/a", allow_origin=album.url)
    assert error.permanent
    assert "larger than 1000 bytes" in str(error)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        (reply(b"", code=404), True),
        (reply(b"", code=403), True),
        (reply(b"", code=429), False),
        (reply(b"", code=503), False),
        (reply(b"x", "Content-Encoding: gzip"), True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf", False),
        (b"", False),
        (b"no http\r\n\r\n", False),
    ],
)
async def test_what_goes_wrong_says_whether_it_is_for_good(
    album: Album,
    downloader: Downloader,
    tmp_path: Path,
    answer: bytes,
    permanent: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    album.pages["/a"] = answer
    error = await refused(downloader, f"{album.url}/a", allow_origin=album.url)
    assert error.permanent is permanent
    assert files(tmp_path) == []


async def test_a_server_that_does_not_end_is_left(album: Album, tmp_path: Path) -> None:
    album.pages["/a"], album.keeps_open = CHUNKED + b"1\r\nx\r\n", True
    downloader = Downloader(tmp_path / "media", timeout=0.05)
    error = await refused(downloader, f"{album.url}/a", allow_origin=album.url)
    await downloader.close()
    assert "not there after 0.05 s" in str(error)
    assert not error.permanent
    assert files(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_a_media_error(
    album: Album, tmp_path: Path
) -> None:
    album.pages["/a"] = reply(PNG)
    (tmp_path / "media").write_text("in the way")
    downloader = Downloader(tmp_path / "media")
    error = await refused(downloader, f"{album.url}/a", allow_origin=album.url)
    await downloader.close()
    assert not error.permanent


async def test_the_signature_in_an_address_is_not_told(
    album: Album, downloader: Downloader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = album.url.replace("://", "://anna:geheim@") + "/gone?sig=geheim"
    error = await refused(downloader, url, allow_origin=album.url)
    assert "\n" not in str(error)
    assert str(error) == f"{album.url}/gone: the server answers 404"
    assert "GET /gone?sig=geheim" in album.heads[0]
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        (b"\x00\x00\x00\x18ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"OggS", "audio/ogg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<html>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, mime: str) -> None:
    assert sniff(head) == mime
