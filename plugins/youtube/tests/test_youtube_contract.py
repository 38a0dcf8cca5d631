"""Every request is one that Google's own description of the Data API allows."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve
from channelmix.records import Action, Poll

DOCUMENT = Path(__file__).resolve().parents[4] / "shared/contracts/youtube/openapi3.json"
HOST = "https://youtube.googleapis.com"


@pytest.fixture(scope="module")
def contract():
    if not DOCUMENT.is_file():
        pytest.skip("the description of the API is not beside this repository")
    from openapi_core import Config, OpenAPI

    document = json.loads(DOCUMENT.read_text())
    # The library knows no OAuth 2.0; that each call has a token, the simulator insists on.
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["security"] = []
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None)), document


def check(contract, request) -> None:
    """Refuse what the document refuses, and names that it does not declare."""
    from openapi_core.testing import MockRequest

    openapi, document = contract
    args = {
        name: value.split(",") if name in {"part", "id"} else value
        for name, value in request.query.items()
    }
    mocked = MockRequest(
        HOST,
        request.method.lower(),
        request.path,
        args=args,
        headers=dict(request.headers),
        data=request.body or None,
        content_type="application/json",
    )
    openapi.validate_request(mocked)
    operation = document["paths"][request.path][request.method.lower()]
    shared = document["paths"][request.path].get("parameters", [])
    listed = [resolved(document, one) for one in [*operation.get("parameters", []), *shared]]
    known = {one["name"] for one in listed if one["in"] == "query"}
    assert set(request.query) <= known, sorted(set(request.query) - known)
    if request.body:
        unknown = set(fields(json.loads(request.body))) - declared(document, operation)
        assert not unknown, sorted(unknown)


def resolved(document, one):
    if "$ref" in one:
        return document["components"]["parameters"][one["$ref"].rpartition("/")[2]]
    return one


def fields(value, above=""):
    """Name every field of a body with its path."""
    for name, inner in value.items():
        yield f"{above}{name}"
        if isinstance(inner, dict):
            yield from fields(inner, f"{above}{name}.")


def declared(document, operation):
    """Name every field that the body of an operation may have, three levels down."""
    schema = operation["requestBody"]
    if "$ref" in schema:
        schema = document["components"]["requestBodies"][schema["$ref"].rpartition("/")[2]]
    (content,) = schema["content"].values()

    def walk(one, above, depth):
        if "$ref" in one:
            one = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]
        for name, inner in one.get("properties", {}).items():
            yield f"{above}{name}"
            if depth:
                yield from walk(inner, f"{above}{name}.", depth - 1)

    return set(walk(content["schema"], "", 4))


async def everything(y) -> None:
    """Let the plugin make every kind of call that it can make."""
    top = y.sim.comment(y.video, "@mira", "Wie?")
    for number in range(6):
        y.sim.answer_to(top, f"@p{number}", "Und?")
    held = y.sim.comment(y.video, "@eva", "Kauft!", status="heldForReview")
    for source in ("comments", "threads", "held", "spam", "videos", "search"):
        await y.walk(source)
    y.sim.remove(top.replies[0])
    await y.walk("threads")
    stream = y.sim.video("Live", live=True)
    y.sim.say(stream, "Mira", "Hallo?")
    (chat,) = await y.walk("live")
    film = y.sim.video("Stadtwerke", owner="UCsomebodyelse0000000000")
    (event,) = (await y.channel.poll(Poll(source="video", argument=film.id))).events
    (mention,) = y.channel.ingest(event).inbounds
    (own,) = (await y.channel.reply(y.outgoing(Action.PUBLIC_REPLY, top))).ids
    (said,) = (await y.channel.reply(y.outgoing(Action.PUBLIC_REPLY, None, target=chat))).ids
    parts = [
        y.outgoing(Action.DELETE, None, target=chat, own_id=said),
        y.outgoing(Action.PUBLIC_REPLY, None, target=mention),
        y.outgoing(Action.UNHIDE, held),
        y.outgoing(Action.BAN, held),
        y.outgoing(Action.EDIT, top, "Anders.", own_id=own),
        y.outgoing(Action.DELETE, top, own_id=own),
    ]
    for part in parts:
        await y.channel.reply(part)
        await y.channel.reconcile(part)
    await y.channel.reconcile(y.outgoing(Action.PUBLIC_REPLY, top))
    await y.channel.check(y.channel.services)


@pytest.mark.slow
async def test_every_request_is_in_the_document(on_stage, contract) -> None:
    async with on_stage(search=("Stadtwerke",), live=True) as y:
        await everything(y)
        calls = [one.request for one in y.sim.sent if one.request.path.startswith("/youtube/")]
        for request in calls:
            check(contract, request)
        made = {(one.method, one.path.removeprefix("/youtube/v3/")) for one in calls}
        from channelmix_youtube.simulator import PARAMS

        assert made == set(PARAMS)


async def test_the_check_refuses_what_is_wrong(y, contract) -> None:
    top = y.sim.comment(y.video, "@mira", "Wie?")
    await y.walk()
    await y.channel.reply(y.outgoing(Action.PUBLIC_REPLY, top))
    get, post = (one.request for one in y.sim.sent)
    check(contract, get)
    check(contract, post)
    snippet = {"parentId": top.id, "textOriginall": "x"}
    broken = [
        evolve(get, query={**get.query, "maxResult": "5"}),
        evolve(get, query={**get.query, "maxResults": "many"}),
        evolve(get, query={}),
        evolve(get, path="/youtube/v3/commentThread"),
        evolve(post, body=json.dumps({"snippet": snippet}).encode()),
        evolve(post, body=json.dumps({"snippet": "x"}).encode()),
    ]
    for request in broken:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each of the library's refusals, and ours
            check(contract, request)


async def test_tokens_are_asked_for_as_google_documents(y) -> None:
    y.clock.advance(timedelta(hours=2))
    await y.walk()
    form = y.sim.sent[0].request
    assert (form.path, form.headers["content-type"]) == (
        "/token",
        "application/x-www-form-urlencoded",
    )
