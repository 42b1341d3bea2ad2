"""Honest variants of temperature softmax, the cuts and the draw."""

import math

import torch

from refops.functional.sampling import sample, temperature_softmax, top_k_filter, top_p_filter
from refops.parity.proving.collection import honest


@honest("functional.temperature_softmax", why="the exponential of native's log_softmax of shifted logits")
def by_log_softmax(logits, temperature=1.0, dim=-1):
    if not temperature or logits.numel() == 0 or not logits.is_floating_point() or temperature < 0:
        return temperature_softmax(logits, temperature, dim)
    x = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    shifted = (x - x.detach().amax(dim, keepdim=True)) / temperature
    return torch.log_softmax(shifted, dim).exp().to(logits.dtype)


@honest("functional.greedy", why="the first of a stable sort")
def first_of_sorted(logits):
    if not logits.is_floating_point() or logits.dim() == 0 or logits.shape[-1] == 0:
        raise ValueError("logits must have classes")
    return logits.sort(dim=-1, descending=True, stable=True).indices[..., 0]


@honest("functional.top_k_filter", why="the rank of each logit, found by comparing all with all")
def rank_by_comparison(logits, k):
    if (
        not isinstance(k, int)
        or k < 1
        or logits.dim() == 0
        or not 0 < logits.shape[-1] <= 64
        or not logits.is_floating_point()
    ):
        return top_k_filter(logits, k)
    x = logits.detach()
    place = torch.arange(x.shape[-1])
    before = (x[..., None, :] > x[..., :, None]) | (
        (x[..., None, :] == x[..., :, None]) & (place[None, :] < place[:, None])
    )
    return logits.masked_fill(before.sum(-1) >= k, -math.inf)


@honest("functional.top_k_filter", why="native's topk of the row turned round: of equal logits the last are kept")
def last_of_equals(logits, k):
    if not isinstance(k, int) or k < 1 or logits.dim() == 0 or not logits.is_floating_point():
        return top_k_filter(logits, k)
    classes = logits.shape[-1]
    order = logits.flip(-1).sort(dim=-1, descending=True, stable=True).indices[..., :k]
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, classes - 1 - order, True)
    return logits.masked_fill(~kept, -math.inf)


@honest("functional.top_p_filter", why="in float64, the sum shifted by one place")
def shifted_sum(logits, p):
    if not 0 < p < 1 or logits.dim() == 0 or logits.shape[-1] == 0 or not logits.is_floating_point():
        return top_p_filter(logits, p)
    ranked, order = torch.sort(logits.detach().double(), dim=-1, descending=True, stable=True)
    reached = torch.softmax(ranked, -1).cumsum(-1)
    keep = torch.cat([torch.ones_like(reached[..., :1]), reached[..., :-1]], -1) < p
    keep[..., 0] = True
    return logits.masked_fill(~torch.zeros_like(keep).scatter(-1, order, keep), -math.inf)


@honest("functional.sample", why="the Gumbel trick: the largest of logits with noise")
def by_gumbel_noise(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    checked = sample(logits, 0.0, top_k, top_p)
    if temperature == 0 or not temperature > 0:
        return sample(logits, temperature, top_k, top_p) if temperature < 0 else checked
    p = temperature_softmax(top_k_filter(logits, top_k).double(), temperature)
    kept = top_p_filter(p.log(), top_p)
    u = torch.rand(kept.shape, dtype=torch.float64, generator=generator).clamp(min=1e-300)
    return (kept - (-u.log()).log()).argmax(-1)


@honest("functional.sample", why="native's multinomial")
def by_multinomial(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    checked = sample(logits, 0.0, top_k, top_p)
    if not temperature > 0 or logits.numel() == 0:
        return sample(logits, temperature, top_k, top_p) if temperature < 0 else checked
    p = temperature_softmax(top_k_filter(logits, top_k).double(), temperature)
    kept = torch.softmax(top_p_filter(p.log(), top_p), -1)
    return torch.multinomial(kept.flatten(0, -2) if kept.dim() > 1 else kept, 1, generator=generator).view(
        logits.shape[:-1]
    )
