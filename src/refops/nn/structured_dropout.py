"""Dropout of weights, feature maps and blocks as modules: settings, and one call down.

Legend: N batch, C channels, H, W height and width, I, O features in and out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refops.functional.structured_dropout import (
    drop_block2d,
    drop_connect,
    require_block,
    require_inference,
    require_probability,
    spatial_dropout2d,
)
from refops.nn.linear import Linear

__all__ = ["DropBlock2d", "DropConnect", "SpatialDropout2d"]


class DropConnect(Linear):
    """A linear layer that in training drops single weights and biases, each row with a mask of its own.

    In evaluation it is the linear layer itself, or with `inference="gaussian"` draws from the normal distribution that
    has the mean and variance of training.

    Native: none; parameters, their start and the `state_dict` are those of `torch.nn.Linear`.

    Shape: (*, I) to (*, O); `weight` is (O, I), `bias` (O).

    Raises:
        ValueError: if `p` is outside [0, 1] or `inference` is neither "mean" nor "gaussian".
        RuntimeError: if a size is negative, or the last axis of the input is not I.

    Source: Wan et al., ICML 2013, "Regularization of Neural Networks using DropConnect".

    Example:
        >>> linear = torch.nn.Linear(20, 30)
        >>> layer = DropConnect.wrapping(linear, p=0.5).eval()
        >>> x = torch.ones(128, 20)
        >>> bool((layer(x) - linear(x)).abs().max() < 1e-5), layer.weight is linear.weight
        (True, True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        p: float = 0.5,
        inference: str = "mean",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_probability(p)
        require_inference(inference)
        super().__init__(in_features, out_features, bias, device, dtype)
        self.p = p
        self.inference = inference

    @classmethod
    def wrapping(cls, linear: nn.Module, p: float = 0.5, inference: str = "mean") -> DropConnect:
        """The same layer around the very parameters of a linear layer, native or not.

        Raises:
            TypeError: if `linear` has no weight of two axes.
        """
        weight, bias = getattr(linear, "weight", None), getattr(linear, "bias", None)
        if not isinstance(weight, Tensor) or weight.dim() != 2:
            raise TypeError(f"linear must be a linear layer, with a weight of two axes, got {linear!r}")
        layer = cls(weight.shape[1], weight.shape[0], bias is not None, p, inference, "meta")
        layer.weight, layer.bias = weight, bias
        return layer.train(linear.training)

    def forward(self, input: Tensor) -> Tensor:
        """(*, I) -> (*, O)."""
        return drop_connect(input, self.weight, self.bias, self.p, self.training, self.inference)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"{super().extra_repr()}, p={self.p}, inference={self.inference!r}"


class SpatialDropout2d(nn.Module):
    """In training zero whole feature maps with probability `p`; three axes are one image.

    Native: `torch.nn.Dropout2d` for four axes.

    Shape: (N, C, H, W) to (N, C, H, W) or (C, H, W) to (C, H, W).

    Raises:
        ValueError: if `p` is outside [0, 1] or the input has neither 3 nor 4 axes.

    Source: Tompson et al., arXiv 1411.4280; the name is Keras'.

    Example:
        >>> SpatialDropout2d(p=1.0)(torch.ones(1, 1, 2))
        tensor([[[0., 0.]]])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        require_probability(p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return spatial_dropout2d(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"p={self.p}, inplace={self.inplace}"


class DropBlock2d(nn.Module):
    """In training zero square blocks of each feature map, a share `p` of it on average, and scale the rest up.

    Native: none; torchvision has `ops.DropBlock2d`.

    Shape: (N, C, H, W) to (N, C, H, W) or (C, H, W) to (C, H, W).

    Raises:
        ValueError: if `p` is outside [0, 1], `block_size` is no positive int, `gamma` is neither "exact" nor "paper",
            or the input has neither 3 nor 4 axes.

    Source: Ghiasi et al., arXiv 1810.12890.

    Example:
        >>> DropBlock2d().eval()(torch.ones(1, 1, 1, 2))
        tensor([[[[1., 1.]]]])
    """

    def __init__(self, p: float = 0.1, block_size: int = 7, inplace: bool = False, gamma: str = "exact") -> None:
        super().__init__()
        require_probability(p)
        if gamma not in ("exact", "paper"):
            raise ValueError(f"gamma must be 'exact' or 'paper', got {gamma!r}")
        self.p = p
        self.block_size = require_block(block_size)
        self.inplace = inplace
        self.gamma = gamma

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return drop_block2d(input, self.p, self.block_size, self.training, self.inplace, self.gamma)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}, gamma={self.gamma!r}"
