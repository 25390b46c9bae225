"""The bands leave less of the position limit the nearer a price is to 0 or 1."""

from __future__ import annotations

import pytest

from quant.quoting.price_bands import PriceBand, PriceBandParameters, band_of, factor_of

PARAMETERS = PriceBandParameters()


@pytest.mark.parametrize(
    ("price", "band", "factor"),
    [
        (0.04, PriceBand.HARD_LOW, 0.1),
        (0.05, PriceBand.SOFT_LOW, 0.3),
        (0.15, PriceBand.NORMAL, 1.0),
        (0.85, PriceBand.NORMAL, 1.0),
        (0.90, PriceBand.SOFT_HIGH, 0.3),
        (0.95, PriceBand.SOFT_HIGH, 0.3),
        (0.96, PriceBand.HARD_HIGH, 0.1),
    ],
)
def test_a_price_has_a_band_and_a_band_a_share_of_the_limit(price: float, band: PriceBand, factor: float) -> None:
    assert band_of(price, PARAMETERS) is band
    assert factor_of(band, PARAMETERS) == factor
