"""Draws what goes wrong in one seed: the exchange's own faults in windows, and the deaths of actors and processes.

Rules:
1. Everything comes from the seed, and nothing strikes after `until_s`: then the bot must recover (liveness).
2. Each wanted kind of fault gets at least one window, so that no seed is empty and a campaign reaches every kind.
3. Kills of actors of the root are spaced so that its restart window holds (three in 300 s): an escalation is a
   different promise, with tests of its own.

Rejected: faults of constant rates over the whole run. They hide what a bot does between two storms, and two storms
that meet are rarer than in windows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import attrs

from kalshi.simulator.faults import KINDS, AnyFault, Duration

WARM_UP_S: Final = 5.0
STREAM_KINDS: Final = frozenset({"cut_stream", "slow_bytes", "half_open"})
DEATHS: Final = ("power_cut", "stop_and_start")
HOLD_UPS: Final = ("actor_stall", "actor_slow")
BOT_KINDS: Final = ("actor_kill", *DEATHS, *HOLD_UPS, "journal_full", "ledger_full", "clock_step", "persons_order")
ALL_KINDS: Final = (*KINDS, *BOT_KINDS)
ROOT_ACTORS: Final = (
    "ledger",
    "fill_reconciler",
    "portfolio_risk",
    "order_desk",
    "stop_loss",
    "feed",
    "allocation",
    "market_supervisor",
    "discovery",
)
# Three in 300 s are within the root's window; a market is killed in their place the rest of the time.
ROOT_KILLS_APART_S: Final = 101.0
KILLS_APART_S: Final = (15.0, 45.0)
# So many of our process's ends and starts meet a pause of the exchange.
PAUSE_AT_DEATH_SHARE: Final = 0.3

_STATUSES: Final = (500, 502, 503, 504)


@attrs.frozen(kw_only=True)
class _Recipe:
    """How a kind of fault is drawn: length of a window in seconds, its number, and its other fields."""

    lasts_s: tuple[float, float]
    windows: tuple[int, int]
    fields: Callable[[random.Random], dict[str, Any]]


def _share(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: round(rng.uniform(low, high), 3)


def _fields(**drawn: Callable[[random.Random], Any]) -> Callable[[random.Random], dict[str, Any]]:
    return lambda rng: {name: draw(rng) for name, draw in drawn.items()}


def _ms(low: int, high: int) -> Callable[[random.Random], int]:
    return lambda rng: rng.randint(low, high)


def _s(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: round(rng.uniform(low, high), 2)


def _one_of(*values: Any) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(values)


def _skew_ms(rng: random.Random) -> int:
    return rng.choice((-1, 1)) * rng.randint(200, 2_500)


_RECIPES: Final[dict[str, _Recipe]] = {
    "latency": _Recipe(
        lasts_s=(10, 60),
        windows=(1, 3),
        fields=_fields(share=_share(0.1, 0.7), delay_ms=_ms(20, 1_200), tail_ms=_ms(0, 500)),
    ),
    "lost_reply": _Recipe(lasts_s=(20, 120), windows=(1, 3), fields=_fields(share=_share(0.02, 0.25))),
    "late_write": _Recipe(
        lasts_s=(20, 120), windows=(1, 3), fields=_fields(share=_share(0.02, 0.15), delay_ms=_ms(100, 8_000))
    ),
    "too_many_requests": _Recipe(lasts_s=(3, 15), windows=(1, 2), fields=_fields(share=_share(0.1, 0.8))),
    "server_error": _Recipe(
        lasts_s=(5, 30),
        windows=(1, 3),
        fields=_fields(share=_share(0.05, 0.5), status=_one_of(*_STATUSES), when=_one_of("before", "after")),
    ),
    "html_error": _Recipe(
        lasts_s=(5, 20),
        windows=(1, 2),
        fields=_fields(share=_share(0.05, 0.5), status=_one_of(*_STATUSES), when=_one_of("before", "after")),
    ),
    "truncated_json": _Recipe(
        lasts_s=(10, 40), windows=(1, 2), fields=_fields(share=_share(0.02, 0.25), keep=_share(0.0, 0.95))
    ),
    "fill_before_answer": _Recipe(
        lasts_s=(20, 90), windows=(1, 2), fields=_fields(share=_share(0.1, 1.0), delay_ms=_ms(50, 1_500))
    ),
    "cut_stream": _Recipe(
        lasts_s=(5, 30),
        windows=(1, 2),
        fields=_fields(share=_share(0.01, 0.1), door=_one_of("rest", "websocket"), after_bytes=_ms(0, 300)),
    ),
    "slow_bytes": _Recipe(
        lasts_s=(5, 20),
        windows=(1, 2),
        fields=_fields(share=_share(0.01, 0.1), door=_one_of("rest", "websocket"), every_ms=_ms(5, 50)),
    ),
    "half_open": _Recipe(
        lasts_s=(5, 20),
        windows=(1, 2),
        fields=_fields(share=_share(0.01, 0.05), door=_one_of("rest", "websocket"), after_bytes=_ms(0, 300)),
    ),
    "socket_drop": _Recipe(
        lasts_s=(10, 60), windows=(1, 2), fields=_fields(share=_share(0.2, 0.6), every_s=_s(4.0, 15.0))
    ),
    "silence": _Recipe(
        lasts_s=(10, 40), windows=(1, 2), fields=_fields(share=_share(0.3, 1.0), every_s=_s(15, 30), lasts_s=_s(1, 18))
    ),
    "sequence_gap": _Recipe(
        lasts_s=(20, 90), windows=(1, 3), fields=_fields(share=_share(0.1, 0.6), every_s=_s(1.0, 8.0))
    ),
    "duplicate_frame": _Recipe(
        lasts_s=(20, 90), windows=(1, 2), fields=_fields(share=_share(0.1, 0.6), every_s=_s(1.0, 8.0))
    ),
    "lost_snapshot": _Recipe(
        lasts_s=(20, 90), windows=(1, 2), fields=_fields(share=_share(0.1, 0.5), every_s=_s(3.0, 10.0))
    ),
    "channel_error": _Recipe(
        lasts_s=(20, 60), windows=(1, 2), fields=_fields(share=_share(0.1, 0.5), every_s=_s(4.0, 15.0))
    ),
    "slow_consumer_kick": _Recipe(
        lasts_s=(20, 60), windows=(1, 2), fields=_fields(share=_share(0.1, 0.5), every_s=_s(4.0, 15.0))
    ),
    "duplicate_fill": _Recipe(lasts_s=(60, 240), windows=(1, 2), fields=_fields(share=_share(0.2, 1.0))),
    "late_fill": _Recipe(
        lasts_s=(60, 240), windows=(1, 2), fields=_fields(share=_share(0.2, 1.0), delay_ms=_ms(200, 8_000))
    ),
    "stale_reads": _Recipe(lasts_s=(10, 60), windows=(1, 2), fields=_fields(lag_ms=_ms(500, 8_000))),
    "trading_pause": _Recipe(lasts_s=(3, 25), windows=(1, 2), fields=_fields()),
    "exchange_pause": _Recipe(lasts_s=(2, 15), windows=(1, 1), fields=_fields()),
    "clock_skew": _Recipe(lasts_s=(5, 30), windows=(1, 1), fields=_fields(offset_ms=_skew_ms)),
    "late_acks": _Recipe(lasts_s=(10, 60), windows=(1, 2), fields=_fields(delay_ms=_ms(200, 3_000))),
}


@attrs.frozen(kw_only=True)
class _Blow:
    """How a blow is drawn: how many in a seed, how long each lasts in seconds, and by how much."""

    times: tuple[int, int]
    lasts_s: tuple[float, float] = (0.0, 0.0)
    amount: Callable[[random.Random], float] = lambda rng: 0.0


def _step_s(rng: random.Random) -> float:
    return round(rng.choice((-1, 1)) * rng.choice((rng.uniform(0.1, 2.5), rng.uniform(3, 90))), 3)


_BLOWS: Final[dict[str, _Blow]] = {
    "actor_stall": _Blow(times=(1, 4), lasts_s=(0.3, 12)),
    "actor_slow": _Blow(times=(1, 3), lasts_s=(3, 20), amount=_s(0.005, 0.1)),
    "journal_full": _Blow(times=(1, 2), lasts_s=(0.2, 8)),
    "ledger_full": _Blow(times=(1, 1), lasts_s=(0.2, 3)),
    "clock_step": _Blow(times=(1, 2), lasts_s=(2, 25), amount=_step_s),
    "persons_order": _Blow(times=(1, 3)),
}


@attrs.frozen(kw_only=True)
class BotFault:
    """What happens to our own process: to one actor (its name) or to all of it.

    `lasts_s` is for how long; `amount` the seconds by which the clock steps, or that an actor is slower a message.
    """

    kind: str
    at_s: float
    actor: str = ""
    lasts_s: float = 0.0
    amount: float = 0.0


@attrs.frozen(kw_only=True)
class FaultSchedule:
    """What goes wrong in one seed, times in seconds since its start."""

    exchange: tuple[AnyFault, ...]
    bot: tuple[BotFault, ...]


def wanted_kinds(words: str, *, with_streams: bool) -> tuple[str, ...]:
    """Returns the kinds that "all", "none" or a list with commas names. Raises ValueError for an unknown word."""
    if words == "none":
        return ()
    kinds = ALL_KINDS if words == "all" else tuple(word.strip() for word in words.split(","))
    unknown = [kind for kind in kinds if kind not in ALL_KINDS]
    if unknown:
        raise ValueError(f"unknown faults {', '.join(unknown)}: name some of {', '.join(ALL_KINDS)}, or all, or none")
    # Below the wire of "ports" there are no bytes to cut.
    return tuple(kind for kind in kinds if with_streams or kind not in STREAM_KINDS)


def draw_schedule(seed: int, kinds: tuple[str, ...], until_s: float) -> FaultSchedule:
    """Returns what goes wrong before `until_s`."""
    exchange: list[AnyFault] = []
    for kind in kinds:
        if kind in _RECIPES:
            rng = random.Random(f"{seed}:faults:{kind}")
            exchange.extend(_windows(kind, _RECIPES[kind], rng, until_s))
    bot = [*_kills(seed, until_s)] if "actor_kill" in kinds else []
    bot += [fault for kind in DEATHS if kind in kinds for fault in _deaths(seed, kind, until_s)]
    bot += [fault for kind in _BLOWS if kind in kinds for fault in _blows(seed, kind, until_s)]
    bot.sort(key=lambda fault: fault.at_s)
    exchange += _pauses_at_deaths(seed, kinds, bot)
    return FaultSchedule(exchange=tuple(exchange), bot=tuple(bot))


def _windows(kind: str, recipe: _Recipe, rng: random.Random, until_s: float) -> list[AnyFault]:
    drawn = []
    for _ in range(rng.randint(*recipe.windows)):
        lasts_s = min(rng.uniform(*recipe.lasts_s), until_s / 4)
        start_s = rng.uniform(WARM_UP_S, max(WARM_UP_S, until_s - lasts_s))
        end_s = Duration(min(until_s, start_s + lasts_s))
        drawn.append(KINDS[kind](start_s=Duration(start_s), end_s=end_s, **recipe.fields(rng)))
    return drawn


def _kills(seed: int, until_s: float) -> list[BotFault]:
    rng = random.Random(f"{seed}:faults:actor_kill")
    kills, at_s, next_root_s = [], WARM_UP_S + rng.uniform(*KILLS_APART_S), 0.0
    while at_s < until_s:
        actor = "market"
        if at_s >= next_root_s:
            actor, next_root_s = rng.choice(ROOT_ACTORS), at_s + ROOT_KILLS_APART_S
        kills.append(BotFault(kind="actor_kill", at_s=at_s, actor=actor))
        at_s += rng.uniform(*KILLS_APART_S)
    return kills


def _deaths(seed: int, kind: str, until_s: float) -> list[BotFault]:
    rng = random.Random(f"{seed}:faults:{kind}")
    count = rng.randint(1, 2) if until_s > 120 else 1
    return [BotFault(kind=kind, at_s=rng.uniform(WARM_UP_S, until_s * 0.95)) for _ in range(count)]


def _blows(seed: int, kind: str, until_s: float) -> list[BotFault]:
    rng, blow = random.Random(f"{seed}:faults:{kind}"), _BLOWS[kind]
    drawn = []
    for _ in range(rng.randint(*blow.times)):
        lasts_s = min(rng.uniform(*blow.lasts_s), until_s / 4)
        drawn.append(
            BotFault(
                kind=kind,
                at_s=rng.uniform(WARM_UP_S, max(WARM_UP_S, until_s - lasts_s)),
                actor=rng.choice((*ROOT_ACTORS, "market")) if kind in HOLD_UPS else "",
                lasts_s=lasts_s,
                amount=blow.amount(rng),
            )
        )
    return drawn


def _pauses_at_deaths(seed: int, kinds: tuple[str, ...], bot: list[BotFault]) -> list[AnyFault]:
    """Returns pauses of the exchange over some of the ends and starts of our process, as on Thursday mornings."""
    rng, pauses = random.Random(f"{seed}:faults:pauses at deaths"), []
    for fault in bot:
        if fault.kind in DEATHS and rng.random() < PAUSE_AT_DEATH_SHARE:
            start_s, lasts_s = max(0.0, fault.at_s - rng.uniform(0, 3)), rng.uniform(3, 15)
            kind = rng.choice(("exchange_pause", "trading_pause"))
            if kind in kinds:
                pauses.append(KINDS[kind](start_s=Duration(start_s), end_s=Duration(start_s + lasts_s)))
    return pauses
