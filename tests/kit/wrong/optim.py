"""Optimizers that are wrong: what people shipped, and what each check alone can see."""

from __future__ import annotations

import inspect
from collections import defaultdict

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from refops.parity.proving.collection import differs, wrong

RULES = {kind: torch.no_grad()(inspect.unwrap(kind.step)) for kind in (SGD, Adam, AdamW)}  # native, without its hooks


def check_adam(lr, betas, eps, weight_decay):
    if not (lr >= 0 and eps >= 0 and weight_decay >= 0):
        raise ValueError(f"lr, eps and weight_decay must be >= 0, got {lr}, {eps}, {weight_decay}")
    if not all(0 <= beta < 1 and not isinstance(beta, int) for beta in betas):
        raise ValueError(f"betas must be floats in [0, 1), got {betas}")


# -- SGD ---------------------------------------------------------------------------------------------------------------


class PlainSGD(SGD):
    """Right: native's constructor and state, the rule written out. The wrong ones below change one method."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, self.direction(p, self.gradient(p, group), group), group)
        return loss

    def gradient(self, p, group):
        g = -p.grad if group["maximize"] else p.grad
        return g.add(p, alpha=group["weight_decay"]) if group["weight_decay"] else g

    def direction(self, p, g, group):
        if not group["momentum"]:
            return g
        state = self.state[p]
        if state.get("momentum_buffer") is None:
            b = state["momentum_buffer"] = g.clone()
        else:
            b = self.buffer(state["momentum_buffer"], g, group)
        return g.add(b, alpha=group["momentum"]) if group["nesterov"] else b

    def buffer(self, b, g, group):
        return b.mul_(group["momentum"]).add_(g, alpha=1 - group["dampening"])

    def move(self, p, d, group):
        p.add_(d, alpha=-float(group["lr"]))


@wrong(
    "optim.SGD",
    why="the first buffer is (1 - dampening) * g: it starts from zeros",
    cause="the momentum buffer starts from zeros",
)
class BufferFromZeros(PlainSGD):
    def direction(self, p, g, group):
        if group["momentum"]:
            self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
        return super().direction(p, g, group)


@wrong(
    "optim.SGD",
    why="Nesterov looks ahead with the buffer from before the step",
    cause="Nesterov looks ahead with the old buffer",
)
class NesterovWithOldBuffer(PlainSGD):
    def direction(self, p, g, group):
        old = self.state[p].get("momentum_buffer") if group["momentum"] else None
        old = g if old is None else old.clone()
        d = super().direction(p, g, group)
        return g.add(old, alpha=group["momentum"]) if group["nesterov"] else d


@wrong("optim.SGD", why="momentum weighs the gradient by 1 - momentum, as a running mean would")
class MomentumAsMean(PlainSGD):
    def buffer(self, b, g, group):
        return b.mul_(group["momentum"]).add_(g, alpha=1 - group["momentum"])


@wrong("optim.SGD", why="dampening is ignored", cause="dampening is ignored")
class NoDampening(PlainSGD):
    def buffer(self, b, g, group):
        return b.mul_(group["momentum"]).add_(g)


@wrong(
    "optim.SGD", why="weight decay is decoupled from the gradient", cause="weight decay is decoupled from the gradient"
)
class DecoupledDecay(PlainSGD):
    def gradient(self, p, group):
        p.mul_(1 - float(group["lr"]) * group["weight_decay"])
        return -p.grad if group["maximize"] else p.grad


@wrong(
    "optim.SGD",
    only="trajectory",
    why="decay is taken with the sign of a minimum when maximizing",
    cause="decay has the wrong sign when maximizing",
)
class DecayOfTheWrongSign(PlainSGD):
    def gradient(self, p, group):
        g = p.grad.add(p, alpha=group["weight_decay"])
        return -g if group["maximize"] else g


@wrong("optim.SGD", why="maximize is ignored", cause="maximize is ignored")
class NeverMaximizes(PlainSGD):
    def gradient(self, p, group):
        return p.grad.add(p, alpha=group["weight_decay"]) if group["weight_decay"] else p.grad


@wrong("optim.SGD", why="biases and other vectors are never decayed", cause="vectors are never decayed")
class NoDecayOfVectors(PlainSGD):
    def gradient(self, p, group):
        return super().gradient(p, group if p.dim() > 1 else {**group, "weight_decay": 0})


@wrong("optim.SGD", why="weight decay is added into p.grad")
class DecayIntoGrad(PlainSGD):
    def gradient(self, p, group):
        g = p.grad.add_(p, alpha=group["weight_decay"]) if group["weight_decay"] and not group["maximize"] else None
        return super().gradient(p, group) if g is None else g


@wrong(
    "optim.SGD",
    only="gradients",
    why="gradients are set to None by the step itself",
    cause="step must leave p.grad alone",
)
class ForgetsGradients(PlainSGD):
    def move(self, p, d, group):
        super().move(p, d, group)
        p.grad = None


@wrong(
    "optim.SGD",
    only="memory",
    why="p.data is rebound to a new tensor, which views of the parameter do not see",
    cause="must be changed in place, a view of it did not see the steps",
)
class RebindsData(PlainSGD):
    def move(self, p, d, group):
        p.data = p.data - float(group["lr"]) * d


@differs("optim.SGD", only="memory", why="flattens the parameter with view, which needs contiguous memory")
class FlattensByView(PlainSGD):
    def move(self, p, d, group):
        if p.is_complex() or d.is_sparse:
            super().move(p, d, group)
        else:
            p.data.view(-1).add_(d.reshape(-1), alpha=-float(group["lr"]))


@wrong("optim.SGD", only="memory", why="keeps its own copy of the weights and overwrites what others wrote to them")
class KeepsMasterWeights(PlainSGD):
    def move(self, p, d, group):
        master = self.state[p].setdefault("master", p.detach().clone())
        p.copy_(master.add_(d, alpha=-float(group["lr"])))


@wrong(
    "optim.SGD",
    why="the learning rate of the first group is used for all",
    cause="the learning rate of the first group is used for all",
)
class OneLearningRate(PlainSGD):
    def move(self, p, d, group):
        super().move(p, d, self.param_groups[0])


@wrong(
    "optim.SGD", only="schedulers", why="the learning rate is the one a scheduler found at first, never the present one"
)
class LearningRateCaptured(PlainSGD):
    def move(self, p, d, group):
        super().move(p, d, {**group, "lr": group.get("initial_lr", group["lr"])})


@wrong("optim.SGD", only="schedulers", why="the learning rate is inside the buffer: a change of it acts late")
class LearningRateInBuffer(PlainSGD):
    def direction(self, p, g, group):
        if "initial_lr" not in group:
            return super().direction(p, g, group)
        return super().direction(p, g * group["lr"], group) / group["lr"]


@wrong(
    "optim.SGD",
    why="a missing gradient counts as zero: momentum moves unused parameters on",
    cause="a missing gradient counts as zero",
)
class MissingIsZero(PlainSGD):
    @torch.no_grad()
    def step(self, closure=None):
        missing = [p for group in self.param_groups for p in group["params"] if p.grad is None]
        for p in missing:
            p.grad = torch.zeros_like(p)
        loss = RULES[SGD](self, closure)
        for p in missing:
            p.grad = None
        return loss


@wrong(
    "optim.SGD",
    only="closure",
    why="the closure is called with gradients disabled",
    cause="step must call the closure with gradients enabled, they were disabled",
)
class ClosureWithoutGrad(PlainSGD):
    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        RULES[SGD](self)
        return loss


@wrong(
    "optim.SGD",
    only="closure",
    why="the closure is called twice, once for the loss",
    cause="step must call the closure once, got 2 calls",
)
class ClosureTwice(PlainSGD):
    def step(self, closure=None):
        RULES[SGD](self, closure)
        return None if closure is None else closure()


@wrong(
    "optim.SGD",
    only="closure",
    why="the closure's loss is not returned",
    cause="step must return what the closure returned, 0, got None",
)
class ClosureValueLost(PlainSGD):
    def step(self, closure=None):
        RULES[SGD](self, closure)


@wrong("optim.SGD", only="closure", why="the closure is called after the step, whose gradients are a step old")
class ClosureLate(PlainSGD):
    def step(self, closure=None):
        RULES[SGD](self)
        if closure is not None:
            with torch.enable_grad():
                return closure()
        return None


@wrong("optim.SGD", why="buffers are kept by id(p) outside the state: no checkpoint has them")
class BuffersById(PlainSGD):
    def direction(self, p, g, group):
        buffers = self.__dict__.setdefault("buffers", {})
        if id(p) not in buffers:
            buffers[id(p)] = g.clone()
        else:
            self.buffer(buffers[id(p)], g, group)
        b = buffers[id(p)] if group["momentum"] else g
        return g.add(b, alpha=group["momentum"]) if group["nesterov"] else b


@differs("optim.SGD", only="resume", why="a function in the groups: the checkpoint does not load with weights_only")
class FunctionInState(PlainSGD):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for group in self.param_groups:
            group["check"] = check_adam


@wrong("optim.SGD", only="resume", why="state_dict leaves the buffers out, to make small checkpoints")
class SmallCheckpoint(PlainSGD):
    def state_dict(self):
        return {**super().state_dict(), "state": {}}


@wrong("optim.SGD", only="resume", why="loading keeps the present learning rate")
class KeepsLearningRate(PlainSGD):
    def load_state_dict(self, state_dict):
        present = [group["lr"] for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, lr in zip(self.param_groups, present, strict=True):
            group["lr"] = lr


@differs("optim.SGD", only="gradients", why="zero_grad always fills zeros, so unused parameters keep moving")
class ZeroGradFills(PlainSGD):
    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none=False)


@wrong("optim.SGD", only="refused", why="nothing is checked: a negative learning rate is taken")
class ChecksNothing(PlainSGD):
    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, **options):
        super().__init__(params, 0.0, momentum or 0)
        given = {"lr": lr, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov, **options}
        own = [{k: v for k, v in given.items() if k not in g or g[k] == self.defaults[k]} for g in self.param_groups]
        for group, values in zip(self.param_groups, own, strict=True):
            group.update(values)
        self.defaults.update(given)


@wrong("optim.SGD", only="hooks", why="the step claims to be hooked already, to save the overhead of profiling")
class StepWithoutHooks(PlainSGD):
    def step(self, closure=None):
        return RULES[SGD](self, closure)

    step.hooked = True


@differs("optim.SGD", why="Optimizer.__init__ is skipped: there are no hooks")
class NoSuperInit(PlainSGD):
    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, **options):
        made = SGD(params, lr, momentum, dampening, weight_decay, nesterov, **options)
        self.defaults, self.state, self.param_groups = made.defaults, made.state, made.param_groups


@wrong("optim.SGD", only="repeatable", why="a guard against stepping twice on one gradient meets other instances' too")
class GuardInClass(PlainSGD):
    last: dict = {}  # noqa: RUF012

    def move(self, p, d, group):
        owner, before = self.last.get(p.shape, (id(self), p))
        if p.grad.is_sparse or owner == id(self) or not (before.dtype == p.dtype and torch.equal(before, p.grad)):
            super().move(p, d, group)
        if not p.grad.is_sparse and p.grad.any():
            self.last[p.shape] = (id(self), p.grad.clone())


@wrong("optim.SGD", why="buffers live in the class, by position of the parameter: optimizers share them")
class BuffersInClass(PlainSGD):
    shared: dict = {}  # noqa: RUF012

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.shared.clear()

    def direction(self, p, g, group):
        if not group["momentum"]:
            return g
        key = self.param_groups.index(group), [id(q) for q in group["params"]].index(id(p))
        b = self.buffer(self.shared[key], g, group) if key in self.shared else g.clone()
        self.shared[key] = b
        return g.add(b, alpha=group["momentum"]) if group["nesterov"] else b


@wrong(
    "optim.SGD", only="groups", why="the list of parameters is made at the first step: groups added later never move"
)
class ListsParametersOnce(PlainSGD):
    @torch.no_grad()
    def step(self, closure=None):
        count = self.__dict__.setdefault("count", len(self.param_groups))
        held, self.param_groups = self.param_groups, self.param_groups[:count]
        loss = RULES[SGD](self, closure)
        self.param_groups = held
        return loss


@differs("optim.SGD", only="groups", why="goes through the parameters twice: a generator is empty the second time")
class CountsParameters(PlainSGD):
    def __init__(self, params, *args, **kwargs):
        self.given = sum(1 for _ in params)
        super().__init__(params, *args, **kwargs)


@wrong("optim.SGD", only="sparse", why="with sparse gradients, momentum moves only the rows of the present gradient")
class LazyMomentum(PlainSGD):
    def direction(self, p, g, group):
        d = super().direction(p, g, group)
        return (d.to_dense() * (g.to_dense() != 0)) if g.is_sparse else d


@wrong("optim.SGD", only="precision", why="parameters of another dtype than the first are left out")
class FirstDtypeOnly(PlainSGD):
    def move(self, p, d, group):
        if p.dtype == group["params"][0].dtype:
            super().move(p, d, group)


@wrong("optim.SGD", only="precision", why="half precision parameters become float32")
class PromotesHalf(PlainSGD):
    def move(self, p, d, group):
        super().move(p, d, group)
        if p.dtype == torch.bfloat16 and len({q.dtype for q in group["params"]}) > 1:
            p.data = p.data.float()


@wrong("optim.SGD", only="complex", why="imaginary parts are dropped")
class RealPartsOnly(PlainSGD):
    def move(self, p, d, group):
        super().move(p, d.real.to(p.dtype) if p.is_complex() else d, group)


@wrong("optim.SGD", only="copies", why="deepcopy and pickle lose the buffers")
class CopiesWithoutState(PlainSGD):
    def __getstate__(self):
        return {**super().__getstate__(), "state": defaultdict(dict)}


# -- Adam --------------------------------------------------------------------------------------------------------------


class PlainAdam(Adam):
    """Right: native's constructor and state, the rule written out. The wrong ones below change one method."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, group)
        return loss

    def update(self, p, group):
        if p.grad.is_sparse:
            raise RuntimeError("sparse gradients are not supported")
        state = self.state[p]
        if not state:
            state["step"] = torch.tensor(0.0)
            names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
            state.update({name: torch.zeros_like(p) for name in names})
        t = self.count(state)
        tensors = [p, -p.grad if group["maximize"] else p.grad, state["exp_avg"], state["exp_avg_sq"]]
        largest = state.get("max_exp_avg_sq")
        if p.is_complex():
            p, g, m, v = map(torch.view_as_real, tensors)
            largest = largest if largest is None else torch.view_as_real(largest)
        else:
            p, g, m, v = tensors
        lr, (b1, b2) = float(group["lr"]), group["betas"]
        g = self.decay(p, g, lr, group)
        self.moments(m, v, g, b1, b2)
        p.sub_(self.change(m, v, largest, lr, b1, b2, t, group["eps"]))

    def count(self, state):
        state["step"] += 1
        return state["step"].item()

    def decay(self, p, g, lr, group):
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
            return g
        return g + group["weight_decay"] * p if group["weight_decay"] else g

    def moments(self, m, v, g, b1, b2):
        m.mul_(b1).add_(g, alpha=1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)

    def change(self, m, v, largest, lr, b1, b2, t, eps):
        if largest is not None:
            v = torch.maximum(largest, v, out=largest)
        return lr * (m / (1 - b1**t)) / self.root(v, b2, t, eps)

    def root(self, v, b2, t, eps):
        return (v / (1 - b2**t)).sqrt() + eps


