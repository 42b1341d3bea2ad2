"""What is timed: one small and one or more realistic sizes per operator and optimizer. Pure data.

A row is a case of the spec's own language; an optimizer's inputs are the shapes of its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from refops.parity.case import Case, built, called, index, param, real

# The 62 parameter tensors of ResNet-18 for 1000 classes: 11.7 million numbers.
_BLOCKS = ((64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512))
RESNET18 = (
    real(64, 3, 7, 7), real(64), real(64),
    *(
        tensor
        for i, o in _BLOCKS
        for tensor in (
            real(o, i, 3, 3), real(o), real(o), real(o, o, 3, 3), real(o), real(o),
            *((real(o, i, 1, 1), real(o), real(o)) if i != o else ()),
        )
    ),
    real(1000, 512), real(1000),
)  # fmt: skip
SMALL_NET = (real(32, 16), real(32), real(10, 32), real(10))


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        spec: the operator.
        label: the size in words.
        case: constructor arguments and inputs.
        realistic: whether it counts in the geometric mean.
        mark: the ratio to beat, eager forward + backward on one thread; 0 where none was set.
        against: what an operator torch lacks is compared with.
        whole: in place of a case, the function of `refops.parity.timing.whole` that makes the two calls.
    """

    spec: str
    label: str
    case: Case
    realistic: bool = True
    mark: float = 0.0
    against: str = ""
    whole: str = ""

    @property
    def modes(self) -> tuple[str, ...]:
        """What of it is timed: `forward` and `forward+backward`, or a `step` of training."""
        if self.whole:
            return ("step",) if self.whole.endswith("_step") else ("forward+backward",)
        return ("step",) if self.spec.startswith("optim.") else ("forward", "forward+backward")


def _small(spec: str, case: Case, label: str = "small", against: str = "") -> Row:
    return Row(spec, label, case, realistic=False, against=against)


def _pointwise(name: str, mark: float = 0.0, **options: str | float) -> tuple[Row, Row]:
    case = built(**options)
    return (
        _small(name, case.on(real(4, 16))),
        Row(name, "32x64x32x32", case.on(real(32, 64, 32, 32)), mark=mark),
    )


def _norm(name: str, *args: int, small: tuple[int, ...], mark: float) -> tuple[Row, Row]:
    return (
        _small(name, built(*args).on(real(*small))),
        Row(name, "32x64x32x32", built(*args).on(real(32, 64, 32, 32)), mark=mark),
    )


def _optimizer(name: str, mark: float, against: str = "", **options: float | bool) -> tuple[Row, Row]:
    case = built(**options)
    return (
        _small(name, case.on(SMALL_NET), "small, 4 tensors", against),
        Row(name, "62 tensors, 11.7M", case.on(RESNET18), mark=mark, against=against),
    )


_IMAGE = real(32, 64, 32, 32)
_QKV = (real(8, 8, 128, 32),) * 3
_LONG = (real(1, 8, 1024, 64),) * 3
_TOKENS = real(8, 128, 256)
_LOGITS = real(4096, 1000)

_VOLUME = real(4, 32, 16, 32, 32)
_MORE = ("PReLU", "RReLU", "ELU", "ReLU6", "Hardtanh", "Hardswish", "Softplus", "Mish")

