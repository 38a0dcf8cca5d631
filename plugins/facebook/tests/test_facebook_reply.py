import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from attrs import evolve
from channelmix.errors import (
    AuthorizationLost,
    Rejected,
    RetryLater,
    Uncertain,
    WindowClosed,
)
from channelmix.records import Action, Attachment, AttachmentKind, Draft, Kind, limits_for, minutes
from channelmix.registry import Registry
from channelmix.reviewing import findings
from channelmix_facebook.policy import SETTLE_PUBLIC
from channelmix_meta import policy
from channelmix_meta.simulator_reading import RefusedError

DAY, WEEK = timedelta(hours=24), timedelta(days=7)


def form(sim: Any) -> dict[str, str]:
    """Return the parameters of the last call."""
    return dict(parse_qsl(sim.sent[-1].request.body.decode()))


# what goes out


async def test_a_public_reply_stands_below_the_comment(s: Any) -> None:
    receipt = await s.page.reply(s.answer(s.comment))
    made = s.sim.world.comments[receipt.ids[0]]
    assert (made.parent, made.text) == (s.comment.id, "Danke, wir schauen nach.")


async def test_an_answer_to_an_answer_goes_below_the_first_comment(s: Any) -> None:
    nested = s.sim.comment(s.comment, "Ole Brandt", "Meins auch nicht.")
    receipt = await s.page.reply(s.answer(nested))
    assert s.sim.world.comments[receipt.ids[0]].parent == s.comment.id
    assert s.sim.sent[-1].request.path.endswith(f"{s.comment.id}/comments")


async def test_a_direct_message_carries_the_send_key_back(s: Any) -> None:
    s.sim.webhook = "http://127.0.0.1:9/unused"
    receipt = await s.page.reply(s.answer(s.note, text="Wir prüfen das.", token="key-7"))
    echo = s.sim.events()[-1].content["item"]["message"]
    assert (echo["mid"], echo["metadata"]) == (receipt.ids[0], "key-7")
    assert echo["app_id"] == int(s.sim.app_id)


