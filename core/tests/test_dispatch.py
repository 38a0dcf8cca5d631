"""A bad plugin harms only itself: it may raise, hang, return rubbish or cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

import pytest
from channelmix import guard
from channelmix.dispatch import Dispatch
from channelmix.errors import InvalidPayload, NotFound, Paused, PluginFault, RetryLater, Uncertain
from channelmix.hookspecs import Plugin, Services, hook
from channelmix.records import (
    Assign,
    Assignment,
    Classify,
    Ignored,
    Ingested,
    Kind,
    Label,
    Labels,
    Message,
    RawEvent,
)
from channelmix.registry import Registry
from channelmix.testing.clock import FakeClock
from structlog.testing import capture_logs

START = datetime(2026, 6, 8, 9, tzinfo=UTC)
NO_SERVICES = cast("Services", None)
MESSAGE = Message(id="1", kind=Kind.COMMENT, thread="t", sent_at=START, text="my secret number 42")
CLASSIFY = Classify(channel="page", message=MESSAGE)
LABELS = Labels(labels=(Label(name="service", value="yes"),))

Behaviour = Callable[[], Awaitable[Any]]


class Acting(Plugin):
    """A classifier that does what the test wants."""

    act: Behaviour

    @hook
    async def classify(self, request: Classify) -> Labels | None:
        return cast("Labels | None", await self.act())


class SlowOne(Acting):
    slow: ClassVar[bool] = True


class Pure(Plugin):
    act: Callable[[], Any]

    @hook
    def ingest(self, event: RawEvent) -> Ingested:
        return cast("Ingested", self.act())


class Desk:
    """A dispatch with what belongs to it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock(START)
        self.changes: list[tuple[str, bool, str]] = []
        self.registry = Registry()
        self.dispatch = Dispatch(
            self.registry,
            clock=self.clock,
            on_change=lambda *change: self.changes.append(change),
            **{"failures": 3, **settings},
        )

    def add(self, name: str, act: Callable[[], Any], kind: type[Any] = Acting) -> Any:
        plugin = kind(name=name, services=NO_SERVICES)
        plugin.act = act
        self.registry.register(plugin)
        return plugin

    async def classify(self, name: str) -> Any:
        return await self.dispatch.addressed(name, "classify", CLASSIFY)


def gives(value: Any) -> Behaviour:
    async def act() -> Any:
        return value

    return act


def fails(error: BaseException) -> Behaviour:
    async def act() -> Any:
        raise error

    return act


def waits_then(act: Behaviour) -> Behaviour:
    async def waiting() -> Any:
        await asyncio.sleep(0)
        return await act()

    return waiting


async def hangs() -> None:
    await asyncio.Event().wait()


async def needs_too_long() -> None:
    async with asyncio.timeout(0):
        await hangs()


async def test_collect_asks_all_and_keeps_their_order() -> None:
    desk = Desk()
    desk.add("a", gives(LABELS))
    desk.add("b", fails(RetryLater("busy")))
    desk.add("c", waits_then(gives(None)), SlowOne)
    desk.add("d", fails(KeyError("x")), SlowOne)
    desk.add("e", waits_then(gives(LABELS)))
    outcomes = await desk.dispatch.collect("classify", CLASSIFY)
    assert [one.plugin for one in outcomes] == ["a", "b", "c", "d", "e"]
    assert [one.value for one in outcomes] == [LABELS, None, None, None, LABELS]
    assert [type(one.error) for one in outcomes[:4]] == [
        type(None),
        RetryLater,
        type(None),
        PluginFault,
    ]


async def test_the_slow_ones_run_side_by_side() -> None:
    desk = Desk()
    together = asyncio.Barrier(2)

    async def meet() -> Labels:
        async with together:  # would never open if one were awaited after the other
            return LABELS

    desk.add("a", meet, SlowOne)
    desk.add("b", meet, SlowOne)
    outcomes = await asyncio.wait_for(desk.dispatch.collect("classify", CLASSIFY), 5)
    assert [one.value for one in outcomes] == [LABELS, LABELS]


