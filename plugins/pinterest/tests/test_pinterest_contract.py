"""Every request is one that Pinterest's own API document allows."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve
from channelmix.errors import RetryLater
from channelmix.records import Action, Attachment, AttachmentKind, Connect, Poll
from channelmix_pinterest.client import category
from channelmix_pinterest.config import SCOPES
from channelmix_pinterest.simulator import _find

DOCUMENT = Path(__file__).resolve().parents[4] / "shared/contracts/pinterest/openapi.json"
HOST = "https://api.pinterest.com"


@pytest.fixture(scope="module")
def contract():
    if not DOCUMENT.is_file():
        pytest.skip("Pinterest's API document is not beside this repository")
    from openapi_core import Config, OpenAPI

    document = json.loads(DOCUMENT.read_text())
    # Two of the kinds overlap, so exactly one (`oneOf`) can never be said of IMPRESSION.
    kinds = document["components"]["parameters"]["query_pin_analytics_metric_types"]
    kinds["schema"]["items"] = {"anyOf": kinds["schema"]["items"]["oneOf"]}
    # The library knows no OAuth 2.0; that each call has a token, the simulator insists on.
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["scopes"] = operation.get("security", [])
                operation["security"] = []
    config = Config(spec_validator_cls=None)
    return OpenAPI.from_dict(document, config=config), document


def check(contract, request) -> None:
    """Refuse what the document refuses, and query names that it does not declare."""
    from openapi_core.testing import MockRequest

    openapi, document = contract
    headers = {**request.headers}
    form = request.body or None
    mocked = MockRequest(
        HOST,
        request.method.lower(),
        request.path,
        args=dict(request.query),
        headers=headers,
        data=form,
        content_type=request.headers.get("content-type", "application/json").partition(";")[0],
    )
    openapi.validate_request(mocked)
    known = declared(document, request)
    assert set(request.query) <= known, sorted(set(request.query) - known)
    if request.method in {"POST", "PATCH"} and request.path.startswith("/v5/pins"):
        unknown = set(json.loads(request.body)) - fields(document, request)
        assert not unknown, sorted(unknown)


def operation(document, request):
    """Return what the document says of a call."""
    wanted = request.path.removeprefix("/v5").split("/")
    for path, operations in document["paths"].items():
        parts = path.split("/")
        if len(parts) == len(wanted) and all(
            one == two or one.startswith("{") for one, two in zip(parts, wanted, strict=True)
        ):
            return operations[request.method.lower()]
    raise LookupError(request.path)


def declared(document, request):
    """Return the query names of an operation."""
    listed = operation(document, request).get("parameters", [])
    references = [one["$ref"].rpartition("/")[2] for one in listed if "$ref" in one]
    found = [document["components"]["parameters"][name] for name in references]
    return {one["name"] for one in [*found, *listed] if one.get("in") == "query"}


def fields(document, request):
    """Return the names that the body of a new or changed pin may have."""
    (content,) = operation(document, request)["requestBody"]["content"].values()
    schema = content["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


async def everything(p, tmp_path) -> None:
    """Let the plugin make every kind of call that it can make."""
    pin = p.sim.pin("Lampe")
    await p.sweep()
    p.sim.comment(pin)
    await p.sweep()
    picture, film = tmp_path / "a.png", tmp_path / "a.mp4"
    picture.write_bytes(b"x")
    film.write_bytes(b"x")
    p.sim.processing = 0
    image = Attachment(kind=AttachmentKind.IMAGE, path=str(picture))
    video = Attachment(kind=AttachmentKind.VIDEO, path=str(film))
    details = {"title": "Lampe", "link": "https://example.org/lampe"}
    (own,) = (await p.channel.reply(p.outgoing(attachments=(image,), details=details))).ids
    await p.channel.reply(p.outgoing())
    film_part = p.outgoing(attachments=(video,), token="t2")
    for _ in range(3):
        try:
            await p.channel.reply(film_part)
            break
        except RetryLater:
            continue
    await p.channel.reconcile(p.outgoing())
    for action in (Action.EDIT, Action.DELETE):
        await p.channel.reply(p.outgoing(action, own_id=own))
        await p.channel.reconcile(p.outgoing(action, own_id=own))
    await p.channel.check(p.channel.services)
    p.clock.advance(timedelta(days=21))
    await p.channel.renew(p.channel.services)
    back = "http://127.0.0.1:8765/"
    code = p.sim.grant(back)
    await p.channel.connect(Connect(redirect_uri=back, callback={"code": code}))
    p.sim.pin("more")
    await p.channel.poll(Poll(source="pins"))


async def test_every_request_is_in_the_document(p, contract, tmp_path) -> None:
    await everything(p, tmp_path)
    calls = [one.request for one in p.sim.sent if one.request.path != "/upload"]
    for request in calls:
        check(contract, request)
    assert {(one.method, one.path.split("/")[2]) for one in calls} == {
        ("GET", "pins"),
        ("POST", "pins"),
        ("PATCH", "pins"),
        ("DELETE", "pins"),
        ("GET", "boards"),
        ("GET", "user_account"),
        ("POST", "media"),
        ("GET", "media"),
        ("POST", "oauth"),
    }


async def test_the_check_refuses_what_is_wrong(p, contract, tmp_path) -> None:
    await p.channel.reply(p.outgoing())
    p.sim.pin("Lampe")
    await p.sweep()
    post, get = p.sim.sent[0].request, p.sim.sent[-1].request
    check(contract, post)
    check(contract, get)
    misspelt = evolve(get, query={"pagesize": "250"})
    path = evolve(get, path="/v5/pinz")
    body = evolve(post, body=json.dumps({"board_id": "How-to"}).encode())
    value = evolve(get, query={"page_size": "9999"})
    name = evolve(post, body=post.body.replace(b'"description"', b'"descriptoin"'))
    assert name.body != post.body
    for broken in (misspelt, path, body, value, name):
        with pytest.raises(Exception):  # noqa: B017, PT011 - each of the library's refusals, and ours
            check(contract, broken)


async def test_categories_and_scopes_are_those_of_the_document(p, contract, tmp_path) -> None:
    await everything(p, tmp_path)
    _, document = contract
    calls = [one.request for one in p.sim.sent if one.request.path != "/upload"]
    for request in calls:
        path = request.path.removeprefix("/v5/")
        said = operation(document, request)
        assert category(request.method, path) == said["x-ratelimit-category"], path
        if path != "oauth/token":
            (needed,) = [
                one["pinterest_oauth2"] for one in said["scopes"] if "pinterest_oauth2" in one
            ]
            _, _, asked = _find(request.method, path)
            assert asked == set(needed) <= set(SCOPES), path
