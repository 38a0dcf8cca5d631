from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from channelmix.discovery import installed
from channelmix.errors import PluginUnavailable
from channelmix.hookspecs import ENTRY_POINTS

Install = Callable[..., None]

GOOD = """
from channelmix import Plugin
class Good(Plugin):
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one module and one entry point where Python finds it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(
        distribution: str, entry: str, code: str, *, group: str = ENTRY_POINTS, cls: str = "Good"
    ) -> None:
        module = f"invented_{distribution}"
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry} = {module}:{cls}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def test_what_is_installed_is_named_without_importing_it(install: Install) -> None:
    install("acme", "acmenet", "raise SystemExit('imported')")
    found = installed()["acmenet"]
    assert (found.distribution, found.version) == ("acme", "1.2")
    assert (found.value, found.problem) == ("invented_acme:Good", None)
    assert "invented_acme" not in sys.modules


def test_every_call_looks_again(install: Install) -> None:
    assert "acmenet" not in installed()
    install("acme", "acmenet", GOOD)
    assert installed()["acmenet"].load().__name__ == "Good"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import there_is_no_such_module", "cannot be imported: ModuleNotFoundError"),
        ("raise ValueError('two\\nlines')", "cannot be imported: ValueError: two lines"),
        ("raise SystemExit", "cannot be imported: SystemExit"),
        ("Good = )", "cannot be imported: SyntaxError"),
        ("", "cannot be imported: AttributeError"),
        ("Good = 3", "is no subclass of channelmix.Plugin"),
    ],
)
def test_code_that_cannot_be_had(install: Install, code: str, why: str) -> None:
    install("acme", "acmenet", code)
    with pytest.raises(PluginUnavailable) as caught:
        installed()["acmenet"].load()
    assert str(caught.value).startswith(f"invented_acme:Good of acme 1.2 {why}")
    assert "\n" not in str(caught.value)


def test_two_packages_with_one_name(install: Install) -> None:
    install("acme", "net", GOOD)
    install("bolt", "net", GOOD)
    problem = installed()["net"].problem
    assert problem
    assert "acme" in problem
    assert "bolt" in problem
    with pytest.raises(PluginUnavailable, match="uninstall one of them"):
        installed()["net"].load()


@pytest.mark.parametrize("group", ["channelmix.v0", "channelmix.v2", "channelmix.v12"])
def test_other_majors_are_named_as_incompatible(install: Install, group: str) -> None:
    install("acme", "acmenet", "raise SystemExit('imported')", group=group)
    with pytest.raises(
        PluginUnavailable, match=f"acme is built for {group}, this is channelmix.v1"
    ):
        installed()["acmenet"].load()
    assert "invented_acme" not in sys.modules


def test_our_major_wins_over_others_of_the_same_name(install: Install) -> None:
    install("acme", "net", GOOD)
    install("acme2", "net", GOOD, group="channelmix.v2")
    assert installed()["net"].load().__module__ == "invented_acme"


def test_other_groups_are_not_ours(install: Install) -> None:
    install("acme", "serve", GOOD, group="channelmix.web")
    assert "serve" not in installed()
