"""Temperature softmax, the cuts and the draw. Legend: V classes, * any axes before them, *S any shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import sampling as F
from refops.parity.case import Case, additive, called, index, real
from refops.parity.spec import FINITE, SATURATING, Law, Randomness, Refusal, Spec
from refops.shapes import sampling as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def temperature_oracle(logits: Tensor, temperature: float = 1.0, dim: int = -1) -> Tensor:
    """Each probability from all differences of logits: p_i = 1 / sum_j e^((x_j - x_i) / T); limits by sorting out."""
    if logits.numel() == 0:
        return logits.clone()
    x = logits.movedim(dim, -1) if logits.dim() else logits[None]
    if temperature in (0.0, math.inf):
        chosen = x == x.max(-1, keepdim=True).values if temperature == 0 else x > -math.inf
        p = chosen / chosen.to(x.dtype).sum(-1, keepdim=True) + torch.where(x.isfinite(), x, 0) * 0
    else:
        finite = torch.where(x > -math.inf, x, x.detach().amax(-1, keepdim=True) - 1e4 * temperature)
        gaps = (finite[..., None, :] - finite[..., :, None]) / temperature  # (..., i, j)
        p = torch.where(x > -math.inf, 1 / gaps.clamp(max=700).exp().sum(-1), 0)
    return p.movedim(-1, dim).to(logits.dtype) if logits.dim() else p[0].to(logits.dtype)


def _cut_rows(logits: Tensor, keep: Callable[[list[float], list[int]], set[int]]) -> Tensor:
    """Row by row: which classes stay, decided in plain Python; the likeliest first, of equal ones the first."""
    rows = logits.reshape(-1, logits.shape[-1])
    kept = torch.zeros(rows.shape, dtype=torch.bool)
    for i, row in enumerate(rows.detach().tolist()):
        order = sorted(range(len(row)), key=lambda j: (-row[j], j))
        for j in keep(row, order):
            kept[i, j] = True
    return torch.where(kept.view(logits.shape), logits, -math.inf)


def top_k_oracle(logits: Tensor, k: int) -> Tensor:
    """The first k of the sorted classes."""
    return _cut_rows(logits, lambda row, order: set(order[: k or len(row)]))


def top_p_oracle(logits: Tensor, p: float) -> Tensor:
    """Classes are taken, the likeliest first, until their probabilities reach p."""

    def nucleus(row: list[float], order: list[int]) -> set[int]:
        if p == 1:
            return set(order)
        weights = [math.exp(x - row[order[0]]) for x in row]
        taken, mass = {order[0]}, weights[order[0]]
        for j in order[1:]:
            if mass >= p * math.fsum(weights):
                break
            taken.add(j)
            mass += weights[j]
        return taken

    return _cut_rows(logits, nucleus)


def greedy_oracle(logits: Tensor) -> Tensor:
    """The largest of each row, in plain Python."""
    rows = logits.reshape(-1, logits.shape[-1]).tolist()
    return torch.tensor([row.index(max(row)) for row in rows], dtype=torch.int64).view(logits.shape[:-1])


def sample_oracle(
    logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, generator: Any = None
) -> Tensor:
    """Where nothing is left to chance: the likeliest class."""
    return greedy_oracle(logits)


def sample_settings(case: Case) -> dict[str, Any]:
    """Temperature, top_k and top_p of a case."""
    given = dict(zip(("temperature", "top_k", "top_p"), case.call.args[1:], strict=False)) | case.call.keywords
    return {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **given}


def sample_rate(case: Case) -> float:
    """0 where one class is left."""
    given = sample_settings(case)
    return 0.0 if given["temperature"] == 0 or given["top_k"] == 1 or given["top_p"] == 0 else 0.5


def frequencies(case: Case, call: Callable[[Tensor, int], Tensor]) -> Iterator[str]:
    """Classes are drawn as often as their probabilities say, those cut off never, rows independently."""
    given = sample_settings(case)
    logits = torch.tensor([0.0, 2.0, 1.0, -math.inf, 1.5, -1.0])
    soft = temperature_oracle(logits.double(), float(given["temperature"]))
    cut = top_p_oracle(top_k_oracle(soft.log(), given["top_k"]), given["top_p"])
    expected = torch.softmax(cut, -1)
    count = 40_000
    draws = call(logits.expand(count // 4, 4, 6), 5)
    if draws.dtype != torch.int64 or draws.shape != (count // 4, 4):
        yield f"draws must be int64 of shape {(count // 4, 4)}, got {draws.dtype} of shape {tuple(draws.shape)}"
        return
    share = draws.flatten().cpu().bincount(minlength=6).double() / count
    if len(share) > 6:
        yield f"draws must be classes, from 0 to 5, got {int(draws.max())}"
        return
    sigma = (expected * (1 - expected) / count).sqrt()
    for i in range(6):
        if abs(float(share[i] - expected[i])) > 6 * float(sigma[i]) + (2 / count if expected[i] else 0):
            yield f"class {i} must be drawn at rate {float(expected[i]):.4f}, got {float(share[i]):.4f} of {count}"
    if sample_rate(case):
        hits = (draws == int(expected.argmax())).double().cpu()
        centred = hits - hits.mean()
        together = float((centred[:, 1:] * centred[:, :-1]).mean() / centred.square().mean())
        if abs(together) > 6 / math.sqrt(count):
            yield f"rows must be drawn independently, neighbours correlate by {together:.3f}"
        if torch.equal(call(logits.expand(count // 4, 4, 6), 6), draws):
            yield "another seed must draw other classes"
    if not torch.equal(call(logits.expand(count // 4, 4, 6), 5), draws):
        yield "the same seed must draw the same classes"


def _first(case: Case, name: str, at: int = 1) -> Any:
    """An argument of a case, wherever it stands."""
    return case.call.keywords.get(name, case.call.args[at] if len(case.call.args) > at else None)


def _others_of_equals(logits: Tensor, right: Tensor, got: Tensor) -> bool:
    """Whether as many are kept, of each value, as are right: then only the choice among equals is another."""
    if got.shape != right.shape or not logits.numel():
        return False
    x = logits.detach()
    kept = (got == x) | (got == -math.inf)
    return bool(kept.all()) and torch.equal(got.detach().sort(-1).values, right.to(x).sort(-1).values)


def another_k(case: Case, inputs: list[Tensor], outputs: list[Tensor]) -> str:
    """Neither which of equal logits stay is said by the source, nor what none at all means."""
    (logits, *_), (got, *_), k = inputs, outputs, _first(case, "k")
    if k == 0 and bool((got == -math.inf).all()):
        return "k = 0 keeps none"
    return EQUALS if _others_of_equals(logits, top_k_oracle(logits, k), got) else ""


def another_nucleus(case: Case, inputs: list[Tensor], outputs: list[Tensor]) -> str:
    """Which of equal logits stay is not said by the source."""
    (logits, *_), (got, *_) = inputs, outputs
    return EQUALS if _others_of_equals(logits, top_p_oracle(logits, _first(case, "p")), got) else ""


def softmax_cases() -> SearchStrategy[Case]:
    """Any shape, axis and temperature."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(0, 5), max_size=4))
        axes = max(len(shape), 1)
        temperature = draw(st.sampled_from((0.0, 0.1, 0.5, 1.0, 2.0, 30.0)))
        return called(real(*shape), temperature, dim=draw(st.integers(-axes, axes - 1)))

    return cases()


