"""The laws of temperature that tutorials state, with the numbers, and how often each class is drawn."""

import math

import pytest
import torch

from refops.functional.sampling import greedy, sample, temperature_softmax, top_k_filter, top_p_filter

LOGITS = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)


def entropy(p):
    return -(p * p.clamp(min=1e-300).log()).sum(-1)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1.0, [0.0420, 0.1142, 0.8438]),
        (0.5, [0.0024, 0.0179, 0.9796]),
        (2.0, [0.1402, 0.2312, 0.6285]),  # often printed as [0.155, 0.256, 0.589], which no temperature gives
    ],
)
def test_numbers_of_the_tutorial(temperature, expected):
    assert [round(float(p), 4) for p in temperature_softmax(LOGITS, temperature)] == expected


def test_no_temperature_gives_the_numbers_printed_for_two():
    wrong = torch.tensor([0.155, 0.256, 0.589], dtype=torch.float64).log()
    ratios = (LOGITS[1:] - LOGITS[:-1]) / (wrong[1:] - wrong[:-1])  # T, once from each pair of neighbours
    assert abs(ratios[0] - ratios[1]) > 0.4


def test_order_stays_and_entropy_grows():
    temperatures = [0.05, 0.1, 0.5, 1.0, 1.5, 2.0, 5.0, 50.0]
    logits = torch.randn(100, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = torch.stack([temperature_softmax(logits, t) for t in temperatures])
    assert torch.equal(p[3:].argsort(-1), logits.argsort(-1).expand_as(p[3:]))
    assert bool((entropy(p).diff(dim=0) > 0).all())
    assert bool((p[:3].amax(-1) > p[3].amax(-1)).all()), "sharper below 1"
    assert bool((p[4:].amax(-1) < p[3].amax(-1)).all()), "flatter above 1"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_limits(dtype):
    x = torch.tensor([[1.0, 4.0, 4.0], [-math.inf, 0.0, -3.0]], dtype=dtype)
    cold, hot = temperature_softmax(x, 0.0), temperature_softmax(x, math.inf)
    assert cold.tolist() == [[0, 0.5, 0.5], [0, 1, 0]]
    assert torch.equal(hot, torch.tensor([[1 / 3] * 3, [0, 0.5, 0.5]], dtype=dtype))
    assert torch.equal(temperature_softmax(x, 1e-300), cold)
    assert torch.equal(temperature_softmax(x, 1e-30), cold)
    assert torch.allclose(temperature_softmax(x, 1e30), hot)
    assert cold.dtype == hot.dtype == dtype


def test_a_small_temperature_does_not_overflow():
    x = torch.tensor([1000.0, 999.0], requires_grad=True)
    p = temperature_softmax(x, 1e-36)
    p[0].backward()
    assert p.tolist() == [1, 0]
    assert x.grad.tolist() == [0, 0]


def test_the_derivative_is_divided_by_the_temperature():
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: temperature_softmax(x, 0.7), x)
    assert torch.autograd.gradgradcheck(lambda x: temperature_softmax(x, 0.7), x)
    (zero,) = torch.autograd.grad(temperature_softmax(x, math.inf).square().sum(), x)
    assert bool((zero == 0).all())


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda x: temperature_softmax(x, -1.0), ValueError, "temperature"),
        (lambda x: temperature_softmax(x, math.nan), ValueError, "temperature"),
        (lambda x: temperature_softmax(x, "1"), TypeError, "temperature"),
        (lambda x: temperature_softmax(x, 1.0, 2), IndexError, "dim"),
        (lambda x: temperature_softmax(x.long()), TypeError, "logits"),
        (lambda x: top_k_filter(x, -1), ValueError, "k must"),
        (lambda x: top_k_filter(x, 2.0), ValueError, "k must"),
        (lambda x: top_p_filter(x, 1.01), ValueError, "p must"),
        (lambda x: top_p_filter(x, math.nan), ValueError, "p must"),
        (lambda x: greedy(x[:, :0]), ValueError, "logits"),
        (lambda x: sample(x, -0.5), ValueError, "temperature"),
        (lambda x: sample(x, top_k=-2), ValueError, "k must"),
        (lambda x: sample(x, 0.0, top_p=2.0), ValueError, "p must"),
        (lambda x: sample(x * math.nan), ValueError, "logits"),
        (lambda x: sample(torch.full_like(x, -math.inf)), ValueError, "logits"),
        (lambda x: sample(torch.full_like(x, math.inf)), ValueError, "logits"),
    ],
)
def test_arguments_are_named_when_refused(call, error, named):
    with pytest.raises(error, match=named):
        call(torch.randn(2, 3))


def test_exactly_k_stay_though_equal():
    assert torch.isfinite(top_k_filter(torch.zeros(4, 9), 5)).sum(-1).tolist() == [5] * 4
    assert top_k_filter(torch.zeros(3), 1).tolist() == [0, -math.inf, -math.inf]


def test_the_nucleus_holds_the_class_that_reaches_p():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64).log()
    kept = {p: int(torch.isfinite(top_p_filter(logits, p)).sum()) for p in (0.0, 0.4, 0.55, 0.79, 0.9, 0.96, 1.0)}
    assert kept == {0.0: 1, 0.4: 1, 0.55: 2, 0.79: 2, 0.9: 3, 0.96: 4, 1.0: 4}


def test_p_of_one_keeps_all_however_the_sum_rounds():
    assert bool(torch.isfinite(top_p_filter(torch.linspace(0, 60, 5000), 1.0)).all())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0, "top_k": 3},
        {"temperature": 2.0, "top_p": 0.8},
        {"temperature": math.inf, "top_k": 4},
    ],
)
def test_frequencies(settings):
    logits = torch.tensor([0.0, 2.0, 1.0, -1.0, 1.5], dtype=torch.float64)
    count = 100_000
    draws = sample(logits.expand(count, 5), **settings, generator=torch.Generator().manual_seed(1))
    soft = temperature_softmax(top_k_filter(logits, settings.get("top_k", 0)), settings.get("temperature", 1.0))
    expected = torch.softmax(top_p_filter(soft.log(), settings.get("top_p", 1.0)), -1)
    got = draws.bincount(minlength=5).double() / count
    assert bool((got[expected == 0] == 0).all())
    assert bool(((got - expected).abs() <= 5 * (expected * (1 - expected) / count).sqrt() + 1e-12).all())


def test_cold_draws_are_greedy_and_seeds_repeat():
    logits = torch.randn(50, 9)
    assert torch.equal(sample(logits, 0.0), greedy(logits))
    assert torch.equal(sample(logits, 9.0, top_k=1), greedy(logits))
    first, second = (sample(logits, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    sample(logits, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before), "a generator of its own leaves the global one alone"
