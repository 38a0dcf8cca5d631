from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from channelmix import config, probe


def plugins(*names: str) -> str:
    return "".join(f"[plugins.{name}]\n" for name in names)


async def broken(folder: Path, seconds: float = 60) -> dict[str, str]:
    return await probe.broken(folder / "channelmix.toml", seconds=seconds)


async def test_imports_that_exit_or_crash_are_named_and_the_rest_is_not(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more=plugins("leaving", "crashing", "failing", "quitting", "meddler"))
    found = await broken(folder)
    assert set(found) == {"leaving", "crashing"}
    assert "leaving_import:Anything of invented-networks 1.0 exits" in found["leaving"]
    assert "SIGSEGV" in found["crashing"]


async def test_an_import_that_hangs_is_given_up(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more=plugins("frozen", "leaving"))
    found = await broken(folder, seconds=3)
    assert "frozen_import:Anything of invented-networks 1.0 takes longer" in found["frozen"]
    assert "leaving" in found


async def test_what_is_not_enabled_is_not_imported(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more="[plugins.leaving]\nenabled = false\n")
    assert await broken(folder) == {}


@pytest.mark.parametrize("text", ["", "channels = 7", "[channels]\nx = 1", "[plugins.x]\nplugin=1"])
async def test_a_wrong_configuration_is_told_by_others(folder: Path, text: str) -> None:
    (folder / "channelmix.toml").write_text(text)
    assert await broken(folder) == {}


async def test_what_is_broken_is_left_out_and_the_rest_goes_on(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more=plugins("leaving", "failing", "quitting"))
    settings = config.load(folder / "channelmix.toml", broken=await broken(folder))
    assert set(settings.unavailable) == {"leaving", "failing", "quitting"}
    assert "exits while it is imported" in settings.unavailable["leaving"]
    assert set(settings.channels) == {"calm"}
