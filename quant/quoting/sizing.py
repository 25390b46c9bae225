"""How much may be quoted per side: the room that position limits leave, in whole steps.

1. A side's room is the distance from the position to that side's limit, less a buffer: fills that are on
   their way when the limit is reached need somewhere to go. Reducing a position has room for all of it.
2. The limit is the smallest of the strategy's, the price band's share of it, and risk's. Where the close is known to
   be farther away than `long_dated_s`, the strategy's is cut once more: what is held there binds money for long.
3. Sizes are whole contracts by default: a fraction pays rounding fees.
"""

from __future__ import annotations

import math

import attrs

from kalshi.numbers import CountE2
from kalshi.types import ASK, BID, Side
from quant.quoting.decision import QuoteInputs
from quant.quoting.price_bands import NORMAL, PriceBand, PriceBandParameters, band_of, factor_of
from quant.values import passing_value


@attrs.frozen(kw_only=True)
class SizingParameters:
    """How the room becomes an order's size."""

    position_buffer: float = 0.05  # a twentieth of the limit: about one order's late fill
    size_step_e2: int = 100  # whole contracts pay no rounding fee at whole-cent prices
    order_min_e2: int = 100  # one contract; less is not worth a place in the queue
    price_bands: PriceBandParameters = attrs.field(factory=PriceBandParameters)
    long_dated_s: float = 2_592_000.0  # thirty days; the documents' numbers, here and below
    long_dated_factor: float = 0.7


@passing_value(kw_only=True)
class SideSizes:
    """The size per side, zero where there is no room, and what limited it."""

    bid_e2: CountE2
    ask_e2: CountE2
    reasons: tuple[str, ...]


def sizes(inputs: QuoteInputs, price: float, parameters: SizingParameters) -> SideSizes:
    """Returns how much to quote on each side of a market at `price` dollars."""
    bands = parameters.price_bands
    band = band_of(price, bands)
    reasons: tuple[str, ...] = ()
    if band is NORMAL:
        bid_room, ask_room = _rooms(inputs, 1.0, parameters)
    else:
        reasons = (f"price band {band.value}",)
        bid_room, ask_room = _rooms(inputs, factor_of(band, bands), parameters)
        if bands.hard_is_one_sided and band is PriceBand.HARD_LOW:
            ask_room = min(ask_room, max(0, inputs.position_e2))
        if bands.hard_is_one_sided and band is PriceBand.HARD_HIGH:
            bid_room = min(bid_room, max(0, -inputs.position_e2))
    bid, bid_reasons = _size(BID, bid_room, inputs.bid_allowed, inputs.order_size_e2, parameters)
    ask, ask_reasons = _size(ASK, ask_room, inputs.ask_allowed, inputs.order_size_e2, parameters)
    return SideSizes(bid_e2=bid, ask_e2=ask, reasons=reasons + bid_reasons + ask_reasons)


def _rooms(inputs: QuoteInputs, factor: float, parameters: SizingParameters) -> tuple[int, int]:
    """Returns the room for bids and asks in 1/100 contract; negative where a limit is already passed."""
    is_long_dated = parameters.long_dated_s < inputs.seconds_to_close < math.inf
    own_limit = int(inputs.max_position_e2 * factor * (parameters.long_dated_factor if is_long_dated else 1.0))
    long_limit = own_limit if inputs.max_long_e2 is None else min(own_limit, inputs.max_long_e2)
    short_limit = own_limit if inputs.max_short_e2 is None else min(own_limit, inputs.max_short_e2)
    kept = 1 - parameters.position_buffer
    return int(long_limit * kept) - inputs.position_e2, int(short_limit * kept) + inputs.position_e2


def _size(
    side: Side, room_e2: int, allowed: bool, wanted_e2: int, parameters: SizingParameters
) -> tuple[CountE2, tuple[str, ...]]:
    if not allowed:
        return CountE2(0), (f"{side}: not allowed by risk",)
    usable = min(wanted_e2, room_e2)
    size = max(0, usable) // parameters.size_step_e2 * parameters.size_step_e2
    if size < parameters.order_min_e2:
        return CountE2(0), (f"{side}: no room within the position limit",)
    return CountE2(size), (f"{side}: size cut to the room left",) if room_e2 < wanted_e2 else ()
