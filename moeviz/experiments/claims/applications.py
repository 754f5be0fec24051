"""Trials with real text, pictures, and pictures with words (see `trials`)."""

from __future__ import annotations

from moeviz.config import RunConfig
from moeviz.content.presets import LEARNS_PAIRS, LEARNS_TEXT
from moeviz.content.twins import dense_twin
from moeviz.content.vision_ways import WAYS, config_of
from moeviz.experiments.claims.verdicts import Measured
from moeviz.training import Training

STEPS = 300


def language(seed: int) -> Measured:
    """A language model with a mixture in each block, and one with a network as large as what a character uses."""
    mixture = LEARNS_TEXT.with_(seed=seed, route_by="token")
    numbers: Measured = {}
    for name, config in (("mixture", mixture), ("one", dense_twin(mixture, "active"))):
        training = trained(config)
        numbers |= {f"loss_{name}": float(training.measure().test_loss[0]),
                  f"flops_{name}": float(training.model.flops(config.num_experts, config.top_k))}  # fmt: skip
    return numbers


def expert_kinds(seed: int) -> Measured:
    """The same pictures through fully connected, convolutional and Transformer experts: accuracy of each."""
    runs = {name: trained(config_of(way).with_(seed=seed)) for name, way in WAYS.items()}
    return {name: float(run.measure().test_metric[0]) for name, run in runs.items()}


def modalities(seed: int) -> Measured:
    """Pictures and words through one mixture: experts whose tokens come from one of both, with entropy losses."""
    without = LEARNS_PAIRS.with_(seed=seed, balance_coef=0.0)
    training = trained(LEARNS_PAIRS.with_(seed=seed), without)
    shot = training.snapshot(("pairs",))
    numbers: Measured = {"recall": float(shot.test_metric[0])}
    for run, name in enumerate(("with", "without")):
        owner_E = shot.pair_owner[run].tolist()
        numbers |= {f"pictures_{name}": float(owner_E.count(1)), f"words_{name}": float(owner_E.count(2))}
    return numbers


def trained(*configs: RunConfig) -> Training:
    """Runs of one shape after so many steps, measured rarely on the way."""
    training = Training(configs, record_every=STEPS // 3)
    training.step(STEPS)
    return training
