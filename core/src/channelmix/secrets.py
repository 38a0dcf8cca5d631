"""A value that never prints."""
# ruff: noqa: D105 - Python itself says what these methods are for

from __future__ import annotations

import hmac
from typing import NoReturn

MASK = "***"


class Secret:
    """A password or a token: shown as `***` wherever it turns up, read with `reveal()`.

    It is no attrs record and has no `__dict__`, so that no encoder takes it apart.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. Hand it to the network and to nothing else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: it would leave the process readable")


def _bytes(secret: Secret) -> bytes:
    # An environment variable may hold bytes that are no UTF-8; Python keeps them as surrogates.
    return secret.reveal().encode("utf-8", "surrogatepass")
