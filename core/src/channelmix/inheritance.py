"""What a channel takes over: from the base channel, and where that says nothing from the desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import frozen

from channelmix.settings import ChannelKeys, DeskSettings, ServiceLevel


@frozen(kw_only=True)
class Inheritance:
    """Who inherits from whom in one configuration."""

    desk: DeskSettings
    levels: tuple[ServiceLevel, ...]
    keys: Mapping[str, ChannelKeys]

    def of(self, name: str) -> dict[str, Any]:
        """Return the settings of a channel that can be inherited, by name, all filled in."""
        return {
            "teams": self._first(name, "teams", ()),
            "hours": self._first(name, "hours", self.desk.hours),
            "holidays": self._first(name, "holidays", self.desk.holidays) or None,
            "service_levels": tuple(self._levels(name)),
        }

    def _line(self, name: str) -> list[str]:
        """Name who is asked, in order."""
        return [one for one in (name, self.desk.base) if one is not None and one in self.keys]

    def _first(self, name: str, key: str, fallback: Any) -> Any:
        said = (getattr(self.keys[one], key) for one in self._line(name))
        return next((value for value in said if value is not None), fallback)

    def _levels(self, name: str) -> list[ServiceLevel]:
        """Choose the service levels.

        A channel's inline list stands alone. Those of `[[service_levels]]` that name the channel
        count together with those that name none. Who has neither takes what the base has.
        """
        general = [one for one in self.levels if one.channel is None]
        for one in self._line(name):
            inline = self.keys[one].service_levels
            if inline is not None:
                return [ServiceLevel(**attrs.asdict(level, recurse=False)) for level in inline]
            if named := [level for level in self.levels if level.channel == one]:
                return [attrs.evolve(level, channel=name) for level in named] + general
        return general
