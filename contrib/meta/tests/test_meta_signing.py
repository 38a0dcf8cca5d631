"""Who may talk to us, and how we prove who we are."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from channelmix.records import WebhookRequest
from channelmix_meta.signing import proof, receive, signature_ok
from hypothesis import given
from hypothesis import strategies as st

SECRET, VERIFY = "app-secret-ü", "open sesame"
# As the network writes it: non-ASCII and slashes escaped. Written anew it would not verify.
BODY = rb'{"object":"page","entry":[{"id":"1","m":"M\u00fcll \/ Abfuhr"}]}'


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}"}


def post(headers: dict[str, str], body: bytes = BODY) -> WebhookRequest:
    return WebhookRequest(method="POST", headers=headers, body=body)


def challenge(**changed: str | None) -> WebhookRequest:
    query = {"mode": "subscribe", "verify_token": VERIFY, "challenge": "1158201444"} | changed
    return WebhookRequest(
        method="GET", query={f"hub.{key}": value for key, value in query.items() if value}
    )


def test_a_signed_body_is_let_through_untouched() -> None:
    received = receive(post(signed(BODY)), secrets=[SECRET], verify_token=VERIFY)
    assert (received.refused, received.payload) == (None, BODY)
    assert (received.response.status, received.response.body) == (200, "EVENT_RECEIVED")


SHA1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature": SHA1},
        {"x-hub-signature-256": SHA1},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        {"x-hub-signature-256": "sha256=é\udcff"},
        {"x-hub-signature-256": signed(BODY)["x-hub-signature-256"].removeprefix("sha256=")},
        signed(BODY + b" "),
        signed(BODY, "another secret"),
    ],
)
def test_any_other_signature_is_refused_and_nothing_is_stored(headers: dict[str, str]) -> None:
    received = receive(post(headers), secrets=[SECRET], verify_token=VERIFY)
    assert received.refused in {"no signature", "bad signature"}
    assert (received.payload, received.response.status) == (None, 401)


def test_without_a_secret_nothing_is_authentic() -> None:
    assert not signature_ok("", signed(BODY, ""), BODY)
    assert receive(post(signed(BODY, "")), secrets=[""], verify_token="").refused


@given(st.binary(), st.binary(min_size=1))
def test_a_signature_is_for_one_body(body: bytes, more: bytes) -> None:
    assert signature_ok(SECRET, signed(body), body)
    assert not signature_ok(SECRET, signed(body), body + more)


def test_the_challenge_is_answered_in_plain_text() -> None:
    received = receive(challenge(), secrets=[SECRET], verify_token=VERIFY)
    assert (received.refused, received.payload) == (None, None)
    assert (received.response.status, received.response.body) == (200, "1158201444")
    assert received.response.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (challenge(verify_token="wrong"), 403),
        (challenge(verify_token="ö\udcff"), 403),
        (challenge(verify_token=None), 400),
        (challenge(challenge=None), 400),
        (challenge(mode=None), 400),
        (challenge(mode="unsubscribe"), 400),
        (WebhookRequest(method="GET"), 400),
        (WebhookRequest(method="PUT", headers=signed(b""), body=b""), 405),
    ],
)
def test_what_is_no_verification_is_refused(request_: WebhookRequest, status: int) -> None:
    received = receive(request_, secrets=[SECRET], verify_token=VERIFY)
    assert received.response.status == status
    assert received.refused
    assert "1158201444" not in received.response.body


def test_an_empty_verify_token_lets_nobody_in() -> None:
    request = WebhookRequest(
        method="GET",
        query={"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
    )
    assert receive(request, secrets=[SECRET], verify_token="").response.status == 403


def test_the_proof_is_the_tokens_hmac_in_hex() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert proof("Jefe", "what do ya want for nothing?") == expected
