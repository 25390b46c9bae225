"""Money and contracts are conserved, whatever customers do (I6): nothing appears and nobody goes below zero."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.simulator.accounts import Account
from kalshi.simulator.order_entry import AmendRequest
from kalshi.simulator.orders import NewOrder
from kalshi.simulator.refusals import Refused
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.simulator.customer import OTHER_TICKER, SUB_CENT_TICKER, TICKER, World

_STEP = st.tuples(
    st.sampled_from(["alice", "bob"]),
    st.sampled_from([TICKER, OTHER_TICKER, SUB_CENT_TICKER]),
    st.sampled_from(list(Side)),
    st.sampled_from([100, 4_900, 5_000, 5_100, 9_900]),
    st.integers(1, 3_000),
    st.sampled_from(list(TimeInForce)),
    st.sampled_from(list(SelfTradePrevention)),
    st.booleans(),
    st.sampled_from(["create", "create", "create", "amend", "cancel"]),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(_STEP, max_size=40), st.sampled_from(["yes", "no", "scalar"]))
def test_any_history_and_its_settlement_conserve_money(steps: list[tuple[Any, ...]], result: str) -> None:
    world = World(cash=30)
    for step in steps:
        with contextlib.suppress(Refused):
            _act(world, step)
        _check(world)
    _settle(world, result)
    _check(world)
    for account in world.exchange.core.accounts_by_key.values():
        assert all(position.count_e2 == 0 for position in account.positions.values())
        # Everything is realised now: cash is what was deposited, plus what was won, less fees.
        won_e6 = sum(position.realized_e6 - position.fees_e6 for position in account.positions.values())
        assert account.cash_e6 == 60_000_000 + won_e6


def _act(world: World, step: tuple[Any, ...]) -> None:
    name, ticker, side, price_e4, count_e2, tif, prevention, flag, kind = step
    core, entry = world.exchange.core, world.exchange.services.entry
    account = core.accounts_by_key[name]
    mine = [order for order in core.open_orders.values() if order.account_id == account.account_id]
    if kind == "create":
        is_ioc = tif is TimeInForce.IMMEDIATE_OR_CANCEL
        request = NewOrder(
            ticker=ticker,
            side=side,
            price_e4=price_e4,
            count_e2=count_e2,
            time_in_force=tif,
            self_trade_prevention=prevention,
            reduce_only=flag and is_ioc,
        )
        entry.create(account, request)
    elif mine:
        order = mine[count_e2 % len(mine)]
        if kind == "cancel":
            entry.cancel(account, order.order_id, order.exchange_index)
        else:
            amended = AmendRequest(
                ticker=order.ticker,
                side=order.side,
                price_e4=price_e4,
                total_e2=order.filled_e2 + count_e2,
                exchange_index=order.exchange_index,
            )
            entry.amend(account, order.order_id, amended)


def _check(world: World) -> None:
    core = world.exchange.core
    assert core.imbalance_e6() == 0
    for ticker in core.markets:
        held = [account.position_e2(ticker) for account in core.accounts_by_key.values()]
        assert sum(held) == 0
        assert core.clearings[ticker].open_interest_e2 == sum(count for count in held if count > 0)
    for account in core.accounts_by_key.values():
        _check_account(world, account)


def _check_account(world: World, account: Account) -> None:
    assert all(cash_e6 >= 0 and cash_e6 % 100 == 0 for cash_e6 in account.cash_by_shard_e6.values())
    assert all(position.cost_e6 >= 0 for position in account.positions.values())
    fills = world.exchange.truth.fills(account.key_id)
    for ticker, position in account.positions.items():
        signed = sum(fill.side.sign * fill.count_e2 for fill in fills if fill.ticker == ticker)
        assert position.count_e2 in (signed, 0)
        assert position.fees_e6 == sum(fill.fee_e6 for fill in fills if fill.ticker == ticker)


def _settle(world: World, result: str) -> None:
    lifecycle = world.exchange.lifecycle
    for ticker in (TICKER, OTHER_TICKER, SUB_CENT_TICKER):
        lifecycle.determine(ticker, result, 3_333 if result == "scalar" else None)
    world.pass_time(60_000)
    assert not world.exchange.core.open_orders