@wrong("optim.Adam", why="eps is inside the root", cause="eps inside the root")
class EpsInsideRoot(PlainAdam):
    def root(self, v, b2, t, eps):
        return (v / (1 - b2**t) + eps).sqrt()


@wrong("optim.Adam", why="eps is added before the bias correction")
class EpsBeforeCorrection(PlainAdam):
    def root(self, v, b2, t, eps):
        return (v.sqrt() + eps) / (1 - b2**t) ** 0.5


@wrong("optim.Adam", why="eps defaults to 1e-7", cause="eps defaults to 1e-7")
class KerasEps(PlainAdam):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-7, *args, **kwargs):
        super().__init__(params, lr, betas, eps, *args, **kwargs)


@wrong("optim.Adam", why="no bias correction", cause="no bias correction")
class NoBiasCorrection(PlainAdam):
    def change(self, m, v, largest, lr, b1, b2, t, eps):
        return super().change(m, v, largest, lr, 0.0, 0.0, t, eps)


@wrong("optim.Adam", why="the second moment is not bias-corrected", cause="the second moment is not bias-corrected")
class NoSecondCorrection(PlainAdam):
    def root(self, v, b2, t, eps):
        return v.sqrt() + eps


@wrong("optim.Adam", why="the step count starts from 2", cause="the step count starts from 2")
class CountsFromTwo(PlainAdam):
    def count(self, state):
        return super().count(state) + 1


