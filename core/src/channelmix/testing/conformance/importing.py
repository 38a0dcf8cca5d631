"""Import one module in a process of its own: offline, and with a look at the clock."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter, process_time

CPU = 2.0
"""Seconds of work that an import may take, beyond what channelmix and httpx take themselves."""
WAIT = 5.0
"""Seconds that it may do nothing; on a busy machine it may look as if it did."""
_CODE = "import sys; from channelmix.testing.conformance.importing import main; main(*sys.argv[1:])"


def problem(module: str) -> str | None:
    """Say what is wrong with importing `module`, None if nothing is."""
    command = [sys.executable, "-c", _CODE, module]
    path = [one for one in sys.path if one]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, with a module's name
            command,
            env=_environment(path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CPU + WAIT + 20,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"importing {module} does not end"
    told, end, rest = done.stdout.rpartition("\n|")
    if not end:
        why = (done.stderr.strip().splitlines() or [f"with code {done.returncode}"])[-1]
        return f"importing {module} exits: {why}"
    if told.strip():
        return f"importing {module} prints: {told.strip().splitlines()[0]}"
    return rest.strip() or None


def _environment(path: list[str]) -> dict[str, str]:
    import os  # noqa: PLC0415 - only here

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


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
