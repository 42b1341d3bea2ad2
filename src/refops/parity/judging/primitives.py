"""The primitive rule: the handful of tensor operations that is enough for all of torch.nn, and who keeps to it.

A reference's forward pass may dispatch these aten operations, out of place or in place (`exp_`), and no others.
"""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

PRIMITIVES: dict[str, tuple[str, ...]] = {
    "create": (
        "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "zeros", "zeros_like",
        "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full", "arange",
        "scalar_tensor", "eye", "fill", "zero", "_efficientzerotensor", "lift_fresh",
    ),
    "copy and cast": ("clone", "copy", "_to_copy", "detach", "alias", "contiguous", "resize", "set"),
    "view": (
        "view", "_unsafe_view", "reshape", "_reshape_alias", "as_strided", "expand", "permute", "transpose",
        "t", "unsqueeze", "squeeze", "select", "slice", "split", "split_with_sizes", "unfold", "unbind",
        "diagonal", "view_as_real", "view_as_complex", "view_dtype",
    ),
    "join": ("cat", "stack", "repeat", "flip", "constant_pad_nd"),
    "index": (
        "index", "index_select", "gather", "scatter", "scatter_add", "index_put", "_index_put_impl",
        "index_add", "index_copy", "masked_fill", "slice_scatter", "select_scatter", "tril", "triu",
    ),
    "add": ("add", "sub", "rsub", "addcmul", "lerp", "neg"),
    "multiply": ("mul", "div", "reciprocal", "addcdiv", "remainder", "floor_divide", "square"),
    "compare": (
        "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "logical_and", "logical_or",
        "logical_not", "bitwise_and", "bitwise_or", "bitwise_not", "any", "all", "equal",
        "_local_scalar_dense", "is_nonzero",
    ),
    "where": ("where",),
    "abs, sign": ("abs", "sign", "copysign", "conj", "_conj"),
    "min, max, clamp": (
        "minimum", "maximum", "clamp", "clamp_min", "clamp_max", "amax", "amin", "argmax", "max", "min",
    ),
    "exp, log": ("exp", "expm1", "log", "log1p"),
    "sqrt, pow": ("sqrt", "rsqrt", "pow"),
    "sin, cos, erf": ("sin", "cos", "erf", "erfc"),
    "floor, ceil": ("floor", "ceil", "round"),
    "sum": ("sum", "mean", "cumsum", "prod"),
    "sort": ("sort", "topk", "argsort", "nonzero", "bincount"),
    "matmul": ("mm", "bmm", "addmm", "baddbmm", "mv", "dot", "addmv", "matmul"),
    "random": ("bernoulli", "rand", "rand_like", "randn", "randn_like", "uniform", "normal", "randint", "randperm"),
}  # fmt: skip
"""What a reference may use, by the name of the idea; each idea's aten operations behind it."""

_ALLOWED = {operation for operations in PRIMITIVES.values() for operation in operations}
_PROPERTIES = ("prim", "sym_size", "sym_numel", "sym_stride", "size", "is_same_size")


class _Dispatch(TorchDispatchMode):
    def __init__(self, seen: dict[str, None]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "overloadpacket", func)
        self.seen.setdefault(str(packet).removeprefix("aten."))
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    def __init__(self, seen: dict[str, None]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        module = getattr(func, "__module__", None) or ""
        if module == "torch.nn.functional" or module.startswith("torch._C._nn"):
            self.seen.setdefault(f"torch.nn.functional.{func.__name__}")
        return func(*args, **(kwargs or {}))


class Recorder:
    """Records, while it is entered, the operations that are dispatched and the functions of torch.nn.functional called.

    Example:
        >>> import torch
        >>> with Recorder() as recorder:
        ...     _ = torch.nn.functional.softmax(torch.ones(2), 0)
        >>> recorder.forbidden()
        ['torch.nn.functional.softmax', 'aten._softmax']
    """

    def __init__(self) -> None:
        self.operations: dict[str, None] = {}
        self.functions: dict[str, None] = {}

    def __enter__(self) -> Recorder:
        self._modes = (_Functions(self.functions), _Dispatch(self.operations))
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)

    def forbidden(self) -> list[str]:
        """Everything recorded that is no primitive, functions of torch.nn.functional by their own name."""
        foreign = [o for o in self.operations if o.rstrip("_") not in _ALLOWED and not o.startswith(_PROPERTIES)]
        return [*self.functions, *(f"aten.{o}" for o in foreign)]