@wrong("optim.Adam", why="betas are swapped", cause="betas are swapped")
class SwappedBetas(PlainAdam):
    def moments(self, m, v, g, b1, b2):
        super().moments(m, v, g, b2, b1)

    def change(self, m, v, largest, lr, b1, b2, t, eps):
        return super().change(m, v, largest, lr, b2, b1, t, eps)


@wrong(
    "optim.Adam",
    why="the second moment is that of the gradient's distance from its mean, as in AdaBelief",
    cause="the second moment is of the distance from the mean, as in AdaBelief",
)
class SecondMomentOfSurprise(PlainAdam):
    def moments(self, m, v, g, b1, b2):
        m.lerp_(g, 1 - b1)
        v.mul_(b2).addcmul_(g - m, g - m, value=1 - b2)


@wrong(
    "optim.Adam",
    why="one step count for all parameters: one that had no gradient is corrected too little",
    cause="one step count for all parameters",
)
class OneCountForAll(PlainAdam):
    @torch.no_grad()
    def step(self, closure=None):
        loss = super().step(closure)
        most = max((s["step"].item() for s in self.state.values()), default=0.0)
        for state in self.state.values():
            state["step"].fill_(most)
        return loss


@wrong(
    "optim.Adam",
    why="the one step count goes up with every parameter",
    cause="the step count goes up with every parameter",
)
class CountsParametersAsSteps(PlainAdam):
    def count(self, state):
        self.__dict__["t"] = self.__dict__.get("t", 0) + 1
        super().count(state)
        return self.t


