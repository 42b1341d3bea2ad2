"""Wrong implementations of structured dropout."""

import torch
from torch.nn import functional as F

from refops.functional.structured_dropout import drop_block2d
from refops.nn.structured_dropout import DropBlock2d, DropConnect, SpatialDropout2d
from refops.parity.proving.collection import differs, wrong


@wrong(
    "DropConnect",
    why="one mask for the whole batch, the bias never dropped, nan at p = 1",
    cause="inf or nan where the answer is finite",
)
class BatchMaskConnect(DropConnect):
    def forward(self, input):
        if not self.training:
            return super().forward(input)
        mask = (torch.rand_like(self.weight) > self.p).to(self.weight)
        return F.linear(input, self.weight * mask / (1 - self.p), self.bias)


@wrong("DropConnect", only="randomness", why="the bias is never dropped", cause="biases must be dropped like weights")
class BiasKept(DropConnect):
    def forward(self, input):
        if not self.training or self.bias is None or self.p in (0, 1):
            return super().forward(input)
        plain = DropConnect(self.in_features, self.out_features, False, self.p)
        plain.weight = self.weight
        return plain.train()(input) + self.bias


@wrong("DropConnect", why="outputs are dropped, not weights", cause="weights must be dropped at rate")
class DropsOutputs(DropConnect):
    def forward(self, input):
        return F.dropout(F.linear(input, self.weight, self.bias), self.p, self.training)


@wrong("DropConnect", why="inputs are dropped, not weights")
class DropsInputs(DropConnect):
    def forward(self, input):
        if self.p in (0, 1):
            return super().forward(input)
        return F.linear(F.dropout(input, self.p, self.training), self.weight, self.bias)


@wrong("DropConnect", why="evaluation scales by 1 - p what training has scaled already")
class ScaledTwice(DropConnect):
    def forward(self, input):
        return super().forward(input) * (1 if self.training else 1 - self.p)


@wrong("DropConnect", why="what is kept is not scaled")
class NotScaledConnect(DropConnect):
    def forward(self, input):
        if not self.training or self.p == 1:
            return super().forward(input)
        return super().forward(input) * (1 - self.p)


@wrong("DropConnect", only="refusals", why="p is not validated", cause="must be refused for its p")
class AnyRate(DropConnect):
    def __init__(self, in_features, out_features, bias=True, p=0.5, inference="mean", device=None, dtype=None):
        super().__init__(in_features, out_features, bias, min(max(p, 0.0), 1.0), inference, device, dtype)


@wrong("functional.drop_connect_moments", why="variance without the division by 1 - p, as in the paper's scaling")
def moments_of_the_paper(input, weight, bias=None, p=0.5):
    mean, _ = torch.broadcast_tensors(F.linear(input, weight, bias), input.new_zeros(()))
    square = F.linear(input.float() ** 2, weight.float() ** 2, None if bias is None else bias.float() ** 2)
    return mean * 1, (p * (1 - p) * square).to(mean.dtype)


@wrong("functional.drop_connect_moments", why="the variance leaves the bias out")
def moments_without_bias(input, weight, bias=None, p=0.5):
    if not 0 <= p <= 1:
        raise ValueError(f"p must be between 0 and 1, got {p}")
    mean = F.linear(input, weight, bias)
    if p == 1:
        return mean * 0, mean * 0
    return mean, p / (1 - p) * F.linear(input**2, weight**2)


@wrong(
    "SpatialDropout2d", why="four axes only, nan at p = 1, float32 mask", cause="inf or nan where the answer is finite"
)
class FourAxesOnly(SpatialDropout2d):
    def forward(self, input):
        if not self.training:
            return input
        n, c, _, _ = input.shape
        mask = (torch.rand(n, c, 1, 1, device=input.device) > self.p).float()
        return input * mask / (1 - self.p)


@wrong("SpatialDropout2d", why="three axes are read as (N, C, L): single rows go")
class RowsOfImages(SpatialDropout2d):
    def forward(self, input):
        if input.dim() != 3:
            return super().forward(input)
        return F.dropout1d(input, self.p, self.training)


@differs("SpatialDropout2d", only="dtype", why="half precision comes out as float32")
class FloatMaps(SpatialDropout2d):
    def forward(self, input):
        return super().forward(input.float() if input.dtype in (torch.float16, torch.bfloat16) else input)


