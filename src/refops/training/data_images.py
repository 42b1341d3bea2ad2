"""Images to learn from: scikit-learn's digits, which need no download, and CIFAR-10; and how training varies them.

Legend: N samples, C channels, H and W the image's axes. Pixels are kept as bytes and normalised batch by batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from refops.training.extras import need
from refops.training.task import Split

__all__ = ["Images", "cifar10", "digits", "random_crop", "random_flip"]

SHUFFLE_SEED = 20  # of the splits, the same whatever the run's seed: all runs are measured on the same images


@dataclass(frozen=True)
class Images:
    """Labelled images in three parts, and the variations that leave a label true.

    Attributes:
        padding: how far a crop may move.
        flip: whether a mirrored image is still of its class.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    padding: int
    flip: bool

    mean: Tensor  # (C, 1, 1), of each channel over the training split
    std: Tensor  # (C, 1, 1)

    def prepare(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """(N, C, H, W) bytes -> real numbers of mean 0 and variance 1 over the training split; varied in training."""
        if generator is not None:
            pixels = random_crop(pixels, self.padding, generator)
            if self.flip:
                pixels = random_flip(pixels, generator)
        return (pixels - self.mean) / self.std


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `padding` pixels along either axis, black where it moved away from.

    Shape:
        (N, C, H, W) -> the same

    Source: He et al., arXiv 1512.03385, section 4.2.

    Example:
        >>> moved = random_crop(torch.ones(2, 1, 3, 3), 1, torch.Generator().manual_seed(0))
        >>> moved[0, 0]
        tensor([[1., 1., 0.],
                [1., 1., 0.],
                [0., 0., 0.]])
    """
    n, c, h, w = images.shape
    padded = images.new_zeros(n, c, h + 2 * padding, w + 2 * padding)
    padded[:, :, padding : padding + h, padding : padding + w] = images
    corner = torch.randint(0, 2 * padding + 1, (2, n, 1), generator=generator)
    rows, columns = corner[0] + torch.arange(h), corner[1] + torch.arange(w)  # (N, H), (N, W)
    sample, channel = torch.arange(n)[:, None, None, None], torch.arange(c)[:, None, None]
    return padded[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]  # (N, C, H, W)


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored, left to right, with probability 1/2.

    Example:
        >>> random_flip(torch.tensor([[[[1, 2, 3]]]] * 2), torch.Generator().manual_seed(0)).flatten(1)
        tensor([[3, 2, 1],
                [1, 2, 3]])
    """
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def digits(samples: int | None = None) -> Images:
    """1797 handwritten digits of 8x8 pixels from scikit-learn's own files: 1197 to train, 300 and 300 to measure.

    They move by one pixel at most, and are never mirrored: the mirror image of a 3 or a 7 is no digit at all, and that
    of a 2 is nearly a 5, so flipping would teach what is false.

    Raises:
        MissingPackageError: without scikit-learn.

    Example:
        >>> images = digits()
        >>> images.train.inputs.shape, images.flip
        (torch.Size([1197, 1, 8, 8]), False)
    """
    found = need("sklearn.datasets", "the digits data set").load_digits()
    pixels = torch.from_numpy(found.images).to(torch.uint8).unsqueeze(1)  # (N, 1, 8, 8)
    labels = torch.from_numpy(found.target).long()
    order = _shuffled(len(labels))
    parts = order[:-600], order[-600:-300], order[-300:]
    splits = [Split(pixels[part], labels[part]) for part in parts]
    return _images("digits", splits, samples, padding=1, flip=False)


def cifar10(folder: Path = Path("data"), samples: int | None = None) -> Images:
    """50 000 photographs of 32x32 pixels, 5000 of them for validation, and 10 000 to test; downloaded to `folder` once.

    Raises:
        MissingPackageError: without torchvision.
    """
    datasets = need("torchvision.datasets", "the CIFAR-10 data set", "pip install torchvision")
    whole, test = (
        Split(torch.from_numpy(found.data).permute(0, 3, 1, 2), torch.tensor(found.targets))  # (N, 3, 32, 32)
        for found in (datasets.CIFAR10(str(folder), train=train, download=True) for train in (True, False))
    )
    order = _shuffled(len(whole.labels))
    held = len(order) // 10
    splits = [Split(whole.inputs[part], whole.labels[part]) for part in (order[:-held], order[-held:])]
    return _images("cifar10", [*splits, test], samples, padding=4, flip=True)


def _shuffled(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(SHUFFLE_SEED))


def _images(name: str, splits: list[Split], samples: int | None, padding: int, flip: bool) -> Images:
    train, validation, test = (Split(*(part[:samples].contiguous() for part in split)) for split in splits)
    pixels = train.inputs.double()
    mean = pixels.mean((0, 2, 3))[:, None, None]
    std = (pixels - mean).square().mean((0, 2, 3)).sqrt()[:, None, None]
    return Images(name, train, validation, test, padding, flip, mean, std)
