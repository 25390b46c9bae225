"""Writes fills until it is killed, and says after each batch what was acknowledged: `python -m ... FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from actors.runtime.ledger_store.store import LedgerStore
from tests.actors.runtime.ledger_store.builders import alert, fill

BATCH = 7

if __name__ == "__main__":
    store = LedgerStore(Path(sys.argv[1]))
    while True:  # ends by SIGKILL
        first = store.last_seq
        store.record_fills(tuple((fill(first + n), "rest") for n in range(BATCH)))
        store.record_rows((alert(store.last_seq),))
        store.upkeep(0)
        sys.stdout.write(f"{store.last_seq}\n")
        sys.stdout.flush()
