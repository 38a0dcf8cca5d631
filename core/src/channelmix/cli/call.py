"""What the options before the command say."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field


@define(kw_only=True)
class Call:
    """One call of the command line."""

    config: Path = Path("channelmix.toml")
    named: bool = False
    """The configuration was named; if not, a command may do without one."""
    debug: bool = False
    apart: bool = False
    """Plugins are to be imported in a copy of this process, which then goes on."""
    broken: dict[str, str] = field(factory=dict)
    """Entry points that must not be imported, and why."""
