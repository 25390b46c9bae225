"""The exchange's list in the words of selections: one market in the views that programs judge, and its rules."""

from __future__ import annotations

from actors.messages.market import MarketLiquidity, MarketRules
from actors.runtime.series_fees import MarketFees
from kalshi.numbers import CountE2, ask_or_none, bid_or_none
from kalshi.rest_market_answers import IncentiveProgram
from kalshi.types import Event, Market, MarketStatus
from quant.market_configuration import LiquidityFacts
from quant.programs import Listed
from quant.rewards.terms import LiquidityTerms, TermsChoices
from quant.selection.activity import Activity
from quant.selection.discovery import Candidate
from quant.selection.series import ListedMarket


def listed(  # one argument for each source of knowledge
    event: Event,
    market: Market,
    *,
    block_reason: str | None = None,
    held_back: tuple[str, ...] = (),
    activity: Activity | None = None,
    programs: tuple[LiquidityTerms, ...] = (),
    adverse_selection_per_contract: float | None = None,
) -> Listed:
    """Returns a market as programs judge it; what holds a scored market back refuses an explicit one."""
    refused = (*(() if block_reason is None else (block_reason,)), *held_back)
    return Listed(
        market=ListedMarket(
            ticker=market.ticker,
            event_ticker=event.ticker,
            series_ticker=event.series_ticker,
            status=market.status,
            close_time_ms=market.close_time_ms,
            volume_e2=market.volume_24h_e2,
            block_reason="; ".join(refused) or None,
        ),
        candidate=Candidate(
            ticker=market.ticker,
            event_ticker=event.ticker,
            category=event.category,
            status=market.status,
            market_type=market.market_type,
            open_time_ms=market.open_time_ms,
            close_time_ms=market.close_time_ms,
            yes_bid_e4=bid_or_none(market.yes_bid_e4),
            yes_ask_e4=ask_or_none(market.yes_ask_e4),
            yes_bid_size_e2=market.yes_bid_size_e2,
            yes_ask_size_e2=market.yes_ask_size_e2,
            volume_24h_e2=market.volume_24h_e2,
            recent_volume_1h_e2=CountE2(0) if activity is None else activity.volume_1h_e2,
            recent_trades=None if activity is None else activity.trades,
            block_reason=block_reason,
            held_back=held_back,
        ),
        programs=programs,
        adverse_selection_per_contract=adverse_selection_per_contract,
    )


def rules_of(event: Event, market: Market, fees: MarketFees) -> MarketRules:
    """Returns what must be known of a market before anything may be quoted in it."""
    return MarketRules(
        ticker=market.ticker,
        event_ticker=event.ticker,
        series_ticker=event.series_ticker,
        category=event.category,
        title=market.title,
        is_tradable=market.status is MarketStatus.ACTIVE and not fees.refusals,
        price_ranges=market.price_ranges,
        close_time_ms=market.close_time_ms,
        exchange_index=market.exchange_index,
        mutually_exclusive=event.mutually_exclusive,
        strike=market.strike,
        fees=fees.schedule,
    )


def terms_of(program: IncentiveProgram, choices: TermsChoices) -> LiquidityTerms | None:
    """Returns a listed program as scoring needs it; None where the exchange names no size or no sensible figures."""
    if program.target_size_e2 is None:
        return None
    try:
        return LiquidityTerms(
            program_id=program.program_id,
            ticker=program.ticker,
            start_ms=program.start_time_ms,
            end_ms=program.end_time_ms,
            period_reward_e6=program.period_reward_e6,
            target_e2=program.target_size_e2,
            discount_bps=10_000 if program.discount_factor_bps is None else program.discount_factor_bps,
            rule_choice=choices.rule_choice,
            tick_e4=choices.tick_e4,
            boundary_counts_whole=choices.boundary_counts_whole,
            dropped_snapshots_shrink_pool=choices.dropped_snapshots_shrink_pool,
            account_reward_max_e6=program.account_reward_max_e6,
        )
    except ValueError:  # figures that no program can have: the exchange's mistake, and no reason to stop
        return None


def liquidity_of(market: Market) -> MarketLiquidity:
    """Returns how liquid a market is by the list: its touch and the trade of a day."""
    facts = LiquidityFacts(
        bid_e4=bid_or_none(market.yes_bid_e4),
        ask_e4=ask_or_none(market.yes_ask_e4),
        bid_size_e2=market.yes_bid_size_e2,
        ask_size_e2=market.yes_ask_size_e2,
        volume_24h_e2=market.volume_24h_e2,
    )
    return MarketLiquidity(ticker=market.ticker, facts=facts)
