"""Named random streams: equal names repeat, different names are independent, the global generator is left alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moeviz.tensors.rng import stream

SEEDS = st.integers(0, 2**31 - 1)
PURPOSES = st.sampled_from(["data/place", "data/noise", "router", "batch"])
STEPS = st.integers(0, 10**6)


def draws(seed: int, purpose: str, step: int = 0) -> torch.Tensor:
    return torch.rand(4, dtype=torch.float64, generator=stream(seed, purpose, step))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(SEEDS, PURPOSES, STEPS)
def test_equal_names_give_equal_draws(seed: int, purpose: str, step: int) -> None:
    assert torch.equal(draws(seed, purpose, step), draws(seed, purpose, step))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(SEEDS, PURPOSES, STEPS)
def test_each_part_of_the_name_matters(seed: int, purpose: str, step: int) -> None:
    here = draws(seed, purpose, step)
    for other in (draws(seed + 1, purpose, step), draws(seed, purpose + "x", step), draws(seed, purpose, step + 1)):
        assert not torch.equal(here, other)


def test_names_do_not_run_together() -> None:
    # Without separators (1, "a", 12) and (1, "a1", 2) would be one name.
    assert not torch.equal(draws(1, "a", 12), draws(1, "a1", 2))
    assert not torch.equal(draws(1, "2/a"), draws(12, "a"))


def test_the_same_stream_started_twice_does_not_share_its_place() -> None:
    first, second = stream(0, "data"), stream(0, "data")
    torch.rand(100, generator=first)
    assert torch.equal(torch.rand(3, generator=second), torch.rand(3, generator=stream(0, "data")))


def test_many_neighboring_names_have_different_seeds() -> None:
    # 10,000 names among 2^32 seeds: n^2 / 2^33 = 0.012 pairs are expected to meet, so one at most is allowed.
    seeds = {stream(seed, "batch", step).initial_seed() for seed in range(10) for step in range(1000)}
    assert len(seeds) >= 9999


@pytest.mark.parametrize(("name_a", "name_b"), [((0, "batch", 1), (0, "batch", 2)), ((0, "noise"), (1, "noise"))])
def test_neighboring_streams_are_uncorrelated(name_a: tuple, name_b: tuple) -> None:
    count = 40_000
    a, b = (torch.randn(count, dtype=torch.float64, generator=stream(*name)) for name in (name_a, name_b))
    # The correlation of independent normal draws has standard deviation 1/sqrt(40000) = .005; 5 of them are .025.
    assert abs(float((a * b).mean())) < 0.025


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    draws(7, "data")
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_do_not_depend_on_the_global_seed() -> None:
    before = torch.get_rng_state()
    try:
        torch.manual_seed(1)
        one = draws(7, "data")
        torch.manual_seed(2)
        assert torch.equal(draws(7, "data"), one)
    finally:
        torch.set_rng_state(before)
