"""Level 4, *well kept*: others can install it, run it, and remove it again."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from channelmix.structuring import field_names
from channelmix.testing.conformance import quality
from channelmix.testing.conformance.needs import source_folder
from channelmix.testing.conformance.registry import check
from channelmix.testing.conformance.subject import Subject

_SECTIONS = {
    "set-up": r"set-?\s?up|install|getting started",
    "permissions": r"permission|scope|access",
    "limits": r"limit",
    "removal": r"remov|uninstall",
}
"""What a README has to say, and by which words it is found."""
_LEAD = r"^(?:#+ .*|\s*(?:\d+\.|[-*])?\s*\*\*[^*]*|\|[^|]*)(?:{})"
"""A heading, or the words in bold with which a paragraph begins, or the first cell of a row."""


def _has_mypy(_: Subject) -> str | None:
    return None if find_spec("mypy") else "mypy is not installed"


@check(source_folder, _has_mypy, since="0.1")
def c401_its_types_are_strict(subject: Subject) -> Iterator[str]:
    """`mypy --strict` finds nothing in the package, and the package says that it is typed.

    Put an empty `py.typed` beside `__init__.py`. Types find a misspelt hook, a missing await and a
    None that nobody expected before a customer does. An exception (`type: ignore[code]`) has its
    reason beside it.
    """
    package = _package(subject)
    if not (package / "py.typed").is_file():
        yield f"{package.name}/py.typed is missing"
    for path in sorted(package.rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.search(r"#\s*type:\s*ignore(?!\[[a-z, -]+\]\s+#\s*\w)", line):
                yield f"{path.name}:{number}: `type: ignore` without its code and its reason"
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(package)]
    done = subprocess.run(  # noqa: S603 - our own interpreter, on the package's own folder
        command, cwd=_folder(subject), capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield from (done.stdout or done.stderr).splitlines()


@check(source_folder, since="0.1")
def c402_its_readme_says_how(subject: Subject) -> Iterator[str]:
    """The README tells of set-up, permissions, limits and removal, and of every setting.

    Write for a person who has the network's account and no idea of its API: which app to create,
    which permissions to ask for, what the network does not allow, and how to take it out again.
    """
    path = _folder(subject) / "README.md"
    if not path.is_file():
        yield "there is no README.md"
        return
    text = path.read_text("utf-8")
    for name, words in _SECTIONS.items():
        if not re.search(_LEAD.format(words), text, re.IGNORECASE | re.MULTILINE):
            yield f"README.md has no heading for {name}"
    configs = (subject.plugin.Config, subject.network.App if subject.network else None)
    for key in sorted(set().union(*map(field_names, configs))):
        if f"`{key}`" not in text and f"{key} =" not in text:
            yield f"README.md does not name the setting `{key}`"


@check(source_folder, since="0.1")
def c403_its_changes_are_told(subject: Subject) -> Iterator[str]:
    """A changelog says what is new, version by version.

    `CHANGELOG.md` has a heading for each version and, above them, `## [Unreleased]`; below a
    heading stands what a user would notice.
    """
    path = _folder(subject) / "CHANGELOG.md"
    if not path.is_file():
        yield "there is no CHANGELOG.md"
        return
    parts = re.split(r"^## ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    if not parts:
        yield "CHANGELOG.md has no heading of a version, nor `## [Unreleased]`"
    elif not any(re.search(r"^\s*[-*] \S", part, re.MULTILINE) for part in parts):
        yield "CHANGELOG.md says nothing below its headings"


@check(source_folder, since="0.1")
def c404_its_quality_is_known(subject: Subject) -> Iterator[str]:
    """`quality.toml` says of each rule whether it is done, to be done, or does not apply, and why.

    The rules and the format stand in `channelmix.testing.conformance.quality`. `todo` is no shame:
    who installs the package sees what to expect. A file that `where` names has to be there.
    """
    yield from quality.problems(subject, _folder(subject))


@check(source_folder, since="0.1")
def c405_somebody_answers_for_it(subject: Subject) -> Iterator[str]:
    """The package has an owner.

    `owner = "..."` in `quality.toml` says who, and the metadata has `authors` or `maintainers`: a
    network changes, and somebody has to be told.
    """
    said = _toml(_folder(subject) / quality.FILE)
    if not str(said.get("owner", "")).strip():
        yield f'{quality.FILE} has no `owner = "..."`'
    project = _project(subject)
    if not project.get("authors") and not project.get("maintainers"):
        yield "pyproject.toml names neither authors nor maintainers"


@check(source_folder, since="0.1")
def c406_it_can_be_installed_beside_others(subject: Subject) -> Iterator[str]:
    """Its metadata asks for ranges, never for one version, and has licence and Python version.

    Two plugins that each pin the same library with `==` cannot be installed together. Ask for
    `channelmix` from the version you need to the next that may break you (`>=0.1,<0.2`).
    """
    project = _project(subject)
    wanted = [str(one) for one in project.get("dependencies", [])]
    for one in wanted:
        if re.search(r"(?<![<>!~])==", one):
            yield f"pyproject.toml pins {one}: ask for a range"
    core = [one for one in wanted if re.match(r"channelmix\s*(\[.*\])?\s*[<>=~!]", one)]
    if not core or "<" not in core[0]:
        yield "pyproject.toml asks for no range of channelmix, like `channelmix>=0.1,<0.2`"
    for key in ("license", "requires-python", "readme", "description"):
        if key not in project:
            yield f"pyproject.toml has no {key}"


def _folder(subject: Subject) -> Path:
    if subject.folder is None:
        raise TypeError("there is no source folder")
    return subject.folder


def _package(subject: Subject) -> Path:
    """Return the folder of the package that holds the class: its source, if it was copied.

    A type checker refuses to be pointed into a folder of installed packages.
    """
    name = subject.plugin.__module__.partition(".")[0]
    source = _folder(subject) / "src" / name
    return source if source.is_dir() else Path(str(sys.modules[name].__file__)).parent


def _project(subject: Subject) -> dict[str, Any]:
    found = _toml(_folder(subject) / "pyproject.toml").get("project", {})
    return found if isinstance(found, dict) else {}


def _toml(path: Path) -> dict[str, Any]:
    """Read a file; one that is not there or not TOML is empty, and another check tells of it."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
