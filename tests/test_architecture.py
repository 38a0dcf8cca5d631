"""What a reviewer would otherwise have to look for by hand."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ["sqlalchemy", "alembic", "httpx", "structlog", "click", "rich", "litestar", "uvicorn"]
# Written backwards, so that this file holds none of them.
REGISTRIES = [name[::-1] for name in ("gro.ipyp", "gro.detsohnohtyp", "gro.sjmpn.yrtsiger")]
LINT_REASON = re.compile(
    r"# noqa: [A-Z]+\d+(?:[, ]+[A-Z]+\d+)* +[-#] *\w"
    r"|# type: ignore\[[a-z, -]+\] +# *[A-Za-z]{2,}"
)


def _listed(pattern: str) -> list[Path]:
    """Return the files of the repository, those not yet committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def _imports(node: ast.AST) -> Iterator[str]:
    """Name what one statement imports, down to the single name (`package.module.name`)."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, f"line {node.lineno}: a relative import"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    dotted = ".".join(parts[parts.index("src") + 1 :])
    return dotted.removesuffix(".__init__")


SOURCES = [path for path in _listed("*.py") if "src" in path.relative_to(ROOT).parts]
PARSED = {path: ast.parse(path.read_bytes()) for path in SOURCES}


def _everywhere() -> Iterator[tuple[Path, str]]:
    for path, tree in PARSED.items():
        for node in ast.walk(tree):
            yield from ((path, name) for name in _imports(node))


def _has_entry_points(package: Path) -> bool:
    project = tomllib.loads((package.parents[1] / "pyproject.toml").read_text())["project"]
    return "entry-points" in project


PACKAGES = {path for path in ROOT.glob("*/*/src/*") if path.is_dir()}
LIBRARIES = {path.name for path in PACKAGES if not _has_entry_points(path)}
"""What plugins share: distributions without an entry point, so nothing that could be enabled."""


def test_no_plugin_is_imported_by_another_distribution() -> None:
    assert LIBRARIES
    strangers = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in _everywhere()
        if name.startswith("channelmix_")
        and name.split(".")[0] not in {_module(path).split(".")[0], *LIBRARIES}
    ]
    assert not strangers


def test_the_core_and_libraries_import_no_library() -> None:
    low = {"channelmix", *LIBRARIES}
    upwards = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in _everywhere()
        if (own := _module(path).split(".")[0]) in low and name.split(".")[0] in LIBRARIES - {own}
    ]
    assert not upwards


def test_nobody_uses_a_private_name_of_the_core() -> None:
    private = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in _everywhere()
        if name.split(".")[0] == "channelmix"
        and _module(path).split(".")[0] != "channelmix"
        and re.search(r"\._(?!_)", name)
    ]
    assert not private


def test_imports_go_one_way() -> None:
    modules = {_module(path) for path in SOURCES}
    graph = {
        _module(path): {
            found
            for node in tree.body
            for name in _imports(node)
            if (found := name if name in modules else name.rpartition(".")[0]) in modules
        }
        for path, tree in PARSED.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_importing_the_package_brings_nothing_heavy() -> None:
    code = f"import sys, channelmix; print([m for m in {HEAVY} if m in sys.modules])"
    command = [sys.executable, "-I", "-c", code]
    assert subprocess.check_output(command, text=True).strip() == "[]"


@pytest.mark.slow
def test_every_lint_exception_has_a_reason() -> None:
    bare = []
    for path in _listed("*.py"):
        with tokenize.open(path) as file:
            bare += [
                f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}"
                for token in tokenize.generate_tokens(file.readline)
                if token.type == tokenize.COMMENT
                and re.search(r"#\s*(noqa|type:\s*ignore)", token.string)
                and not LINT_REASON.search(token.string)
            ]
    assert not bare


@pytest.mark.parametrize(
    ("comment", "good"),
    [
        ("# noqa: S101 - a test", True),
        ("# noqa: S101, PLR2004 - 7 is what HTTP says", True),
        ("# noqa: S101, PLR2004", False),
        ("# noqa", False),
        ("# type: ignore[misc]  # the library has no types", True),
        ("# type: ignore[misc]", False),
        ("# type: ignore", False),
    ],
)
def test_what_counts_as_a_reason(comment: str, *, good: bool) -> None:
    assert bool(LINT_REASON.search(comment)) is good


def test_every_rule_left_out_has_a_reason() -> None:
    lines = [line for path in _listed("*pyproject.toml") for line in path.read_text().splitlines()]
    codes = [line for line in lines if re.match(r'\s+"[A-Z]{1,4}\d*",', line)]
    assert codes
    assert not [line for line in codes if "  # " not in line]


def test_no_file_names_a_registry_or_a_place_on_this_machine() -> None:
    places = [f"{place}/" for place in (ROOT, Path.home()) if len(place.parts) > 1]
    forbidden = [text.encode() for text in (*REGISTRIES, *places)]
    found = [
        f"{path.relative_to(ROOT)}: {text.decode()}"
        for path in _listed("*")
        for text in forbidden
        if text in path.read_bytes()
    ]
    assert not found