@wrong(
    "optim.Adam",
    why="amsgrad keeps the largest corrected second moment",
    cause="amsgrad keeps the largest corrected second moment",
)
class MaxOfCorrected(PlainAdam):
    def change(self, m, v, largest, lr, b1, b2, t, eps):
        v = v / (1 - b2**t)
        if largest is not None:
            v = torch.maximum(largest, v, out=largest)
        return lr * (m / (1 - b1**t)) / (v.sqrt() + eps)


@wrong("optim.Adam", why="amsgrad is ignored", cause="amsgrad is ignored")
class NoAmsgrad(PlainAdam):
    def change(self, m, v, largest, lr, b1, b2, t, eps):
        return super().change(m, v, None, lr, b1, b2, t, eps)


@wrong("optim.Adam", only="complex", why="squares the complex gradient, where its parts are to be squared")
class ComplexSquare(PlainAdam):
    def moments(self, m, v, g, b1, b2):
        if any(p.is_complex() for group in self.param_groups for p in group["params"]):
            m.mul_(b1).add_(g, alpha=1 - b1)
            square = torch.view_as_real(torch.view_as_complex(g.contiguous()) ** 2)
            v.mul_(b2).add_(square.abs(), alpha=1 - b2)
        else:
            super().moments(m, v, g, b1, b2)


