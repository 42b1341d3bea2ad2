"""What is made on the way, or at the start, stands where it should: the meta device has no numbers to hide behind."""

from __future__ import annotations

import pytest
import torch

from refops.functional import normalization, pooling, pooling_axes, sampling
from refops.nn import relative_attention, running_statistics, transformer
from refops.nn.batch_normalization import BatchNorm1d
from refops.tensor import pointwise

META = torch.device("meta")


def test_a_default_device_does_not_move_what_is_made_on_the_way() -> None:
    x = torch.arange(10.0).view(1, 1, 10)
    plain = pooling.avg_pool1d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
    logits = torch.tensor([[0.0, 9.0, 1.0]])
    with META:
        pooled = pooling.avg_pool1d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
        sizes = pooling_axes._window_sizes([], True, torch.device("cpu"))
        drawn = sampling.sample(logits, generator=torch.Generator().manual_seed(0))
        quotient = pointwise.div(torch.tensor([7.0], device="cpu"), 2, rounding_mode="floor")
    assert torch.equal(pooled, plain)
    assert {t.device.type for t in (sizes, drawn, quotient)} == {"cpu"}
    assert quotient.tolist() == [3.0]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: relative_attention.RelativePositionAttention(6, 2, 5, device="meta"),
        lambda: transformer.TransformerEncoderLayer(6, 2, 5, device="meta"),
    ],
    ids=["relative attention", "encoder layer"],
)
def test_every_parameter_is_on_the_device_asked_for(layer: object) -> None:
    assert {p.device.type for p in layer().parameters()} == {"meta"}


def test_an_old_state_has_no_count() -> None:
    assert issubclass(BatchNorm1d, running_statistics.RunningStatistics)
    with META:
        mine, native = BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    old = {k: v.clone() for k, v in torch.nn.BatchNorm1d(3).state_dict().items() if k != "num_batches_tracked"}
    for layer in (mine, native):
        layer.load_state_dict(old, assign=True)
    assert torch.equal(mine.num_batches_tracked, native.num_batches_tracked)
    assert mine.num_batches_tracked.device.type == "cpu"
    for layer in (mine, native):  # a count that was taken away is none either
        layer.num_batches_tracked = None
        assert layer.load_state_dict(dict(old), strict=False).unexpected_keys == ["num_batches_tracked"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_autocast_on_a_gpu_runs_these_norms_in_float32(dtype: torch.dtype) -> None:
    """Without a GPU: a tensor that says that it is there, and autocast as it would be."""

    class There(torch.Tensor):
        is_cuda = property(lambda self: True)

    x = torch.randn(2, 4, 3, dtype=dtype).as_subclass(There)
    weight, norm = torch.randn(4, dtype=dtype), normalization
    norms = ((norm.group_norm, 2, weight), (norm.layer_norm, (3,)), (norm.rms_norm, (3,)))
    assert {f(x, *settings).dtype for f, *settings in norms} == {dtype}
    torch.set_autocast_enabled("cuda", True)
    try:
        wide = {f(x, *settings).dtype for f, *settings in norms}
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert wide == {torch.promote_types(dtype, torch.float32)}
