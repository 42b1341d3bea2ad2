"""Wrong implementations of temperature softmax, the cuts and the draw."""

import math

import torch

from refops.functional.sampling import sample, temperature_softmax, top_k_filter, top_p_filter
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@wrong(
    "functional.temperature_softmax",
    why="x / T overflows before the maximum is taken off; T = 0 divides by 0",
    cause="inf or nan where the answer is finite",
)
def divided_first(logits, temperature=1.0, dim=-1):
    return torch.softmax(logits / temperature, dim)


@wrong("functional.temperature_softmax", why="multiplied by T instead of divided")
def multiplied(logits, temperature=1.0, dim=-1):
    return temperature_softmax(logits, 1 / temperature if temperature else math.inf, dim)


@wrong("functional.temperature_softmax", why="the temperature goes on probabilities and cancels")
def on_probabilities(logits, temperature=1.0, dim=-1):
    p = temperature_softmax(logits, 1.0 if temperature else 0.0, dim) / (temperature or 1.0)
    return p / p.sum(dim, keepdim=True)


@wrong("functional.temperature_softmax", why="always over the last axis", cause="argument dim is ignored")
def last_axis(logits, temperature=1.0, dim=-1):
    temperature_softmax(logits, temperature, dim)
    return temperature_softmax(logits, temperature, -1)


@wrong("functional.temperature_softmax", only="refusals", why="negative temperatures turn the order round")
def any_temperature(logits, temperature=1.0, dim=-1):
    if isinstance(temperature, float) and temperature < 0:
        return torch.softmax(logits / temperature, dim)
    return temperature_softmax(logits, temperature, dim)


@wrong("functional.temperature_softmax", why="T below 1e-2 is taken for 1e-2")
def floored(logits, temperature=1.0, dim=-1):
    if temperature is None:
        raise TypeError("temperature must be a number")
    return temperature_softmax(logits, max(temperature, 0.5) if temperature >= 0 else temperature, dim)


@differs("functional.temperature_softmax", only="dtype", why="half precision comes out as float32")
def float_probabilities(logits, temperature=1.0, dim=-1):
    return temperature_softmax(wide(logits), temperature, dim)


@wrong("functional.greedy", why="the last of equal logits")
def last_of_equal(logits):
    if not logits.is_floating_point() or logits.dim() == 0 or logits.shape[-1] == 0:
        raise ValueError("logits must have classes")
    return logits.shape[-1] - 1 - logits.flip(-1).argmax(-1)


@wrong("functional.top_k_filter", why="equal logits at the edge are all kept")
def threshold_of_kth(logits, k):
    kept = top_k_filter(logits, k)
    least = torch.where(torch.isfinite(kept), kept, math.inf).amin(-1, keepdim=True) if k else -math.inf
    return logits.masked_fill(logits < least, -math.inf)


@differs("functional.top_k_filter", why="k = 0 keeps nothing")
def zero_keeps_nothing(logits, k):
    return top_k_filter(logits, k) if k else torch.full_like(logits, -math.inf)


@wrong("functional.top_k_filter", why="what is cut becomes 0, a likely logit")
def cut_to_zero(logits, k):
    kept = top_k_filter(logits, k)
    return torch.where(torch.isfinite(kept), kept, 0)


@wrong("functional.top_p_filter", why="the class with which the sum passes p is left out")
def short_of_p(logits, p):
    kept = top_p_filter(logits, p)
    if p in (0, 1):
        return kept
    ranked, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    keep = torch.softmax(wide(ranked), -1).cumsum(-1) <= p
    return logits.masked_fill(~torch.zeros_like(keep).scatter(-1, order, keep), -math.inf)


@wrong("functional.top_p_filter", why="each probability is compared with 1 - p")
def by_single_probability(logits, p):
    top_p_filter(logits, p)
    return logits.masked_fill(torch.softmax(wide(logits), -1) < 1 - p, -math.inf)


@wrong("functional.top_p_filter", only="refusals", why="p above 1 keeps everything without a word")
def any_p(logits, p):
    return top_p_filter(logits, min(max(p, 0.0), 1.0))


@wrong("functional.sample", why="always the likeliest class")
def always_greedy(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    sample(logits, temperature, top_k, top_p)
    return logits.argmax(-1)


@wrong("functional.sample", why="the temperature is not used")
def without_temperature(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    return sample(logits, 1.0 if temperature > 0 else temperature, top_k, top_p, generator)


@wrong("functional.sample", only="randomness", why="the nucleus is cut before the temperature")
def cut_before_temperature(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    cut = top_p_filter(top_k_filter(logits, top_k), top_p)
    return sample(cut, temperature, generator=generator)


@wrong("functional.sample", why="one uniform number for all rows")
def one_number_for_all(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    sample(logits, temperature, top_k, top_p)
    p = temperature_softmax(top_k_filter(logits, top_k).double(), temperature)
    reached = torch.softmax(top_p_filter(p.log(), top_p), -1).cumsum(-1)
    return (reached < torch.rand((), dtype=torch.float64, generator=generator)).sum(-1).clamp(max=logits.shape[-1] - 1)


@wrong("functional.sample", only="randomness", why="uniform over what is left")
def uniform_over_the_rest(logits, temperature=1.0, top_k=0, top_p=1.0, generator=None):
    sample(logits, temperature, top_k, top_p)
    if temperature == 0:
        return logits.argmax(-1)
    p = temperature_softmax(top_k_filter(logits, top_k).double(), temperature)
    return sample(top_p_filter(p.log(), top_p), math.inf, generator=generator)
