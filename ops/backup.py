"""`python supervisor.py backup FILE`: asks the running bot for a copy of its ledger, or makes it where none runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.messages.control import ControlCommand
from actors.runtime.exit_guard import ExitCode
from actors.runtime.ledger_store.backup import BackupRefused, back_up
from actors.runtime.ledger_store.database import LedgerBroken
from ops.control_server import ControlClient, ControlSocketError

ASK_DEADLINE_S: Final = 30.0  # the bot answers after 20 s at the latest
LEDGER_NAME: Final = "ledger.sqlite"


def back_up_ledger(state_folder: Path, socket: Path, target: Path, venue: str, say: Callable[[str], None]) -> int:
    """Copies the ledger to `target` and returns the exit code; blocks.

    A socket file without a bot behind it was left by one that was killed: then the file is copied from here.
    """
    if socket.exists():
        try:
            command = ControlCommand(word="backup", arguments=(("file", str(target)),))
            reply = ControlClient(socket).ask(command, deadline_s=ASK_DEADLINE_S)
        except ControlSocketError as error:
            say(f"The bot does not answer ({error}); copying from here.")
        else:
            say(reply.text)
            return 0 if reply.ok else 1
    found = sorted(state_folder.glob(f"{venue or '*'}/{LEDGER_NAME}"))
    if len(found) != 1:
        names = ", ".join(path.parent.name for path in found) or "none"
        print(f"Name one ledger with --venue; in {state_folder} there is: {names}.", file=sys.stderr)
        return ExitCode.USAGE
    try:
        size = back_up(found[0], target)
    except (BackupRefused, LedgerBroken) as trouble:
        print(f"No backup: {trouble}.", file=sys.stderr)
        return 1
    say(f"The ledger is copied to {target}: {size / 1e6:.1f} MB.")
    return 0
