from __future__ import annotations

from typing import Any, cast

import attrs
import pluggy
import pytest
from channelmix import Plugin, Services, hook
from channelmix.errors import RegistrationError
from channelmix.records import Classify, Draft, Findings, Ingested, Labels, RawEvent
from channelmix.registry import HOOKS, Registry

SERVICES = cast("Services", None)


class Classifier(Plugin):
    @hook
    async def classify(self, request: Classify) -> Labels | None:
        return None


class Eager(Classifier):
    @hook(tryfirst=True)
    async def classify(self, request: Classify) -> Labels | None:
        return None


class Reluctant(Classifier):
    @hook(trylast=True)
    async def classify(self, request: Classify) -> Labels | None:
        return None


def make(cls: type[Plugin], name: str = "triage") -> Plugin:
    return cls(name=name, services=SERVICES)


def refusal(cls: type[Plugin]) -> str:
    registry = Registry()
    with pytest.raises(RegistrationError) as caught:
        registry.register(make(cls))
    assert registry.get("triage") is None
    assert not any(registry.implementations(name) for name in HOOKS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_order_is_that_of_registration_between_first_and_last() -> None:
    registry = Registry()
    for name, cls in [
        ("last", Reluctant),
        ("a", Classifier),
        ("first", Eager),
        ("b", Classifier),
        ("last2", Reluctant),
        ("first2", Eager),
    ]:
        registry.register(make(cls, name))
    called = [one.plugin_name for one in registry.implementations("classify")]
    assert called == ["first", "first2", "a", "b", "last", "last2"]


def test_only_what_a_plugin_overrides_is_implemented() -> None:
    registry = Registry()
    plugin = make(Classifier)
    registry.register(plugin)
    assert registry.implements("triage", "classify")
    assert not registry.implements("triage", "reply")
    assert not registry.implements("nobody", "classify")
    assert registry.get("triage") is plugin
    (one,) = registry.implementations("classify")
    assert one.plugin is plugin
    assert one.function == plugin.classify


def test_the_lists_follow_registration() -> None:
    registry = Registry()
    assert not registry.implementations("classify")
    registry.register(make(Classifier))
    assert registry.implementations("classify") is registry.implementations("classify")
    registry.unregister("triage")
    registry.unregister("triage")
    assert not registry.implementations("classify")


def test_no_property_runs_while_registering() -> None:
    class Lazy(Classifier):
        @property
        def expensive(self) -> str:
            raise AssertionError("evaluated")

    registry = Registry()
    registry.register(make(Lazy))
    assert registry.implements("triage", "classify")


def test_a_marked_method_that_names_no_hook() -> None:
    class Misspelt(Plugin):
        @hook
        def igest(self, event: RawEvent) -> Ingested:
            return Ingested(inbounds=())

    text = refusal(Misspelt)
    assert text.startswith("plugin triage (")
    assert "Misspelt): igest: " in text
    assert text.endswith("did you mean ingest?")


def test_an_override_without_the_marker() -> None:
    class Unmarked(Classifier):
        async def classify(self, request: Classify) -> Labels | None:
            return None

    assert "classify: has the name of a hook without its marker; add @hook" in refusal(Unmarked)


def test_an_attribute_in_the_place_of_a_hook() -> None:
    class Attribute(Plugin):
        reply = None  # type: ignore[assignment]  # the mistake under test

    assert "reply: has the name of a hook" in refusal(Attribute)


def test_the_wrong_colour_both_ways() -> None:
    class Plain(Plugin):
        @hook
        def review(self, draft: Draft) -> Findings | None:  # type: ignore[override]  # the mistake
            return None

        @hook
        async def ingest(self, event: RawEvent) -> Ingested:  # type: ignore[override]  # the mistake
            return Ingested(inbounds=())

    text = refusal(Plain)
    assert "review: must be `async def`" in text
    assert "ingest: must be a plain `def`" in text


def yielding(self: Any, event: Any) -> Any:
    yield


TAKES = "must take (self, event), without defaults"
WRAPS = "wrapper, hookwrapper and specname are not supported"


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (hook(lambda self, event=None: None), TAKES),
        (hook(lambda self, raw: None), TAKES),
        (hook(lambda self, event, other: None), TAKES),
        (hook(lambda self: None), TAKES),
        (hook(lambda self, *, event: None), TAKES),
        (hook(lambda *args: None), TAKES),
        (hook(yielding), "yields; return the record instead"),
        (hook(lambda self, event: None, wrapper=True), WRAPS),
        (hook(lambda self, event: None, hookwrapper=True), WRAPS),
        (hook(lambda self, event: None, specname="split"), WRAPS),
        (staticmethod(hook(lambda self, event: None)), "must be a plain method"),
        (
            pluggy.HookspecMarker("channelmix")(lambda self, event: None, historic=True),
            "specifies a hook (historic or not)",
        ),
    ],
)
def test_shapes_that_are_refused(member: object, text: str) -> None:
    odd = type("Odd", (Plugin,), {"ingest": member})
    assert f"plugin triage (Odd): ingest: {text}" in refusal(odd)


@pytest.mark.parametrize("decorate", [attrs.define, attrs.frozen, attrs.define(unsafe_hash=True)])
def test_comparing_by_value_is_refused(decorate: Any) -> None:
    class Equal(Classifier):
        pass

    assert "declare the class with @attrs.define(eq=False)" in refusal(decorate(Equal))


def test_a_plugin_of_attrs_with_its_own_fields_is_welcome() -> None:
    @attrs.define(eq=False, kw_only=True)
    class Counting(Classifier):
        seen: int = 0

    registry = Registry()
    registry.register(make(Counting))
    assert registry.implements("triage", "classify")


def test_a_refused_plugin_leaves_the_others_alone() -> None:
    registry = Registry()
    registry.register(make(Classifier))
    with pytest.raises(RegistrationError, match="there is a plugin of that name already"):
        registry.register(make(Eager))
    plugin = cast("Plugin", registry.get("triage"))
    plugin.name = "renamed"
    with pytest.raises(RegistrationError, match="already"):
        registry.register(plugin)
    with pytest.raises(RegistrationError, match="is no instance"):
        registry.register(cast("Plugin", Classifier))
    assert [one.plugin_name for one in registry.implementations("classify")] == ["triage"]


def test_two_registries_know_nothing_of_each_other() -> None:
    one, other = Registry(), Registry()
    plugin = make(Classifier)
    one.register(plugin)
    assert other.get("triage") is None
    other.register(plugin)
