"""Which plugins take part, and in which order: pluggy, with a strict door.

pluggy accepts a misspelt hook, a forgotten marker, a wrapper and the wrong colour in silence.
Here each of them is refused at registration, with plugin, method and remedy named.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pluggy

from channelmix.errors import RegistrationError
from channelmix.hints import did_you_mean
from channelmix.hookspecs import PROJECT, Hooks, Plugin

_IMPL = f"{PROJECT}_impl"
_SPEC = f"{PROJECT}_spec"

HOOKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {name: method for name, method in vars(Hooks).items() if hasattr(method, _SPEC)}
)
"""Every hook by name, as `hookspecs.Hooks` specifies it."""

Implementations = Sequence[pluggy.HookImpl]


class Registry:
    """The plugins of one desk."""

    def __init__(self) -> None:
        self._manager = _Manager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        self._plugins: dict[str, Plugin] = {}
        self._cache: dict[str, tuple[Implementations, Mapping[str, pluggy.HookImpl]]] = {}

    def register(self, plugin: Plugin) -> None:
        """Let `plugin` take part, under its name, after all that are registered already.

        Raises: `RegistrationError` with everything that is wrong; nothing is registered then.
        """
        if not isinstance(plugin, Plugin):
            raise RegistrationError(f"{plugin!r} is no instance of channelmix.Plugin")
        who = f"plugin {plugin.name} ({type(plugin).__qualname__})"
        if self.get(plugin.name) is not None or self._manager.is_registered(plugin):
            raise RegistrationError(f"{who}: there is a plugin of that name already; rename one")
        # All is checked before pluggy sees it: it would leave a plugin half registered.
        if mistakes := list(_mistakes(plugin)):
            raise RegistrationError(f"{who}: {'; '.join(mistakes)}")
        self._manager.register(plugin, plugin.name)
        self._plugins[plugin.name] = plugin
        self._cache.clear()

    def unregister(self, plugin_name: str) -> None:
        """Take a plugin out with all its hooks; nothing happens if there is none."""
        if self._plugins.pop(plugin_name, None) is not None:
            self._manager.unregister(name=plugin_name)
        self._cache.clear()

    def get(self, plugin_name: str) -> Plugin | None:
        """Return the plugin of that name, None if there is none."""
        return self._plugins.get(plugin_name)

    def implementations(self, hook_name: str) -> Implementations:
        """Return who implements a hook, first to be called first.

        In the order of registration, but before the others what is marked `tryfirst`, and after
        them what is marked `trylast`.
        """
        return self._of(hook_name)[0]

    def implementation(self, plugin_name: str, hook_name: str) -> pluggy.HookImpl | None:
        """Return what the plugin of that name implements a hook with, None if it does not."""
        return self._of(hook_name)[1].get(plugin_name)

    def implements(self, plugin_name: str, hook_name: str) -> bool:
        """Say whether a plugin of that name is here and implements the hook."""
        return plugin_name in self._of(hook_name)[1]

    def _of(self, hook_name: str) -> tuple[Implementations, Mapping[str, pluggy.HookImpl]]:
        """Return who implements a hook, in order and by name; worked out once."""
        if hook_name not in self._cache:
            ordered = self._ordered(hook_name)
            self._cache[hook_name] = ordered, {one.plugin_name: one for one in ordered}
        return self._cache[hook_name]

    def _ordered(self, hook_name: str) -> Implementations:
        # pluggy calls the last registered first; its lists are sorted anew rather than reversed,
        # which would turn round those that share a rank as well.
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook_name)
        order = [name for name, _ in self._manager.list_name_plugin()]
        return tuple(
            sorted(
                caller.get_hookimpls(),
                key=lambda one: (one.trylast - one.tryfirst, order.index(one.plugin_name)),
            )
        )


class _Manager(pluggy.PluginManager):
    """Looks at the class instead of the instance, so that no property runs while registering."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        if getattr(inspect.getattr_static(type(plugin), name, None), _IMPL, None) is None:
            return None
        return super().parse_hookimpl_opts(plugin, name)


def _mistakes(plugin: Plugin) -> Iterator[str]:
    cls = type(plugin)
    if cls.__eq__ is not object.__eq__ or cls.__hash__ is not object.__hash__:
        yield "it compares by value; declare the class with @attrs.define(eq=False)"
    for name in dir(plugin):
        if wrong := _wrong(name, inspect.getattr_static(plugin, name, None)):
            yield f"{name}: {wrong}"


def _wrong(name: str, member: object) -> str | None:
    """Say what is wrong with one attribute of a plugin, None if nothing is."""
    if member is vars(Hooks).get(name):
        return None
    inside = getattr(member, "__func__", member)  # of a static or class method
    options: dict[str, Any] | None = getattr(inside, _IMPL, None)
    if options is None:
        return _unmarked(name, member)
    if name not in HOOKS:
        return f"marked with @hook, but there is no hook of that name{did_you_mean(name, HOOKS)}"
    if options["wrapper"] or options["hookwrapper"] or options["specname"]:
        return "wrapper, hookwrapper and specname are not supported; use plain @hook"
    if not inspect.isfunction(member):
        return "must be a plain method, not a static, class or other one"
    return _wrong_shape(HOOKS[name], member)


def _unmarked(name: str, member: object) -> str | None:
    if hasattr(member, _SPEC):
        return "specifies a hook (historic or not), which only the core does; use @hook"
    if name in HOOKS:
        return "has the name of a hook without its marker; add @hook or rename it"
    return None


def _wrong_shape(spec: Callable[..., Any], method: Callable[..., Any]) -> str | None:
    if inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method):
        return "yields; return the record instead"
    if inspect.iscoroutinefunction(spec) and not inspect.iscoroutinefunction(method):
        return "must be `async def`"
    if inspect.iscoroutinefunction(method) and not inspect.iscoroutinefunction(spec):
        return "must be a plain `def`: this hook is pure and never waits"
    wanted = list(inspect.signature(spec).parameters)
    if _arguments(method) != wanted:
        return f"must take ({', '.join(wanted)}), without defaults"
    return None


def _arguments(method: Callable[..., Any]) -> list[str]:
    """Name the arguments that can be passed by position and have no default; others spoil it."""
    return [
        one.name
        if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty
        else f"{one}?"
        for one in inspect.signature(method).parameters.values()
    ]
