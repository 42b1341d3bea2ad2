"""Specs: what an operator is. Pure data; the checks read it, nothing here runs an operator.

Names follow native torch: `LayerNorm` for a module, `functional.layer_norm` for a function, `optim.AdamW` for an
optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refops.parity.case import Case, Draw, called, draw_like

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from torch import Tensor

FLOATS = ("float64", "float32", "bfloat16", "float16")

# Ways of drawing the `real` tensors of a case; what each means in numbers stands in `refops.parity.judging.draw`.
FINITE = ("ordinary", "large", "tiny", "offset", "negative", "ties", "zeros")
SATURATING = (*FINITE, "saturation", "subnormal")  # functions with an exponential or a limit inside
POINTWISE = (*SATURATING, "nonfinite")  # one output per input: inf and nan stay where they are


@dataclass(frozen=True)
class Law:
    """An equation every implementation obeys, whatever its numbers: needs no oracle.

    `law(build, *inputs)` returns two tensors that must agree. `build(*args, **kwargs)` gives the subject: for a module
    spec a module of those constructor arguments with randomly drawn state, for a function spec the function itself.
    """

    name: str
    law: Callable[..., tuple[Any, Any]]
    inputs: tuple[Draw, ...]
    mode: str = "train"


@dataclass(frozen=True)
class Refusal:
    """A case that native refuses, and the argument its message is to name."""

    case: Case
    argument: str


@dataclass(frozen=True)
class Difference:
    """Something that deliberately differs from native, with the number that shows why.

    Args:
        what: what the reference does and native does not.
        number: the measured numbers of both.
        source: where they come from.
        inductor: it shows only where inductor generates the code, so the reference is compiled without.
    """

    what: str
    number: str
    source: str
    inductor: bool = False


@dataclass(frozen=True)
class Randomness:
    """How a random layer draws.

    Args:
        rate: how often it drops an element in this case; 0 and 1 say that nothing is left to chance.
        shared: axes of the input that share one draw, counted from the end: (-2, -1) for Dropout2d.
        statistics: the law of what does not drop single elements, in place of the two above: given the case and
            `call(x, seed)`, which runs the subject on another first input, it yields a sentence per breach.
    """

    rate: Callable[[Case], float]
    shared: tuple[int, ...] = ()
    statistics: Callable[[Case, Callable[[Any, int], Any]], Iterator[str]] | None = None


@dataclass(frozen=True)
class Spec:
    """What one operator is.

    Args:
        name: `LayerNorm`, `functional.layer_norm`, `tensor.permute` or `optim.AdamW`.
        family: the file it stands in on every floor of the package.
        reference: the hand-written class or function.
        native: torch's own, or `None` where torch has none.
        cases: curated rows, smallest first; the first carries every value regime.
        oracle: float64 truth with native's signature where native is missing or itself wrong.
        shape: output-shape formula over input shapes and constructor arguments by native name; raises on illegal ones.
        strategy: hypothesis strategy that draws legal cases; called, not stored, so hypothesis stays unimported.
        regimes: value regimes of the `real` inputs.
        dtypes: floating dtypes native supports somewhere; each device's own gaps are found by asking native.
        laws, refusals, differences: see the classes.
        randomness: given where the layer draws random numbers in training.
        mixing: whether an output is a sum over many inputs, which may cancel; unless told, where regimes are finite.
        products: how many inputs one term of a gradient multiplies, so how their size enters its rounding.
        summing: whether a gradient is a sum over many directions, which may cancel, though no output is.
        varied: ask the cases in other sizes too, as far as the reference takes them: `Spec.of` knows no others.
        trivial: why the input itself (or zeros) is the right answer, for operators that only rearrange.
        no_check: checks that do not apply, each with its reason.
        long: cases past blocks and grids, beside those that are found by making a row's `real` tensors long.
        left_open: says of a case, its inputs and a subject's outputs what the source leaves open, where these are an
            answer as good as the oracle's, as another of equal logits; empty where they are not. They differ then.
    """

    name: str
    family: str
    reference: Callable[..., Any]
    native: Callable[..., Any] | None
    cases: tuple[Case, ...]
    oracle: Callable[..., Any] | None = None
    shape: Callable[..., Any] | None = None
    strategy: Callable[[], SearchStrategy[Case]] | None = None
    regimes: tuple[str, ...] = FINITE
    dtypes: tuple[str, ...] = FLOATS
    laws: tuple[Law, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    differences: tuple[Difference, ...] = ()
    randomness: Randomness | None = None
    trivial: str = ""
    no_check: tuple[tuple[str, str], ...] = ()
    mixing: bool | None = None
    products: int = 1
    summing: bool = False
    long: tuple[Case, ...] = ()
    varied: bool = False
    left_open: Callable[[Case, list[Tensor], list[Tensor]], str] | None = None

    @classmethod
    def of(cls, reference: Callable[..., Any], cases: Sequence[Any], **fields: Any) -> Spec:
        """The spec of an operator torch has no name for: an eager function or module is all there is to say.

        The truth is the reference in float64, its own rounding in each dtype the yardstick.

        Args:
            reference: a function of tensors, or a module class.
            cases: what to call it with: `called(real(4, 8), real(8))`, `built(8).on(real(4, 8))`, or for a function
                plainly the arguments as a tuple, tensors among them standing for others of their shape and sort. Other
                sizes are tried as well.
            fields: any other field of a spec, as `laws`, `regimes`, `dtypes`, `shape`.

        Raises:
            ValueError: if there is no case, or the reference does not tell its arguments, as code in C.

        Example:
            >>> import torch
            >>> def swiglu(x, gate): return x * gate * torch.sigmoid(gate)
            >>> Spec.of(swiglu, cases=[(torch.randn(2, 8), torch.randn(2, 8))]).cases
            (called(real(2, 8), real(2, 8)),)
        """
        if not cases:
            raise ValueError("cases must hold at least one call of the reference, got none")
        name = getattr(reference, "__name__", type(reference).__name__)
        try:
            inspect.signature(reference)
        except (TypeError, ValueError) as error:
            rule = "reference must tell its arguments (write a `def` around it)"
            raise ValueError(f"{rule}, got {name}, which does not") from error
        given = {
            "name": name if inspect.isclass(reference) else f"functional.{name}",
            "family": "own",
            "reference": reference,
            "native": reference,
            "cases": tuple(c if isinstance(c, Case) else called(*map(draw_like, c)) for c in cases),
            "varied": True,
        }
        return cls(**{**given, **fields})

    @property
    def identity(self) -> tuple[Any, ...]:
        """What is computed for a spec is kept by this: others may have its name, as two of `Spec.of` may."""
        return (self.name, self.reference, self.native, self.oracle, self.mixing, self.products, self.summing)

    @property
    def own(self) -> bool:
        """Whether the reference itself says what is right: torch has no such operator, and no oracle is given."""
        return self.native is None or self.native is self.reference

    @property
    def kind(self) -> str:
        """`module`, `function` or `optimizer`."""
        prefix = self.name.partition(".")[0]
        return {"functional": "function", "tensor": "function", "optim": "optimizer"}.get(prefix, "module")
