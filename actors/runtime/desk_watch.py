"""The watch over OrderDesk, in the outer scope: orders must not rest with nobody to look after them.

Once OrderDesk has been heard, silence of DESK_SILENCE_MAX_S shuts the epoch: every group of this boot is triggered. The
next OrderDesk opens new ones. A silence before it was ever heard needs nothing: then no group exists. The watch goes on
while the groups are being triggered, which lasts as long as the exchange does not answer.
"""

from __future__ import annotations

import trio

from actors.messages.lifecycle import Heartbeat
from actors.runtime.child import Log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.wire import Wire

DESK_SILENCE_MAX_S = 5.0
LOOK_EVERY_S = 0.5


async def watch_desk(mailbox: Mailbox, wire: Wire, seams: Seams, log: Log) -> None:
    """Shuts the epoch whenever OrderDesk is silent for too long; runs until cancelled."""
    heard_at_s: float | None = None
    async with trio.open_nursery() as nursery:
        while True:
            await trio.sleep(LOOK_EVERY_S)  # not at each of the many heartbeats: only the latest counts
            for message in await mailbox.receive(timeout_s=0):
                if isinstance(message, Heartbeat) and message.actor == "order_desk":
                    heard_at_s = message.at_s
            if heard_at_s is not None and seams.now() - heard_at_s > DESK_SILENCE_MAX_S:
                log.error(f"OrderDesk silent for over {DESK_SILENCE_MAX_S} s: triggering its groups")
                nursery.start_soon(wire.shut_groups, f"OrderDesk silent for over {DESK_SILENCE_MAX_S:.0f} s")
                heard_at_s = None
