import json
from typing import Any

import pytest
from channelmix.records import WebhookRequest
from channelmix_twitter.signing import SIGNATURE, receive, sign

SECRET = "consumer-secret"
BODY = '{"data": {"text": "Grüße \\u00e9 \\/"}}'.encode()


def ask(method: str = "POST", *, body: bytes = BODY, secret: str = SECRET, **more: Any) -> Any:
    return receive(WebhookRequest(method=method, body=body, **more), secret=secret)


def test_the_signature_is_over_the_raw_body() -> None:
    # HMAC-SHA256 in base64, computed with OpenSSL.
    assert sign("key", b"text") == "sha256=avqQRqlXnK0UOjhMG1ZLmiUNJ9b2pj+fIL86dZTJ4sY="
    accepted = ask(headers={SIGNATURE: sign(SECRET, BODY)})
    assert (accepted.payload, accepted.refused, accepted.response.status) == (BODY, None, 200)


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({}, BODY, "no signature"),
        ({SIGNATURE: ""}, BODY, "bad signature"),
        ({SIGNATURE: sign("other", BODY)}, BODY, "bad signature"),
        ({SIGNATURE: sign(SECRET, BODY)}, BODY + b" ", "bad signature"),
        ({SIGNATURE: sign(SECRET, BODY).removeprefix("sha256=")}, BODY, "bad signature"),
        ({SIGNATURE: "sha256=\ud800é"}, BODY, "bad signature"),
    ],
)
def test_what_is_not_signed_is_refused(headers: Any, body: bytes, why: str) -> None:
    refused = ask(headers=headers, body=body)
    assert (refused.refused, refused.payload, refused.response.status) == (why, None, 401)


def test_without_a_secret_nothing_is_authentic() -> None:
    assert ask(headers={SIGNATURE: sign("", BODY)}, secret="").refused == "bad signature"
    assert ask("GET", query={"crc_token": "abc"}, secret="").refused is not None


def test_the_challenge_is_answered() -> None:
    answered = ask("GET", query={"crc_token": "a-Token_9"})
    assert json.loads(answered.response.body) == {"response_token": sign(SECRET, b"a-Token_9")}
    assert (answered.payload, answered.refused) == (None, None)


@pytest.mark.parametrize(
    "query", [{}, {"crc_token": ""}, {"crc_token": '{"data": {}}'}, {"crc_token": "a" * 500}]
)
def test_a_stranger_gets_nothing_signed_that_could_be_a_body(query: Any) -> None:
    refused = ask("GET", query=query)
    assert refused.refused is not None
    assert "sha256" not in refused.response.body
    assert refused.response.status in {400, 403}


def test_other_methods_are_refused() -> None:
    assert ask("PUT").response.status == 405
