"""The data of the two pipelines: splits that never change, augmentation that leaves labels true, lines told apart."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

from refops.training import Settings, fit, image_task
from refops.training.data_images import cifar10, digits, random_crop, random_flip
from refops.training.data_text import split_source, standard_library, tokens


def test_digits_are_split_once_and_never_flipped():
    data = digits()
    assert [len(s.labels) for s in (data.train, data.validation, data.test)] == [1197, 300, 300]
    assert not data.flip
    everything = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797
    again = digits()
    assert torch.equal(again.test.inputs, data.test.inputs)
    x = data.prepare(data.train.inputs, None)
    assert x.mean().abs() < 1e-12
    assert x.square().mean() == pytest.approx(1.0)


def test_crops_and_flips():
    x = torch.arange(1, 25, dtype=torch.uint8).view(2, 1, 3, 4).repeat(200, 2, 1, 1)
    moved = random_crop(x, 1, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    assert moved.dtype == x.dtype
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    windows = [padded[:, :, i : i + 3, j : j + 4] for i in range(3) for j in range(3)]
    met = torch.stack([(moved == w).flatten(1).all(1) for w in windows])  # (9, N)
    assert (met.sum(0) == 1).all()
    assert met.sum(1).min() > 20  # of 44 expected
    assert torch.equal(random_crop(x, 0, torch.Generator()), x)
    flipped = random_flip(x, torch.Generator().manual_seed(0))
    same_, mirrored = ((flipped == y).flatten(1).all(1) for y in (x, x.flip(3)))
    assert (same_ ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_cifar10_through_torchvision(monkeypatch, tmp_path):
    """The shape of torchvision's data set, without its download."""
    import numpy as np

    class CIFAR10:
        def __init__(self, root, train, download):
            assert (root, download) == (str(tmp_path), True)
            draw = np.random.default_rng(int(train))
            self.data = draw.integers(0, 256, (400 if train else 90, 32, 32, 3), dtype=np.uint8)
            self.targets = [int(i) for i in draw.integers(0, 10, len(self.data))]

    module = type(sys)("torchvision.datasets")
    module.CIFAR10 = CIFAR10
    monkeypatch.setitem(sys.modules, "torchvision", type(sys)("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    data = cifar10(tmp_path)
    assert [len(s.labels) for s in (data.train, data.validation, data.test)] == [360, 40, 90]
    assert (data.flip, data.padding) == (True, 4)
    x = data.prepare(data.train.inputs, torch.Generator().manual_seed(0))
    assert x.shape == (360, 3, 32, 32)
    clean = data.prepare(data.train.inputs, None)
    assert clean.mean((0, 2, 3)).abs().max() < 1e-9
    task = image_task("cifar10", width=2, data=tmp_path)
    run = fit(task, Settings(epochs=1, batch_size=120), "refops")
    assert math.isfinite(run.history[0]["test_loss"])


def test_lines_of_the_standard_library():
    texts = standard_library(1000)
    rows = []
    for split in (texts.train, texts.validation, texts.test):
        assert len(split.labels) == 1000
        assert split.labels.sum() == 500
        rows += [tuple(row) for row in split.inputs.tolist()]
        assert split.inputs.max() < len(texts.vocabulary) + 2
        assert ((split.inputs != 0).sum(1) >= 3).all()
        assert (split.inputs != 0).int().diff(dim=1).max() <= 0  # padding comes last
    assert len(set(texts.vocabulary)) == len(texts.vocabulary)
    again = standard_library(1000)
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(texts[:3], again[:3], strict=True))


def test_sources_are_split_into_code_and_prose():
    source = Path(__file__).read_text()
    code, prose = split_source(source)
    assert prose[0].startswith("The data of the two pipelines")
    assert "import math" in code
    assert not set(code) & set(prose)
    nested = '''class A:
    """Says what A is.

    >>> A()
    nothing
    """

    x = 1  # a comment

    def f(self):
        return """not
        documentation"""
'''
    assert split_source(nested) == (["class A:", "def f(self):"], ["Says what A is."])
    assert tokens("Éa1_b = 'x'") == ["a", "0", "_", "b", "=", "'", "x", "'"]
