"""The models: sizes, the same parameters and outputs from either namespace, and padding that changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import refops.nn
from refops.models import BasicBlock, EncoderLayer, ResNet, TextClassifier, resnet8, resnet18, resnet34
from refops.parity.judging.budget import budgets

NAMESPACES = (torch.nn, refops.nn)


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def image_model(nn, **options):
    return ResNet((1, 2), 4, in_channels=2, width=4, nn=nn, **options)


def text_model(nn, **options):
    return TextClassifier(20, 8, 2, 2, 16, 12, 3, nn=nn, **options)


def words(generator_seed: int = 0, rows: int = 4, length: int = 7) -> Tensor:
    return torch.randint(1, 20, (rows, length), generator=torch.Generator().manual_seed(generator_seed))


@pytest.mark.parametrize("nn", NAMESPACES)
def test_sizes(nn):
    assert count(resnet18(nn=nn)) == 11_173_962  # the document's: 3x3 stem, ten classes
    assert count(resnet34(nn=nn)) == 21_282_122
    assert count(resnet18(1000, stem="imagenet", nn=nn)) == 11_689_512  # torchvision's
    assert count(resnet34(1000, stem="imagenet", nn=nn)) == 21_797_672


def test_shapes_on_the_way():
    model = resnet18(width=8)
    seen = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, tuple(o.shape)))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert [seen[f"layer{i}"][1:] for i in (1, 2, 3, 4)] == [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 4, 4)]
    assert resnet18(7, stem="imagenet", width=8)(torch.zeros(2, 3, 64, 48)).shape == (2, 7)
    assert resnet8(in_channels=1)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert resnet8(in_channels=1)(torch.zeros(3, 1, 9, 7)).shape == (3, 10)


IMAGENET_KEYS = """conv1.weight bn1.weight bn1.bias bn1.running_mean bn1.running_var bn1.num_batches_tracked
layer1.0.conv1.weight layer1.0.bn1.weight layer1.0.bn1.bias layer2.0.downsample.0.weight layer2.0.downsample.1.weight
layer4.1.conv2.weight layer4.1.bn2.running_var fc.weight fc.bias"""


def test_names_are_torchvisions():
    state = resnet18(1000, stem="imagenet").state_dict()
    assert set(IMAGENET_KEYS.split()) <= set(state)
    assert len(state) == 122
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert "layer1.0.downsample.0.weight" not in state


def test_torchvisions_checkpoint_loads():
    models = pytest.importorskip("torchvision.models", exc_type=ImportError)
    native, own = models.resnet18().double().eval(), resnet18(1000, stem="imagenet", nn=refops.nn).double().eval()
    assert list(native.state_dict()) == list(own.state_dict())
    own.load_state_dict(native.state_dict())
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(own(x), native(x))


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("training", [True, False])
def test_resnets_coincide_within_the_budget(stem, training):
    x = torch.randn(2, 2, 16, 12, dtype=torch.float64)
    _coincide(lambda nn: image_model(nn, stem=stem).train(training), x, image_model(torch.nn, stem=stem))


@pytest.mark.parametrize("training", [True, False])
def test_text_classifiers_coincide_within_the_budget(training):
    x = words()
    x[1, 4:], x[3] = 0, 0
    _coincide(lambda nn: text_model(nn, dropout=0.3).train(training), x, text_model(torch.nn))


def _coincide(make, x, like):
    """Same seed: same keys, same initial values, and (with the same masks) outputs and gradients within the budget."""
    models = []
    for nn in NAMESPACES:
        torch.manual_seed(3)
        models.append(make(nn).double())
    native, own = models
    start = {k: v.clone() for k, v in native.state_dict().items()}
    assert list(start) == list(own.state_dict()) == list(like.state_dict())
    assert all(torch.equal(v, own.state_dict()[k]) for k, v in start.items())

    def results(model, state, inputs):
        model.load_state_dict(state)
        model.zero_grad()
        torch.manual_seed(4)
        scores = model(inputs)
        scores.square().sum().backward()
        return [scores.detach(), *(p.grad for p in model.parameters())]

    def truth(flat):
        state = dict(zip(start, flat[1:], strict=True))
        return results(native, state, flat[0])

    names = ["scores", *(name for name, _ in native.named_parameters())]
    limits = budgets(truth, None, [x, *start.values()], names, torch.float64, mixing=True)
    for name, got, limit in zip(names, results(own, start, x), limits, strict=True):
        assert limit is not None
        assert limit.accepts(got), (name, limit.excess(got))


@pytest.mark.parametrize("nn", NAMESPACES)
@pytest.mark.parametrize("grad", [True, False])
def test_padding_changes_nothing(nn, grad):
    model = text_model(nn).double().eval()
    x = words()
    with torch.set_grad_enabled(grad):
        short = model(x)
        for pads in (1, 5):
            padded = torch.cat([x, x.new_zeros(4, pads)], 1)
            torch.testing.assert_close(model(padded), short, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model(x[2:3]), short[2:3], rtol=1e-12, atol=1e-12)
        moved = torch.cat([x.new_zeros(4, 2), x], 1)  # positions count: this is another text
        assert (model(moved) - short).abs().max() > 1e-6


@pytest.mark.parametrize("nn", NAMESPACES)
def test_a_text_of_padding_alone_is_defined(nn):
    model = text_model(nn).double().eval()
    x = words()
    x[1] = 0
    scores = model(x)
    torch.testing.assert_close(scores[1], model.head(torch.zeros(8, dtype=torch.float64)))
    torch.testing.assert_close(scores[[0, 2, 3]], model(x[[0, 2, 3]]), rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(model(x), scores, rtol=1e-12, atol=1e-12)
    model.train()(x).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert not model.embedding.weight.grad[0].any()


def test_word_order_counts_and_positions_bound_the_length():
    model = text_model(refops.nn).eval()
    x = words()
    assert (model(x) - model(x.flip(1))).abs().max() > 1e-4
    assert model(words(length=12)).shape == (4, 3)
    for bad, says in ((words(length=13), "max_len=12"), (x[:, :0], "got 0"), (x[0], r"\(N, L\)")):
        with pytest.raises(ValueError, match=says):
            model(bad)
    with pytest.raises(ValueError, match="max_len=1 "):
        TextClassifier(20, 8, 2, 1, 16, max_len=1)(x)


@pytest.mark.parametrize("training", [True, False])
def test_the_encoder_layer_is_natives(training):
    native = torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True).double().train(training)
    own = EncoderLayer(8, 2, 16, 0.0, nn=refops.nn).double().train(training)
    own.load_state_dict(native.state_dict())
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    hidden = torch.tensor([[0, 0, 0, 1, 1], [0] * 5, [0, 0, 0, 0, 1]]).bool()
    torch.testing.assert_close(own(x, hidden), native(x, src_key_padding_mask=hidden), rtol=1e-12, atol=1e-12)


def test_the_shortcut_is_there_and_relu_comes_last():
    block = BasicBlock(4, 4, nn=refops.nn).eval()
    torch.nn.init.zeros_(block.bn2.weight)  # the branch adds nothing: what is left is relu(x)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x.clamp(min=0))
    assert block.downsample is None
    assert BasicBlock(4, 8).downsample is not None
    assert BasicBlock(4, 4, stride=2).downsample is not None


@pytest.mark.parametrize(
    ("options", "says"), [({"stem": "mnist"}, "stem"), ({"blocks": ()}, "blocks"), ({"blocks": (1, 0)}, "blocks")]
)
def test_refusals(options, says):
    with pytest.raises(ValueError, match=says):
        ResNet(**{"blocks": (1,), **options})
