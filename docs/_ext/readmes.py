"""The README of every distribution as a page of its own, its links turned to the site's."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
STUBS = DOCS / "packages"
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)(#[^)]*)?\)")


def members() -> dict[str, Path]:
    """Return the folder of every distribution, by the name of its page."""
    patterns = ("core", "plugins/*", "contrib/*")
    files = [file for one in patterns for file in sorted(ROOT.glob(f"{one}/pyproject.toml"))]
    return {file.parent.name: file.parent for file in files}


def write_stubs(_: Sphinx) -> None:
    """Make a page for each README; a new distribution has one at once, a removed one none."""
    STUBS.mkdir(exist_ok=True)
    wanted = {f"{name}.md": f"<!-- generated: readme {name} -->\n" for name in members()}
    for old in STUBS.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (STUBS / name).write_text(text)


def page(name: str) -> str:
    """Return the README of one distribution."""
    folder = members()[name]
    return relinked((folder / "README.md").read_text(), written_in=folder, shown_in=STUBS)


def setup(name: str) -> str:
    """Return the section of a README that says how to set the network up.

    Raises: `LookupError` where there is none.
    """
    found = re.search(r"^## Set-up.*?(?=^## )", page(name), re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"the README of {name} has no section about its set-up")
    return found[0]


def relinked(text: str, *, written_in: Path, shown_in: Path) -> str:
    """Lead links to where their target is on the site; of those that leave it, leave the text."""
    places = {place / "README.md": STUBS / f"{name}.md" for name, place in members().items()}

    def moved(found: re.Match[str]) -> str:
        target = (written_in / found[2]).resolve()
        target = places.get(target, target)
        if not target.is_relative_to(DOCS):
            return found[1]
        return f"[{found[1]}]({os.path.relpath(target, shown_in)}{found[3] or ''})"

    return _LINK.sub(moved, text)
