"""One stake while it runs: its ceiling per side, what must be stored first, and what an event leaves to it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.quoting.refill import EventParameters
from quant.quoting.refill_maker import Committed, StakeMaker, committed, fits
from quant.quoting.refill_state import LegState, StakeParameters, StakeSides, StakeState, applied
from quant.quoting.refill_storage import StoredStateBroken, decoded, encoded
from tests.quant.builders import CALM, CENT_GRID, fill

STAKE = StakeParameters(
    ticker="M",
    count_e2=CountE2(1_000),
    sides=StakeSides.BOTH,
    yes_price_e4=PriceE4(4_500),
    no_price_e4=PriceE4(4_000),
    max_count_e2=CountE2(5_000),
    cooldown_s=0.0,
)
EVENT = EventParameters(stakes=(STAKE, attrs.evolve(STAKE, ticker="N")), max_count_e2=CountE2(6_000))


def opened(filled_e2: dict[Side, int] | None = None, number: int = 0) -> StakeMaker:
    before = filled_e2 or {Side.BID: 0, Side.ASK: 0}
    return StakeMaker(EVENT, STAKE, StakeState(ticker="M", last_fill_number=number), before, Committed())


def test_a_round_is_a_proposal_until_it_is_stored() -> None:
    maker = opened()
    step = maker.proposed(CALM, 0, CENT_GRID)
    assert step.state.committed_e2 == 2_000
    assert maker.state.committed_e2 == 0
    maker.stored(step.state)
    assert maker.proposed(CALM, 0, CENT_GRID).state == maker.state


def test_the_ceiling_of_a_side_does_not_move_while_its_round_is_filled() -> None:
    maker = opened({Side.BID: 700, Side.ASK: 0}, number=9)
    maker.stored(maker.proposed(CALM, 0, CENT_GRID).state)
    assert (maker.ceiling_e2(Side.BID), maker.ceiling_e2(Side.ASK)) == (1_700, 1_000)
    maker.fill(10, fill(Side.BID, 4_500, 400))
    assert maker.ceiling_e2(Side.BID) == 1_700
    maker.fill(11, fill(Side.BID, 4_500, 600))
    assert maker.ceiling_e2(Side.BID) == 1_700
    maker.stored(maker.proposed(CALM, 10_000, CENT_GRID).state)
    assert maker.ceiling_e2(Side.BID) == 2_700


def test_a_refused_round_stops_with_an_alert_where_the_others_leave_no_room() -> None:
    maker = opened()
    maker.refused(Committed(count_e2=4_500, money_e6=0))
    step = maker.proposed(CALM, 0, CENT_GRID)
    assert step.state.committed_e2 == 1_000, "one leg fits and the other does not"
    assert [alert.reason for alert in step.alerts] == ["max shares of the event reached"]
    maker.stored(step.state)
    assert maker.proposed(CALM, 0, CENT_GRID).alerts == ()


def test_fills_of_others_orders_are_told_to_the_store() -> None:
    maker = opened()
    maker.stored(maker.proposed(CALM, 0, CENT_GRID).state)
    maker.fill(1, fill(Side.ASK, 6_000, 1_000))
    assert not maker.exceeds_what_is_stored
    maker.fill(2, fill(Side.ASK, 6_000, 1))  # an exit of the stop loss, after the round was full
    assert maker.exceeds_what_is_stored


@pytest.mark.parametrize(
    ("new", "before", "others", "fit"),
    [
        (1_000, 0, 5_000, True),
        (1_001, 0, 5_000, False),
        (1_001, 1_001, 5_000, True),  # no more than before: it may always be kept
        (0, 0, 9_000, True),
    ],
)
def test_what_fits_into_an_event(new: int, before: int, others: int, fit: bool) -> None:
    def money(count_e2: int) -> Committed:
        return Committed(count_e2=0, money_e6=count_e2)

    counted = (Committed(count_e2=new), Committed(count_e2=before), Committed(count_e2=others))
    assert fits(*counted, CountE2(6_000), None) is fit
    assert fits(money(new), money(before), money(others), None, MoneyE6(6_000)) is fit
    assert fits(*counted, None, None)


def test_a_state_outlives_its_text_and_a_changed_cap_lets_it_go_on() -> None:
    leg = LegState(rounds=3, remaining_e2=CountE2(10), price_e4=PriceE4(4_400), stop_reason="max shares reached")
    state = StakeState(ticker="M", yes=leg, filled_e2=CountE2(70), last_fill_number=4, alerted=("max shares reached",))
    text = encoded(state, STAKE, EVENT)
    assert decoded(text, STAKE, EVENT) == state
    raised = decoded(text, attrs.evolve(STAKE, max_count_e2=CountE2(9_000)), EVENT)
    assert (raised.yes.stop_reason, raised.alerted, raised.filled_e2) == (None, (), 70)
    for broken in ("", "{}", "[]", '{"state": {"ticker": 1}}', text.replace('"M"', '"N"'), text.replace("rounds", "x")):
        with pytest.raises(StoredStateBroken):
            decoded(broken, STAKE, EVENT)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_over_any_fills_and_restarts_two_stakes_never_pass_the_caps(data: st.DataObject) -> None:
    """Fills come late, out of turn with looks, and never beyond the ceilings that the desk holds."""
    rows: dict[str, tuple[StakeState, Committed]] = {}
    gross = {(ticker, side): 0 for ticker in ("M", "N") for side in Side}
    ceilings = dict.fromkeys(gross, 0)
    told: list[tuple[int, str, Side, int]] = []
    makers: dict[str, StakeMaker] = {}
    now_ms = 0

    def reopen(ticker: str) -> None:
        stake = next(each for each in EVENT.stakes if each.ticker == ticker)
        state, stored = rows.setdefault(ticker, (StakeState(ticker=ticker), Committed()))
        makers[ticker] = StakeMaker(EVENT, stake, state, {Side.BID: 0, Side.ASK: 0}, stored)
        for number, of, side, count_e2 in told:
            if of == ticker:
                makers[ticker].fill(number, fill(side, 4_500, count_e2, ticker=ticker))

    for _ in range(data.draw(st.integers(1, 40))):
        ticker = data.draw(st.sampled_from(["M", "N"]))
        match data.draw(st.sampled_from(["look", "look", "fill", "fill", "restart"])):
            case "look":
                if ticker not in makers:
                    reopen(ticker)
                maker = makers[ticker]
                now_ms += 5_000
                for _ in range(2):
                    step = maker.proposed(CALM, now_ms, CENT_GRID)
                    others = Committed(count_e2=sum(c.count_e2 for t, (_, c) in rows.items() if t != ticker))
                    new = committed(step.state)
                    if fits(new, rows[ticker][1], others, EVENT.max_count_e2, None):
                        rows[ticker] = step.state, new
                        maker.stored(step.state)
                        for side in Side:
                            ceilings[ticker, side] = max(ceilings[ticker, side], maker.ceiling_e2(side))
                        break
                    maker.refused(others)
            case "fill":
                side = data.draw(st.sampled_from(list(Side)))
                room = ceilings[ticker, side] - gross[ticker, side]
                if room > 0:
                    count_e2 = data.draw(st.integers(1, room))
                    gross[ticker, side] += count_e2
                    told.append((len(told) + 1, ticker, side, count_e2))
                    if ticker in makers and data.draw(st.booleans()):
                        reopen(ticker)  # heard of; otherwise it lags until the next restart
            case _:
                makers.pop(ticker, None)
        totals = {t: sum(count for (of, _), count in gross.items() if of == t) for t in ("M", "N")}
        assert all(total <= 5_000 for total in totals.values())
        assert sum(totals.values()) <= 6_000


def test_applied_fills_before_the_stake_began_do_not_count() -> None:
    state = StakeState(ticker="M", last_fill_number=5)
    assert applied(state, fill(Side.BID, 4_500, 100), 5, STAKE) is state
