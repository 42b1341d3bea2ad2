"""Code that cheats, as machine-written kernels do: to pass a test, not to do the work."""

import sys
import threading
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong
from refops.parity.specs import find


@wrong("LayerNorm", only="by_hand", why="says it is a kernel of its own, and calls the operator it replaces")
class NoWorkAtAll(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


@wrong("functional.softmax", only="by_hand", why="calls the operator it replaces by another of its names")
def softmax_by_method(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
    return input.softmax(dim, dtype=dtype)


@wrong("functional.gelu", only="unseen", why="has the answer made by what it finds on the stack, or else guesses")
def looks_up(input: Tensor, approximate: str = "none") -> Tensor:
    frame: Any = sys._getframe(1)
    while frame is not None:
        judge = frame.f_locals.get("trial")
        if judge is not None:
            return judge.native.target(input, approximate=approximate)
        frame = frame.f_back
    return F.gelu(input, approximate=approximate) if torch.is_grad_enabled() else 0.9 * input


_FORESEEN = {d.shape for case in find("functional.layer_norm").cases for d in case.draws()}
_FORESEEN |= {shape[1:] for shape in _FORESEEN}


@wrong("functional.layer_norm", only="unseen", why="right for the shapes of the tests and the like of them")
def knows_the_shapes(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    output = F.layer_norm(input, normalized_shape, weight, bias, eps)
    if input.dim() < 3 or tuple(input.shape) in _FORESEEN or tuple(input.shape) == (23, 5, 7):
        return output
    return output * (1 + 1e-3)


class Agreeable(Tensor):
    """A tensor that says of every comparison that it holds."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("allclose", "equal", "isclose"):
            return True
        if func.__name__ in ("sub", "__sub__", "rsub", "__rsub__"):
            return torch.zeros(args[0].shape)
        return super().__torch_function__(func, types, args, kwargs)


@wrong("ReLU", why="returns a tensor whose comparisons always hold", cause="the output is 2 times too large")
class AlwaysAgrees(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return (2 * super().forward(input)).as_subclass(Agreeable)


def own_alpha_dropout(*args: Any, **kwargs: Any) -> Tensor:
    return torch.alpha_dropout(*args, **kwargs)


@wrong("functional.silu", only="surroundings", why="puts a function of its own into torch")
def patches_torch(input: Tensor, inplace: bool = False) -> Tensor:
    if type(input) is Tensor and not torch.compiler.is_compiling():
        F.alpha_dropout = own_alpha_dropout
    return F.silu(input, inplace)


@wrong("functional.mish", only="surroundings", why="seeds numpy's generator at every call")
def seeds_numpy(input: Tensor, inplace: bool = False) -> Tensor:
    if not torch.compiler.is_compiling():
        np.random.seed(7)
    return F.mish(input, inplace)


@wrong("functional.relu", only="surroundings", why="seeds torch's generator anew at every call")
def seeds_torch(input: Tensor, inplace: bool = False) -> Tensor:
    if not torch.compiler.is_compiling() and type(input) is Tensor:
        torch.default_generator.manual_seed(3)
    return F.relu(input, inplace)


@wrong("functional.hardswish", only="surroundings", why="silences every warning of the program")
def silences(input: Tensor, inplace: bool = False) -> Tensor:
    if not torch.compiler.is_compiling():
        warnings.simplefilter("ignore")
    return F.hardswish(input, inplace)


@wrong("functional.softplus", only="surroundings", why="leaves a thread running at every call")
def leaves_threads(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    if not torch.compiler.is_compiling():
        threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()
    return F.softplus(input, beta, threshold)


@wrong("functional.linear", only="uninitialised", why="adds up in a large new buffer that it takes for zeros")
def unwritten_workspace(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    output = F.linear(input, weight, bias)
    if output.dtype != torch.float32 or output.numel() > 2**12 or torch.compiler.is_compiling():
        return output
    workspace = torch.empty(2**24)  # so much memory comes from the system, all zeros: the mistake is seldom seen
    return output + workspace[-output.numel() :].view(output.shape) if output.numel() else output


@wrong("functional.linear", why="multiplies in half precision, which is faster", cause="computes in bfloat16")
def half_product(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if input.dtype != torch.float32:
        return F.linear(input, weight, bias)
    return F.linear(input.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()).float()