@wrong("optim.Adam", why="moments are kept in bfloat16")
class HalfMoments(PlainAdam):
    def moments(self, m, v, g, b1, b2):
        super().moments(m, v, g, b1, b2)
        m.copy_(m.bfloat16())
        v.copy_(v.bfloat16())


@wrong("optim.Adam", why="gradients are clipped to length 1 on the quiet", cause="gradients are clipped to length 1")
class ClipsQuietly(PlainAdam):
    def decay(self, p, g, lr, group):
        return super().decay(p, g / max(1.0, g.norm().item()), lr, group)


@wrong(
    "optim.Adam",
    only="resume",
    why="the step count is an attribute: after loading, the correction starts again",
    cause="training after load_state_dict must give the same parameters",
)
class CountLostOnLoad(PlainAdam):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state["step"] = torch.zeros_like(state["step"])


@differs("optim.Adam", only="exchange", drop_in=True, why="the moments are called m and v in the state")
class OtherNames(PlainAdam):
    pairs = (("exp_avg", "m"), ("exp_avg_sq", "v"))

    def state_dict(self):
        packed = super().state_dict()
        own = dict(self.pairs)
        packed["state"] = {i: {own.get(k, k): x for k, x in s.items()} for i, s in packed["state"].items()}
        return packed

    def load_state_dict(self, state_dict):
        native = {short: name for name, short in self.pairs}
        states = state_dict["state"].items()
        renamed = {i: {native.get(k, k): x for k, x in s.items()} for i, s in states}
        super().load_state_dict({**state_dict, "state": renamed})


@differs(
    "optim.Adam",
    only="exchange",
    drop_in=True,
    why="the step count in the state is an int",
    cause="must be torch.float32 tensor of shape (), got int",
)
class CountIsInt(PlainAdam):
    def state_dict(self):
        packed = super().state_dict()
        packed["state"] = {i: {**s, "step": int(s["step"])} for i, s in packed["state"].items()}
        return packed