async def test_a_file_goes_out_in_one_call(s: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    path.write_bytes(s.sim.world.media["picture.png"][1])
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
    await s.page.reply(s.answer(s.note, text="", attachments=(picture,)))
    (sent,) = s.sim.world.conversations[s.note.author.id].notes[1:]
    name = sent.attachments[0]["payload"]["url"].rsplit("/", 1)[1]
    assert s.sim.world.media[name] == ("image/png", path.read_bytes())
    assert s.calls() == [f"POST {s.sim.account}/messages"]


async def test_a_picture_by_address_goes_out(s: Any) -> None:
    picture = Attachment(kind=AttachmentKind.IMAGE, url=s.sim.media())
    await s.page.reply(s.answer(s.note, text="", attachments=(picture,)))
    receipt = await s.page.reply(s.answer(s.comment, attachments=(picture,)))
    assert s.sim.world.comments[receipt.ids[0]].photo == s.sim.media()
    assert s.sim.world.conversations[s.note.author.id].notes[-1].attachments


async def test_a_picture_below_a_comment_is_uploaded_first(s: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.jpg"
    path.write_bytes(s.sim.world.media["photo.jpg"][1])
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
    receipt = await s.page.reply(s.answer(s.comment, text="So:", attachments=(picture,)))
    assert s.sim.world.comments[receipt.ids[0]].photo.startswith(s.sim.media("upload-"))
    assert s.calls() == [f"POST {s.sim.account}/photos", f"POST {s.comment.id}/comments"]


async def test_a_lost_upload_is_repeated_without_doubt(s: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.jpg"
    path.write_bytes(b"x")
    picture = Attachment(kind=AttachmentKind.IMAGE, path=str(path))
    s.sim.fault("close_after_accept", on="POST /photos")
    with pytest.raises(RetryLater):
        await s.page.reply(s.answer(s.comment, attachments=(picture,)))
    assert len(s.sim.world.comments) == 1


async def test_an_attachment_that_is_gone_is_refused(s: Any, tmp_path: Path) -> None:
    gone = Attachment(kind=AttachmentKind.FILE, path=str(tmp_path / "gone.pdf"))
    with pytest.raises(Rejected, match=r"gone\.pdf cannot be read"):
        await s.page.reply(s.answer(s.note, text="", attachments=(gone,)))


async def test_hide_like_edit_delete_and_ban(s: Any) -> None:
    (own,) = (await s.page.reply(s.answer(s.comment))).ids
    for action in (Action.HIDE, Action.LIKE, Action.BAN):
        await s.page.reply(s.outgoing(action, s.comment))
    assert s.comment.hidden
    assert s.comment.likes == {s.sim.account}
    assert s.sim.world.blocked == {s.comment.author.id: s.comment.author}
    await s.page.reply(s.outgoing(Action.UNHIDE, s.comment))
    assert not s.comment.hidden
    await s.page.reply(s.outgoing(Action.EDIT, text="Neu.", own_id=own))
    assert s.sim.world.comments[own].text == "Neu."
    await s.page.reply(s.outgoing(Action.DELETE, own_id=own))
    assert own not in s.sim.world.comments


async def test_publish(s: Any) -> None:
    picture = Attachment(kind=AttachmentKind.IMAGE, url=s.sim.media())
    receipt = await s.page.reply(s.outgoing(Action.PUBLISH, text="Neu", attachments=(picture,)))
    assert s.sim.world.posts[receipt.ids[0]].photo == s.sim.media()


# windows: before any call


@pytest.mark.parametrize(
    ("age", "tag"),
    [(DAY - minutes(1), None), (DAY + minutes(1), "HUMAN_AGENT"), (WEEK, "HUMAN_AGENT")],
)
async def test_a_person_may_answer_for_seven_days(s: Any, age: timedelta, tag: str | None) -> None:
    s.clock.advance(age)
    await s.page.reply(s.answer(s.note))
    assert form(s.sim).get("tag") == tag


async def test_after_seven_days_nothing_is_called(s: Any) -> None:
    s.clock.advance(WEEK + minutes(1))
    with pytest.raises(WindowClosed):
        await s.page.reply(s.answer(s.note))
    assert s.sim.sent == []


async def test_a_machine_never_uses_human_agent(s: Any) -> None:
    s.clock.advance(DAY - minutes(1))
    await s.page.reply(s.answer(s.note, automatic=True))
    s.clock.advance(minutes(2))
    with pytest.raises(WindowClosed):
        await s.page.reply(s.answer(s.note, automatic=True))
    assert len(s.sim.sent) == 1
    assert "tag" not in form(s.sim)


async def test_one_private_reply_within_seven_days(s: Any) -> None:
    private = s.outgoing(Action.PRIVATE_REPLY, s.comment, "Schreiben Sie uns hier.")
    assert (await s.page.reply(private)).ids
    with pytest.raises(Rejected, match="used up"):
        await s.page.reply(private)
    s.clock.advance(WEEK + minutes(1))
    with pytest.raises(WindowClosed):
        await s.page.reply(private)
    assert len(s.sim.sent) == 2


async def test_a_conversation_of_another_app_is_left_alone(s: Any) -> None:
    locked = s.answer(s.note)
    locked = evolve(locked, target=evolve(locked.target, no_reply="another app owns this"))
    with pytest.raises(Rejected, match="another app owns this"):
        await s.page.reply(locked)
    assert s.sim.sent == []
    s.sim.pass_thread("Jonas Weber", "4711")
    with pytest.raises(Rejected, match="another app controls"):
        await s.page.reply(s.answer(s.note))


async def test_core_and_plugin_say_it_before(s: Any) -> None:
    async def codes(thing: Any, **more: Any) -> list[tuple[str, str]]:
        draft = Draft(
            channel="page",
            action=Action.PRIVATE_REPLY,
            text="Danke.",
            target=s.as_message(thing),
            window_opened_at=thing.created,
            **more,
        )
        found = findings(s.page.limits, draft, now=s.clock.now(), used=False)
        found += (await s.page.review(draft)).findings
        return [(one.level, one.code) for one in found]

    assert await codes(s.note) == []
    assert await codes(s.comment) == [("warn", "only_one")]
    s.clock.advance(DAY + minutes(1))
    assert await codes(s.note) == [("warn", "human_agent")]
    assert await codes(s.note, automatic=True) == [("block", "window")]
    s.clock.advance(WEEK)
    assert await codes(s.note) == [("block", "window")]
    assert await codes(s.comment) == [("block", "window"), ("warn", "only_one")]
    assert await s.page.review(Draft(channel="other", action=Action.LIKE)) is None


# outcomes


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedError(190, "", subcode=460, status=401), AuthorizationLost),
        (RefusedError(190, "", subcode=463, status=400), AuthorizationLost),
        (RefusedError(10, "", subcode=2018278), WindowClosed),
        (RefusedError(10, "", status=403), Rejected),
        (RefusedError(200, "", status=403), Rejected),
        (RefusedError(200, "", subcode=1545041), Rejected),
        (RefusedError(551, "", subcode=1545041), Rejected),
        (RefusedError(100, "", subcode=33), Rejected),
        (RefusedError(368, "", subcode=1390008, transient=False), Rejected),
        (RefusedError(506, ""), Rejected),
        (RefusedError(4, "", status=403, transient=True), RetryLater),
        (RefusedError(32, "", status=403), RetryLater),
        (RefusedError(613, ""), RetryLater),
        (RefusedError(613, "", subcode=2018338), Rejected),
        (RefusedError(80001, ""), RetryLater),
        (RefusedError(80006, ""), RetryLater),
        (RefusedError(1, "", subcode=99, status=500), Uncertain),
        (RefusedError(2, "", status=503), Uncertain),
        (RefusedError(4711, "", status=500), Uncertain),
        (RefusedError(4711, "", status=400), Rejected),
        (RefusedError(4711, "", status=400, transient=True), Uncertain),
    ],
    ids=lambda one: f"{one.code}-{one.subcode}" if isinstance(one, RefusedError) else one.__name__,
)
async def test_errors_are_told_apart_by_code(
    s: Any, error: RefusedError, outcome: type[Exception]
) -> None:
    s.sim.refuse(error, on="POST /comments")
    with pytest.raises(outcome) as caught:
        await s.page.reply(s.answer(s.comment))
    assert issubclass(caught.type, outcome)
    assert (caught.type is WindowClosed) is (outcome is WindowClosed)


