"""A new plugin, written from templates: it passes the kit's first levels as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from channelmix import __version__
from channelmix.errors import Refused

FILES = Path(__file__).parent / "files"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@frozen(kw_only=True)
class Plan:
    """What the new plugin is called and does."""

    name: str
    """Lower case, words joined by `-`: `town-square`."""
    owner: str
    push: bool = False
    poll: bool = False
    reply: bool = False

    @property
    def package(self) -> str:
        """The name of its Python package."""
        return f"channelmix_{self.name.replace('-', '_')}"

    def values(self) -> Mapping[str, Any]:
        """Everything that the templates may name."""
        words = self.name.split("-")
        return {
            "name": self.name,
            "network": "_".join(words),
            "package": self.package,
            "cls": "".join(word.capitalize() for word in words),
            "title": " ".join(word.capitalize() for word in words),
            "owner": self.owner,
            "year": datetime.now(UTC).year,
            "push": self.push,
            "poll": self.poll,
            "reply": self.reply,
            "calls": self.poll or self.reply,
            "simulated": self.push or self.poll or self.reply,
            **_versions(),
        }

    def leaves_out(self) -> set[str]:
        """Name the files that a plugin of this kind has no use for."""
        needed = {
            "signing.py": self.push,
            "client.py": self.poll or self.reply,
            "replies.py": self.reply,
            "simulator.py": self.push or self.poll or self.reply,
            "own.py": self.push or self.poll,
        }
        return {file for file, wanted in needed.items() if not wanted}


def _versions() -> Mapping[str, str]:
    major, minor = (int(part) for part in __version__.split(".")[:2])
    return {"version": f"{major}.{minor}", "next_version": f"{major}.{minor + 1}"}


def write(plan: Plan, folder: Path) -> list[Path]:
    """Write the new distribution into `folder`, and return its files.

    Raises: `Refused` for a name that cannot be one, for a folder that is not empty, and where the
    template library is not installed.
    """
    if not NAME.fullmatch(plan.name):
        raise Refused(f"{plan.name}: use lower case letters and digits, like town-square")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is there already, and not empty")
    try:
        import jinja2  # noqa: PLC0415 - only who writes plugins needs it
    except ModuleNotFoundError:
        raise Refused('this needs more: pip install "channelmix[testing]"') from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes Python and Markdown, no HTML
    )
    values = plan.values()
    return [
        _write(folder / _target(plan, name), environment.get_template(name).render(values))
        for name in environment.list_templates()
        if Path(name).stem not in plan.leaves_out()
    ]


def _target(plan: Plan, template: str) -> str:
    renamed = template.removesuffix(".jinja").replace("src/package", f"src/{plan.package}")
    renamed = renamed.replace("tests/own", f"tests/test_{plan.package}")
    return renamed.replace("tests/conformance", f"tests/test_{plan.package}_conformance")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