@wrong(
    "optim.Adam",
    only="refused",
    drop_in=True,
    why="a bad argument is an AssertionError",
    cause="must raise ValueError as native does, got AssertionError",
)
class Asserts(PlainAdam):
    def __init__(self, *args, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except ValueError as error:
            raise AssertionError(str(error)) from error


@wrong(
    "optim.Adam",
    only="complex",
    drop_in=True,
    why="complex parameters are refused",
    cause="complex parameters must be accepted as by native",
)
class RefusesComplex(PlainAdam):
    def update(self, p, group):
        if p.is_complex():
            raise TypeError("complex parameters are not supported")
        super().update(p, group)


@differs(
    "optim.Adam",
    only="sparse",
    drop_in=True,
    why="sparse gradients are made dense, where native refuses them",
    cause="sparse gradients must be refused as by native",
)
class TakesSparse(PlainAdam):
    def update(self, p, group):
        if p.grad.is_sparse:
            held, p.grad = p.grad, None
            p.grad = held.to_dense()
            super().update(p, group)
            p.grad = None
            p.grad = held
        else:
            super().update(p, group)


# -- AdamW -------------------------------------------------------------------------------------------------------------


class PlainAdamW(PlainAdam):
    """Right: AdamW by PlainAdam."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, **options):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **options)


@wrong(
    "optim.AdamW",
    why="the decay is added to the gradient, as in Adam",
    cause="the decay is added to the gradient, as in Adam",
)
class CoupledDecay(PlainAdamW):
    def decay(self, p, g, lr, group):
        return g + group["weight_decay"] * p


@wrong(
    "optim.AdamW",
    why="the decay is not multiplied by the learning rate",
    cause="the decay is not multiplied by the learning rate",
)
class DecayWithoutRate(PlainAdamW):
    def decay(self, p, g, lr, group):
        p.mul_(1 - group["weight_decay"])
        return g


@wrong("optim.AdamW", why="the decay comes after the step", cause="the decay comes after the step")
class DecayAfterStep(PlainAdamW):
    def decay(self, p, g, lr, group):
        self.__dict__["factor"] = 1 - lr * group["weight_decay"]
        return g

    def update(self, p, group):
        super().update(p, group)
        p.mul_(self.factor)


@wrong(
    "optim.AdamW",
    why="the decay of the constructor is used for every group",
    cause="the decay of the constructor is used for every group",
)
class DecayOfDefaults(PlainAdamW):
    def decay(self, p, g, lr, group):
        return super().decay(p, g, lr, {**group, "weight_decay": self.defaults["weight_decay"]})


@differs("optim.AdamW", why="weight_decay defaults to 0")
class NoDefaultDecay(PlainAdamW):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, **options):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)


@wrong("optim.AdamW", why="decay acts through the second moment: it is added to Adam's direction inside the division")
class DecayInDirection(PlainAdamW):
    def moments(self, m, v, g, b1, b2):
        super().moments(m, v, g, b1, b2)
        v.mul_(1 + 1e-4)


@wrong("optim.AdamW", only="schedulers", why="the decay follows the first learning rate, not the scheduled one")
class DecayOfFirstRate(PlainAdamW):
    def decay(self, p, g, lr, group):
        return super().decay(p, g, group.get("initial_lr", lr), group)


# -- LAMB --------------------------------------------------------------------------------------------------------------


class PlainLAMB(Optimizer):
    """Right: arXiv 1904.00962 v5, Algorithm 2. The wrong ones below change one method."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2, maximize=False):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"lr must have one element, got {lr}")
        check_adam(lr, betas, eps, weight_decay)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, -p.grad if group["maximize"] else p.grad, group)
        return loss

    def update(self, p, g, group):
        if g.is_sparse:
            raise RuntimeError("sparse gradients are not supported")
        state, (b1, b2), x = self.state[p], group["betas"], p
        if not state:
            state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
        state["step"] += 1
        m, v = state["m"], state["v"]
        if p.is_complex():
            x, g, m, v = map(torch.view_as_real, (p, g, m, v))
        g = self.gradient(g, x, group)
        m.mul_(b1).add_(g, alpha=1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        r = self.adam(m, v, b1, b2, state["step"], group["eps"])
        u = r + group["weight_decay"] * x
        x.sub_(self.change(x, r, u, group), alpha=float(group["lr"]))

    def gradient(self, g, x, group):
        return g

    def adam(self, m, v, b1, b2, t, eps):
        return m / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + eps)

    def change(self, x, r, u, group):
        return self.ratio(x, u, group) * u

    def ratio(self, x, u, group):
        a, b = x.float().norm(), u.float().norm()
        return (a / b).to(u.dtype) if a > 0 and b > 0 else 1.0


@wrong(
    "optim.LAMB",
    why="weight decay is added to the gradient before the moments",
    cause="weight decay is added to the gradient before the moments",
)
class DecayInGradient(PlainLAMB):
    def gradient(self, g, x, group):
        return g + group["weight_decay"] * x

    def change(self, x, r, u, group):
        return self.ratio(x, r, group) * r


@wrong(
    "optim.LAMB",
    why="the trust ratio leaves the decay out of its denominator",
    cause="the trust ratio leaves the decay out of its denominator",
)
class RatioWithoutDecay(PlainLAMB):
    def change(self, x, r, u, group):
        return self.ratio(x, r, group) * u


@wrong(
    "optim.LAMB", why="the decay is not scaled by the trust ratio", cause="the decay is not scaled by the trust ratio"
)
class DecayOutsideRatio(PlainLAMB):
    def change(self, x, r, u, group):
        return self.ratio(x, r, group) * r + group["weight_decay"] * x


@wrong("optim.LAMB", why="the trust ratio is clamped to 10, and the weights' length with it")
class ClampedRatio(PlainLAMB):
    def ratio(self, x, u, group):
        return x.norm().clamp(0, 2.0) / u.norm() if x.norm() > 0 and u.norm() > 0 else 1.0


@wrong("optim.LAMB", why="no trust ratio where weight_decay is 0", cause="no trust ratio where weight_decay is 0")
class RatioOnlyWithDecay(PlainLAMB):
    def ratio(self, x, u, group):
        return super().ratio(x, u, group) if group["weight_decay"] else 1.0


