"""A Transformer that reads a padded batch of word numbers and gives each text class scores.

Padding must change nothing, so it is hidden twice: from the attention of every layer, and from the mean over positions.

Legend: N batch, L positions, D d_model, F d_ff.
"""

from __future__ import annotations

import math
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import Module, Parameter

__all__ = ["EncoderLayer", "TextClassifier"]


class EncoderLayer(Module):
    """Self-attention, then two linear layers at each position; each with a way around it and a norm behind it.

    x = norm1(x + dropout(attention(x)));  x = norm2(x + dropout(linear2(dropout(relu(linear1(x))))))

    Native: `torch.nn.TransformerEncoderLayer` with `batch_first=True`; states are exchangeable.

    Shape:
        (N, L, D), hidden (N, L) boolean -> (N, L, D)

    Trap: in `hidden` True means *not* attended to. A row that hides everything has no average: it gives nan.

    Source: Vaswani et al., arXiv 1706.03762, section 3.1 (norms behind the sums).

    Example:
        >>> EncoderLayer(8, num_heads=2, d_ff=16)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1, *, nn: ModuleType = torch.nn
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d_model, num_heads, dropout=dropout, batch_first=True)
        self.linear1 = nn.Linear(d_model, d_ff)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """One layer on."""
        mixed, _ = self.self_attn(x, x, x, key_padding_mask=hidden, need_weights=False)
        x = self.norm1(x + self.dropout1(mixed))
        inner = self.dropout(self.relu(self.linear1(x)))  # (N, L, F)
        out: Tensor = self.norm2(x + self.dropout2(self.linear2(inner)))
        return out


class TextClassifier(Module):
    """Word and position embeddings, encoder layers, the mean over the words that are there, a head of two layers.

    x = embedding(words) * sqrt(D) + position;  x = layers(x);  scores = head(sum of x over words / number of words)

    Args:
        vocab_size: word numbers run from 0 to `vocab_size - 1`.
        max_len: positions that have an embedding; longer texts are refused.
        padding_idx: the word number that means there is no word.
        nn: where the layers come from.

    Shape:
        (N, L) integers -> (N, num_classes), with 1 <= L <= max_len

    Raises:
        ValueError: if words is not (N, L), or L is 0 or exceeds max_len.

    Trap: a mean over all L positions lets padding dilute the text even where attention ignores it. A text of padding
        alone is defined: its mean is zero, its scores are the head's answer to zero, no nan enters the batch.
        The factor sqrt(D) expects embeddings of variance 1/D, so that is how they start.

    Source: Vaswani et al., arXiv 1706.03762, sections 3.1 and 3.4, with learned positions.

    Example:
        >>> model = TextClassifier(vocab_size=50, d_model=8, num_heads=2, num_layers=1, d_ff=16, max_len=10).eval()
        >>> short, padded = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 4, 5, 0, 0]])
        >>> model(short).shape, torch.allclose(model(short), model(padded), atol=1e-6)
        (torch.Size([1, 2]), True)
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        num_heads: int = 8,
        num_layers: int = 6,
        d_ff: int = 2048,
        max_len: int = 512,
        num_classes: int = 2,
        dropout: float = 0.1,
        *,
        padding_idx: int = 0,
        nn: ModuleType = torch.nn,
    ) -> None:
        super().__init__()
        self.d_model, self.max_len, self.padding_idx = d_model, max_len, padding_idx
        self.embedding = nn.Embedding(vocab_size, d_model, padding_idx=padding_idx)
        self.position = Parameter(torch.empty(max_len, d_model))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(EncoderLayer(d_model, num_heads, d_ff, dropout, nn=nn) for _ in range(num_layers))
        self.head = nn.Sequential(
            nn.Linear(d_model, d_model), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_model, num_classes)
        )
        with torch.no_grad():
            self.embedding.weight *= d_model**-0.5
            nn.init.normal_(self.position, std=0.02)

    def forward(self, words: Tensor) -> Tensor:
        """Class scores (logits)."""
        if words.dim() != 2:
            raise ValueError(f"words must have shape (N, L), got {tuple(words.shape)}")
        length = words.shape[1]
        if not 1 <= length <= self.max_len:
            raise ValueError(f"words must have from 1 to max_len={self.max_len} positions, got {length}")
        present = words != self.padding_idx  # (N, L)
        x = self.embedding(words) * math.sqrt(self.d_model) + self.position[:length]  # (N, L, D)
        x = self.dropout(x)
        empty = ~present.any(1, keepdim=True)  # (N, 1); these attend to their padding, or 0/0 would spread
        hidden = ~(present | empty)
        for layer in self.layers:
            x = layer(x, hidden)
        weight = present.to(x.dtype).unsqueeze(2)  # (N, L, 1)
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1)  # (N, D)
        scores: Tensor = self.head(mean)
        return scores
