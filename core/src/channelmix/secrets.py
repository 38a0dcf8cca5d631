"""A value that never prints, and where it comes from."""
# ruff: noqa: D105 - Python itself says what these methods are for

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from attrs import field, frozen

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


@frozen(kw_only=True)
class SecretSource:
    """Where secrets come from in one reading of a file."""

    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    required: bool

    def read(self, value: object) -> Secret:
        """Turn a text, `{ env = "NAME" }` or `{ file = "path" }` into the secret it means.

        Raises: `ValueError` with one line that never holds the secret.
        """
        match value:
            case str():
                return self._filled(value, "it is empty")
            case {"env": str(name), **rest} if not rest:
                missing = f"environment variable {name} is not set"
                return self._filled(self.environ.get(name, ""), missing)
            case {"file": str(name), **rest} if not rest:
                return self._filled(self._from_file(name), f"the file {name} is empty")
        raise ValueError('write { env = "NAME" } or { file = "path" }')

    def _filled(self, value: str, missing: str) -> Secret:
        if self.required and not value:
            raise ValueError(missing)
        return Secret(value)

    def _from_file(self, name: str) -> str:
        try:
            return (self.folder / name).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            if not self.required:
                return ""
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ValueError(f"the file {name} cannot be read: {why}") from None


def _bytes(secret: Secret) -> bytes:
    # An environment variable may hold bytes that are no UTF-8; Python keeps them as surrogates.
    return secret.reveal().encode("utf-8", "surrogatepass")