@pytest.mark.parametrize("named", policy.ADVICE)
@pytest.mark.parametrize("status", [400, 403, 500])
def test_the_status_decides_nothing_of_what_has_a_name(
    named: tuple[int, int | None], status: int
) -> None:
    judged = {policy.judge(*named, transient=bad, status=status) for bad in (False, True)}
    assert judged == {policy.judge(*named, transient=False, status=200)}
    assert policy.Verdict.PASSING not in judged


@pytest.mark.parametrize(
    ("code", "subcode"), [(27, None), (100, 2018047), (324, None), (506, None), (551, 1545041)]
)
async def test_what_is_refused_for_good_is_not_uncertain(
    s: Any, code: int, subcode: int | None
) -> None:
    s.sim.refuse(RefusedError(code, "", subcode=subcode, status=500), on="POST /comments")
    with pytest.raises(Rejected):
        await s.page.reply(s.answer(s.comment))


async def test_a_duplicate_of_an_uncertain_attempt_is_looked_for(s: Any) -> None:
    part = s.outgoing(Action.PUBLISH, text="Morgen geschlossen.")
    s.sim.fault("error_after_accept", on="POST /feed")
    with pytest.raises(Uncertain):
        await s.page.reply(part)
    s.clock.advance(SETTLE_PUBLIC)
    with pytest.raises(Uncertain, match="506"):
        await s.page.reply(part)
    assert (await s.page.reconcile(part)).status == "found"
    other = s.outgoing(Action.PUBLISH, text="Morgen geschlossen.")
    with pytest.raises(Rejected, match="506"):
        await s.page.reply(other)


