"""Which exchange, which account: the key under which recovered state is kept, and the client ids derived from it.

Orders and fills of one venue mean nothing in another. A venue is the mode, the key's account and the address; the
embedded exchange makes a new key every time, so every start of it is a venue of its own.
"""

from __future__ import annotations

import hashlib

import attrs
import httpx
import trio

BOT = "kmm"
_DIGITS = 8
INSTANCE_HEADER = "x-simulator-instance"
# In all under four seconds, so that a Ctrl+C meanwhile is still answered in time.
ATTEMPTS = 3
ASK_AGAIN_S = 0.3
ANSWER_WITHIN_S = 1.0


@attrs.frozen(kw_only=True)
class Venue:
    """`name` is the folder of its state; `prefix` begins every client order id that this bot makes there."""

    name: str
    prefix: str


def venue_of(mode: str, base_url: str, key_id: str, instance: str = "") -> Venue:
    """Returns the venue of an account; short, stable, and without the key in it.

    `instance` names one start of a simulated exchange: its address may be the same as before, its orders are not.
    """
    place = instance or base_url
    digest = hashlib.sha256(f"{mode}|{place}|{key_id}".encode()).hexdigest()[:_DIGITS]
    return Venue(name=f"{mode}-{digest}", prefix=f"{BOT}-{digest}-")


def boot_prefix(venue: Venue, boot: str) -> str:
    """Returns what the client order ids of one boot begin with; at most 40 of the 64 characters allowed, and no '.'."""
    return f"{venue.prefix}{boot}-"


def venue_prefix(prefix: str) -> str:
    """Returns what the client order ids of all boots begin with, from the prefix of one."""
    return prefix[: prefix.rstrip("-").rindex("-") + 1]


async def simulator_instance(base_url: str) -> str:
    """Returns which start of a simulated exchange answers at `base_url`; empty where it is none, or does not answer."""
    delay_s = ASK_AGAIN_S
    for _ in range(ATTEMPTS):
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_WITHIN_S) as client:
                answer = await client.get(f"{base_url}/exchange/status")
            return str(answer.headers.get(INSTANCE_HEADER, ""))
        except httpx.HTTPError:
            await trio.sleep(delay_s)
            delay_s *= 2
    return ""
