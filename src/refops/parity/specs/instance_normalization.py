"""InstanceNorm, 1d to 3d. Legend: N batch, C channels, *S spatial axes."""

from __future__ import annotations

import torch
from torch import Tensor

from refops.functional.batch_normalization import instance_norm
from refops.nn import batch_normalization as norms
from refops.parity.case import buffer, built, called, param, positive, real
from refops.parity.spec import Law, Refusal, Spec
from refops.parity.specs._channel_statistics import exact_instance_norm, exact_module
from refops.parity.specs.batch_normalization import (
    SPACE,
    Build,
    Pair,
    Shape,
    affine_last,
    both_by_running,
    channels_apart,
    check,
    function_cases,
    function_refusals,
    function_rows,
    module_cases,
    nothing,
)
from refops.shapes import batch_normalization as shapes

__all__ = ["SPECS"]


def instance_norm_shape(
    input: Shape,
    running_mean: Shape | None = None,
    running_var: Shape | None = None,
    weight: Shape | None = None,
    bias: Shape | None = None,
    use_input_stats: bool = True,
    momentum: float | None = 0.1,
) -> Shape:
    """As for batch norm."""
    check(
        input, use_input_stats, momentum, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    return shapes.instance_norm(input, None, use_input_stats)


def splitting(build: Build, x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole, also in training."""
    norm = build(5, affine=True)
    return torch.cat([norm(x[:33]), norm(x[33:])]), norm(x)


def unbatched(build: Build, x: Tensor) -> Pair:
    """Without the batch axis, the same as a batch of one."""
    norm = build(5, affine=True)
    return norm(x), norm(x[None])[0]


def instance_norm_spec(n: int) -> Spec:
    """InstanceNorm1d, 2d or 3d."""
    size, big = SPACE[n], {1: (13,), 2: (6, 9), 3: (2, 3, 5)}[n]
    wide = {1: (1025,), 2: (33, 31), 3: (4, 9, 29)}[n]
    rows = (
        built(5, affine=True).on(real(2, 5, *size)),
        built(3).on(real(2, 3, *size)),
        built(3).on(real(3, *size)),
        built(3, affine=True, track_running_stats=True).on(real(3, *size)),
        built(3, 0.5, 0.3, True, True).on(real(2, 3, *size)),
        built(3, eps=1e-3, momentum=None, track_running_stats=True).on(real(2, 3, *size)),
        built(3, affine=True, bias=False).on(real(2, 3, *size)),
        built(1, affine=True).on(real(31, 1, *size)),
        built(17, affine=True).on(real(5, 17, *big)),
        built(2).on(real(2, 2, *wide)),
    )
    one = (1,) * n
    refusals = (
        Refusal(built(3).on(real(3)), "input"),
        Refusal(built(3).on(real(2, 3, *size, 2, 2)), "input"),
        Refusal(built(3).on(real(2, 3, *one)), "input"),
        Refusal(built(3, affine=True).on(real(3, *one)), "input"),
        Refusal(built(4, affine=True).on(real(2, 1, *size)), "input"),
        Refusal(built(3, affine=True).on(real(2, 4, *size)), "input"),
        Refusal(built(-1, affine=True).on(real(2, 3, *size)), "num_features"),
    )
    laws = (
        Law("batch split", splitting, (real(70, 5, *size),)),
        Law("channels apart", channels_apart(n), (real(23, 11, *size),)),
        Law("unbatched", unbatched, (real(5, *size),)),
        Law("nothing", nothing, (real(23, 5, *size),)),
    )
    name, reference = f"InstanceNorm{n}d", getattr(norms, f"InstanceNorm{n}d")
    native, formula = getattr(torch.nn, name), getattr(shapes, f"instance_norm{n}d")
    cases = module_cases(n, "instance")
    oracle = exact_module(native, n)
    return Spec(
        name, "batch_normalization", reference, native, rows, oracle, formula, cases, laws=laws, refusals=refusals
    )


SPECS = (
    *(instance_norm_spec(n) for n in (1, 2, 3)),
    Spec(
        "functional.instance_norm",
        "batch_normalization",
        instance_norm,
        torch.nn.functional.instance_norm,
        function_rows(called(real(2, 3, 5))),
        oracle=exact_instance_norm,
        shape=instance_norm_shape,
        strategy=function_cases("instance"),
        laws=(
            Law("weight and bias", affine_last, (real(23, 6, 5), param(6), param(6))),
            Law("samples alone", both_by_running, (real(23, 6, 5), buffer(6), positive(6))),
        ),
        refusals=function_refusals(
            "use_input_stats",
            Refusal(called(real(2, 3, 1)), "input"),
            Refusal(called(real(2, 3)), "input"),
            Refusal(called(real(2, 3, 1, 1), buffer(3), positive(3)), "input"),
        ),
    ),
)
