"""What an operator's source leaves open, as which of equal numbers is taken, makes nobody wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from refops.parity import check

BRIEF: dict[str, Any] = {"dtypes": ["float32", "bfloat16"], "checks": ["value", "gradient", "laws", "layout", "unseen"]}


def last_of_equals(logits: Tensor, k: int) -> Tensor:
    """Of equal logits the last are kept; k = 0 keeps none."""
    if not logits.is_floating_point() or k < 0:
        raise ValueError("logits must be floating and k not negative")
    order = logits.flip(-1).argsort(dim=-1, descending=True, stable=True)[..., :k]
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.shape[-1] - 1 - order, True)
    return logits.masked_fill(~kept, -math.inf)


def every_equal(logits: Tensor, k: int) -> Tensor:
    """More than k are kept where some equal the last."""
    if not logits.is_floating_point() or k < 0:
        raise ValueError("logits must be floating and k not negative")
    least = logits.topk(min(k or logits.shape[-1], logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < least, -math.inf)


def smallest_kept(logits: Tensor, k: int) -> Tensor:
    """The other end, where there are more than k."""
    return last_of_equals(logits, k) if k >= logits.shape[-1] else -last_of_equals(-logits, k)


def test_another_of_equal_logits_and_another_meaning_of_none_differ() -> None:
    report = check(last_of_equals, like="functional.top_k_filter", **BRIEF)
    assert report.passed, report
    assert [kind.name for kind in report.verdict.differs] == ["left-open"]
    assert not check(last_of_equals, like="functional.top_k_filter", strict=True, **BRIEF).passed


@pytest.mark.parametrize("subject", [every_equal, smallest_kept])
def test_more_than_k_and_other_values_are_wrong(subject: Any) -> None:
    assert not check(subject, like="functional.top_k_filter", checks=["value"], dtypes=["float32"]).passed


def test_the_nucleus_may_take_another_of_equals() -> None:
    def turned(logits: Tensor, p: float) -> Tensor:
        from refops.functional import top_p_filter

        return top_p_filter(logits.flip(-1), p).flip(-1)

    assert check(turned, like="functional.top_p_filter", **BRIEF).passed