SIZES: tuple[Row, ...] = (
    _small("Linear", built(16, 32).on(real(4, 16))),
    Row("Linear", "256x512 to 2048", built(512, 2048).on(real(256, 512)), mark=1.1),
    Row("Linear", "8x128x256 to 1024", built(256, 1024).on(real(8, 128, 256)), mark=1.1),
    _small("Identity", built().on(real(4, 16))),
    _small("Flatten", built().on(real(4, 8, 4, 4))),
    _small("Unflatten", built(1, (4, 4)).on(real(4, 16))),
    _small("Conv1d", built(4, 8, 3).on(real(2, 4, 16))),
    Row("Conv1d", "16x64x512 to 128, k5p2", built(64, 128, 5, padding=2).on(real(16, 64, 512)), mark=2.2),
    _small("Conv2d", built(4, 8, 3, padding=1).on(real(2, 4, 8, 8))),
    Row("Conv2d", "32x64x32x32 to 64, k3p1", built(64, 64, 3, padding=1).on(_IMAGE), mark=3.6),
    Row("Conv2d", "stem 4x3x224x224, k7s2", built(3, 64, 7, stride=2, padding=3).on(real(4, 3, 224, 224)), mark=1.4),
    Row("Conv2d", "to 256, k1", built(64, 256, 1).on(_IMAGE), mark=1.2),
    Row("Conv2d", "to 128, k3s2p1", built(64, 128, 3, stride=2, padding=1).on(_IMAGE), mark=2.0),
    Row("Conv2d", "to 64, k3d2p2", built(64, 64, 3, padding=2, dilation=2).on(real(16, 64, 32, 32)), mark=3.1),
    Row("Conv2d", "grouped, g32", built(128, 128, 3, padding=1, groups=32).on(real(16, 128, 32, 32)), mark=4.6),
    Row("Conv2d", "depthwise", built(128, 128, 3, padding=1, groups=128).on(real(32, 128, 32, 32)), mark=6.0),
    _small("Conv3d", built(2, 4, 3).on(real(1, 2, 6, 6, 6))),
    Row("Conv3d", "2x16x16x32x32 to 32, k3p1", built(16, 32, 3, padding=1).on(real(2, 16, 16, 32, 32)), mark=4.2),
    _small("BatchNorm1d", built(16).on(real(8, 16))),
    Row("BatchNorm1d", "4096x512", built(512).on(real(4096, 512))),
    *_norm("BatchNorm2d", 64, small=(4, 64, 4, 4), mark=1.5),
    _small("BatchNorm3d", built(8).on(real(2, 8, 4, 4, 4))),
    Row("BatchNorm3d", "4x32x16x32x32", built(32).on(real(4, 32, 16, 32, 32))),
    _small("InstanceNorm1d", built(16).on(real(4, 16, 16))),
    Row("InstanceNorm1d", "16x128x1024", built(128).on(real(16, 128, 1024))),
    *_norm("InstanceNorm2d", 64, small=(2, 64, 4, 4), mark=2.1),
    _small("InstanceNorm3d", built(8).on(real(2, 8, 4, 4, 4))),
    Row("InstanceNorm3d", "4x32x16x32x32", built(32).on(real(4, 32, 16, 32, 32))),
    _small("LayerNorm", built(32).on(real(4, 32))),
    Row("LayerNorm", "8x128x512", built(512).on(real(8, 128, 512)), mark=5.6),
    *_norm("GroupNorm", 8, 64, small=(2, 64, 4, 4), mark=5.2),
    _small("RMSNorm", built(32).on(real(4, 32))),
    Row("RMSNorm", "8x128x512", built(512).on(real(8, 128, 512)), mark=1.0),
    _small("Dropout", built().on(real(4, 16))),
    Row("Dropout", "8x128x1024", built().on(real(8, 128, 1024)), mark=1.0),
    _small("Dropout1d", built().on(real(4, 16, 8))),
    Row("Dropout1d", "16x128x1024", built().on(real(16, 128, 1024))),
    _small("Dropout2d", built().on(real(4, 16, 4, 4))),
    Row("Dropout2d", "32x64x32x32", built().on(_IMAGE)),
    _small("Dropout3d", built().on(real(2, 8, 4, 4, 4))),
    Row("Dropout3d", "4x32x16x32x32", built().on(real(4, 32, 16, 32, 32))),
    *_pointwise("ReLU"),
    *_pointwise("LeakyReLU"),
    *_pointwise("Sigmoid"),
    *_pointwise("Tanh"),
    *_pointwise("GELU"),
    _small("GELU", built(approximate="tanh").on(real(4, 16)), "small, tanh"),
    Row("GELU", "32x64x32x32, tanh", built(approximate="tanh").on(_IMAGE)),
    *_pointwise("SiLU"),
    _small("Softmax", built(1).on(real(4, 10))),
    Row("Softmax", "4096x1000", built(1).on(_LOGITS)),
    _small("LogSoftmax", built(1).on(real(4, 10))),
    Row("LogSoftmax", "4096x1000", built(1).on(_LOGITS)),
    _small("MaxPool1d", built(2).on(real(2, 4, 16))),
    Row("MaxPool1d", "16x64x1024, k2s2", built(2).on(real(16, 64, 1024))),
    _small("MaxPool2d", built(2).on(real(2, 4, 8, 8))),
    Row("MaxPool2d", "32x64x32x32, k2s2", built(2).on(_IMAGE), mark=1.3),
    Row("MaxPool2d", "32x64x32x32, k3s2p1", built(3, 2, 1).on(_IMAGE), mark=1.8),
    _small("MaxPool3d", built(2).on(real(1, 4, 4, 4, 4))),
    Row("MaxPool3d", "4x32x16x32x32, k2s2", built(2).on(real(4, 32, 16, 32, 32))),
    _small("AvgPool1d", built(2).on(real(2, 4, 16))),
    Row("AvgPool1d", "16x64x1024, k2s2", built(2).on(real(16, 64, 1024))),
    _small("AvgPool2d", built(2).on(real(2, 4, 8, 8))),
    Row("AvgPool2d", "32x64x32x32, k2s2", built(2).on(_IMAGE), mark=1.4),
    Row("AvgPool2d", "32x64x32x32, k3s2p1", built(3, 2, 1).on(_IMAGE), mark=1.9),
    _small("AvgPool3d", built(2).on(real(1, 4, 4, 4, 4))),
    Row("AvgPool3d", "4x32x16x32x32, k2s2", built(2).on(real(4, 32, 16, 32, 32))),
    _small("Embedding", built(50, 16).on(index(4, 8, high=50))),
    Row("Embedding", "4096 of 30000x256", built(30000, 256).on(index(4096, high=30000)), mark=0.75),
    _small("functional.scaled_dot_product_attention", called(*(real(2, 2, 8, 4),) * 3)),
    Row("functional.scaled_dot_product_attention", "8x8x128x32", called(*_QKV), mark=2.9),
    Row("functional.scaled_dot_product_attention", "1x8x1024x64", called(*_LONG), mark=3.5),
    _small("MultiheadAttention", built(16, 2, batch_first=True).on(*(real(2, 5, 16),) * 3)),
    Row("MultiheadAttention", "8x128x256, h8", built(256, 8, batch_first=True).on(*(_TOKENS,) * 3), mark=1.6),
    _small("CrossEntropyLoss", built().on(real(8, 10), index(8, high=10))),
    Row("CrossEntropyLoss", "4096x1000", built().on(_LOGITS, index(4096, high=1000)), mark=2.0),
    Row("CrossEntropyLoss", "1024x32000", built().on(real(1024, 32000), index(1024, high=32000)), mark=1.8),
    _small("NLLLoss", built().on(real(8, 10), index(8, high=10))),
    Row("NLLLoss", "4096x1000", built().on(_LOGITS, index(4096, high=1000))),
    _small("MSELoss", built().on(real(8, 10), param(8, 10))),
    Row("MSELoss", "1024x1000", built().on(real(1024, 1000), param(1024, 1000)), mark=2.2),
    _small("L1Loss", built().on(real(8, 10), param(8, 10))),
    Row("L1Loss", "1024x1000", built().on(real(1024, 1000), param(1024, 1000)), mark=1.1),
    *_optimizer("optim.SGD", 0.8, lr=0.01, momentum=0.9, weight_decay=1e-4),
    *_optimizer("optim.Adam", 0.85, lr=1e-3),
    *_optimizer("optim.AdamW", 0.85, lr=1e-3),
    *_optimizer("optim.LAMB", 1.25, "optim.Adam", lr=1e-3),
    *_optimizer("optim.Lookahead", 1.03, "optim.AdamW", lr=1e-3),
    Row("ConvTranspose2d", "16x64x16x16 to 32, k4s2p1", built(64, 32, 4, 2, 1).on(real(16, 64, 16, 16)), mark=3.2),
    Row("ConvTranspose1d", "16x64x256 to 32, k4s2p1", built(64, 32, 4, 2, 1).on(real(16, 64, 256))),
    Row("ConvTranspose3d", "2x16x8x16x16 to 16, k4s2p1", built(16, 16, 4, 2, 1).on(real(2, 16, 8, 16, 16))),
    *(Row(f"Adaptive{kind}Pool1d", "16x64x1024 to 7", built(7).on(real(16, 64, 1024))) for kind in ("Avg", "Max")),
    *(Row(f"Adaptive{kind}Pool3d", "4x32x16x32x32 to 4", built(4).on(_VOLUME)) for kind in ("Avg", "Max")),
    Row("AdaptiveMaxPool2d", "32x64x32x32 to 7", built(7).on(_IMAGE)),
    Row("MaxUnpool1d", "16x64x512, k2s2", built(2).on(real(16, 64, 512), index(16, 64, 512, high=1024))),
    Row("MaxUnpool3d", "4x32x8x16x16, k2s2", built(2).on(real(4, 32, 8, 16, 16), index(4, 32, 8, 16, 16, high=16384))),
    Row("AdaptiveAvgPool2d", "32x512x7x7 to 1", built(1).on(real(32, 512, 7, 7)), mark=1.0),
    Row("AdaptiveAvgPool2d", "32x64x32x32 to 7", built(7).on(_IMAGE), mark=0.7),
    Row("MaxUnpool2d", "32x64x16x16, k2s2", built(2).on(real(32, 64, 16, 16), index(32, 64, 16, 16, high=1024))),
    Row("EmbeddingBag", "512 bags of 8, 30000x256", built(30000, 256).on(index(512, 8, high=30000))),
    *(row for name in _MORE for row in _pointwise(name)),
    Row("SmoothL1Loss", "1024x1000", built().on(real(1024, 1000), param(1024, 1000)), mark=8.0),
    Row("HuberLoss", "1024x1000", built().on(real(1024, 1000), param(1024, 1000)), mark=8.0),
    Row("TripletMarginLoss", "1024x128", built().on(*(real(1024, 128),) * 3)),
    Row("TransformerEncoderLayer", "16x64x128, h8", built(128, 8, 512, 0.0).on(real(64, 16, 128)), mark=1.4),
    Row("NTXentLoss", "2x256x128", case=built().on(), mark=1.1, whole="nt_xent"),
    Row("TripletMiningLoss", "256x128, hard", case=built().on(), mark=1.1, whole="hard_triplets"),
    Row("models.resnet18", "32 small images", case=built().on(), mark=2.5, whole="resnet18_step"),
    Row("TransformerEncoder", "16x64x128, 2 layers", case=built().on(), mark=1.4, whole="encoder_step"),
)  # fmt: skip
