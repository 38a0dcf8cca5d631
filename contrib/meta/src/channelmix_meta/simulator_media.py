"""Small valid files, made from nothing."""

from __future__ import annotations

import struct
import zlib


def png() -> bytes:
    """Return a picture of one grey point."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    points = zlib.compress(b"\x00\x80")
    chunks = ((b"IHDR", head), (b"IDAT", points), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def jpeg() -> bytes:
    """Return a photo of one grey point: one table, one code for each kind of coefficient."""
    one_code = bytes([1, *[0] * 15, 0])
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, bytes([0, *[1] * 64])),
            _segment(0xC0, bytes([8, 0, 1, 0, 1, 1, 1, 0x11, 0])),
            _segment(0xC4, b"\x00" + one_code),
            _segment(0xC4, b"\x10" + one_code),
            _segment(0xDA, bytes([1, 1, 0, 0, 63, 0])),
            b"\x3f\xff\xd9",
        )
    )


def mp4() -> bytes:
    """Return a film without tracks."""
    header = struct.pack(">IIIII", 0, 0, 0, 1000, 0) + struct.pack(">IH10x", 0x10000, 0x100)
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    moov = _box(b"mvhd", header + matrix + bytes(24) + struct.pack(">I", 1))
    return _box(b"ftyp", b"isom\x00\x00\x02\x00isommp41") + _box(b"moov", moov)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data


FILES = {
    "photo.jpg": ("image/jpeg", jpeg()),
    "picture.png": ("image/png", png()),
    "film.mp4": ("video/mp4", mp4()),
}
"""What every simulator serves."""
