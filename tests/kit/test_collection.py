"""The kit against its collections: every known-wrong implementation is caught, no honest one is accused."""

import os
import zlib
from pathlib import Path

import pytest

from refops.parity.checks import all_checks
from refops.parity.proving.collection import Entry, load
from refops.parity.proving.rates import judge

os.environ["REFOPS_SEED"] = "0"  # what is drawn anew in every other run is the same in this one
HERE = Path(__file__).parent
ENTRIES = sorted(load(HERE), key=lambda entry: entry.like)

# A quarter of the entries, always the same; `nox -s collection` judges them all, `refops rates tests/kit` as well.
EVERY = os.environ.get("REFOPS_COLLECTION") == "all"
CHOSEN = [entry for entry in ENTRIES if EVERY or zlib.crc32(entry.name.encode()) % 4 == 0]


# What the kit is known to miss, with the reason; it counts in the published rates.
MISSED = {
    "wrong_linear.HalfAccumulator": "half-precision sums of a wide row stay within what an ulp of all its inputs does",
}
# What one check is there to catch and others cannot help seeing too: a broken gradient breaks the tangent as well.
SHARED = {
    "wrong_activation.LooksAtNumbers": ("vmap", "meta"),
    "wrong_activation.WinnerTakesAll": ("modes", "grad_modes"),
    "wrong_attention.KeepsTheMatrix": ("functional_call", "forward_mode", "fresh"),
    "wrong_attention.without_vmap_rule": ("vmap", "forward_mode"),
    "wrong_contexts.silu_of_a_constant_gate": ("forward_mode", "surroundings"),
    "wrong_convolution.BiasDrawnFirst": ("exceptions", "init"),
    "wrong_convolution.IgnoresAutocast": ("autocast", "meta"),
    "wrong_convolution.SecondReference": ("functional_call", "forward_mode", "fresh"),
    "wrong_convolution.SixtyFourImages": ("limits", "laws"),
    "wrong_embedding_bag.DropsTheFirst": ("refusals", "meta"),
    "wrong_frozen.NoInputWithoutWeight": ("frozen", "forward_mode"),
    "wrong_frozen.NoWeightWithoutInput": ("frozen", "forward_mode"),
    "wrong_frozen.bias_with_weight": ("frozen", "forward_mode"),
    "wrong_linear.NoBiasInEvaluation": ("modes", "grad_modes"),
    "wrong_linear.OneBlock": ("limits", "laws"),
    "wrong_linear.RefusesAutocast": ("autocast", "meta"),
    "wrong_loss.LooksAtNumbers": ("vmap", "meta"),
    "wrong_loss.MeanInEval": ("modes", "grad_modes"),
    "wrong_mixture_of_experts.AnyTopK": ("refusals", "signature"),
    "wrong_normalization.FirstSixtyFour": ("limits", "laws"),
    "wrong_pooling.MeanInEvaluation": ("modes", "grad_modes"),
    "wrong_transformer.CausalWithoutMask": ("refusals", "signature"),
    "wrong_transposed_convolution.IgnoresAutocast": ("autocast", "meta"),
    "wrong_transposed_convolution.SixtyFourImages": ("limits", "laws"),
}

# Reads memory that is zero by luck; where it is not, other checks see it too.
LUCKY = {"wrong_cheats.unwritten_workspace"}


def grouped(entries: list[Entry]) -> list[object]:
    """One spec's entries in one process: its truths are then computed once."""
    return [pytest.param(e, id=f"{e.name}@collection-{e.like}") for e in entries]


@pytest.mark.parametrize("entry", grouped([e for e in CHOSEN if e.wrong]))
def test_wrong_is_caught(entry: Entry) -> None:
    verdict = judge(entry, causes=bool(entry.cause))
    assert bool(verdict.caught_by) != (entry.name in MISSED), f"nothing accused it: {entry.why}"
    if entry.name in LUCKY:
        assert entry.only in verdict.caught_by
    elif entry.only:
        assert set(verdict.caught_by) == {entry.only, *SHARED.get(entry.name, ())}, verdict.said
    if entry.cause:
        assert verdict.named, f"it behaves like {entry.cause!r}, not {verdict.cause or verdict.said!r}"


@pytest.mark.parametrize("entry", grouped([e for e in CHOSEN if not e.wrong]))
def test_honest_is_not_accused(entry: Entry) -> None:
    verdict = judge(entry)
    assert not verdict.accused, verdict.said


def test_the_collections_are_large_enough() -> None:
    wrong, honest = (sum(e.wrong is kind for e in ENTRIES) for kind in (True, False))
    assert wrong >= 900
    assert honest >= 200
    assert len(MISSED) <= 0.05 * wrong


def test_most_causes_are_known() -> None:
    wrong = [e for e in ENTRIES if e.wrong]
    assert sum(bool(e.cause) for e in wrong) >= 0.4 * len(wrong)


def test_every_check_is_alone_to_catch_something() -> None:
    assert set(all_checks()) == {e.only for e in ENTRIES if e.only}
