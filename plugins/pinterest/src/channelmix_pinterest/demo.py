"""Pinterest's part in `channelmix demo`: an account with pins, and counts that rise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from attrs import define, field
from channelmix.demo import Facts
from channelmix.demo.polled import Act, PolledDemo

from channelmix_pinterest.simulator import Pin, PinterestSimulator

CHANNEL = "pins"
TITLES = (
    "Zählerschrank aufräumen, aber sicher",
    "Regenwasser für den Garten",
    "Five ways to save warm water",
    "Heizung entlüften in vier Schritten",
)


@define(eq=False, kw_only=True)
class PinterestDemo(PolledDemo):
    """An account whose pins are commented on, which only their counts tell."""

    name: ClassVar[str] = "pinterest"
    sim: PinterestSimulator = field(init=False)
    _pins: list[Pin] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.sim = PinterestSimulator(clock=self.clock)

    def sections(self, url: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Return one account that is an app of its own."""
        account = {
            "api_url": url,
            "username": self.sim.account,
            "client_id": self.sim.client_id,
            "client_secret": self.sim.client_secret,
            "access_token": self.sim.token(),
            "board": "900001",
        }
        return {"channels": {CHANNEL: account}}

    def choose(self) -> Act:
        """Choose what happens next."""
        if not self._pins:
            return self._pin
        return self.random.choice([self._comment] * 4 + [self._react] * 3 + [self._pin, self._drop])

    def _pin(self) -> None:
        title = TITLES[len(self._pins) % len(TITLES)]
        self._pins.append(self.sim.pin(title, media=len(self._pins) % 4 != 1))

    def _comment(self) -> None:
        self.sim.comment(self.random.choice(self._pins), self.random.choice((1, 1, 2, 5)))

    def _react(self) -> None:
        self.sim.react(self.random.choice(self._pins), self.random.choice((1, 3, 12)))

    def _drop(self) -> None:
        """Let somebody delete what they wrote."""
        self.sim.comment(self.random.choice(self._pins), -1)

    def facts(self) -> Facts:
        """Say what the account itself told: each time a count was higher than the time before."""
        said = frozenset(self._rises())
        return Facts(told=0, repeated=0, said=said, silent=said, replies=())

    def _rises(self) -> Iterator[str]:
        before: dict[str, int] = {}
        rises: dict[str, int] = {}
        lists = [one for one in self.sim.sent if "pin_metrics" in one.request.query]
        for number, arrival in enumerate(lists):
            for item in arrival.answer.body.get("items", ()) if arrival.answer else ():
                pin, count = item["id"], item["pin_metrics"]["lifetime_metrics"]["comment"]
                # What the very first list shows is where the desk begins.
                if count > before.get(pin, count if number == 0 else 0):
                    rises[pin] = rises.get(pin, 0) + 1
                    yield f"{pin}:comments:{rises[pin]}"
                before[pin] = count
