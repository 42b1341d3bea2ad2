"""Optimizers that are right in another way than native and the references."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from refops.parity.proving.collection import honest


@honest("optim.SGD", why="native in another class, with other names for its arguments", drop_in=False)
class Descent(SGD):
    def __init__(self, weights, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, **options):
        super().__init__(weights, lr, momentum, dampening, weight_decay, nesterov, **options)


@honest("optim.SGD", why="native's lists of tensors")
class ListsSGD(SGD):
    def __init__(self, *args, **options):
        super().__init__(*args, **({"foreach": True} | options if not options.get("fused") else options))


class ByParameter:
    """A step that goes through the parameters with `update`."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, -p.grad if group["maximize"] else p.grad, group, self.state[p])
        return loss


@honest("optim.SGD", why="momentum out of place, and the steps of gradient and buffer taken one after the other")
class TwoSteps(ByParameter, SGD):
    def update(self, p, g, group, state):
        lr, mu = float(group["lr"]), group["momentum"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        if mu:
            old = state.get("momentum_buffer")
            state["momentum_buffer"] = g.clone() if old is None else mu * old + (1 - group["dampening"]) * g
        if not mu:
            p.sub_(lr * g)
        elif group["nesterov"]:
            p.sub_(lr * g).sub_(lr * mu * state["momentum_buffer"])
        else:
            p.sub_(lr * state["momentum_buffer"])


class Moments(ByParameter):
    """Adam's state, counted and created; complex tensors as pairs."""

    def update(self, p, g, group, state):
        if g.is_sparse:
            raise RuntimeError("sparse gradients are not supported")
        if not state:
            state["step"] = torch.tensor(0.0)
            names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
            state.update({name: torch.zeros_like(p) for name in names})
        state["step"] += 1
        tensors = (p, g, *(v for k, v in state.items() if k != "step"))
        self.rule(*(torch.view_as_real(t) if p.is_complex() else t for t in tensors), **group, t=state["step"].item())


@honest("optim.Adam", why="every line of the paper out of place")
class TextbookAdam(Moments, Adam):
    def rule(self, p, g, m, v, largest=None, *, lr, betas, eps, weight_decay, decoupled_weight_decay, t, **_):
        if decoupled_weight_decay:
            p.copy_(p - float(lr) * weight_decay * p)
        else:
            g = g + weight_decay * p
        m.copy_(betas[0] * m + (1 - betas[0]) * g)
        v.copy_(betas[1] * v + (1 - betas[1]) * g * g)
        if largest is not None:
            v = largest.copy_(torch.where(v > largest, v, largest))
        p.copy_(p - float(lr) * (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)).sqrt() + eps))


@honest("optim.Adam", why="bias corrections folded into the step size and eps, as the paper suggests")
class FoldedAdam(Moments, Adam):
    def rule(self, p, g, m, v, largest=None, *, lr, betas, eps, weight_decay, decoupled_weight_decay, t, **_):
        if decoupled_weight_decay:
            p.mul_(1 - float(lr) * weight_decay)
        elif weight_decay:
            g = g + weight_decay * p
        m.lerp_(g, 1 - betas[0])
        v.lerp_(g.square(), 1 - betas[1])
        if largest is not None:
            v = largest.copy_(torch.maximum(v, largest))
        root = (1 - betas[1] ** t) ** 0.5
        p.addcdiv_(m, v.sqrt().add_(eps * root), value=-float(lr) * root / (1 - betas[0] ** t))


@honest("optim.Adam", why="the arithmetic of every step in float64, rounded once")
class WideAdam(Moments, Adam):
    def rule(self, p, g, m, v, largest=None, *, lr, betas, eps, weight_decay, decoupled_weight_decay, t, **_):
        x, g = p.double(), g.double()
        if decoupled_weight_decay:
            x = x * (1 - float(lr) * weight_decay)
        else:
            g = g + weight_decay * x
        m.copy_(betas[0] * m.double() + (1 - betas[0]) * g)
        v.copy_(betas[1] * v.double() + (1 - betas[1]) * g * g)
        if largest is not None:
            v = largest.copy_(torch.maximum(v, largest))
        p.copy_(x - float(lr) / (1 - betas[0] ** t) * m.double() / ((v.double() / (1 - betas[1] ** t)).sqrt() + eps))


@honest("optim.AdamW", why="native's fused kernel")
class FusedAdamW(AdamW):
    def __init__(self, *args, **options):
        plain = options.get("foreach") or options.get("differentiable") or options.get("amsgrad") is None
        super().__init__(*args, **({"fused": True} | options if not plain else options))


@honest("optim.AdamW", why="native's lists of tensors")
class ListsAdamW(AdamW):
    def __init__(self, *args, **options):
        lists = not options.get("fused") and not any(isinstance(x, Tensor) for x in options.values())
        super().__init__(*args, **({"foreach": True} | options if lists else options))