def filter_cases(*choices: float) -> Callable[[], SearchStrategy[Case]]:
    """Any shape with classes, and any of the settings."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = [*draw(st.lists(st.integers(0, 4), max_size=3)), draw(st.integers(1, 6))]
            return called(real(*shape), *([draw(st.sampled_from(choices))] if choices else []))

        return cases()

    return strategy


def sums_to_one(build: Build, x: Tensor) -> Pair:
    """They are probabilities."""
    return torch.stack([build()(x, t).sum(-1) for t in (0.0, 0.3, 1.0, 9.0, math.inf)]), x.new_ones(5, 70)


def native_at_one(build: Build, x: Tensor) -> Pair:
    """T = 1 is softmax, T = 2 that of half the logits."""
    f = build()
    return torch.stack([f(x), f(x, 2.0)]), torch.stack([torch.softmax(x, -1), torch.softmax(x / 2, -1)])


def ratio(build: Build, x: Tensor) -> Pair:
    """It is log p_i - log p_j = (x_i - x_j) / T."""
    log = build()(x, 4.0).log()
    return log[:, 1:] - log[:, :-1], (x[:, 1:] - x[:, :-1]) / 4


def hotter_is_flatter(build: Build, x: Tensor) -> Pair:
    """The entropy grows with T; the order of the classes stays."""
    f = build()
    p = torch.stack([f(x, t) for t in (0.25, 0.5, 1.0, 2.0, 4.0)])
    entropy = -(p * p.clamp(min=1e-30).log()).sum(-1)
    ordered = p.gather(-1, x.argsort(-1).expand(p.shape)).diff(dim=-1)
    held = torch.stack([(entropy.diff(dim=0) > 0).all(), (ordered >= 0).all()])
    return held.to(x.dtype), x.new_ones(2)


def limits(build: Build, x: Tensor) -> Pair:
    """T = 0 and T = inf are what small and large T come near to."""
    f, spread = build(), torch.arange(9, dtype=x.dtype) * 8 + x.clamp(-1, 1)
    return torch.cat([f(spread, 0.0), f(spread, math.inf)]), torch.cat([f(spread, 2**-6), f(x * 0, 3.0)])


def count_kept(build: Build, x: Tensor) -> Pair:
    """So many are kept, also of equal logits."""
    f = build()
    kept = torch.stack([torch.isfinite(f((x * 2).round(), k)).sum(-1) for k in (1, 3, 9, 20)])
    return kept.to(x.dtype), torch.tensor([1, 3, 9, 9], dtype=x.dtype)[:, None].expand(4, 70)


def mass_kept(build: Build, x: Tensor) -> Pair:
    """What is kept has at least p, and without the least likely of it less."""
    kept = torch.isfinite(build()(x, 0.7))
    p = torch.softmax(x.double(), -1) * kept
    least = torch.where(kept, p, math.inf).amin(-1)
    held = torch.stack([p.sum(-1) > 0.7 - 1e-6, p.sum(-1) - least < 0.7 + 1e-6])
    return held.to(x.dtype), x.new_ones(2, 70)


def cold_is_greedy(build: Build, x: Tensor) -> Pair:
    """T = 0, k = 1 and p = 0 all give the likeliest class."""
    f, y = build(), x.argmax(-1)
    return torch.stack([f(x, 0.0), f(x, 5.0, 1), f(x, 5.0, 0, 0.0)]), torch.stack([y, y, y])


EQUALS = "others of equal logits are kept"
ENDLESS = (("jacobian", "finite differences of -inf are nan"),)
CLASSES = (Refusal(called(real()), "logits"), Refusal(called(real(3, 0)), "logits"))
WHOLE = Refusal(called(index(3, 4, high=9)), "logits")


def with_setting(refusals: tuple[Refusal, ...], setting: float) -> tuple[Refusal, ...]:
    """The same refusals of a function that needs one more argument."""
    return tuple(Refusal(called(*r.case.call.args, setting), r.argument) for r in refusals)


SPECS = (
    Spec(
        "functional.temperature_softmax",
        "sampling",
        F.temperature_softmax,
        None,
        (
            called(real(5, 11), 2.0),
            called(real(5, 11)),
            called(real(7), 0.5),
            called(real(), 0.5),
            called(real(0, 3), 0.5),
            called(real(3, 7, 4), 0.7, 1),
            called(real(3, 7, 4), temperature=1.3, dim=-3),
            called(real(6, 5), 0.0),
            called(real(6, 5), 1e30),
            called(additive(6, 9), 0.5),
            called(additive(6, 9), 0.0),
            called(real(33, 17), 0.1),
            called(real(2, 257), 30.0),
        ),
        oracle=temperature_oracle,
        shape=shapes.temperature_softmax,
        strategy=softmax_cases,
        regimes=SATURATING,
        laws=(
            Law("sums to one", sums_to_one, (real(70, 9),)),
            Law("softmax at T = 1", native_at_one, (real(70, 9),)),
            Law("ratio", ratio, (real(70, 9),)),
            Law("hotter is flatter", hotter_is_flatter, (real(70, 9),)),
            Law("limits", limits, (real(70, 9),)),
        ),
        refusals=(
            Refusal(called(real(3, 4), -1.0), "temperature"),
            Refusal(called(real(3, 4), None), "temperature"),
            Refusal(called(real(3, 4), 1.0, 2), "dim"),
            WHOLE,
        ),
    ),
    Spec(
        "functional.greedy",
        "sampling",
        F.greedy,
        None,
        (called(real(8, 11)), called(real(7)), called(real(0, 3)), called(real(2, 3, 5)), called(real(4, 1025))),
        oracle=greedy_oracle,
        shape=shapes.greedy,
        strategy=filter_cases(),
        regimes=FINITE,
        refusals=(*CLASSES, WHOLE),
    ),
    Spec(
        "functional.top_k_filter",
        "sampling",
        F.top_k_filter,
        None,
        (
            called(real(5, 11), 3),
            called(real(7), 1),
            called(real(0, 3), 2),
            called(real(5, 11), 0),
            called(real(5, 11), k=50),
            called(real(2, 3, 5), 4),
            called(additive(6, 9), 5),
            called(real(2, 1025), 40),
        ),
        oracle=top_k_oracle,
        shape=shapes.top_k_filter,
        strategy=filter_cases(0, 1, 2, 3, 9),
        regimes=FINITE,
        laws=(Law("k are kept", count_kept, (real(70, 9),)),),
        left_open=another_k,
        refusals=(
            Refusal(called(real(3, 4), -1), "k"),
            Refusal(called(real(3, 4), 1.5), "k"),
            *with_setting((*CLASSES, WHOLE), 2),
        ),
        no_check=ENDLESS,
    ),
    Spec(
        "functional.top_p_filter",
        "sampling",
        F.top_p_filter,
        None,
        (
            called(real(5, 11), 0.83),
            called(real(7), 0.3),
            called(real(0, 3), 0.5),
            called(real(5, 11), 1.0).but(only=("ordinary", "large")),  # one class has all, and the others stay
            called(real(5, 11), p=0.0),
            called(real(2, 3, 5), 0.67),
            called(additive(6, 9), 0.93),
            called(real(2, 257), 0.913),
        ),
        oracle=top_p_oracle,
        shape=shapes.top_p_filter,
        strategy=filter_cases(0.0, 0.31, 0.77, 1.0),
        regimes=FINITE,
        laws=(Law("mass kept", mass_kept, (real(70, 9),)),),
        left_open=another_nucleus,
        refusals=(
            Refusal(called(real(3, 4), 1.5), "p"),
            Refusal(called(real(3, 4), -0.1), "p"),
            *with_setting((*CLASSES, WHOLE), 0.5),
        ),
        no_check=ENDLESS,
    ),
    Spec(
        "functional.sample",
        "sampling",
        F.sample,
        None,
        (
            called(real(8, 11), 0.0),
            called(real(7), 1.5, 1),
            called(real(0, 3), 0.0),
            called(real(4, 5, 6), top_p=0.0),
            called(real(8, 11)),
            called(real(8, 11), 0.5),
            called(real(8, 11), temperature=2.0, top_k=3),
            called(real(8, 11), 1.0, 0, 0.7),
            called(real(8, 11), 3.0, 4, 0.85),
        ),
        oracle=sample_oracle,
        shape=shapes.sample,
        strategy=filter_cases(0.0),
        regimes=FINITE,
        laws=(Law("cold is greedy", cold_is_greedy, (real(70, 9),)),),
        refusals=(
            Refusal(called(real(3, 4), -1.0), "temperature"),
            Refusal(called(real(3, 4), top_k=-1), "k"),
            Refusal(called(real(3, 4), top_p=1.5), "p"),
            *CLASSES,
            WHOLE,
        ),
        randomness=Randomness(sample_rate, statistics=frequencies),
    ),
)
