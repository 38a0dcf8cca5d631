"""Import one module in a process of its own: offline, and with a look at the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter, process_time

from attrs import frozen

CPU = 2.0
"""Seconds of work that an import may take, beyond what channelmix and httpx take themselves."""
WAIT = 3.0
"""Seconds that it may do nothing; on a busy machine it may look as if it did."""
ENDS = 20.0
"""Seconds after which it is given up, long enough for a machine that is busy with other things."""
_CODE = "import sys; from channelmix.testing.conformance.importing import main; main(*sys.argv[1:])"


@frozen
class Tried:
    """What came of an import."""

    problem: str | None = None
    usable: bool = True
    """Whether it can be imported here: it ended, and went well."""


def tried(module: str) -> Tried:
    """Import `module` elsewhere, and say what is wrong with that."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, with a module's name
            [sys.executable, "-c", _CODE, module],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Tried(f"importing {module} takes longer than {ENDS:g} s", usable=False)
    told, end, rest = done.stdout.rpartition("\n|")
    if not end:
        why = (done.stderr.strip().splitlines() or [f"with code {done.returncode}"])[-1]
        return Tried(f"importing {module} exits: {why}", usable=False)
    if told.strip():
        return Tried(f"importing {module} prints: {told.strip().splitlines()[0]}")
    return Tried(rest.strip() or None, usable=" fails: " not in rest)


def main(module: str) -> None:
    """Import it, and say after a bar what was wrong."""
    # What every plugin imports has no part in its time.
    import httpx  # noqa: F401, PLC0415 - as above

    import channelmix.hookspecs  # noqa: F401, PLC0415 - as above
    from channelmix.testing.conformance.offline import offline  # noqa: PLC0415 - as above

    said = ""
    with offline() as attempts:
        work, began = process_time(), perf_counter()
        try:
            __import__(module)
        except Exception as error:  # noqa: BLE001 - it is told
            said = f"importing {module} fails: {type(error).__name__}: {error}".replace("\n", " ")
        spent, took = process_time() - work, perf_counter() - began
    if attempts:
        said = f"importing {module} tries to reach {attempts[0]}"
    elif not said and spent > CPU:
        said = f"importing {module} takes {spent:.1f} s of work, {CPU:g} at the most"
    elif not said and took - spent > WAIT:
        said = f"importing {module} waits for {took - spent:.1f} s"
    sys.stdout.write(f"\n|{said}")
    sys.stdout.flush()