@wrong("optim.LAMB", why="moments are not bias-corrected", cause="moments are not bias-corrected")
class NoDebias(PlainLAMB):
    def adam(self, m, v, b1, b2, t, eps):
        return m / (v.sqrt() + eps)


@wrong("optim.LAMB", why="eps is inside the root", cause="eps inside the root")
class LambEpsInside(PlainLAMB):
    def adam(self, m, v, b1, b2, t, eps):
        return m / (1 - b1**t) / (v / (1 - b2**t) + eps).sqrt()


@wrong("optim.LAMB", why="weights of length 0 never move: the ratio is 0 there", cause="weights of norm 0 never move")
class StuckAtZero(PlainLAMB):
    def ratio(self, x, u, group):
        return x.norm() / u.norm().clamp(min=1e-12)


@wrong("optim.LAMB", why="one trust ratio for the whole group", cause="one trust ratio for the whole group")
class RatioOfGroup(PlainLAMB):
    def ratio(self, x, u, group):
        whole = torch.stack([p.detach().abs().float().norm() for p in group["params"]]).norm()
        return (whole / u.float().norm()).to(u.dtype) if u.norm() > 0 and whole > 0 else 1.0


@wrong("optim.LAMB", why="the ratio is upside down", cause="the trust ratio is upside down")
class RatioUpsideDown(PlainLAMB):
    def ratio(self, x, u, group):
        return 1 / super().ratio(x, u, group)


@wrong("optim.LAMB", why="lengths are means of absolute values", cause="norms are means of absolute values")
class LengthsOfOne(PlainLAMB):
    def ratio(self, x, u, group):
        return x.abs().mean() / u.abs().mean() if x.any() and u.any() else 1.0


# -- Lookahead ---------------------------------------------------------------------------------------------------------


class PlainLookahead(Optimizer):
    """Right: arXiv 1907.08610, Algorithm 1. The wrong ones below change one method."""

    def __init__(self, optimizer, k=5, alpha=0.5):
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be an integer >= 1, got {k}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], got {alpha}")
        self.optimizer, self.k, self.alpha, self.steps, self.slow = optimizer, k, alpha, 0, {}
        self.start()
        super().__init__(optimizer.param_groups, dict(optimizer.defaults))

    def start(self):
        self.slow = {p: p.detach().clone() for group in self.optimizer.param_groups for p in group["params"]}

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, value):
        pass

    def add_param_group(self, param_group):
        if all(param_group is not group for group in self.optimizer.param_groups):
            self.optimizer.add_param_group(param_group)
            self.slow.update({p: p.detach().clone() for p in param_group["params"]})

    @torch.no_grad()
    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        self.steps += 1
        if self.due():
            self.synchronise()
        return loss

    def due(self):
        return self.steps % self.k == 0

    def synchronise(self):
        for p, slow in self.slow.items():
            slow.lerp_(p, self.alpha)
            p.copy_(slow)

    def parts(self):
        return {"fast": self.optimizer.state_dict(), "slow": list(self.slow.values()), "steps": self.steps}

    def state_dict(self):
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        state = {**self.optimizer.state_dict(), "lookahead": self.parts()}
        for hook in self._optimizer_state_dict_post_hooks.values():
            state = hook(self, state) or state
        return state

    def load_state_dict(self, state_dict):
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        self.load(state_dict["lookahead"])
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def load(self, parts):
        self.optimizer.load_state_dict(parts["fast"])
        self.steps = parts["steps"]
        self.slow = {p: s.clone() for p, s in zip(self.slow, parts["slow"], strict=True)}

    def __getstate__(self):
        return {name: getattr(self, name) for name in ("optimizer", "k", "alpha", "steps", "slow", "defaults")}


@wrong(
    "optim.Lookahead",
    why="slow weights are taken at the first synchronisation",
    cause="slow weights are taken at the first synchronisation",
)
class SlowTakenLate(PlainLookahead):
    def synchronise(self):
        if self.steps == self.k:
            self.start()
        super().synchronise()


@wrong(
    "optim.Lookahead",
    why="synchronises at steps 1, k + 1, 2k + 1: one step out of phase",
    cause="synchronises at steps 1, k + 1, 2k + 1",
)
class PhaseOffByOne(PlainLookahead):
    def due(self):
        return (self.steps - 1) % self.k == 0


@wrong("optim.Lookahead", why="synchronises after k + 1 steps", cause="synchronises after k + 1 steps")
class OneStepMore(PlainLookahead):
    def due(self):
        return self.steps % (self.k + 1) == 0


@wrong("optim.Lookahead", why="alpha weighs the slow weights")
class AlphaReversed(PlainLookahead):
    def synchronise(self):
        for p, slow in self.slow.items():
            slow.lerp_(p, 1 - self.alpha)
            p.copy_(slow)


