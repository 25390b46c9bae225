"""Which exchange, which account: the key under which recovered state is kept, and the client ids derived from it.

Orders and fills of one venue mean nothing in another. A venue is the mode, the key's account and the address; the
embedded exchange makes a new key every time, so every start of it is a venue of its own.
"""

from __future__ import annotations

import hashlib

import attrs

BOT = "kmm"
_DIGITS = 8


@attrs.frozen(kw_only=True)
class Venue:
    """`name` is the folder of its state; `prefix` begins every client order id that this bot makes there."""

    name: str
    prefix: str


def venue_of(mode: str, base_url: str, key_id: str) -> Venue:
    """Returns the venue of an account; short, stable, and without the key in it."""
    # The embedded exchange gets another port every time: on loopback the key alone says which exchange it is.
    is_loopback = "//127.0.0.1" in base_url or "//localhost" in base_url
    place = "loopback" if is_loopback else base_url
    digest = hashlib.sha256(f"{mode}|{place}|{key_id}".encode()).hexdigest()[:_DIGITS]
    return Venue(name=f"{mode}-{digest}", prefix=f"{BOT}-{digest}-")


def boot_prefix(venue: Venue, boot: str) -> str:
    """Returns what the client order ids of one boot begin with; at most 40 of the 64 characters allowed, and no '.'."""
    return f"{venue.prefix}{boot}-"
