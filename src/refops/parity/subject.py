"""Subjects: what is being tested, seen through the same handle as native torch.

An `Operator` is a class or function with a way to call it; an `Instance` is one built from a case. State is always
spoken of by native's names: a subject's own parameters are matched by name, then by shape in order of registration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.case import Case, dtype_of, fill


class MappingError(LookupError):
    """A parameter of native's has no counterpart in the subject."""


@dataclass
class Instance:
    """A built operator: callable, with its state under native's names."""

    function: Callable[..., Any]
    names: dict[str, str] = field(default_factory=dict)  # native's name -> own name

    @property
    def module(self) -> nn.Module | None:
        """The module, if the operator is one."""
        return self.function if isinstance(self.function, nn.Module) else None

    def own_state(self) -> dict[str, Tensor]:
        """Parameters, then persistent buffers, by own name."""
        if self.module is None:
            return {}
        parameters = dict(self.module.named_parameters())
        kept = self.module.state_dict(keep_vars=True)
        buffers = {k: v for k, v in self.module.named_buffers() if k in kept}
        return {**parameters, **buffers}

    def state(self) -> dict[str, Tensor]:
        """The live tensors of the state by native's name."""
        own = self.own_state()
        return {native: own[name] for native, name in self.names.items() if name in own}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copy values into the live tensors, keeping their dtype and identity."""
        for name, tensor in self.state().items():
            if name in state:
                tensor.copy_(state[name])

    def parameters(self) -> dict[str, Tensor]:
        """The parameters that take a gradient, by native's name."""
        return {k: v for k, v in self.state().items() if isinstance(v, nn.Parameter) and v.requires_grad}


@dataclass(frozen=True)
class Operator:
    """A class or function under test, or native's own.

    Args:
        target: the class or function.
        kind: `module`, `function` or `optimizer`.
        name: how it is printed.
        state_map: native's parameter names to the subject's, where names and shapes do not tell.
        drop_in: judge it by the drop-in contract too (repr, keys, initial values, exception types).
        reference: it is one of refops's own, bound by the primitive rule.
        by_hand: it claims to do the work itself: it must not call the operator it replaces.
    """

    target: Callable[..., Any]
    kind: str
    name: str
    state_map: tuple[tuple[str, str], ...] = ()
    drop_in: bool = False
    reference: bool = False
    by_hand: bool = False

    def build(self, case: Case, init: list[Tensor], device: str = "cpu") -> Instance:
        """Construct the operator for a case; tensors among the constructor arguments are given in `init`."""
        if self.kind == "function" or case.init is None:
            return Instance(self.target)
        args, kwargs = fill(case.init, iter(init))
        module = self.target(*args, **kwargs)
        if not isinstance(module, nn.Module):
            if not callable(module):
                raise TypeError(f"subject must build a callable module, got {type(module).__name__} from {self.name}")
            return Instance(module)
        module = module.to(device=device, dtype=dtype_of(case.dtype)).train(case.mode == "train")
        return Instance(module)

    def match(self, instance: Instance, native: Mapping[str, Tensor]) -> Instance:
        """Give every native name the subject's own: by `state_map`, by name, then by shape in order.

        Raises:
            MappingError: if a native parameter has no counterpart.
        """
        own = instance.own_state()
        names = {k: v for k, v in self.state_map if k in native and v in own}
        names |= {k: k for k, v in native.items() if k not in names and k in own and own[k].shape == v.shape}
        free = [k for k in own if k not in names.values()]
        for name, tensor in native.items():
            alike = [k for k in free if own[k].shape == tensor.shape and _same_sort(own[k], tensor)]
            if name not in names and alike:
                names[name] = alike[0]
                free.remove(alike[0])
        missing = [k for k, v in native.items() if k not in names and isinstance(v, nn.Parameter)]
        if missing and instance.module is not None:
            shapes = ", ".join(f"{k} {tuple(v.shape)}" for k, v in own.items()) or "none"
            needed = ", ".join(f"{k} {tuple(native[k].shape)}" for k in missing)
            raise MappingError(f"state_map must name the subject's counterpart of {needed}; its own state: {shapes}")
        return Instance(instance.function, {k: names[k] for k in native if k in names})  # in native's order


def _same_sort(a: Tensor, b: Tensor) -> bool:
    return isinstance(a, nn.Parameter) == isinstance(b, nn.Parameter) and a.is_floating_point() == b.is_floating_point()


def kind_of(target: Any) -> str:
    """`module`, `optimizer` or `function`: what sort of subject this is.

    Raises:
        TypeError: if it is none of them.
    """
    if inspect.isclass(target) and issubclass(target, torch.optim.Optimizer):
        return "optimizer"
    if inspect.isclass(target):
        return "module"
    if callable(target):
        return "function"
    raise TypeError(f"subject must be a class or a function, got {target!r}")