async def test_a_throttle_says_until_when(s: Any) -> None:
    usage = {
        "x-business-use-case-usage": json.dumps(
            {
                s.sim.account: [
                    {
                        "type": "pages",
                        "call_count": 100,
                        "total_cputime": 10,
                        "total_time": 10,
                        "estimated_time_to_regain_access": 19,
                    }
                ]
            }
        )
    }
    s.sim.refuse(RefusedError(80001, ""), on="POST /comments", headers=usage)
    with pytest.raises(RetryLater) as caught:
        await s.page.reply(s.answer(s.comment))
    assert caught.value.after == minutes(19)
    assert {(until, replies) for until, replies, _ in s.brake.holds} == {
        (s.clock.now() + minutes(19), True)
    }


@pytest.mark.parametrize(("percent", "rest"), [(74, None), (75, (1, False)), (95, (10, True))])
async def test_usage_slows_down_before_the_limit(
    s: Any, percent: int, rest: tuple[int, bool] | None
) -> None:
    s.sim.usage = {"x-app-usage": json.dumps({"call_count": 3, "total_time": percent})}
    await s.page.reply(s.answer(s.comment))
    expected = [] if rest is None else [(s.clock.now() + minutes(rest[0]), rest[1])]
    assert [(until, held) for until, held, _ in s.brake.holds] == expected


def test_the_pause_grows_with_the_use() -> None:
    pauses = [policy.pause(percent) for percent in range(75, 101, 5)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] == policy.LONGEST_PAUSE


async def test_blocked_for_conduct_stops_all_replies(s: Any) -> None:
    s.sim.refuse(RefusedError(368, ""), on="POST /comments")
    with pytest.raises(Rejected):
        await s.page.reply(s.answer(s.comment))
    assert [replies for _, replies, _ in s.brake.holds] == [True]


async def test_unreachable_is_surely_not_sent(s: Any, unused_tcp_port: int) -> None:
    s.page.api_url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(RetryLater, match="ConnectError"):
        await s.page.reply(s.answer(s.comment))


async def test_no_error_shows_the_token(s: Any) -> None:
    s.sim.token_problem = 467
    with pytest.raises(AuthorizationLost) as caught:
        await s.page.reply(s.answer(s.comment))
    assert s.sim.access_token not in str(caught.value)
    assert s.sim.access_token not in repr(s.page.graph(s.page.services))
    s.sim.token_problem = None
    s.sim.refuse(RefusedError(100, f"Bad {s.sim.access_token}"), on="POST /comments")
    with pytest.raises(Rejected) as refused:
        await s.page.reply(s.answer(s.comment))
    assert s.sim.access_token not in str(refused.value)


# an uncertain send, and what the look says

