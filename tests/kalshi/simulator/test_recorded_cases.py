"""The recorded demo session of June 2026, request for request: same status, same error, same shape, mostly same values.

The whole session is replayed once, on the recorded times: the account's earlier orders first (taken from the recorded
order list), then every recorded request in its order, with recorded ids, cursors and tickers replaced by the ones that
the simulator gave in their place. What must differ, because the exchange changed since (kalshi-rest.md §13), stands in
the tables below; each entry must really differ, so none can go stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import trio

from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.listings import Catalogue, EventListing
from tests.kalshi.simulator.customer import PREFIX, START_MS, TICKER, World, market_listing, small_catalogue

FOLDER: Final = Path(__file__).resolve().parents[4] / "shared" / "data" / "rest" / "demo-2026-06"
CASES: Final = sorted(
    path.name.removesuffix(".meta.json")
    for path in FOLDER.glob("*.meta.json")
    if path.with_name(path.name.replace(".meta.json", ".json")).exists()
)
pytestmark = pytest.mark.skipif(not CASES, reason="the recorded answers are not beside this repository")

_RECORDED_TICKER: Final = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
_RECORDED_TRADES_TICKER: Final = "KXPGATOUR-USO26-JDAY"
_PREHISTORY_MS: Final = 300_000

# Answers that changed as a whole: case -> (recorded status, status now, error code now).
STATUS_CHANGES: Final = {
    "orders__legacy_create": (201, 410, "deprecated_v1_order_endpoint"),
    "orders__legacy_cancel": (200, 410, "deprecated_v1_order_endpoint"),
}
# Fields of the recording that the exchange has removed since, with the date of the change log.
GONE: Final = {
    "service": "2026-08-06",
    "fractional_trading_enabled": "2026-07-09",
    "response_price_units": "2026-07-09",
    "resting_orders_count": "2026-07-09",
    "liquidity_dollars": "2026-10-01",
}
# Fields that came after the recording: shards (August), settlement bounds (October), and what the document of October
# requires or lists where the demo of June was silent.
# Each with the beginning of the names of the cases where it is new.
NEW: Final = {
    "exchange_index": "",
    "exchange_index_statuses": "exchange__status",
    "intra_exchange_transfers_active": "exchange__status",
    "settlement_bounds_type": "markets__",
    "cancel_order_on_pause": "",
    "client_order_id": "orders__cancel_v2",
}
# Fields that depend on the kind of market, or on how the order was made; combos and legacy orders exist no more here.
BY_KIND: Final = (
    "custom_strike",
    "floor_strike",
    "early_close_condition",
    "occurrence_datetime",
    "is_provisional",
    "primary_participant_key",
    "mve_collection_ticker",
    "mve_selected_legs",
    "self_trade_prevention_type",
)
# What no two exchanges can have in common: ids and moments.
_VOLATILE: Final = re.compile(
    r"(order|fill|trade|user)_id|created_time|last_update_time|last_updated_ts|ts|ts_ms|updated_ts"
)
# Whose values must be the same too, not only their shapes.
_SAME_VALUES: Final = ("auth__", "fills__", "orderbook__", "orders__", "portfolio__", "series__", "settlements__")


@attrs.frozen
class Replayed:
    """One recorded case and what the simulator answered."""

    status: int
    recorded: Any
    answered_status: int
    answered: Any


def _load(name: str) -> tuple[dict[str, Any], Any]:
    return json.loads((FOLDER / f"{name}.meta.json").read_text()), json.loads((FOLDER / f"{name}.json").read_text())


def _catalogue() -> Catalogue:
    """Returns the small world and two more events, so that lists have pages and every status has markets."""
    small = small_catalogue()
    events = list(small.events)
    # The markets that are to end are older, so that the newest pages hold open ones alone, as the recorded ones do.
    for event, older_ms in (("KXTEST-26NOV21", 3_600_000), ("KXTEST-26NOV22", 0)):
        listings = (market_listing(f"{event}-{number}") for number in range(12))
        markets = tuple(attrs.evolve(one, created_ms=one.created_ms - older_ms) for one in listings)
        events.append(
            EventListing(
                ticker=event,
                series_ticker="KXTEST",
                title=event,
                sub_title="",
                category="Sports",
                mutually_exclusive=False,
                strike_ms=markets[0].close_ms,
                exchange_index=0,
                created_ms=markets[0].created_ms,
                markets=markets,
            )
        )
    return Catalogue(series=small.series, events=tuple(events))


class Session:
    """The replay: a world, and what stands in the place of what was recorded."""

    def __init__(self) -> None:
        # Reads lag by 450 ms: the recorded read 412 ms after the cancel still showed the order resting.
        self.world = World(cash=100, shards=(0,), tier="basic", catalogue=_catalogue(), read_lag_ms=(450, 500))
        self.replaced: dict[str, str] = {_RECORDED_TICKER: TICKER, _RECORDED_TRADES_TICKER: TICKER}
        self.first_ms = min(
            meta["recorded_at_epoch_ms"] for meta, _ in map(_load, CASES) if "recorded_at_epoch_ms" in meta
        )

    async def run(self) -> dict[str, Replayed]:
        await self._make_history()
        timed = [(_load(name)[0].get("recorded_at_epoch_ms", 10**15), name) for name in CASES]
        replayed = {}
        for recorded_ms, name in sorted(timed):
            if name == "orders__legacy_create":
                await self._clean_up()
            if name == "markets__status_closed":
                for number in range(6, 12):
                    self.world.exchange.lifecycle.determine(f"KXTEST-26NOV21-{number}", "yes")
            meta, recorded = _load(name)
            if recorded_ms < 10**15:
                self._move_to(START_MS + _PREHISTORY_MS + recorded_ms - self.first_ms)
            replayed[name] = await self._replay(name, meta, recorded)
        return replayed

    def _move_to(self, time_ms: int) -> None:
        self.world.pass_time(time_ms - self.world.clock())

    async def _make_history(self) -> None:
        """Makes what was there before the session: other markets' ends, a book, and the account's own past."""
        world = self.world
        for number in range(6):
            world.exchange.lifecycle.determine(f"KXTEST-26NOV21-{number}", "no")
        past = [row for row in _load("portfolio__orders_list")[1]["orders"] if row["created_time"] < "2026-06-11T06:29"]
        for row in reversed(past):
            await self._make_order(row)
            world.pass_time(5_000)
        for side, price in (("bid", "0.4700"), ("ask", "0.5200")):
            await world.bob.place(side, price, "3.00")

    async def _make_order(self, row: dict[str, Any]) -> None:
        """Makes one earlier order with the end that was recorded."""
        world, is_filled = self.world, row["status"] == "executed"
        maker = None
        if is_filled:
            maker = await world.bob.place("ask", row["yes_price_dollars"], "1.00")
        ends_at_once = is_filled or row["created_time"] == row["last_update_time"]
        ack = await world.alice.place(
            row["book_side"],
            row["yes_price_dollars"],
            row["initial_count_fp"],
            client_order_id=row["client_order_id"],
            time_in_force="immediate_or_cancel" if ends_at_once else "good_till_canceled",
        )
        self.replaced[row["order_id"]] = ack["order_id"]
        if not ends_at_once:
            await world.alice.send("DELETE", f"/portfolio/events/orders/{ack['order_id']}")
        assert maker is None or ack["fill_count"] == "1.00"

    async def _clean_up(self) -> None:
        """Cancels the order that rests for the self-trade cases, as the recorder did between two recorded requests."""
        order_id = _load("orders__stp_setup")[1]["order_id"]
        answer = await self.world.alice.send("DELETE", f"/portfolio/events/orders/{self.replaced[order_id]}")
        assert answer.status_code == 200

    async def _replay(self, name: str, meta: dict[str, Any], recorded: Any) -> Replayed:
        path = self._translate(meta["path"].removeprefix(PREFIX))
        body = meta.get("request_body")
        sent = None if body is None else json.loads(self._translate(json.dumps(body)))
        answer = await self.world.alice.send(meta["method"], path, sent, headers=self._headers(name, meta, path))
        answered = json.loads(answer.content)
        self._learn(recorded, answered)
        return Replayed(meta["status"], recorded, answer.status_code, answered)

    def _headers(self, name: str, meta: dict[str, Any], path: str) -> dict[str, str] | None:
        """Returns the headers of a request that is not plainly signed; None for one that is."""
        full, now_ms, signer = PREFIX + path.partition("?")[0], self.world.clock(), self.world.alice.signer
        match meta["auth"]:
            case "signed":
                return None
            case "signed-skewed":
                found = re.fullmatch(r"auth__skew_(minus|plus)(\d+)(s|min)", name)
                assert found is not None
                skew_ms = int(found[2]) * (1_000 if found[3] == "s" else 60_000) * (-1 if found[1] == "minus" else 1)
                return signer.headers(meta["method"], full, now_ms + skew_ms)
            case "bad-signature":
                return Signer("alice", generate_key_pair("ed25519")[0]).headers(meta["method"], full, now_ms)
            case "unknown-key-id":
                return signer.headers(meta["method"], full, now_ms) | {
                    "KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"
                }
            case "missing-signature-header":
                good = signer.headers(meta["method"], full, now_ms)
                return {header: value for header, value in good.items() if header != "KALSHI-ACCESS-SIGNATURE"}
            case _:
                return {}

    def _translate(self, text: str) -> str:
        for recorded, ours in self.replaced.items():
            text = text.replace(recorded, ours)
        return text

    def _learn(self, recorded: Any, answered: Any) -> None:
        """Remembers what the simulator gave in the place of a recorded order id or cursor."""
        for name in ("order_id", "cursor"):
            if recorded.get(name) and answered.get(name):
                self.replaced[recorded[name]] = answered[name]


@cache
def replay() -> dict[str, Replayed]:
    """Returns every case, replayed in one session."""
    return trio.run(Session().run)


def _places(value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yields (path, name, value) of every field; rows of a list share one path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}/{name}", name, inner
            yield from _places(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner, f"{path}[]")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case _:
            return type(value).__name__


def _shape(value: Any) -> dict[str, set[str]]:
    """Returns the kinds of value that stand at each path."""
    shape: dict[str, set[str]] = {}
    for path, _, inner in _places(value):
        shape.setdefault(path, set()).add(_kind(inner))
    return shape


def _names(path: str) -> set[str]:
    return set(path.replace("[]", "").split("/"))


def _new_fields(case_name: str) -> set[str]:
    return {field for field, where in NEW.items() if case_name.startswith(where)}


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_request_has_the_recorded_status_and_shape(name: str) -> None:
    case = replay()[name]
    if name in STATUS_CHANGES:
        was, now, code = STATUS_CHANGES[name]
        assert (case.status, case.answered_status) == (was, now)
        assert case.answered["error"]["code"] == code
        return
    assert case.answered_status == case.status, case.answered
    recorded, answered = _shape(case.recorded), _shape(case.answered)
    missing = {path for path in recorded.keys() - answered.keys() if path.rpartition("/")[2] not in GONE}
    added = {path for path in answered.keys() - recorded.keys() if not _names(path) & _new_fields(name)}
    assert {path for path in missing | added if not _names(path) & set(BY_KIND)} == set()
    for path in recorded.keys() & answered.keys():
        assert answered[path] <= recorded[path], path


@pytest.mark.parametrize("name", [name for name in CASES if _load(name)[0]["status"] >= 400])
def test_a_recorded_refusal_is_repeated_word_for_word(name: str) -> None:
    case = replay()[name]
    expected = json.loads(json.dumps(case.recorded))
    if isinstance(expected.get("error"), dict):
        expected["error"].pop("service", None)
    assert case.answered == expected


@pytest.mark.parametrize(
    "name", [name for name in CASES if name.startswith(_SAME_VALUES) and name not in STATUS_CHANGES]
)
def test_amounts_directions_and_states_are_the_recorded_ones(name: str) -> None:
    """Not only the shape: the same trades give the same money, counts and states."""
    case, new = replay()[name], _new_fields(name)
    assert _comparable(case.answered, new) == _comparable(case.recorded, new)


def _comparable(value: Any, new: set[str]) -> Any:
    """Returns the answer without ids, moments, and fields of the tables; tickers as the simulator names them."""
    if isinstance(value, dict):
        return {
            name: _comparable(inner, new)
            for name, inner in value.items()
            if not _VOLATILE.fullmatch(name)
            and name not in GONE
            and name not in BY_KIND
            and name not in new
            and not name.endswith("ticker")
        }
    return [_comparable(one, new) for one in value] if isinstance(value, list) else value


def test_no_known_difference_is_stale() -> None:
    """Every removed field was recorded and is answered no more; every new one is answered and was not recorded."""
    cases = {name: case for name, case in replay().items() if name not in STATUS_CHANGES}
    recorded = {name: {place for _, place, _ in _places(case.recorded)} for name, case in cases.items()}
    answered = {name: {place for _, place, _ in _places(case.answered)} for name, case in cases.items()}
    for field in GONE:
        assert any(field in places for places in recorded.values()), f"{field} was never recorded"
        assert not any(field in places for places in answered.values()), f"{field} is still answered"
    for field, where in NEW.items():
        fresh = [name for name in cases if name.startswith(where) and field in answered[name] - recorded[name]]
        assert fresh, f"{field} is not new"
    for name, (was, now, _) in STATUS_CHANGES.items():
        assert replay()[name].status == was != now


def test_the_whole_recording_is_replayed() -> None:
    assert len(CASES) == 52
    assert set(replay()) == set(CASES)
