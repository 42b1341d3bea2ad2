"""Losses and optimizers after the manner of other libraries, written anew: their names and habits. Each is right."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam, AdamW, Optimizer

from refops.parity.proving.collection import honest

SINGLE = ("float32",)


def labelled_rows(case):
    draws = [*case.call.draws()]
    return len(draws[0].shape) != 2 or draws[1].kind not in ("index", "literal")


def images_of_logits(case):
    draws = [*case.call.draws()]
    return len(draws[0].shape) < 3 or draws[1].kind not in ("index", "literal")


@honest(
    "LabelSmoothingCrossEntropy",
    why="timm: confidence and smoothing, the mean over classes",
    arguments={"eps": "smoothing"},
    without=("rule", "weight", "ignore_index", "reduction"),
    unsupported=labelled_rows,
    dtypes=SINGLE,
)
class ConfidenceLoss(nn.Module):
    def __init__(self, smoothing=0.1):
        super().__init__()
        self.smoothing, self.confidence = smoothing, 1.0 - smoothing

    def forward(self, x, target):
        log_p = F.log_softmax(x, dim=-1)
        nll = -log_p.gather(dim=-1, index=target.unsqueeze(1)).squeeze(1)
        return (self.confidence * nll - self.smoothing * log_p.mean(dim=-1)).mean()


@honest(
    "CrossEntropyLoss",
    why="timm: soft targets",
    without=("weight", "ignore_index", "reduction", "label_smoothing", "size_average", "reduce"),
    unsupported=lambda case: not labelled_rows(case) or len(next(case.call.draws()).shape) != 2,
    dtypes=SINGLE,
)
class SoftTargets(nn.Module):
    def forward(self, x, target):
        return torch.sum(-target * F.log_softmax(x, dim=-1), dim=-1).mean()


def not_its_own(case):
    """Soft targets have another meaning there; alpha is always given."""
    alpha = case.init.keywords.get("alpha", case.init.args[0] if case.init.args else 0.25)
    targets = [*case.call.draws()][1]
    return (
        alpha < 0 or targets.kind != "literal" or not set(torch.tensor(targets.data).flatten().tolist()) <= {0.0, 1.0}
    )


@honest(
    "functional.sigmoid_focal_loss",
    why="torchvision: the cross-entropy times a power",
    unsupported=lambda case: 0 < case.call.keywords.get("gamma", 2) < 1,
    dtypes=SINGLE,
)
def vision_focal(inputs, targets, alpha=0.25, gamma=2, reduction="none"):
    p = torch.sigmoid(inputs)
    ce = targets * F.softplus(-inputs) + (1 - targets) * F.softplus(inputs)
    loss = ce * ((p * (1 - targets) + (1 - p) * targets) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be none, mean or sum, got {reduction!r}")
    return loss if reduction == "none" else getattr(loss, reduction)()


@honest(
    "SigmoidFocalLoss",
    why="kornia: both log-probabilities, each with its own factor",
    arguments={"inputs": "pred", "targets": "target"},
    unsupported=lambda case: not_its_own(case),
    dtypes=SINGLE,
)
class TwoTerms(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0, reduction="none"):
        super().__init__()
        self.alpha, self.gamma, self.reduction = alpha, gamma, reduction

    def forward(self, pred, target):
        yes, no = F.logsigmoid(pred), F.logsigmoid(-pred)
        loss = -self.alpha * (self.gamma * no).exp() * target * yes
        loss = loss - (1 - self.alpha) * (self.gamma * yes).exp() * (1 - target) * no
        return loss if self.reduction == "none" else getattr(loss, self.reduction)()


@honest("NTXentLoss", why="monai: exponentials and a mask of negatives", without=("reduction",), dtypes=SINGLE)
class MaskedContrast(nn.Module):
    def __init__(self, temperature=0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, z1, z2):
        n = len(z1)
        z = torch.cat([z1, z2])
        z = z / z.norm(dim=1, keepdim=True).clamp(min=1e-12)
        scores = z @ z.t() / self.temperature
        others = ~torch.eye(2 * n, dtype=torch.bool, device=z.device)
        partner = torch.cat([scores.diagonal(n), scores.diagonal(-n)])
        top = scores.masked_fill(~others, float("-inf")).amax(1, keepdim=True).detach()
        total = (others * torch.exp(scores - top)).sum(1)
        return (total.log() + top[:, 0] - partner).mean()


@honest(
    "functional.smooth_l1_loss",
    why="fvcore: plain L1 where beta is tiny",
    arguments={"input": "prediction"},
    without=("size_average", "reduce"),
    unsupported=lambda case: len({d.shape for d in case.call.draws()}) != 1,
    dtypes=SINGLE,
)
def smooth_l1(prediction, target, beta=1.0, reduction="mean"):
    n = torch.abs(prediction - target)
    loss = n if beta < 1e-5 else torch.where(n < beta, 0.5 * n**2 / beta, n - 0.5 * beta)
    return loss if reduction == "none" else getattr(loss, reduction)()


LATER = ("foreach", "fused", "capturable", "differentiable")


@honest(
    "optim.AdamW",
    why="transformers: the decay after the step, of the old weights",
    without=(*LATER, "amsgrad", "maximize"),
)
class DecayAfter(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = torch.enable_grad()(closure)() if closure is not None else None
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                state["exp_avg"].lerp_(p.grad, 1 - b1)
                state["exp_avg_sq"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                correction1, correction2 = 1 - b1 ** state["step"], 1 - b2 ** state["step"]
                denominator = (state["exp_avg_sq"].sqrt() / correction2**0.5).add_(group["eps"])
                old = p.clone()
                p.addcdiv_(state["exp_avg"], denominator, value=-group["lr"] / correction1)
                p.add_(old, alpha=-group["lr"] * group["weight_decay"])
        return loss


@honest("optim.Adam", why="a subclass that sets foreach", without=("foreach", "fused"))
class ListsAdam(Adam):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, **options):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=True, **options)


@honest("optim.AdamW", why="a factory that hides the paths", without=LATER)
def adamw_factory(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, maximize=False):
    return AdamW(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=False)
