"""The Transformer encoder. Legend: N batch, L length, E features of the model.

Cases are text, so a stack is built from its layer's arguments in place of a layer: a stack of your own is judged as a
class that takes those of `_Encoder` below.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.nn.normalization import LayerNorm
from refops.nn.transformer import TransformerEncoder, TransformerEncoderLayer
from refops.parity.case import Case, Draw, additive, built, flag, index, literal, real
from refops.parity.spec import Difference, Law, Randomness, Refusal, Spec
from refops.shapes.transformer import transformer_encoder, transformer_encoder_layer

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


class _Encoder(TransformerEncoder):
    def __init__(
        self,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        batch_first: bool = False,
        final_norm: bool = False,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        layer = TransformerEncoderLayer(
            d_model, nhead, dim_feedforward, dropout, norm_first=norm_first, batch_first=batch_first
        )
        norm = LayerNorm(d_model) if final_norm else None
        super().__init__(layer, num_layers, norm, enable_nested_tensor, mask_check)


class _NativeEncoder(torch.nn.TransformerEncoder):
    def __init__(
        self,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        batch_first: bool = False,
        final_norm: bool = False,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        layer = torch.nn.TransformerEncoderLayer(
            d_model, nhead, dim_feedforward, dropout, norm_first=norm_first, batch_first=batch_first
        )
        norm = torch.nn.LayerNorm(d_model) if final_norm else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # native says so where nested tensors will not serve
            super().__init__(layer, num_layers, norm, enable_nested_tensor, mask_check)


class _WithoutShortcut:
    """The oracles: native without its shortcut for inference, which takes a float mask for a boolean one."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            return super().forward(*args, **kwargs)  # type: ignore[misc,no-any-return]
        finally:
            torch.backends.mha.set_fastpath_enabled(before)


class _Layer(_WithoutShortcut, torch.nn.TransformerEncoderLayer):
    pass


class _Stack(_WithoutShortcut, _NativeEncoder):
    pass


def later(length: int) -> Draw:
    """The causal mask: True where a key comes after the query."""
    return literal([[s > q for s in range(length)] for q in range(length)])


def padding(length: int, *kept: int) -> Draw:
    """True after the first so many positions of each sequence."""
    return literal([[False] * n + [True] * (length - n) for n in kept])


def dropout_of(position: int) -> Callable[[Case], float]:
    """The rate of a case, from the constructor argument `dropout`, the one at this position."""

    def rate(case: Case) -> float:
        if case.mode != "train" or case.init is None:
            return 0.0
        given = case.init.args[position] if len(case.init.args) > position else 0.1
        return float(case.init.keywords.get("dropout", given))

    return rate


def statistics_of(rate: Callable[[Case], float], single: bool) -> Callable[[Case, Any], Iterator[str]]:
    """What a seed decides; and, for a single pre-norm layer, how many elements both its halves drop."""

    def statistics(case: Case, call: Callable[[Any, int], Any]) -> Iterator[str]:
        p, shape = rate(case), next(case.call.draws()).shape
        x = torch.randn(shape, generator=torch.Generator().manual_seed(case.seed)).to(getattr(torch, case.dtype))
        keywords = case.init.keywords if case.init else {}
        counted = x.numel() and single and keywords.get("norm_first") and case.dtype == "float32"
        outputs = [call(x, seed).detach() for seed in range(40 if counted else 2)]
        if not torch.equal(call(x, 0).detach(), outputs[0]):
            yield "the same seed must give the same output"
        if x.numel() and 0 < p < 1 and torch.equal(outputs[0], outputs[1]):
            yield "another seed must give another output"
        if counted:
            kept = torch.stack([y == x for y in outputs]).double()
            limit = 6 * (p**2 * (1 - p**2) / kept.numel()) ** 0.5 + 4 / kept.numel()
            if abs(float(kept.mean()) - p**2) > limit:
                yield f"both halves must drop an element at rate {p}^2, got {float(kept.mean()):.4f}"

    return statistics


