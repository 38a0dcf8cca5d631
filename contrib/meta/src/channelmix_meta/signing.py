"""What proves that a request is Meta's, and to Meta that a call is ours."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from channelmix.records import Received, WebhookRequest, WebhookResponse

SIGNATURE = "x-hub-signature-256"


def proof(secret: str, token: str) -> str:
    """Return the `appsecret_proof` of an access token, in hex (Graph API, Secure Requests)."""
    return _digest(secret, token.encode())


def signature_ok(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether `X-Hub-Signature-256` is ours for the raw `body` (Graph API, Webhooks).

    The old SHA-1 header does not count, and without a secret nothing is authentic.
    """
    given = headers.get(SIGNATURE, "")
    return bool(secret) and _same(given, signature(secret, body)[SIGNATURE])


def signature(secret: str, body: bytes) -> dict[str, str]:
    """Sign a body as Meta does; return the header."""
    return {SIGNATURE: f"sha256={_digest(secret, body)}"}


def receive(request: WebhookRequest, *, secrets: Iterable[str], verify_token: str) -> Received:
    """Answer Meta's verification, and let through what is signed with one of the app's secrets.

    An app has two where people log in at Instagram (Instagram Platform, Webhooks).
    """
    if request.method == "GET":
        return _verify(request.query, verify_token)
    if request.method != "POST":
        return Received.refuse("method not allowed", status=405)
    if not any(signature_ok(one, request.headers, request.body) for one in secrets):
        missing = SIGNATURE not in request.headers
        return Received.refuse("no signature" if missing else "bad signature")
    return Received(response=WebhookResponse(body="EVENT_RECEIVED"), payload=request.body)


def _verify(query: Mapping[str, str], verify_token: str) -> Received:
    """Return the challenge to who knows the token (Graph API, Webhooks, Getting Started)."""
    challenge, token = query.get("hub.challenge"), query.get("hub.verify_token")
    if query.get("hub.mode") != "subscribe" or not challenge or token is None:
        return Received.refuse("no verification request", status=400)
    if not verify_token or not _same(token, verify_token):
        return Received.refuse("wrong verify token", status=403)
    return Received(response=WebhookResponse(body=challenge))


def _digest(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    """Compare in constant time, whatever characters were sent."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