class Assigner(Plugin):
    answer: Assignment | Exception | None = None
    asked: int = 0

    @hook
    async def assign(self, request: Assign) -> Assignment | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_first_takes_the_first_answer_and_passes_over_errors() -> None:
    desk = Desk()
    answer = Assignment(reason="it is theirs", team="billing")
    silent, broken, busy, knows, never = (
        Assigner(name=name, services=NO_SERVICES) for name in "abcde"
    )
    broken.answer, busy.answer = ValueError("x"), RetryLater("busy")
    knows.answer = never.answer = answer
    for plugin in (silent, broken, busy, knows, never):
        desk.registry.register(plugin)
    with capture_logs() as lines:
        outcome = await desk.dispatch.first("assign", Assign(channel="page", message=MESSAGE))
    assert outcome is not None
    assert (outcome.plugin, outcome.value) == ("d", answer)
    assert [one.asked for one in (silent, broken, busy, knows, never)] == [1, 1, 1, 1, 0]
    assert [(line["channel"], line["error"]) for line in lines] == [
        ("b", "ValueError"),
        ("c", "RetryLater"),
    ]
    assert await desk.dispatch.first("classify", CLASSIFY) is None


async def test_addressed_asks_only_the_one() -> None:
    desk = Desk()
    desk.add("a", fails(KeyError("never called")))
    desk.add("b", waits_then(gives(LABELS)))
    assert await desk.classify("b") == LABELS
    assert desk.dispatch.state() == []


async def test_addressed_works_for_pure_hooks() -> None:
    desk = Desk()
    result = Ingested(inbounds=(Ignored(reason="x"),))
    desk.add("a", lambda: result, Pure)
    event = RawEvent(key="1", body=b"")
    assert await desk.dispatch.addressed("a", "ingest", event) is result


async def test_who_is_not_there_is_named() -> None:
    desk = Desk()
    desk.add("a", gives(LABELS))
    with pytest.raises(NotFound, match="no channel or plugin 'x' is running"):
        await desk.classify("x")
    with pytest.raises(NotFound, match="a does not implement reply"):
        await desk.dispatch.addressed("a", "reply", None)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after a wait"])
@pytest.mark.parametrize(
    ("act", "says"),
    [
        (fails(ValueError("x")), "ValueError at test_dispatch.py:"),
        (fails(SystemExit(1)), "SystemExit at"),
        (fails(TimeoutError()), "TimeoutError at"),
        (fails(asyncio.CancelledError()), "CancelledError at"),
        (fails(BaseExceptionGroup("two", [SystemExit()])), "BaseExceptionGroup at"),
        (gives("yes"), "returned str instead of channelmix.records.Labels | None"),
        (needs_too_long, "TimeoutError at"),
    ],
    ids=["raises", "exits", "times out", "cancels", "group", "wrong type", "own deadline"],
)
async def test_a_bug_becomes_a_fault_that_names_plugin_and_hook(
    act: Behaviour, says: str, *, late: bool
) -> None:
    desk = Desk()
    desk.add("a", waits_then(act) if late else act)
    with pytest.raises(PluginFault, match=says) as caught:
        await desk.classify("a")
    assert str(caught.value).startswith("a.classify: ")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


class Shy:
    """A value that runs code of its own when it is only asked for its class."""

    @property  # type: ignore[misc]  # that it is no class is the point
    def __class__(self) -> Any:
        raise RuntimeError("not here")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (ValueError("x"), "ValueError at test_dispatch.py:"),
        (SystemExit(1), "SystemExit at"),
        (asyncio.CancelledError(), "CancelledError at"),
        ("yes", "returned str instead of"),
        (Shy(), "RuntimeError at"),
    ],
    ids=["raises", "exits", "cancels", "wrong type", "shy"],
)
@pytest.mark.parametrize("hook_name", ["classify", "ingest"])
async def test_a_bug_of_either_colour_becomes_a_fault(act: Any, says: str, hook_name: str) -> None:
    def acting() -> Any:
        if isinstance(act, BaseException):
            raise act
        return act

    async def acting_later() -> Any:
        return acting()

    desk = Desk()
    desk.add("a", *((acting, Pure) if hook_name == "ingest" else (acting_later, Acting)))
    request = RawEvent(key="1", body=b"") if hook_name == "ingest" else CLASSIFY
    with pytest.raises(PluginFault, match=f"^a.{hook_name}: {says}"):
        await desk.dispatch.addressed("a", hook_name, request)