def layer_cases() -> SearchStrategy[Case]:
    """Every constructor argument, every mask, with and without batch."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        heads, sizes = draw(st.integers(1, 3)), st.integers(1, 5)
        embed, length, batch = heads * draw(st.integers(1, 4)), draw(sizes), draw(sizes)
        options: dict[str, Any] = {n: True for n in ("batch_first", "norm_first") if draw(st.booleans())}
        options |= {} if draw(st.booleans()) else {"bias": False}
        options |= {"activation": draw(st.sampled_from(("relu", "gelu"))), "layer_norm_eps": draw(st.floats(1e-5, 1))}
        shapes = [(length, batch, embed), (length, embed)]
        shape = draw(st.sampled_from(shapes))
        x = real(batch, length, embed) if options.get("batch_first") and len(shape) == 3 else real(*shape)
        call: dict[str, Any] = {}
        if draw(st.booleans()):
            many = (batch if len(shape) == 3 else 1) * heads
            call["src_mask"] = draw(st.sampled_from([flag(length, length), additive(many, length, length)]))
        if draw(st.booleans()):
            call["src_key_padding_mask"] = additive(batch, length) if len(shape) == 3 else additive(length)
        if isinstance(call.get("src_mask"), Draw) and len(call) == 2:
            call["src_mask"] = additive(*call["src_mask"].shape)
        return built(embed, heads, draw(sizes), 0.0, **options).on(x, **call)

    return cases()


def encoder_cases() -> SearchStrategy[Case]:
    """One to three layers of either kind, with and without a normalisation at the end."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        heads, sizes = draw(st.integers(1, 3)), st.integers(1, 5)
        embed = heads * draw(st.integers(1, 4))
        names = ("batch_first", "norm_first", "final_norm", "mask_check")
        options = {n: True for n in names if draw(st.booleans())}
        return built(embed, heads, draw(st.integers(1, 3)), draw(sizes), 0.0, **options).on(
            real(draw(sizes), draw(sizes), embed)
        )

    return cases()


def layer_batch_split(build: Build, x: Tensor) -> Pair:
    """Sequences of a batch do not meet."""
    f = build(6, 3, 10, 0.0)
    return torch.cat([f(x[:, :33].contiguous()), f(x[:, 33:].contiguous())], 1), f(x)


def layer_order(build: Build, x: Tensor) -> Pair:
    """Without a mask a layer follows a permutation of the positions: it does not know their order."""
    f = build(6, 3, 10, 0.0, "gelu")
    return f(x.flip(0)), f(x).flip(0)


def layer_unbatched(build: Build, x: Tensor) -> Pair:
    """(L, E) is a batch of one, whatever `batch_first`."""
    f = build(6, 2, 10, 0.0, batch_first=True)
    return f(x), f(x[None])[0]


def layer_padding(build: Build, x: Tensor) -> Pair:
    """What is hidden might as well not be there."""
    f = build(6, 2, 10, 0.0)
    hidden = (torch.arange(x.shape[0], device=x.device) >= 7).expand(x.shape[1], -1)
    return f(x, src_key_padding_mask=hidden)[:7], f(x[:7].contiguous())


def causal_of(x: Tensor, length: int) -> Tensor:
    """True after the query."""
    return torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)


def layer_causal(build: Build, x: Tensor) -> Pair:
    """Under the causal mask the first 9 positions do not notice those after them."""
    f = build(6, 2, 10, 0.0, norm_first=True)
    return f(x, causal_of(x, x.shape[0]))[:9], f(x[:9].contiguous(), causal_of(x, 9), is_causal=True)


def layer_all_dropped(build: Build, x: Tensor) -> Pair:
    """Pre-norm with dropout 1 leaves the input."""
    return build(6, 2, 10, 1.0, norm_first=True)(x), x.clone()


def layer_post_norm_shift(build: Build, x: Tensor) -> Pair:
    """Post-norm ends in a normalisation: with everything dropped a shift of the features is gone."""
    f = build(6, 2, 10, 1.0)
    return f(x + 2), f(x)


def layer_pre_norm_shift(build: Build, x: Tensor) -> Pair:
    """Pre-norm looks at normalised features alone: a shift of them passes through."""
    f = build(6, 2, 10, 0.0, norm_first=True)
    return f(x + 2), f(x) + 2


def layer_activation(build: Build, x: Tensor) -> Pair:
    """The activation may be a function."""
    return build(6, 2, 10, 0.0, torch.relu)(x), build(6, 2, 10, 0.0, "relu")(x)


def layer_evaluation(build: Build, x: Tensor) -> Pair:
    """In evaluation dropout does nothing."""
    return build(6, 2, 10, 1.0)(x), build(6, 2, 10, 0.0)(x)


def encoder_batch_split(build: Build, x: Tensor) -> Pair:
    """Sequences of a batch do not meet."""
    f = build(6, 3, 2, 10, 0.0, batch_first=True)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


def encoder_padding(build: Build, x: Tensor) -> Pair:
    """Padding is hidden in every layer."""
    f = build(6, 2, 3, 10, 0.0, final_norm=True)
    hidden = (torch.arange(x.shape[0], device=x.device) >= 7).expand(x.shape[1], -1)
    return f(x, src_key_padding_mask=hidden)[:7], f(x[:7].contiguous())


