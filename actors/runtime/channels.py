"""What a channel is: one row of the table that declares every way a message may take.

Rules:

1. Each message type has exactly one row: its policy, its bound, who may send it and who receives it.
2. Senders and receivers are actor kinds: the part of an actor's name before the first ":". "market" stands
   for every
   "market:TICKER".
3. The bound of a BLOCK or SAMPLE channel is messages per mailbox; that of a LATEST channel is keys kept (one
   slot each): past it the key that was said longest ago is forgotten.
4. The BLOCK rows, read as edges from sender to receiver, form a graph without cycles (I12). Two actors that
   may each wait for room in the other's mailbox will one day do so at once, however large the bound
   (measured: supervision.md S14).

Source: architecture.md §4; supervision.md S13, S14.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs


class Policy(enum.Enum):
    """What happens when a receiver is slower than its senders."""

    BLOCK = "block"  # the sender waits
    LATEST = "latest"  # a newer value replaces an unread older one of the same key
    SAMPLE = "sample"  # the oldest goes, and a counter says so


class WiringError(Exception):
    """The channel table, or the use made of it, is wrong: a bug of ours, found before a message was lost."""


class NoReceiver(WiringError):
    """A BLOCK message was sent before any mailbox existed that could receive it."""


@attrs.frozen
class ChannelSpec:
    """One row of the channel table; `key` names the slot of a message, None means one slot for all.

    Receivers in `quiet_to` are not woken by the message: they find it when they wake for another reason, or when
    their time is over. It is for what is said again and again whether or not it changed. Those in
    `quiet_unless_moved_to` are woken only where `has_moved` says so of the key's last value and the new one.
    """

    message: type
    policy: Policy
    bound: int
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    key: Callable[[Any], str] | None = None
    quiet_to: tuple[str, ...] = ()
    quiet_unless_moved_to: tuple[str, ...] = ()
    has_moved: Callable[[Any, Any], bool] | None = None

    def key_of(self, message: object) -> str:
        """Returns the message's key; the empty text on a channel without keys."""
        return "" if self.key is None else self.key(message)


def kind_of(actor_name: str) -> str:
    """Returns the kind of the actor called `actor_name`: "market" for "market:TICKER"."""
    return actor_name.partition(":")[0]


def specs_by_message(table: Iterable[ChannelSpec]) -> dict[type, ChannelSpec]:
    """Returns the table by message type. Raises WiringError for a wrong row or a cycle of BLOCK edges."""
    specs: dict[type, ChannelSpec] = {}
    for spec in table:
        name = spec.message.__name__
        if spec.message in specs:
            raise WiringError(f"{name} is declared twice in the channel table; a message has one row")
        if spec.bound < 1:
            raise WiringError(f"{name} has the bound {spec.bound}; a channel holds at least 1")
        if not spec.senders or not spec.receivers:
            raise WiringError(f"{name} needs at least one sender and one receiver in the channel table")
        if spec.quiet_to and (spec.policy is not Policy.LATEST or not set(spec.quiet_to) <= set(spec.receivers)):
            raise WiringError(f"{name} may be quiet only as a LATEST value, and only to receivers of its own")
        if spec.quiet_unless_moved_to and (
            spec.policy is not Policy.LATEST
            or spec.has_moved is None
            or not set(spec.quiet_unless_moved_to) <= set(spec.receivers)
        ):
            raise WiringError(f"{name} may be quiet unless moved only as a LATEST value that says what moved means")
        specs[spec.message] = spec
    cycle = find_cycle(blocking_edges(specs.values()))
    if cycle is not None:
        raise WiringError(
            f"I12: the blocking channels form a cycle, {' -> '.join(cycle)}, and would deadlock one day; "
            "make one of these edges LATEST or answer in a reply slot"
        )
    return specs


def blocking_edges(table: Iterable[ChannelSpec]) -> set[tuple[str, str]]:
    """Returns every (sender kind, receiver kind) along which a sender may have to wait."""
    return {
        (sender, receiver)
        for spec in table
        if spec.policy is Policy.BLOCK
        for sender in spec.senders
        for receiver in spec.receivers
    }


def find_cycle(edges: Iterable[tuple[str, str]]) -> tuple[str, ...] | None:
    """Returns the nodes along one cycle, the first repeated at its end, or None without a cycle."""
    successors: dict[str, list[str]] = {}
    for sender, receiver in sorted(edges):
        successors.setdefault(sender, []).append(receiver)
    finished: set[str] = set()
    for root in successors:
        cycle = _cycle_below(root, successors, finished)
        if cycle is not None:
            return cycle
    return None


def _cycle_below(root: str, successors: Mapping[str, list[str]], finished: set[str]) -> tuple[str, ...] | None:
    # Depth first with an explicit path: meeting a node of the current path again closes a cycle.
    path: list[str] = [root]
    branches = [iter(successors.get(root, ()))]
    while path:
        following = next(branches[-1], None)
        if following is None:
            finished.add(path.pop())
            branches.pop()
        elif following in path:
            return (*path[path.index(following) :], following)
        elif following not in finished:
            path.append(following)
            branches.append(iter(successors.get(following, ())))
    return None
