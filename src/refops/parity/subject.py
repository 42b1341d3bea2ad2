"""Subjects: what is being tested, seen through the same handle as native torch.

An `Operator` is a class or function with a way to call it; an `Instance` is one built from a case. State is always
spoken of by native's names: how the subject's own are found stands in `refops.parity.matching`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.binding import Binding, call_of, signature
from refops.parity.case import Arguments, Case, dtype_of, fill
from refops.parity.domain import Change, Domain


class NativeError(Exception):
    """Native, or the oracle, raised: no fault of the subject's."""


@dataclass
class Instance:
    """A built operator: callable as native is, with its state under native's names.

    Args:
        function: the module or function itself.
        names: native's name of a parameter or buffer to its own.
        binding: how a call reaches it, where its signature is not native's.
        changes: (load, read) of what it keeps in another form, by native's name.
        wanted: native's parameters that a gradient is asked for, in native's order; None means its own.
    """

    function: Callable[..., Any]
    names: dict[str, str] = field(default_factory=dict)
    binding: Binding | None = None
    changes: Mapping[str, tuple[Change, Change]] = field(default_factory=dict)
    wanted: tuple[str, ...] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it with native's arguments."""
        args, kwargs = self.bound(args, kwargs)
        return self.function(*args, **kwargs)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Native's arguments as its own."""
        return (args, kwargs) if self.binding is None else self.binding.bind(args, kwargs)

    @property
    def module(self) -> nn.Module | None:
        """The module, if the operator is one."""
        return self.function if isinstance(self.function, nn.Module) else None

    def own_state(self) -> dict[str, Tensor]:
        """Parameters, then persistent buffers, by own name; what is parametrized under the name it stands for."""
        if self.module is None:
            return {}
        parameters: dict[str, Tensor] = dict(self.module.named_parameters())
        buffers = dict(self.module.named_buffers())
        if not buffers and not any("parametrizations." in k for k in parameters):
            return parameters  # the usual case; what follows takes its time
        kept = self.module.state_dict(keep_vars=True)
        parameters = {k: v for k, v in parameters.items() if "parametrizations." not in k}
        buffers = {k: v for k, v in buffers.items() if k in kept and "parametrizations." not in k}
        return {**parameters, **self._parametrized(self.module), **buffers}

    @staticmethod
    def _parametrized(module: nn.Module) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for path, inner in module.named_modules():
            if nn.utils.parametrize.is_parametrized(inner) and "parametrizations" not in path.split("."):
                prefix = f"{path}." if path else ""
                found |= {f"{prefix}{name}": getattr(inner, name) for name in inner.parametrizations}
        return found

    def state(self) -> dict[str, Tensor]:
        """The live tensors of the state by native's name, in the subject's own form."""
        own = self.own_state()
        return {native: own[name] for native, name in self.names.items() if name in own}

    def values(self) -> dict[str, Tensor]:
        """Copies of the state by native's name, in native's form."""
        return {k: self.read(k, v.detach()).clone() for k, v in self.state().items()}

    def read(self, name: str, tensor: Tensor) -> Tensor:
        """The subject's own tensor in native's form."""
        return self.changes[name][1](tensor) if name in self.changes else tensor

    def own(self, name: str, value: Tensor) -> Tensor:
        """A value in native's form in the subject's own."""
        return self.changes[name][0](value) if name in self.changes else value

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copy values in native's form into the live tensors, keeping their dtype and identity."""
        for name, tensor in self.state().items():
            if name not in state:
                continue
            value = self.own(name, state[name])
            if tensor.grad_fn is None and not self.derived(name):
                tensor.copy_(value)
            else:  # parametrized: its originals follow
                path, _, attribute = self.names[name].rpartition(".")
                holder = self.module.get_submodule(path) if self.module is not None else None
                setattr(holder, attribute, value.detach().to(tensor))  # a Parameter would be registered beside it

    def derived(self, name: str) -> bool:
        """Whether the tensor is computed from others each time it is read."""
        path, _, attribute = self.names.get(name, "").rpartition(".")
        if self.module is None or (not path and "parametrizations" not in self.module._modules):
            return False  # the usual case: this is asked of every tensor of every state
        return nn.utils.parametrize.is_parametrized(self.module.get_submodule(path), attribute)

    def parameters(self) -> dict[str, Tensor]:
        """The parameters that take a gradient, by native's name."""
        return {k: v for k, v in self.state().items() if isinstance(v, nn.Parameter) and v.requires_grad}

    def gradients(self, found: Sequence[Tensor | None], inputs: int, names: Sequence[str]) -> list[Tensor | None]:
        """Gradients with respect to so many inputs, the parameters of these names, and others: in native's form."""
        formed = [self.gradient(k, g) for k, g in zip(names, found[inputs:], strict=False)]
        return [*found[:inputs], *formed, *found[inputs + len(names) :]]

    def gradient(self, name: str, own: Tensor | None) -> Tensor | None:
        """The gradient for native's form of a parameter, from the one for the subject's own form."""
        if own is None or name not in self.changes:
            return own
        load, read = self.changes[name]
        value = read(self.state()[name].detach())
        return torch.func.vjp(load, value)[1](own)[0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Operator:
    """A class or function under test, or native's own.

    Args:
        target: the class or function.
        kind: `module`, `function` or `optimizer`.
        name: how it is printed.
        like: what sets the arguments' names: the reference; None where the target takes native's as they come.
        domain: what its author declared.
        drop_in: judge it by the drop-in contract too (repr, keys, initial values, exception types).
        reference: it is one of refops's own, bound by the primitive rule.
        strict: differences fail it too.
        by_hand: it must not call the operator it stands for.
    """

    target: Callable[..., Any]
    kind: str
    name: str
    like: Callable[..., Any] | None = None
    domain: Domain = field(default_factory=Domain)
    drop_in: bool = False
    reference: bool = False
    strict: bool = False
    by_hand: bool = False

    def construction(self) -> Binding | None:
        """How constructor arguments reach the class; an optimizer's parameters are passed as they are."""
        if self.like is None or self.kind == "function":
            return None
        return Binding.of(self.like, self.target, self.domain, skip=1 if self.kind == "optimizer" else 0)

    def calling(self, target: Callable[..., Any] | None = None) -> Binding | None:
        """How the arguments of a call reach the built module, or the function."""
        if self.like is None or self.kind == "optimizer":
            return None
        if self.kind == "function":
            return Binding.of(self.like, self.target, self.domain)
        native = signature(self.like.forward)  # type: ignore[attr-defined]
        if target is None or native is None:
            return None
        plain = native.replace(parameters=list(native.parameters.values())[1:])
        own = signature(call_of(target))
        return None if own is None else Binding(plain, own, self.domain, {})

    def settled(self, case: Case) -> Case:
        """The case with what the subject has preset spelled out, so that native is asked the same."""
        if self.like is None:
            return case
        bindings = {"init": self.construction(), "call": self.calling() if self.kind == "function" else None}
        for place, binding in bindings.items():
            arguments = getattr(case, place)
            preset = binding.settled() | binding.own_for_none() if binding is not None else {}
            if not preset or binding is None or arguments is None:
                continue
            try:
                given = binding.native.bind(*arguments.args, **arguments.keywords).arguments
            except TypeError:
                continue
            added = tuple((k, v) for k, v in preset.items() if k not in given)
            if added:
                case = case.but(**{place: Arguments(arguments.args, (*arguments.kwargs, *added))})
        return case

    def build(self, case: Case, init: list[Tensor], device: str = "cpu") -> Instance:
        """Construct the operator for a case; tensors among the constructor arguments are given in `init`."""
        if self.kind == "function" or case.init is None:
            return Instance(self.target, binding=self.calling())
        args, kwargs = fill(case.init, iter(init))
        binding = self.construction()
        args, kwargs = (args, kwargs) if binding is None else binding.bind(args, kwargs)
        module = self.target(*args, **kwargs)
        if not isinstance(module, nn.Module):
            if not callable(module):
                raise TypeError(f"subject must build a callable module, got {type(module).__name__} from {self.name}")
            return Instance(module, binding=self.calling(module))
        module = module.to(device=device, dtype=dtype_of(case.dtype)).train(case.mode == "train")
        return Instance(module, binding=self.calling(module))

    def but(self, **changes: Any) -> Operator:
        """The same operator with some fields changed."""
        return replace(self, **changes)


def kind_of(target: Any) -> str:
    """`module`, `optimizer` or `function`: what sort of subject this is.

    Raises:
        TypeError: if it is none of them.
    """
    if inspect.isclass(target) and issubclass(target, torch.optim.Optimizer):
        return "optimizer"
    if inspect.isclass(target):
        return "module"
    if isinstance(target, nn.Module):
        name = type(target).__name__
        raise TypeError(f"subject must be a class or a function, got an instance of {name}: give the class itself")
    if callable(target):
        return "function"
    raise TypeError(f"subject must be a class or a function, got {target!r}")