def encoder_causal(build: Build, x: Tensor) -> Pair:
    """The mask reaches every layer, whether or not it is said to be causal."""
    f = build(6, 2, 3, 10, 0.0)
    return f(x, causal_of(x, x.shape[0]))[:9], f(x[:9].contiguous(), causal_of(x, 9), is_causal=True)


def encoder_all_dropped(build: Build, x: Tensor) -> Pair:
    """Pre-norm layers with dropout 1 leave the input."""
    return build(6, 2, 2, 10, 1.0, norm_first=True)(x), x.clone()


LAYER = Spec(
    "TransformerEncoderLayer",
    "transformer",
    TransformerEncoderLayer,
    torch.nn.TransformerEncoderLayer,
    (
        built(12, 3, 20, 0.0).on(real(5, 2, 12)),
        built(1, 1, 1, 0.0, norm_first=True).on(real(2, 3, 1)),
        built(8, 2, 16, 0.0, "gelu", norm_first=True).on(real(5, 8)),
        built(8, 2, 17, 0.0, "relu", 0.5, True, True, False).on(real(3, 5, 8)),
        built(8, 2, 16, 0.0, bias=False).on(real(5, 3, 8), additive(5, 5)),
        built(8, 2, 16, dropout=0.0, layer_norm_eps=1e-2).on(real(5, 3, 8), additive(6, 5, 5)),
        # gelu: at relu's kink bfloat16 takes either side, and a quarter of a gradient with it
        built(8, 2, 16, 0.0, "gelu", batch_first=True).on(real(3, 7, 8), None, padding(7, 7, 4, 1)),
        built(8, 2, 16, 0.0, "gelu").on(real(7, 3, 8), later(7), padding(7, 7, 4, 2)),
        built(8, 2, 16, 0.0, norm_first=True, batch_first=True).on(real(3, 7, 8), later(7), is_causal=True),
        built(8, 2, 16, 0.0).on(real(7, 3, 8), src_mask=later(7), src_key_padding_mask=None, is_causal=True),
        built(8, 2, 16, 0.0).on(real(5, 8), additive(2, 5, 5), additive(5)),
        built(8, 2, 16, 1.0, norm_first=True).on(real(5, 3, 8)),
        built(8, 2, 16, 1.0).on(real(5, 3, 8)),
        built(8, 2, 16, 0.5, norm_first=True).on(real(5, 3, 8)),
        built(8, 2, 16).on(real(5, 3, 8)),
        built(8, 2, 16).on(real(5, 3, 8)).but(mode="eval"),
        built(8, 2, 16, 0.5, batch_first=True).on(real(3, 5, 8), src_key_padding_mask=padding(5, 5, 3, 2))
        .but(mode="eval"),
        built(8, 2, 16, 0.0).on(real(5, 0, 8)),
        built(13, 13, 7, 0.0).on(real(11, 2, 13)),
        built(65, 5, 33, 0.0).on(real(3, 2, 65)),
        built(4, 2, 2049, 0.0).on(real(3, 2, 4)),
    ),
    oracle=_Layer,
    shape=transformer_encoder_layer,
    strategy=layer_cases,
    products=2,
    laws=(
        Law("batch split", layer_batch_split, (real(5, 70, 6),)),
        Law("order of the positions", layer_order, (real(19, 3, 6),)),
        Law("unbatched", layer_unbatched, (real(11, 6),)),
        Law("padding is absent", layer_padding, (real(13, 3, 6),)),
        Law("no future", layer_causal, (real(17, 3, 6),)),
        Law("everything dropped", layer_all_dropped, (real(11, 3, 6),)),
        Law("post-norm forgets a shift", layer_post_norm_shift, (real(11, 3, 6),)),
        Law("pre-norm passes a shift", layer_pre_norm_shift, (real(11, 3, 6),)),
        Law("activation as a function", layer_activation, (real(11, 3, 6),)),
        Law("no dropout in evaluation", layer_evaluation, (real(11, 3, 6),), mode="eval"),
    ),
    refusals=(
        Refusal(built(7, 2, 16, 0.0).on(real(5, 3, 7)), "num_heads"),
        Refusal(built(8, 2, 16, 0.0, "tanh").on(real(5, 3, 8)), "activation"),
        Refusal(built(8, 2, 16, 1.5).on(real(5, 3, 8)), "p must be"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 6)), "query"),
        Refusal(built(8, 2, 16, 0.0).on(real(8)), "query"),
        Refusal(built(8, 2, 16, 0.0).on(real(1, 5, 3, 8)), "query"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 8), flag(5, 4)), "mask"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 8), flag(3, 5, 5)), "mask"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 8), index(5, 5, high=2)), "mask"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 8), None, flag(5, 3)), "key_padding_mask"),
        Refusal(built(8, 2, 16, 0.0).on(real(5, 3, 8), is_causal=True), "attn_mask"),
    ),
    differences=(
        Difference(
            "a float mask is added to the scores in evaluation without gradients too",
            "0.5 for one key of five: 0.45 off in native's shortcut, which hides every key whose mask is not 0",
            "measured with torch 2.13, https://github.com/pytorch/pytorch/issues/118628",
        ),
        Difference(
            "a query whose keys are all hidden gives finite numbers in evaluation without gradients too",
            "one blind query of four: 16 of 64 outputs nan in native's shortcut for inference, 0 with gradients",
            "measured with torch 2.13",
        ),
    ),
    randomness=Randomness(dropout_of(3), statistics=statistics_of(dropout_of(3), True)),
    no_check=(("seeded", "masks are native's but sums round otherwise: compared in tests/parity/test_transformer.py"),),
)  # fmt: skip