@honest("optim.AdamW", why="all parameters of a group and dtype in one flat buffer")
class FlatAdamW(AdamW):
    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            met = [p for p in group["params"] if p.grad is not None]
            if any(p.grad.is_sparse for p in met):
                raise RuntimeError("sparse gradients are not supported")
            for p in met:
                if not self.state[p]:
                    names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
                    self.state[p].update({name: torch.zeros_like(p) for name in names}, step=torch.tensor(0.0))
                self.state[p]["step"] += 1
            for _, some in groupby(met, lambda p: (p.dtype, self.state[p]["step"].item())):
                self.flat(list(some), group)
        return loss

    def flat(self, params, group):
        states = [self.state[p] for p in params]
        names = [name for name in states[0] if name != "step"]
        rows = [[p.detach() for p in params], [p.grad for p in params], *([s[n] for s in states] for n in names)]
        real = [[torch.view_as_real(t) if t.is_complex() else t for t in row] for row in rows]
        x, g, m, v, *largest = (torch.cat([t.flatten() for t in row]) for row in real)
        lr, (b1, b2), t = float(group["lr"]), group["betas"], states[0]["step"].item()
        g = -g if group["maximize"] else g
        x = x * (1 - lr * group["weight_decay"])
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = [torch.maximum(v, old) for old in largest]
        x = x - lr / (1 - b1**t) * m / ((largest or [v])[0].sqrt() / (1 - b2**t) ** 0.5 + group["eps"])
        for row, new in zip(real[:1] + real[2:], (x, m, v, *largest), strict=True):
            for old, part in zip(row, new.split([t.numel() for t in row]), strict=True):
                old.copy_(part.view(old.shape))


class HonestLAMB(ByParameter, Optimizer):
    """The paper's algorithm; the variants measure lengths differently."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2, maximize=False):
        if (isinstance(lr, Tensor) and lr.numel() != 1) or not (lr >= 0 and eps >= 0 and weight_decay >= 0):
            raise ValueError(f"lr, eps and weight_decay must be single numbers >= 0, got {lr}, {eps}, {weight_decay}")
        if not all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be floats in [0, 1), got {betas}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, p, g, group, state):
        if g.is_sparse:
            raise RuntimeError("sparse gradients are not supported")
        if not state:
            state.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
        state["t"] += 1
        x, g, m, v = (torch.view_as_real(t) if p.is_complex() else t for t in (p, g, state["m"], state["v"]))
        (b1, b2), t = group["betas"], state["t"]
        m.lerp_(g, 1 - b1)
        v.lerp_(g * g, 1 - b2)
        u = (m / (1 - b1**t)).div_((v / (1 - b2**t)).sqrt_().add_(group["eps"])).add_(x, alpha=group["weight_decay"])
        a, b = self.length(x), self.length(u)
        x.add_(u, alpha=-float(group["lr"]) * (a / b if a > 0 and b > 0 else 1.0))

    def length(self, x):
        return torch.linalg.vector_norm(x.float() if x.dtype != torch.float64 else x).item()


@honest("optim.LAMB", why="lengths by torch's norm, moments by lerp, the ratio as a Python number")
class NormLAMB(HonestLAMB):
    pass


@honest("optim.LAMB", why="lengths in float64, summed from the last element to the first, in chunks")
class ChunkedLAMB(HonestLAMB):
    def length(self, x):
        return sum(float((part.double() ** 2).sum()) for part in reversed(x.flatten().split(7))) ** 0.5


class HonestLookahead(Optimizer):
    """Its own count and slow weights; everything else is the inner optimizer's."""

    def __init__(self, optimizer, k=5, alpha=0.5):
        if not isinstance(k, int) or k < 1 or not 0 <= alpha <= 1:
            raise ValueError(f"k must be an integer >= 1 and alpha in [0, 1], got {k} and {alpha}")
        self.optimizer, self.k, self.alpha, self.left, self.slow = optimizer, k, alpha, k, {}
        super().__init__([{"params": [torch.zeros(())]}], dict(optimizer.defaults))
        del self.__dict__["param_groups"]
        self.slow = {p: p.detach().clone() for group in optimizer.param_groups for p in group["params"]}

    def __getattr__(self, name):
        if name == "param_groups" and "optimizer" in self.__dict__:
            return self.optimizer.param_groups
        raise AttributeError(name)

    def add_param_group(self, param_group):
        if "param_groups" in self.__dict__:  # the constructor's
            return super().add_param_group(param_group)
        self.optimizer.add_param_group(param_group)
        self.slow.update({p: p.detach().clone() for p in param_group["params"]})
        return None

    @torch.no_grad()
    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        self.left -= 1
        if self.left == 0:
            self.left = self.k
            self.meet()
        return loss

    def meet(self):
        for p, slow in self.slow.items():
            p.copy_(slow.copy_((1 - self.alpha) * slow + self.alpha * p))

    def state_dict(self):
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        own = {"left": self.left, "k": self.k, "alpha": self.alpha, "slow": [s.clone() for s in self.slow.values()]}
        state = {**self.optimizer.state_dict(), "lookahead": own}
        for hook in self._optimizer_state_dict_post_hooks.values():
            state = hook(self, state) or state
        return state

    def load_state_dict(self, state_dict):
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        own = state_dict["lookahead"]
        self.optimizer.load_state_dict(state_dict)
        self.left, self.k, self.alpha = own["left"], own["k"], own["alpha"]
        for slow, saved in zip(self.slow.values(), own["slow"], strict=True):
            slow.copy_(saved)
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self):
        return {name: self.__dict__[name] for name in ("optimizer", "k", "alpha", "left", "slow", "defaults")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        super().__setstate__({})


@honest("optim.Lookahead", why="counts down, and keeps its state beside the inner optimizer's")
class CountingDown(HonestLookahead):
    pass


@honest("optim.Lookahead", why="moves the fast weights first and copies them to the slow ones")
class FastFirst(HonestLookahead):
    def meet(self):
        for p, slow in self.slow.items():
            p.sub_((p - slow) * (1 - self.alpha))
            slow.copy_(p)
