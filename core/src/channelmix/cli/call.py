"""What the options before the command say."""

from __future__ import annotations

from pathlib import Path

from attrs import define


@define(kw_only=True)
class Call:
    """One call of the command line."""

    config: Path = Path("channelmix.toml")
    named: bool = False
    """The configuration was named; if not, a command may do without one."""
    debug: bool = False
