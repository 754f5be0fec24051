"""Named random streams: every draw of a run is named by (seed, purpose, step) and never depends on other draws."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """A fresh CPU generator for one named use; equal names give equal draws, different names independent ones."""
    name = f"{int(seed)}/{purpose}/{int(step)}".encode()
    # The Mersenne Twister is filled from 32 bits of the seed, so the hash is cut to what is really used.
    seed_bits = int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "little")
    return torch.Generator(device="cpu").manual_seed(seed_bits)
