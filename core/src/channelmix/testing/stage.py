"""One plugin on a stage, for tests of your own: lent all it needs, and asked as the core asks.

    async with on_stage(StatusPage, CONFIG, StatusPageSimulator) as stage:
        question = await stage.heard(Kind.COMMENT, "Where is my parcel?")
        await stage.answered(question, "Under way.")
        [echo] = await stage.came()  # our own answer, as the network shows it

It needs no desk and no store; both roads end in what `ingest` says.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from attrs import define, field

from channelmix.hookspecs import Plugin
from channelmix.records import Action, Inbound, Kind, Message, Outgoing, Receipt
from channelmix.testing.clock import FakeClock
from channelmix.testing.conformance import replying
from channelmix.testing.conformance.subject import Living, Subject
from channelmix.testing.conformance.suite import Conformance
from channelmix.testing.lent import MemoryBudget, MemoryVault
from channelmix.testing.simulator import Simulator

__all__ = ["Stage", "on_stage"]


@define(eq=False)
class Stage:
    """A plugin that is open, and the simulated network that it talks to."""

    _subject: Subject = field(repr=False)
    _living: Living
    _cursors: dict[str, Any] = field(factory=dict)
    _known: list[Inbound] = field(factory=list)
    _answers: int = 0

    @property
    def plugin(self) -> Any:
        """The instance. Its hooks can be called, too; `ask` guards them as the core does."""
        return self._living.plugin

    @property
    def sim(self) -> Any:
        """The simulated network, None where none was named."""
        return self._living.sim

    @property
    def clock(self) -> FakeClock:
        """The clock of both: it stands still until it is turned."""
        return self._living.clock

    @property
    def vault(self) -> MemoryVault:
        """The channel's secrets; what the simulator's `vault` says is in it."""
        return self._living.vault

    @property
    def budget(self) -> MemoryBudget:
        """What its calls cost so far."""
        return self._living.budget

    @property
    def held(self) -> Sequence[str]:
        """Why the plugin held the pace of its app (`services.pace`), once for each time."""
        return [reason for _, reason, _ in self._living.brake.holds]

    @property
    def logged(self) -> Sequence[Mapping[str, Any]]:
        """Every line that the plugin logged, its secrets unmasked."""
        return self._living.logged

    async def ask(self, hook: str, request: object) -> Any:
        """Call a hook with its record, as the core does.

        Raises: what the hook raises of `channelmix.errors`; `PluginFault` for anything else, and
        where it returns something that is not its record.
        """
        return await self._living.ask(hook, request)

    async def came(self) -> list[Inbound]:
        """Take in what is new: what webhooks tell, and what every poll finds from its cursor on.

        What came before, or by both roads, is told once. Raises: as `ask`.
        """
        new: list[Inbound] = []
        for one in await replying.inbounds(self._subject, self._living, self._cursors):
            if one not in self._known:
                self._known.append(one)
                new.append(one)
        return new

    async def heard(self, kind: Kind, text: str) -> Message:
        """Let a simulated customer say something, and take it in by the plugin's own road.

        What else is new is taken in with it. Raises: as `ask`; `LookupError` if it does not come.
        """
        said = self.sim.customer(kind, text)
        for one in await self.came():
            if isinstance(one, Message) and one.id == said:
                return one
        raise LookupError(f"what was said ({kind} {said}) does not come, by webhook or by poll")

    def outgoing(self, target: Message | None, text: str = "", **more: Any) -> Outgoing:
        """Make one part of an action, as the outbox hands it to `reply` and `reconcile`.

        It answers `target` in private where that is a direct message, else in public; name another
        `action` in `more`, which takes every field of `Outgoing`.
        """
        self._answers += 1
        private = target is not None and target.kind is Kind.DIRECT_MESSAGE
        given = {
            "token": f"key-{self._answers}",
            "action": Action.PRIVATE_REPLY if private else Action.PUBLIC_REPLY,
            "window_opened_at": target.sent_at if target else None,
            "first_sent_at": self.clock.now(),
        }
        return Outgoing(channel=self.plugin.name, target=target, text=text, **given | more)

    async def answered(self, target: Message | None, text: str = "", **more: Any) -> Receipt:
        """Carry out what `outgoing` makes of the same arguments. Raises: as `ask`."""
        receipt: Receipt = await self.ask("reply", self.outgoing(target, text, **more))
        return receipt


@contextlib.asynccontextmanager
async def on_stage(
    plugin: type[Plugin],
    config: Mapping[str, Any],
    simulator: type[Simulator] | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """Make one plugin as the core does, open it, and close it at the end.

    `config` is a good section, as the suite's `config` is. Over it lie the simulator's `section`
    and, last, `changes` (None leaves a key out). Webhooks wait in the simulator until `came`.
    Without a simulator, requests go where the plugin sends them.

    Raises: `ConfigError`, and what `open` raises.
    """
    given = {"plugin": plugin, "config": config, "simulator": simulator}
    subject = Subject(type("OnStage", (Conformance,), given))
    alone = subject.living(**changes)
    async with alone if simulator is None else subject.stage(**changes) as living:
        yield Stage(subject, living)