async def test_an_error_of_the_contract_keeps_what_led_to_it() -> None:
    desk = Desk()

    def translating() -> Any:
        try:
            int("x")
        except ValueError:
            raise InvalidPayload("no x")  # noqa: B904 - as plugins do

    desk.add("a", translating, Pure)
    with pytest.raises(InvalidPayload) as caught:
        desk.dispatch.pure("a", "ingest", RawEvent(key="1", body=b""))
    assert isinstance(caught.value.__context__, ValueError)
    assert not caught.value.__suppress_context__


@pytest.mark.parametrize("error", [RetryLater("x"), Uncertain("x"), InvalidPayload("x")])
async def test_an_error_of_the_contract_passes_untouched_and_is_no_fault(
    error: Exception,
) -> None:
    desk = Desk(failures=1)
    desk.add("a", waits_then(fails(error)))
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            await desk.classify("a")
        assert caught.value is error
    assert desk.dispatch.state() == []


async def test_a_keyboard_interrupt_is_the_persons() -> None:
    desk = Desk()

    def interrupted() -> Any:
        raise KeyboardInterrupt

    desk.add("a", interrupted, Pure)
    with pytest.raises(KeyboardInterrupt):
        await desk.dispatch.addressed("a", "ingest", RawEvent(key="1", body=b""))


async def test_a_hook_that_hangs_ends_at_its_deadline() -> None:
    desk = Desk(deadlines={"classify": 0.02})
    cleaned: list[bool] = []

    async def tidy() -> None:
        try:
            await hangs()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    desk.add("a", tidy)
    with pytest.raises(PluginFault, match=r"a.classify: took longer than 0.02 s"):
        await desk.classify("a")
    assert cleaned


async def test_a_hook_that_clings_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.02)
    desk = Desk(deadlines={"classify": 0.02})

    async def clings() -> None:
        while True:
            try:
                await hangs()
            except asyncio.CancelledError:
                continue

    desk.add("a", clings)
    with pytest.raises(PluginFault, match="took longer"):
        await asyncio.wait_for(desk.classify("a"), 5)
    desk.registry.unregister("a")
    desk.add("a", gives(LABELS))
    assert await desk.classify("a") == LABELS


async def test_what_came_in_spite_of_the_deadline_is_kept() -> None:
    desk = Desk(deadlines={"classify": 0.01})

    async def just_in_time() -> Labels:
        try:
            await hangs()
        except asyncio.CancelledError:
            return LABELS
        return Labels()

    desk.add("a", just_in_time)
    assert await desk.classify("a") == LABELS


async def swallows() -> Labels:
    try:
        await hangs()
    except asyncio.CancelledError:
        return LABELS
    return Labels()


async def renames() -> None:
    try:
        await hangs()
    except asyncio.CancelledError:
        raise RetryLater("interrupted") from None


@pytest.mark.parametrize("act", [hangs, swallows, renames])
@pytest.mark.parametrize("kind", [Acting, SlowOne])
async def test_the_hosts_cancellation_passes_through(act: Behaviour, kind: type[Acting]) -> None:
    desk = Desk()
    started = asyncio.Event()

    async def start() -> Any:
        started.set()
        return await act()

    desk.add("a", start, kind)
    asking = asyncio.create_task(desk.dispatch.collect("classify", CLASSIFY))
    await started.wait()
    asking.cancel()
    await asyncio.wait([asking], timeout=5)
    assert asking.cancelled()
    assert desk.dispatch.state() == []


async def test_a_host_that_is_ending_may_still_call() -> None:
    desk = Desk()
    desk.add("a", waits_then(gives(LABELS)))
    desk.add("b", fails(asyncio.CancelledError()))
    results: list[Any] = []

    async def host() -> None:
        try:
            await hangs()
        finally:
            results.extend(await desk.dispatch.collect("classify", CLASSIFY))

    running = asyncio.create_task(host())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert results[0].value == LABELS
    assert isinstance(results[1].error, PluginFault)


async def test_the_hosts_own_time_out_works_around_a_hook() -> None:
    desk = Desk()
    desk.add("a", hangs)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await desk.classify("a")


async def test_scopes_that_a_hook_opened_before_its_first_wait_still_work() -> None:
    desk = Desk()

    async def structured() -> Labels:
        try:
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
                group.create_task(hangs())
        except TimeoutError:
            return LABELS
        return Labels()

    desk.add("a", structured)
    assert await desk.classify("a") == LABELS


