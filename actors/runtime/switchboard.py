"""The switchboard: every channel between actors, declared in one table and connected here.

It owns the mailboxes (see `mailbox`), knows from the table who receives what, and keeps the newest value of
every LATEST key, so that a new or restarted subscriber starts with the present state of the world instead of
waiting for changes.

Rules:

1. Only what the table declares can be sent, and only by a declared kind of sender; anything else raises at
   once.
2. `publish` (LATEST, SAMPLE) never blocks. `send` (BLOCK) waits for room in every receiver's mailbox.
   `try_send` (BLOCK) delivers to all receivers or, without room in one of them, to none.
3. A mailbox exists from its first mention until `remove`, over all incarnations of its actor. The incarnation
   number of a removed actor is remembered (for the last INCARNATIONS_REMEMBERED_MAX names), so that no number
   is used twice.
4. A BLOCK message that no mailbox can receive is a wiring bug while no receiver ever existed; once there was
   one that has been removed, it is a dead letter, counted by type in `undelivered`.

Source: architecture.md §4.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import attrs
import trio

from actors.runtime.channels import (
    ChannelSpec,
    NoReceiver,
    Policy,
    WiringError,
    blocking_edges,
    find_cycle,
    kind_of,
    specs_by_message,
)
from actors.runtime.mailbox import Mailbox, MailboxStatistics, ReplySlot

__all__ = [
    "INCARNATIONS_REMEMBERED_MAX",
    "ChannelSpec",
    "Mailbox",
    "MailboxStatistics",
    "NoReceiver",
    "Outbox",
    "Policy",
    "ReplySlot",
    "Switchboard",
    "WiringError",
    "blocking_edges",
    "find_cycle",
]

# Only answers still under way could confuse two lives of one name; by 4,096 removals later they have long
# arrived.
INCARNATIONS_REMEMBERED_MAX: Final = 4_096


@attrs.define(eq=False)
class _Route:
    """Who gets one message type: mailboxes that take every key, and mailboxes restricted to one."""

    spec: ChannelSpec
    every_key: list[Mailbox] = attrs.field(factory=list)
    one_key: dict[str, list[Mailbox]] = attrs.field(factory=dict)
    retained: dict[str, object] = attrs.field(factory=dict)
    had_receiver: bool = False

    def mailboxes(self, key: str) -> list[Mailbox]:
        restricted = self.one_key.get(key)
        return self.every_key + restricted if restricted else self.every_key


@attrs.frozen
class _Subscription:
    mailbox: Mailbox
    keys: Mapping[type, str | None]
    routes: tuple[_Route, ...]


class Switchboard:
    """All channels of one process; `table` declares them. Raises WiringError where the table is wrong."""

    def __init__(self, table: tuple[ChannelSpec, ...], now: Callable[[], float]) -> None:
        self._routes = {message: _Route(spec) for message, spec in specs_by_message(table).items()}
        self._now = now
        self._subscriptions: dict[str, _Subscription] = {}
        self._last_incarnations: OrderedDict[str, int] = OrderedDict()
        self.undelivered: Counter[str] = Counter()

    def mailbox(self, actor_name: str, *, keys: Mapping[type, str | None] | None = None) -> Mailbox:
        """Returns the actor's mailbox, making it, primed with the present latest values, on first mention.

        `keys` restricts channels to one key each (None: all keys). Raises WiringError for a key of a channel
        that the actor does not receive or that has no keys, or if the mailbox exists with other keys.
        """
        existing = self._subscriptions.get(actor_name)
        if existing is None:
            return self._subscribe(actor_name, dict(keys or {})).mailbox
        if keys is not None and dict(keys) != existing.keys:
            raise WiringError(f"mailbox {actor_name} exists with other keys; remove it before changing them")
        return existing.mailbox

    def existing_mailbox(self, actor_name: str) -> Mailbox | None:
        """Returns the actor's mailbox where it has one."""
        subscription = self._subscriptions.get(actor_name)
        return None if subscription is None else subscription.mailbox

    def outbox(self, actor_name: str) -> Outbox:
        """Returns the sending end for the actor: it may send what the table lets its kind send."""
        kind = kind_of(actor_name)
        routes = {message: route for message, route in self._routes.items() if kind in route.spec.senders}
        return Outbox(actor_name, routes, self.undelivered)

    def reincarnate(self, actor_name: str, incarnation: int) -> None:
        """Hands the actor's mailbox to a new incarnation: what waits stays, and every latest value is unread
        again.

        Raises WiringError when `incarnation` is not above the present one.
        """
        subscription = self._subscriptions[actor_name]
        subscription.mailbox.reincarnate(incarnation)
        self._prime(subscription)

    def forget(self, message_type: type, key: str = "") -> None:
        """Drops the retained latest value of `key`; whoever has it unread still gets it."""
        self._routes[message_type].retained.pop(key, None)

    def remove(self, actor_name: str) -> None:
        """Removes the actor's mailbox with all that waits in it; does nothing when there is none."""
        subscription = self._subscriptions.pop(actor_name, None)
        if subscription is None:
            return
        mailbox = subscription.mailbox
        for route in subscription.routes:
            key = subscription.keys.get(route.spec.message)
            if key is None:
                route.every_key.remove(mailbox)
                continue
            route.one_key[key].remove(mailbox)
            if not route.one_key[key]:
                del route.one_key[key]
        mailbox.close()
        self._last_incarnations[actor_name] = mailbox.incarnation
        while len(self._last_incarnations) > INCARNATIONS_REMEMBERED_MAX:
            self._last_incarnations.popitem(last=False)

    def statistics(self) -> dict[str, MailboxStatistics]:
        """Returns the counters of every mailbox by actor name."""
        return {name: subscription.mailbox.statistics() for name, subscription in self._subscriptions.items()}

    def _subscribe(self, actor_name: str, keys: dict[type, str | None]) -> _Subscription:
        kind = kind_of(actor_name)
        routes = tuple(route for route in self._routes.values() if kind in route.spec.receivers)
        self._refuse_unusable_keys(actor_name, keys, routes)
        incarnation = self._last_incarnations.pop(actor_name, 0)
        mailbox = Mailbox(actor_name, (route.spec for route in routes), self._now, incarnation)
        for route in routes:
            route.had_receiver = True
            key = keys.get(route.spec.message)
            if key is None:
                route.every_key.append(mailbox)
            else:
                route.one_key.setdefault(key, []).append(mailbox)
        subscription = _Subscription(mailbox, keys, routes)
        self._subscriptions[actor_name] = subscription
        self._prime(subscription)
        return subscription

    @staticmethod
    def _refuse_unusable_keys(actor_name: str, keys: Mapping[type, str | None], routes: tuple[_Route, ...]) -> None:
        received = {route.spec.message: route.spec for route in routes}
        for message, key in keys.items():
            spec = received.get(message)
            if spec is None or (key is not None and spec.key is None):
                raise WiringError(
                    f"{actor_name} asks for {message.__name__} of key {key!r}, "
                    "but the channel table gives its kind no such keyed channel"
                )

    @staticmethod
    def _prime(subscription: _Subscription) -> None:
        for route in subscription.routes:
            wanted = subscription.keys.get(route.spec.message)
            for key, value in route.retained.items():
                if wanted is None or wanted == key:
                    subscription.mailbox.put_latest(route.spec.message, key, value)