ENCODER = Spec(
    "TransformerEncoder",
    "transformer",
    _Encoder,
    _NativeEncoder,
    (
        built(12, 3, 2, 20, 0.0).on(real(5, 2, 12)),
        built(4, 1, 1, 5, 0.0).on(real(3, 4)),
        built(8, 2, 2, 16, 0.0, True, final_norm=True).on(real(5, 2, 8)),
        built(9, 3, 2, 16, 0.0, batch_first=True).on(real(3, 7, 9), None, padding(7, 7, 4, 1)),
        built(8, 2, 2, 16, 0.0, batch_first=True, mask_check=False, enable_nested_tensor=False).on(
            real(3, 7, 8), src_key_padding_mask=padding(7, 7, 4, 2)
        ),
        built(8, 2, 3, 16, 0.0).on(real(7, 3, 8), later(7)),
        built(8, 2, 2, 16, 0.0, True).on(real(7, 3, 8), mask=later(7), is_causal=True),
        built(8, 2, 2, 16, 0.0).on(real(7, 3, 8), later(7), padding(7, 7, 4, 2), False),
        # of other numbers some lie at relu's kink, of which bfloat16 takes either side
        built(8, 2, 2, 16, 0.0, True, True, True).on(real(3, 5, 8), additive(6, 5, 5)).but(only=("ordinary", "tiny")),
        built(8, 2, 2, 16, 1.0, True).on(real(5, 3, 8)),
        built(8, 2, 2, 16, norm_first=True, final_norm=True).on(real(5, 3, 8)),
        built(8, 2, 2, 16).on(real(5, 3, 8)).but(mode="eval"),
        built(8, 2, 2, 16, 0.0).on(real(5, 0, 8)),
        built(13, 13, 2, 33, 0.0).on(real(11, 2, 13)),
    ),
    oracle=_Stack,
    shape=transformer_encoder,
    strategy=encoder_cases,
    products=2,
    laws=(
        Law("batch split", encoder_batch_split, (real(70, 5, 6),)),
        Law("padding is absent", encoder_padding, (real(13, 3, 6),)),
        Law("no future", encoder_causal, (real(17, 3, 6),)),
        Law("everything dropped", encoder_all_dropped, (real(11, 3, 6),)),
    ),
    refusals=(
        Refusal(built(8, 2, 0, 16, 0.0).on(real(5, 3, 8)), "num_layers"),
        Refusal(built(8, 2, 2, 16, 0.0).on(real(5, 3, 6)), "query"),
        Refusal(built(8, 2, 2, 16, 0.0).on(real(5, 3, 8), flag(5, 4)), "mask"),
        Refusal(built(8, 2, 2, 16, 0.0).on(real(5, 3, 8), None, flag(5, 3)), "key_padding_mask"),
        Refusal(built(8, 2, 2, 16, 0.0).on(real(5, 3, 8), is_causal=True), "attn_mask"),
    ),
    differences=(
        Difference(
            "padded positions hold what the layers computed, in every mode",
            "native gives 0 in its shortcut for nested tensors (evaluation, no gradients), up to 2.07 with",
            "measured with torch 2.13",
        ),
    ),
    randomness=Randomness(dropout_of(4), statistics=statistics_of(dropout_of(4), False)),
    no_check=(("seeded", "masks are native's but sums round otherwise: compared in tests/parity/test_transformer.py"),),
)

SPECS = (LAYER, ENCODER)
