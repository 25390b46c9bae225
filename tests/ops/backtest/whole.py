"""Every strategy over all recorded runs, too long for a test: `python -m tests.ops.backtest.whole [--workers N]`.

Exit code 0 when nothing was breached, every figure agrees with its plain recomputation, and each passive strategy was
filled in at least FILLED_IN_MIN recordings.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from kalshi.simulator.queue_model import QueueModel
from ops.backtest.command import backtest
from ops.backtest.figures import Figures, figures
from ops.backtest.report import summary
from ops.backtest.strategies import NOT_JUDGED
from ops.backtest.trace import read_trace
from ops.settings import Settings
from supervisor import build_tree
from tests.kalshi.recordings import BTC15M
from tests.ops.backtest.test_real_long import assert_recomputed

FILLED_IN_MIN: Final = 10


def main() -> int:
    """Runs all, and checks what the traces say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if not BTC15M:
        print("the recorded data is not beside this repository: nothing was run")
        return 0
    with tempfile.TemporaryDirectory(prefix="backtest-") as folder:
        code = backtest(
            BTC15M,
            strategies="all",
            queue_model=QueueModel.RISK_AVERSE,
            category="Crypto",
            workers=arguments.workers,
            out=Path(folder),
            settings=Settings(),
            build_tree=build_tree,
        )
        return code or check(Path(folder))


def check(folder: Path) -> int:
    """Returns 0 where the traces in a folder hold what must hold; says what does not."""
    by_strategy: dict[str, list[Figures]] = {}
    for path in sorted(folder.glob("*.trace.jsonl")):
        trace = read_trace(path)
        assert_recomputed(trace)
        found = figures(trace)
        by_strategy.setdefault(found.strategy, []).append(found)
    few = [
        f"{strategy} was filled in {filled_in} recordings only"
        for strategy, of_one in by_strategy.items()
        if strategy not in NOT_JUDGED and (filled_in := summary(of_one).filled_in) < FILLED_IN_MIN
    ]
    print("\n".join([f"{sum(map(len, by_strategy.values()))} traces recomputed: their figures agree", *few]))
    return 1 if few else 0


if __name__ == "__main__":
    sys.exit(main())