class Outbox:
    """The sending end of one actor; made by `Switchboard.outbox`."""

    def __init__(self, actor_name: str, routes: Mapping[type, _Route], undelivered: Counter[str]) -> None:
        self.actor_name = actor_name
        self._routes = routes
        self._undelivered = undelivered

    def publish(self, message: object) -> None:
        """Publishes a LATEST or SAMPLE message; never blocks.

        Raises WiringError for a message that the table does not let this actor publish.
        """
        route = self._route(message)
        if route.spec.policy is Policy.LATEST:
            key = route.spec.key_of(message)
            moved = route.spec.has_moved
            has_moved = moved is None or (before := route.retained.get(key)) is None or moved(before, message)
            self._retain(route, key, message)
            for mailbox in route.mailboxes(key):
                mailbox.put_latest(route.spec.message, key, message, has_moved=has_moved)
        elif route.spec.policy is Policy.SAMPLE:
            for mailbox in route.mailboxes(route.spec.key_of(message)):
                mailbox.put_sample(message)
        else:
            raise WiringError(f"{type(message).__name__} is a BLOCK channel; {self.actor_name} must send it")

    async def send(self, message: object) -> None:
        """Sends a BLOCK message, waiting while a receiver's channel is full.

        Cancelled while waiting for one receiver, the message is not delivered to it and those after it.
        Raises WiringError for a message that the table does not let this actor send, NoReceiver before there
        is any receiver.
        """
        receivers = self._block_receivers(message)
        await trio.lowlevel.checkpoint_if_cancelled()
        for mailbox in receivers:
            is_delivered = not mailbox.is_closed and (mailbox.offer_block(message) or await mailbox.put_block(message))
            if not is_delivered:
                self._undelivered[type(message).__name__] += 1
        await trio.lowlevel.cancel_shielded_checkpoint()

    def try_send(self, message: object) -> bool:
        """Sends a BLOCK message if every receiver has room and returns whether it did; never blocks.

        Raises as `send` does.
        """
        receivers = self._block_receivers(message)
        if not all(mailbox.has_room(type(message)) for mailbox in receivers):
            return False
        for mailbox in receivers:
            mailbox.offer_block(message)
        return True

    def _route(self, message: object) -> _Route:
        route = self._routes.get(type(message))
        if route is None:
            raise WiringError(
                f"{self.actor_name} sends {type(message).__name__}, which the channel table does not let "
                f"{kind_of(self.actor_name)} send; declare it there"
            )
        return route

    def _retain(self, route: _Route, key: str, message: object) -> None:
        # Said again, a key is young again; past the bound the one that was said longest ago goes: its market or
        # actor is long gone, and to fall over it would end those that live.
        route.retained.pop(key, None)
        if len(route.retained) >= (route.spec.bound if route.spec.key else 1):
            del route.retained[next(iter(route.retained))]
        route.retained[key] = message

    def _block_receivers(self, message: object) -> tuple[Mailbox, ...]:
        route = self._route(message)
        name = type(message).__name__
        if route.spec.policy is not Policy.BLOCK:
            raise WiringError(f"{name} is no BLOCK channel; {self.actor_name} must publish it")
        receivers = tuple(route.mailboxes(route.spec.key_of(message)))
        if not receivers:
            if not route.had_receiver:
                raise NoReceiver(f"{self.actor_name} sends {name}, and no mailbox was ever made to receive it")
            self._undelivered[name] += 1
        return receivers
