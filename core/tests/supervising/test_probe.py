from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from channelmix import config, probe


def plugins(*names: str) -> str:
    return "".join(f"[plugins.{name}]\n" for name in names)


async def broken(folder: Path, seconds: float = 60) -> dict[str, str]:
    return await probe.broken(folder / "channelmix.toml", seconds=seconds)


@pytest.mark.slow
async def test_imports_that_exit_or_crash_are_named_and_the_rest_is_not(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more=plugins("leaving", "crashing", "failing", "quitting", "meddler"))
    found = await broken(folder)
    assert set(found) == {"leaving", "crashing"}
    assert "leaving_import:Anything of invented-networks 1.0 exits" in found["leaving"]
    assert "SIGSEGV" in found["crashing"]


@pytest.mark.slow
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


# --- commands other than `run` ---------------------------------------------------------------

IMPATIENT = "from channelmix import cli, probe; probe.SECONDS = 15; cli.main()"
"""Patient enough for a good import on a busy machine."""


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call a command as the shell would, but for how long an import may take."""
    words = (sys.executable, "-c", IMPATIENT, *words)
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "broken", "why"),
    [
        (("tickets",), "leaving", "exits while it is imported (with 0)"),
        (("check",), "crashing", "crashes while it is imported (SIGSEGV)"),
        (("channels",), "frozen", "takes longer than 15 s to import"),
    ],
)
def test_a_command_survives_an_import_and_the_rest_goes_on(
    folder: Path, configure: Callable[..., None], words: tuple[str, ...], broken: str, why: str
) -> None:
    configure(more=plugins(broken))
    done = command(folder, *words)
    told = [line for line in done.stderr.splitlines() if why in line]
    where = f"{broken}_import:Anything of invented-networks 1.0 {why}: it is left out"
    assert told == [where], done
    assert done.stdout
    assert done.returncode == (1 if words == ("check",) else 0)


@pytest.mark.slow
def test_all_that_break_are_left_out_and_no_other(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure(more=plugins("leaving", "crashing", "frozen", "failing"))
    done = command(folder, "channels", "--json")
    assert [one["name"] for one in json.loads(done.stdout)] == ["calm"]
    assert len(done.stderr.splitlines()) == 3
    assert done.returncode == 0


@pytest.mark.slow
def test_a_dry_run_of_what_cannot_be_imported_says_so(
    folder: Path, configure: Callable[..., None]
) -> None:
    configure()
    (folder / "payload.json").write_text("[]")
    done = command(folder, "ingest", "leaving", "payload.json")
    assert done.returncode == 1
    assert "leaving_import:Anything of invented-networks 1.0 exits" in done.stderr
    assert command(folder, "ingest", "calm", "payload.json").returncode == 0


@pytest.mark.slow
def test_a_command_ends_as_its_copy_does(folder: Path, configure: Callable[..., None]) -> None:
    configure()
    done = command(folder, "show", "4711")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    done = command(folder, "schema")
    assert "calm" in done.stdout
    assert "leaving_import" in done.stderr
