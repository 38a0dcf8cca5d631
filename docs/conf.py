"""How the documentation site is built; `make docs` does it."""

from __future__ import annotations

import sys
from pathlib import Path

import channelmix

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "channelmix"
author = "The channelmix founders"
copyright = "the channelmix founders"  # noqa: A001 - Sphinx wants this name
release = version = channelmix.__version__

extensions = ["myst_parser", "generated"]
exclude_patterns = ["**/.*"]  # what tests leave behind in the tutorial's folders
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings: list[str] = []  # none: what Sphinx doubts is an error here

html_theme = "furo"
html_title = f"channelmix {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