@wrong("SpatialDropout2d", why="channels are taken for the last axis")
class ChannelsLast(SpatialDropout2d):
    def forward(self, input):
        if input.dim() != 4:
            return super().forward(input)
        return super().forward(input.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class BlockLike(DropBlock2d):
    """A DropBlock whose mask subclasses spoil; `mask` gives 1 where kept."""

    def forward(self, input):
        if not self.training or self.p in (0, 1) or input.dim() not in (3, 4) or input.numel() == 0:
            return super().forward(input)
        images = input if input.dim() == 4 else input[None]
        kept = self.mask(images, min(self.block_size, *input.shape[-2:]))
        output = (images.float() * kept * self.scale(kept)).to(input.dtype)
        output = output if input.dim() == 4 else output[0]
        return input.copy_(output) if self.inplace else output

    def gamma_of(self, images, side):
        h, w = images.shape[-2:]
        return min(1.0, self.p / side**2 * h * w / ((h - side + 1) * (w - side + 1)))

    def mask(self, images, side):
        h, w = images.shape[-2:]
        seeds = (torch.rand(*images.shape[:2], h - side + 1, w - side + 1) < self.gamma_of(images, side)).float()
        return 1 - F.max_pool2d(F.pad(seeds, [side - 1] * 4), side, 1)

    def scale(self, kept):
        return kept.numel() / kept.sum().clamp(min=1)


@wrong(
    "DropBlock2d", why="seeds on the whole map with the gamma of the valid part: too much is dropped, blocks are cut"
)
class SeedsEverywhere(BlockLike):
    def mask(self, images, side):
        seeds = (torch.rand(images.shape) < self.gamma_of(images, side)).float()
        grown = F.max_pool2d(F.pad(seeds, [side // 2] * 4), side, 1)
        return 1 - grown[..., : images.shape[-2], : images.shape[-1]]


@differs("DropBlock2d", why="an even block makes a mask one larger than the map: it does not run")
class OddOnly(BlockLike):
    def mask(self, images, side):
        h, w = images.shape[-2:]
        seeds = (torch.rand(*images.shape[:2], h - side + 1, w - side + 1) < self.gamma_of(images, side)).float()
        return 1 - F.max_pool2d(F.pad(seeds, [side // 2] * 4), side, 1, padding=side // 2)


@differs("DropBlock2d", why="a block larger than the map is not clamped: division by 0")
class NoClamp(DropBlock2d):
    def forward(self, input):
        h, w, b = *input.shape[-2:], self.block_size
        if not self.training:
            return input
        self.last_gamma = self.p * h * w / b**2 / ((h - b + 1) * (w - b + 1))
        return super().forward(input)


@wrong("DropBlock2d", why="scaled by 1 / (1 - p), not by the share that was kept")
class ScaledByRate(BlockLike):
    def scale(self, kept):
        return 1 / (1 - self.p)


@wrong("DropBlock2d", why="what is kept is not scaled")
class NotScaledBlock(BlockLike):
    def scale(self, kept):
        return 1.0


@wrong("DropBlock2d", only="randomness", why="one mask for all channels")
class SharedByAllChannels(BlockLike):
    def mask(self, images, side):
        return super().mask(images[:, :1], side).expand(images.shape)


@wrong("DropBlock2d", only="randomness", why="a share p of the seeds, not of the map")
class SeedsAtRate(BlockLike):
    def gamma_of(self, images, side):
        return self.p


@wrong("DropBlock2d", why="single pixels go")
class PixelsGo(BlockLike):
    def mask(self, images, side):
        return (torch.rand(images.shape) >= self.p).float()


@wrong("DropBlock2d", only="refusals", why="p is not validated")
class AnyBlockRate(DropBlock2d):
    def __init__(self, p=0.1, block_size=7, inplace=False, gamma="exact"):
        super().__init__(min(max(p, 0.0), 1.0), block_size, inplace, gamma)


@wrong("DropBlock2d", why="drops in evaluation too", cause="behaves in evaluation as in training")
class BlocksInEvaluation(DropBlock2d):
    def forward(self, input):
        return drop_block2d(input, self.p, self.block_size, True, self.inplace)