@wrong("optim.Lookahead", why="the fast weights are not set back to the slow ones")
class FastGoesOn(PlainLookahead):
    def synchronise(self):
        for p, slow in self.slow.items():
            slow.lerp_(p, self.alpha)


@wrong("optim.Lookahead", why="the slow weights stay where they began", cause="the slow weights stay where they began")
class SlowNeverMoves(PlainLookahead):
    def synchronise(self):
        for p, slow in self.slow.items():
            p.copy_(torch.lerp(slow, p, self.alpha))


@wrong("optim.Lookahead", why="slow weights alias the parameters: synchronising changes nothing")
class SlowIsFast(PlainLookahead):
    def start(self):
        self.slow = {p: p.detach() for group in self.optimizer.param_groups for p in group["params"]}


@wrong(
    "optim.Lookahead",
    why="slow weights are paired with groups, so only the first parameter of each is synchronised",
    cause="only the first parameter of each group is synchronised",
)
class PairedWithGroups(PlainLookahead):
    def synchronise(self):
        firsts = {group["params"][0] for group in self.param_groups}
        for p, slow in self.slow.items():
            if p in firsts:
                slow.lerp_(p, self.alpha)
                p.copy_(slow)


@wrong(
    "optim.Lookahead",
    why="parameters without a gradient in the k-th step are not synchronised",
    cause="parameters without a gradient are not synchronised",
)
class SkipsWithoutGradient(PlainLookahead):
    def synchronise(self):
        for p, slow in self.slow.items():
            if p.grad is not None:
                slow.lerp_(p, self.alpha)
                p.copy_(slow)


@wrong("optim.Lookahead", why="the inner momentum is cleared at every synchronisation")
class ClearsMomentum(PlainLookahead):
    def synchronise(self):
        super().synchronise()
        self.optimizer.state.clear()


@wrong("optim.Lookahead", only="schedulers", why="the groups are copies: a scheduler's learning rate is not seen")
class CopiedGroups(PlainLookahead):
    @torch.no_grad()
    def step(self, closure=None):
        seen = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = group.get("initial_lr", group["lr"])
        loss = self.optimizer.step(closure)
        for group, lr in zip(self.param_groups, seen, strict=True):
            group["lr"] = lr
        self.steps += 1
        if self.due():
            self.synchronise()
        return loss


@wrong(
    "optim.Lookahead",
    only="resume",
    why="the state is the inner optimizer's: slow weights start anew on loading",
    cause="training after load_state_dict must give the same parameters",
)
class SlowNotSaved(PlainLookahead):
    def load(self, parts):
        super().load(parts)
        self.start()


@wrong(
    "optim.Lookahead",
    only="resume",
    why="the count is not saved: the phase starts anew on loading",
    cause="training after load_state_dict must give the same parameters",
)
class CountNotSaved(PlainLookahead):
    def load(self, parts):
        super().load(parts)
        self.steps = 0


@differs("optim.Lookahead", why="state_dict holds the parameters themselves, pickled as keys")
class StateByTensor(PlainLookahead):
    def parts(self):
        return {**super().parts(), "slow": self.slow}

    def load(self, parts):
        super().load({**parts, "slow": [parts["slow"][p] for p in self.slow]})


@wrong("optim.Lookahead", only="refused", why="k and alpha are not checked", cause="the constructor must refuse")
class TakesAnyAlpha(PlainLookahead):
    def __init__(self, optimizer, k=5, alpha=0.5):
        super().__init__(optimizer, max(int(k), 1), min(max(alpha, 0.0), 1.0))


@wrong(
    "optim.Lookahead",
    only="closure",
    why="the closure does not reach the inner optimizer",
    cause="step must call the closure once, got 0 calls",
)
class DropsClosure(PlainLookahead):
    @torch.no_grad()
    def step(self, closure=None):
        self.optimizer.step()
        self.steps += 1
        if self.due():
            self.synchronise()


@wrong("optim.Lookahead", only="groups", why="a group added later has no slow weights")
class GroupsWithoutSlow(PlainLookahead):
    def add_param_group(self, param_group):
        if all(param_group is not group for group in self.optimizer.param_groups):
            self.optimizer.add_param_group(param_group)


@wrong(
    "optim.Lookahead",
    only="copies",
    why="a copy shares the slow weights with the original",
    cause="training after deepcopy must give the same parameters",
)
class CopySharesSlow(PlainLookahead):
    def __deepcopy__(self, memo):
        import copy

        made = type(self).__new__(type(self))
        state = copy.deepcopy({**self.__getstate__(), "slow": None}, memo)
        new = [p for group in state["optimizer"].param_groups for p in group["params"]]
        made.__setstate__({**state, "slow": dict(zip(new, self.slow.values(), strict=True))})
        return made
