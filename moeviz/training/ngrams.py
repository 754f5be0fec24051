"""What counting alone achieves on text: the losses that a language model has to beat."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

STRENGTH = 5.0  # so many characters' worth of the unigram is mixed into every row of the bigram


def ngram_losses(
    before_T: Int[Tensor, " T"], next_T: Int[Tensor, " T"], test_before_T: Int[Tensor, " T2"],
    test_next_T: Int[Tensor, " T2"], size: int,
) -> Float[Tensor, " 2"]:  # fmt: skip
    """Nats per character of two tables of counts: how often each character is, and how often it follows another.

    Unigram: (count + 1) / (T + size). Bigram: (count of the pair + 5 · unigram) / (count of the first + 5), so that a
    pair which was never seen has the unigram's share.
    """
    unigram_V = (next_T.bincount(minlength=size).double() + 1) / (len(next_T) + size)
    pair_VV = (before_T * size + next_T).bincount(minlength=size * size).view(size, size).double()
    bigram_VV = (pair_VV + STRENGTH * unigram_V) / (pair_VV.sum(-1, keepdim=True) + STRENGTH)
    return -torch.stack([unigram_V[test_next_T].log().mean(), bigram_VV[test_before_T, test_next_T].log().mean()])
