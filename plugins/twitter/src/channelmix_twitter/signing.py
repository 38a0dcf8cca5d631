"""What proves that a webhook is X's, and to X that the address is ours (X's "Webhooks" pages)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime

from channelmix.records import Received, WebhookRequest, WebhookResponse

SIGNATURE = "x-twitter-webhooks-signature"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What a CRC token looks like. Whoever asks gets it signed, so it must never look like a body."""


def sign(secret: str, message: bytes) -> str:
    """Return `sha256=` and the HMAC-SHA256 of `message` in base64."""
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return f"sha256={base64.b64encode(digest).decode()}"


def receive(request: WebhookRequest, *, secret: str) -> Received:
    """Answer X's challenge (CRC), and let through what is signed with the consumer secret."""
    if request.method == "GET":
        return _challenge(request.query.get("crc_token"), secret)
    if request.method != "POST":
        return Received.refuse("method not allowed", status=405)
    given = request.headers.get(SIGNATURE)
    if given is None:
        return Received.refuse("no signature")
    if not secret or not _same(given, sign(secret, request.body)):
        return Received.refuse("bad signature")
    return Received(payload=request.body)


def _challenge(token: str | None, secret: str) -> Received:
    if token is None:
        return Received.refuse("no crc_token", status=400)
    if not secret or not _TOKEN.fullmatch(token):
        return Received.refuse("no such challenge", status=403)
    body = json.dumps({"response_token": sign(secret, token.encode())})
    return Received(response=WebhookResponse(body=body, content_type="application/json"))


def _same(given: str, expected: str) -> bool:
    """Compare in constant time, whatever characters were sent."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def replay_time(moment: datetime) -> str:
    """Write a time as a replay job wants it: UTC, `yyyymmddhhmm`."""
    return f"{moment:%Y%m%d%H%M}"
