"""How long the simulator takes from its command to the line that says that it serves: `python -m ops.bench_start`.

Each start is a process of its own with free ports, keys of its own and the default catalogue. The processor's time
is shown beside the wall's, because it changes less on a busy machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import attrs

from kalshi.signing import generate_key_pair

ROUNDS: Final = 5
START_S_MAX: Final = 2.0
_ROOT: Final = Path(__file__).resolve().parent.parent


@attrs.frozen(kw_only=True)
class Start:
    """One start, in seconds: until the ready line, and what the process had used of a processor by its end."""

    ready_s: float
    processor_s: float


def measure_start(rounds: int = ROUNDS) -> list[Start]:
    """Returns that many starts of `python -m kalshi.simulator`, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        public_key = Path(folder) / "public.pem"
        public_key.write_bytes(generate_key_pair("ed25519")[1])
        return [_start(public_key) for _ in range(rounds)]


def _start(public_key: Path) -> Start:
    command = [sys.executable, "-m", "kalshi.simulator", "--public-key", str(public_key)]
    began_s = time.perf_counter()
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    ready_s = time.perf_counter() - began_s
    process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if b'"ready"' not in line:
        raise RuntimeError("the simulator did not start")
    return Start(ready_s=ready_s, processor_s=usage.ru_utime + usage.ru_stime)


def report_start(starts: list[Start]) -> list[str]:
    """Returns the lines to print about starts."""
    ready_s = statistics.median(start.ready_s for start in starts)
    processor_s = statistics.median(start.processor_s for start in starts)
    verdict = "within" if ready_s < START_S_MAX else "OVER"
    took = f"{ready_s:.2f} s until it serves ({processor_s:.2f} s of a processor)"
    return [f"start of the simulator, median of {len(starts)}: {took}, {verdict} the limit of {START_S_MAX:.0f} s"]


def main() -> None:
    print("\n".join(report_start(measure_start())))


if __name__ == "__main__":
    main()
