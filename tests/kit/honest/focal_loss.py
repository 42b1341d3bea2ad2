"""Honest variants of focal losses: right, but computed in another way."""

import torch
from torch.nn import functional as F

from refops.functional.loss.focal import focal_loss, sigmoid_focal_loss
from refops.nn.loss.focal import FocalLoss, SigmoidFocalLoss
from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("FocalLoss", why="classes in reversed order, alpha as one number for each")
class Reversed(FocalLoss):
    def forward(self, input, target):
        right = super().forward(input, target)
        if input.dim() != 2 or self.ignore_index >= 0:
            return right
        classes = input.shape[1]
        alpha = input.new_ones(classes) if self.alpha is None else self.alpha
        if self.number is not None:
            alpha = wide(alpha) * self.number
            alpha[0] = 1 - self.number
        turned = torch.where(target == self.ignore_index, target, classes - 1 - target)
        return focal_loss(input.flip(1), turned, self.gamma, alpha.flip(0), self.ignore_index, self.reduction)


@honest("SigmoidFocalLoss", why="native's log-sigmoid on the log-odds against")
class ByLogSigmoid(SigmoidFocalLoss):
    def forward(self, inputs, targets):
        right = super().forward(inputs, targets)
        x = wide(inputs)
        t = targets.to(x.dtype)
        z = torch.where(t > 0, -x, x)
        losses = -F.logsigmoid(-z) * (F.logsigmoid(z) * self.gamma).exp()
        if self.alpha >= 0:
            losses = losses * torch.where(t > 0, self.alpha, 1 - self.alpha).to(x.dtype)
        losses = torch.where((t == 0) | (t == 1), losses, sigmoid_focal_loss(x, t, self.alpha, self.gamma))
        reduced = losses if self.reduction == "none" else getattr(losses, self.reduction)()
        return reduced.to(right.dtype)
