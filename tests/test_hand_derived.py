"""Operations with a derivative by hand can be differentiated forward too, twice, and under a compiler."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from refops import functional as F
from refops import tensor as T

pytestmark = pytest.mark.filterwarnings(  # torch's own: at the first jvp, and where a compiler meets a Function
    "ignore:.*torch.jit.script:DeprecationWarning", "ignore:.*should not be instantiated:DeprecationWarning"
)

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "from the input": F.silu,
    "from the output": F.sigmoid,
    "not symmetric": lambda x: F.log_softmax(x, 1),
    "of two tensors": lambda x: F.prelu(x, x[0].abs()),
    "a loss": lambda x: F.mse_loss(x, 2 * x.flip(0), reduction="none"),
    "a product": lambda x: F.conv1d(x[None], x.view(2, 3, 4)[..., :2]),
    "rows": lambda x: F.embedding(torch.tensor([1, 0, 1]), x, padding_idx=0),
    "joined": lambda x: T.cat([x, x.flip(0)], 1),
    "summed": lambda x: T.sum(x * x, 0),
    "larger": lambda x: T.maximum(x, x.flip(0)),
}


def point(name: str) -> Tensor:
    """Where to look: no kinks nearby; three channels and two kernels in one for the product."""
    rows = {"a product": 3, "of two tensors": 4}.get(name, 4)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, 8 if name == "a product" else 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", OPERATIONS)
def test_forward_agrees_with_finite_differences(name: str) -> None:
    function, x = OPERATIONS[name], point(name).requires_grad_()
    rows = {"check_backward_ad": False} if name == "rows" else {}  # padding has no gradient on the way back alone
    assert torch.autograd.gradcheck(function, x, check_forward_ad=True, **rows)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n != "rows"])
def test_forward_over_backward_is_backward_over_backward(name: str) -> None:
    def scalar(x: Tensor) -> Tensor:
        return (OPERATIONS[name](x) ** 2).sum()

    x = point(name)
    once = torch.func.jacfwd(torch.func.jacrev(scalar))(x)
    torch.testing.assert_close(once, torch.func.jacrev(torch.func.jacrev(scalar))(x))


@pytest.mark.parametrize("name", ["from the input", "from the output", "not symmetric", "of two tensors", "a product"])
def test_a_compiler_follows_in_one_graph(name: str) -> None:
    x = point(name).requires_grad_()
    compiled = torch.compile(OPERATIONS[name], backend="aot_eager", fullgraph=True)
    wanted, got = (torch.autograd.grad(f(x).sum(), x)[0] for f in (OPERATIONS[name], compiled))
    torch.testing.assert_close(got, wanted)
