"""The prior knows the shape of the contract, and never exceeds what a binary can vary."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.signals.structural_prior import ContractShape, prior_variance_per_s, threshold_variance_per_s
from quant.signals.volatility import structural_cap

GENERIC = 0.00155


def test_a_threshold_contract_at_even_odds() -> None:
    assert threshold_variance_per_s(0.5, 900.0) == pytest.approx(1 / (2 * math.pi) / 900.0)


def test_the_tails_vary_four_times_less_than_the_bound() -> None:
    bound = structural_cap(0.06, 900.0) ** 2
    assert threshold_variance_per_s(0.06, 900.0) / bound == pytest.approx(0.25, abs=0.03)


def test_an_event_has_the_generic_prior_cut_at_the_bound() -> None:
    far = prior_variance_per_s(ContractShape.EVENT, price=0.5, remaining_s=3_600.0, generic_sigma=GENERIC)
    near = prior_variance_per_s(ContractShape.EVENT, price=0.02, remaining_s=86_400.0, generic_sigma=GENERIC)
    assert far == pytest.approx(GENERIC**2)
    assert near == pytest.approx(0.02 * 0.98 / 86_400.0)


@pytest.mark.parametrize("shape", list(ContractShape))
def test_without_time_left_the_shape_says_nothing(shape: ContractShape) -> None:
    assert prior_variance_per_s(shape, price=0.5, remaining_s=0.0, generic_sigma=GENERIC) == GENERIC**2


@pytest.mark.parametrize("price", [0.0, 1.0, -0.1, 1.1])
def test_there_is_no_variance_at_the_ends(price: float) -> None:
    for shape in ContractShape:
        assert prior_variance_per_s(shape, price=price, remaining_s=60.0, generic_sigma=GENERIC) == 0.0


@given(st.sampled_from(list(ContractShape)), st.floats(0.001, 0.999), st.floats(1, 1e7))
def test_it_never_exceeds_the_bound(shape: ContractShape, price: float, left: float) -> None:
    variance = prior_variance_per_s(shape, price=price, remaining_s=left, generic_sigma=GENERIC)
    assert variance <= structural_cap(price, left) ** 2 * (1 + 1e-9)