FAULTS = ["timeout_after_accept", "close_after_accept", "error_after_accept"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("where", ["comment", "note"])
async def test_what_was_accepted_is_found(s: Any, fault: Any, where: str) -> None:
    part = s.answer(getattr(s, where))
    s.sim.fault(fault, on="POST /comments" if where == "comment" else "POST /messages")
    with s.impatient(), pytest.raises(Uncertain):
        await s.page.reply(part)
    found = await s.page.reconcile(part)
    assert found.status == "found"
    assert (await s.page.reconcile(evolve(part, taken=frozenset(found.ids)))).status == "absent"


@pytest.mark.parametrize("fault", ["timeout_before_accept", "error_before_accept"])
@pytest.mark.parametrize("where", ["comment", "note"])
async def test_what_was_not_accepted_is_absent(s: Any, fault: Any, where: str) -> None:
    part = s.answer(getattr(s, where))
    s.sim.fault(fault, on="POST /comments" if where == "comment" else "POST /messages")
    with s.impatient(), pytest.raises(Uncertain):
        await s.page.reply(part)
    assert (await s.page.reconcile(part)).status == "absent"


async def test_equal_texts_are_used_up_one_by_one(s: Any) -> None:
    part = s.answer(s.comment)
    ids = {(await s.page.reply(part)).ids[0] for _ in range(2)}
    first = await s.page.reconcile(part)
    second = await s.page.reconcile(evolve(part, taken=frozenset(first.ids)))
    assert {*first.ids, *second.ids} == ids


async def test_only_our_own_since_the_first_attempt_counts(s: Any) -> None:
    s.sim.comment(s.comment, "Ole Brandt", "Danke, wir schauen nach.")
    s.sim.native_reply(s.comment, "Danke, wir schauen nach.")
    s.clock.advance(minutes(5))
    assert (await s.page.reconcile(s.answer(s.comment))).status == "absent"


async def test_the_network_may_change_spaces_and_composition(s: Any) -> None:
    s.sim.native_reply(s.comment, "Ein U\u0308berblick\nfolgt.")
    part = s.answer(s.comment, text="Ein Überblick\r\nfolgt. ")
    assert (await s.page.reconcile(part)).status == "found"


async def test_the_look_turns_pages(s: Any) -> None:
    receipt = await s.page.reply(s.answer(s.comment))
    first = s.clock.now()
    for number in range(120):
        s.sim.comment(s.comment, "Ole Brandt", f"Auch so. {number}")
    found = await s.page.reconcile(s.answer(s.comment, first_sent_at=first))
    assert found.ids == receipt.ids
    assert len([one for one in s.sim.sent if one.request.method == "GET"]) == 3


async def test_what_cannot_be_seen_is_unknown(s: Any) -> None:
    part = s.answer(s.comment)
    s.sim.permissions.discard("pages_read_user_content")
    found = await s.page.reconcile(part)
    assert found.status == "unknown"
    assert "permission" in found.why
    s.sim.remove(s.comment)
    s.sim.permissions.add("pages_read_user_content")
    assert (await s.page.reconcile(part)).status == "unknown"
    for _ in range(25):
        s.sim.direct_message("Jonas Weber", "Hallo?")
    assert (await s.page.reconcile(s.answer(s.note))).status == "unknown"


async def test_a_reply_below_what_is_not_seen_may_be_there(s: Any) -> None:
    """Facebook says 100/33 of what is gone, and of what the page may not read but may answer."""
    part = s.answer(s.comment)
    s.sim.fault("error_after_accept", on="POST /comments")
    with pytest.raises(Uncertain):
        await s.page.reply(part)
    s.sim.refuse(RefusedError(100, "", subcode=33), on="GET /comments")
    found = await s.page.reconcile(part)
    assert (found.status, "may not see it" in found.why) == ("unknown", True)
    assert (await s.page.reconcile(part)).status == "found"


@pytest.mark.parametrize("action", [Action.HIDE, Action.UNHIDE, Action.LIKE, Action.EDIT])
async def test_what_cannot_be_done_to_a_gone_comment_fails_in_the_end(
    s: Any, action: Action
) -> None:
    (own,) = (await s.page.reply(s.answer(s.comment))).ids
    gone = s.sim.world.comments[own]
    part = s.outgoing(action, gone, "Anders.", own_id=own)
    s.sim.remove(gone)
    assert (await s.page.reconcile(part)).status == "absent"
    with pytest.raises(Rejected, match="gone"):
        await s.page.reply(part)


async def test_a_private_reply_is_looked_for(s: Any) -> None:
    private = s.outgoing(Action.PRIVATE_REPLY, s.comment, "Hier geht es weiter.")
    assert (await s.page.reconcile(private)).status == "absent"
    s.sim.fault("close_after_accept", on="POST /messages")
    with pytest.raises(Uncertain):
        await s.page.reply(private)
    assert (await s.page.reconcile(private)).status == "found"
    other = evolve(private, text="Etwas anderes.")
    assert (await s.page.reconcile(other)).status == "unknown"


async def test_states_are_read(s: Any) -> None:
    (own,) = (await s.page.reply(s.answer(s.comment))).ids
    parts = [
        s.outgoing(Action.HIDE, s.comment),
        s.outgoing(Action.LIKE, s.comment),
        s.outgoing(Action.LIKE, s.sim.world.posts[s.comment.post]),
        s.outgoing(Action.BAN, s.comment),
        s.outgoing(Action.PUBLISH, text="Neu"),
        s.outgoing(Action.EDIT, text="Anders.", own_id=own),
        s.outgoing(Action.DELETE, own_id=own),
    ]
    for part in parts:
        assert (await s.page.reconcile(part)).status == "absent", part.action
        await s.page.reply(part)
        assert (await s.page.reconcile(part)).status == "found", part.action
    unhide = s.outgoing(Action.UNHIDE, s.comment)
    assert (await s.page.reconcile(unhide)).status == "absent"


async def test_a_dead_token_is_no_unknown(s: Any) -> None:
    s.sim.token_problem = 463
    with pytest.raises(AuthorizationLost, match="expired"):
        await s.page.reconcile(s.answer(s.comment))


# declarations and health


def test_the_limits_say_what_the_network_allows(s: Any) -> None:
    def limit(action: Action, kind: Kind) -> Any:
        return limits_for(s.page.limits, action, kind)

    assert limit(Action.PUBLIC_REPLY, Kind.COMMENT).text == 8000
    direct = limit(Action.PRIVATE_REPLY, Kind.DIRECT_MESSAGE)
    assert (direct.text, direct.text_with_media, direct.window) == (2000, False, DAY)
    assert direct.human_window == WEEK
    assert (limit(Action.PUBLIC_REPLY, Kind.POST).settle, direct.settle) == (
        minutes(2),
        minutes(0.5),
    )
    private = limit(Action.PRIVATE_REPLY, Kind.COMMENT)
    assert (private.once, private.window, private.attachments) == (True, WEEK, 0)
    assert limit(Action.PRIVATE_REPLY, Kind.REVIEW) is None
    assert limit(Action.PUBLIC_REPLY, Kind.REVIEW) is None
    assert limit(Action.PUBLIC_REPLY, Kind.DIRECT_MESSAGE) is None


async def test_a_healthy_page_has_no_findings(s: Any) -> None:
    s.sim.token_expires = 1_800_000_000
    checked = await s.page.check(s.page.services)
    assert checked.findings == ()
    assert checked.token_expires_at.timestamp() == 1_800_000_000


async def test_check_says_what_to_do(s: Any) -> None:
    s.sim.permissions.discard("pages_messaging")
    s.sim.permissions.discard("pages_manage_posts")
    s.sim.fields.discard("messages")
    found = (await s.page.check(s.page.services)).findings
    assert [(one.level, one.text.partition(":")[0]) for one in found] == [
        ("block", "grant pages_messaging"),
        ("warn", "grant pages_manage_posts"),
        ("warn", "subscribe to messages"),
    ]
    s.sim.fields.clear()
    findings = (await s.page.check(s.page.services)).findings
    assert ("block", "webhook") in [(one.level, one.code) for one in findings]
    s.sim.token_problem = 460
    (finding,) = (await s.page.check(s.page.services)).findings
    assert (finding.level, finding.code) == ("block", "token")


async def test_check_without_an_app_id_says_so(s: Any) -> None:
    s.page.app = evolve(s.page.app, app_id=None)
    (finding,) = (await s.page.check(s.page.services)).findings
    assert (finding.level, finding.code) == ("warn", "app_id")


def test_the_core_takes_the_plugin(s: Any) -> None:
    registry = Registry()
    registry.register(s.page)
    hooks = ("check", "receive", "split", "ingest", "poll", "reply", "reconcile", "review")
    assert all(registry.implements("page", name) for name in hooks)
