"""Honest in what is seldom asked: layers that pack, pool, keep buffers or look at which gradients are needed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


class _Linear(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight.t()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        given = g @ weight if ctx.needs_input_grad[0] else None
        kept = g.flatten(0, -2).t() @ x.flatten(0, -2) if ctx.needs_input_grad[1] else None
        return given, kept


@honest("Linear", why="its backward makes the gradients that are needed and no others")
class OnlyWhatIsNeeded(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        plain = input.dim() < 2 or input.dtype != self.weight.dtype or not input.is_floating_point()
        if plain or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        output = _Linear.apply(input, self.weight)
        return output if self.bias is None else output + self.bias


@honest("Linear", why="keeps a transposed weight for evaluation, made anew whenever address, version or dtype change")
class PacksAnew(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled() or self.weight.is_inference() or input.dim() < 2:
            return super().forward(input)
        key = (id(self.weight), self.weight.data_ptr(), self.weight._version, self.weight.dtype)
        if self.__dict__.get("key") != key:
            self.key, self.packed = key, self.weight.detach().t().contiguous()
        return F.linear(input, self.packed.t(), self.bias)


_POOL: list[ThreadPoolExecutor] = []


@honest("functional.silu", why="works in a pool of two threads, started at the first call")
def pooled_silu(input: Tensor, inplace: bool = False) -> Tensor:
    if inplace or input.dim() < 1 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return F.silu(input, inplace)
    if not _POOL:
        _POOL.append(ThreadPoolExecutor(2))
    return torch.cat(list(_POOL[0].map(F.silu, input.chunk(2, 0))), 0)


@honest("LayerNorm", why="a workspace kept between calls, from which the answer is copied")
class KeptWorkspace(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if torch.is_grad_enabled():
            return output
        kept = self.__dict__.setdefault("workspaces", {})
        space = kept.setdefault((output.shape, output.dtype), torch.empty_like(output))
        return space.copy_(output).clone()


@honest(
    "functional.softmax", why="a loop over blocks of 1,024 columns and of 4,096 rows, in new memory written in full"
)
def blocked_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    if dim not in (1, -1) or input.dim() != 2 or dtype is not None or input.requires_grad or not input.numel():
        return F.softmax(input, dim, _stacklevel + 1, dtype)
    if input.dtype != torch.float32 or torch.compiler.is_compiling() or torch.is_grad_enabled():
        return F.softmax(input, dim, _stacklevel + 1, dtype)
    output = torch.empty_like(input)
    for rows, out in zip(input.split(4096), output.split(4096), strict=True):
        top = torch.stack([block.amax(1) for block in rows.split(1024, 1)]).amax(0).unsqueeze(1)
        total = sum((block - top).exp().sum(1, keepdim=True) for block in rows.split(1024, 1))
        for block, part in zip(rows.split(1024, 1), out.split(1024, 1), strict=True):
            part.copy_((block - top).exp() / total)
    return output