async def test_a_task_that_a_hook_leaves_behind_harms_nobody() -> None:
    desk = Desk()
    left: list[asyncio.Task[None]] = []
    go_on = asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        raise ValueError("nobody waits for me")

    async def leaks() -> Labels:
        left.append(asyncio.create_task(later()))
        return LABELS

    desk.add("a", leaks)
    desk.add("b", waits_then(gives(LABELS)))
    assert await desk.classify("a") == LABELS
    go_on.set()
    assert await desk.classify("b") == LABELS
    await asyncio.wait(left)
    assert isinstance(left[0].exception(), ValueError)
    assert desk.dispatch.state() == []


async def fault(desk: Desk, name: str = "a") -> None:
    with pytest.raises(PluginFault):
        await desk.classify(name)


async def test_after_some_faults_in_a_row_the_hook_pauses_and_later_recovers() -> None:
    desk = Desk()
    plugin = desk.add("a", fails(ValueError("x")))
    desk.add("b", gives(LABELS))
    with capture_logs() as lines:
        for _ in range(3):
            await fault(desk)
        with pytest.raises(Paused) as caught:
            await desk.classify("a")
        assert caught.value.until == START + timedelta(minutes=1)
        outcomes = await desk.dispatch.collect("classify", CLASSIFY)
        assert [one.plugin for one in outcomes] == ["b"]

        desk.clock.advance(timedelta(minutes=1))
        await fault(desk)  # the trial fails: paused again, and nothing more is said
        with pytest.raises(Paused):
            await desk.classify("a")

        desk.clock.advance(timedelta(minutes=1))
        plugin.act = gives(LABELS)
        assert await desk.classify("a") == LABELS
    assert [(name, runs) for name, runs, _ in desk.changes] == [("a", False), ("a", True)]
    assert desk.changes[0][2].startswith("classify is paused: ValueError at test_dispatch.py:")
    said = [line["event"] for line in lines if line["event"] != "plugin_fault"]
    assert said == ["hook_paused", "hook_recovered"]
    assert desk.dispatch.state() == []


async def test_only_one_trial_is_let_through() -> None:
    desk = Desk(failures=1)
    plugin = desk.add("a", fails(ValueError("x")))
    await fault(desk)
    desk.clock.advance(timedelta(minutes=2))
    done = asyncio.Event()

    async def slowly() -> Labels:
        await done.wait()
        return LABELS

    plugin.act = slowly
    trial = asyncio.create_task(desk.classify("a"))
    await asyncio.sleep(0)
    with pytest.raises(Paused):
        await desk.classify("a")
    done.set()
    assert await trial == LABELS
    assert await desk.classify("a") == LABELS


async def test_only_faults_in_a_row_count() -> None:
    desk = Desk(failures=2)
    plugin = desk.add("a", gives(LABELS))
    for act in (fails(ValueError("x")), fails(RetryLater("x"))) * 3:
        plugin.act = act
        with pytest.raises((PluginFault, RetryLater)):
            await desk.classify("a")
    assert desk.changes == []


async def test_the_state_names_what_fails() -> None:
    desk = Desk(failures=2)
    desk.add("a", fails(ValueError("x")))
    await fault(desk)
    (state,) = desk.dispatch.state()
    assert (state.plugin, state.hook, state.failures, state.open_until) == (
        "a",
        "classify",
        1,
        None,
    )


async def test_a_pure_hook_never_pauses() -> None:
    desk = Desk(failures=1)

    def broken() -> Any:
        raise ValueError("x")

    desk.add("a", broken, Pure)
    for _ in range(3):
        with pytest.raises(PluginFault, match=r"a.ingest: ValueError"):
            await desk.dispatch.addressed("a", "ingest", RawEvent(key="1", body=b""))
    assert desk.changes == []


async def test_a_fault_is_logged_with_its_place_and_without_values() -> None:
    desk = Desk()

    async def quotes_the_customer() -> None:
        text = MESSAGE.text or ""
        int(text)

    desk.add("a", quotes_the_customer)
    with capture_logs() as lines:
        await fault(desk)
    (line,) = lines
    assert (line["plugin"], line["channel"], line["hook"]) == ("Acting", "a", "classify")
    assert line["error"] == "ValueError"
    assert line["trace"][-1].endswith("quotes_the_customer")
    assert line["milliseconds"] >= 0
    assert "42" not in str({**line, "trace": []})
