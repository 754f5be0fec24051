"""The experiments behind "What the article says, checked": each trains or measures something real and returns numbers.

`python -m moeviz trials balance routing --seeds 3` prints a JSON object a line: trial, seed, seconds, numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from moeviz import metrics
from moeviz.config import RunConfig, expand
from moeviz.config.knob import shown
from moeviz.experiments.claims.applications import expert_kinds, language, modalities
from moeviz.experiments.claims.verdicts import Measured
from moeviz.experiments.terminal import UsageError, out
from moeviz.losses import LOSSES
from moeviz.models.dispatch import DISPATCH
from moeviz.models.moe_layer import MoE, RoutingKnobs
from moeviz.routers import Routing
from moeviz.tensors.device import use_one_thread
from moeviz.tensors.rng import stream
from moeviz.training import Training

STEPS = 400
ROUNDS = 30  # of each timing
LAYER = MoE("top_k", "mlp", "sparse", input_width=64, hidden_width=128, output_width=64, biased_gate=False)
TOKENS = 1024  # of a timing
UNEQUAL = RunConfig(task="clusters_unequal", expert="linear", top_k=1, learning_rate=0.02)
ONE_OF_MANY = RunConfig(expert="linear", top_k=1, balance_coef=3.0)
DIGITS = RunConfig(task="digits", hidden_width=16, learning_rate=0.003, balance_coef=1.0)


@lru_cache(maxsize=4)
def trained(config: RunConfig, steps: int = STEPS) -> Training:
    """A run after so many steps; several trials look at the same one."""
    training = Training([config])
    training.step(steps)
    return training


def test_tokens(training: Training) -> tuple[Tensor, Tensor, Routing]:
    """The test inputs of the first run, the layer's output for them, and how they were routed."""
    tokens = training.data.measured_test
    y_RTO, routing = training.model(training.rows_RAP, tokens.x_RTD, training.routing_knobs_for(tokens.count))
    return tokens.x_RTD, y_RTO, routing


def alone_losses(training: Training) -> Tensor:
    """Task loss of each test token sent to each expert alone `[T, E]`."""
    tokens = training.data.measured_test
    answers_TEO = training.model.layer.expert_outputs(training.rows_RAP, tokens.x_RTD)[0].transpose(0, 1)
    num_tokens, num_experts = answers_TEO.shape[:2]
    target = tokens.target[0].repeat_interleave(num_experts, dim=0).unsqueeze(1)
    return training.task_loss(answers_TEO.flatten(0, 1).unsqueeze(1), target).view(num_tokens, num_experts)


# ---- the layer ------------------------------------------------------------------------------------------------------


def inactive(seed: int) -> Measured:
    """Ruin one expert after the other: what changes for tokens that chose it, and for those that did not?"""
    training = trained(RunConfig(seed=seed, dispatch="sparse"))
    x_RTD, y_RTO, routing = test_tokens(training)
    knobs, layer = training.routing_knobs_for(x_RTD.shape[1]), training.model.layer
    same_of_others = same_of_own = num_others = num_own = 0
    for expert in range(routing.chosen_TE.shape[-1]):
        rows_RAP = training.rows_RAP.clone()
        rows_RAP[:, expert, layer.gate_width :] = torch.nan
        same_T = (training.model(rows_RAP, x_RTD, knobs)[0] == y_RTO).all(-1)
        own_T = routing.chosen_TE[..., expert]
        same_of_others += int((same_T & ~own_T).sum())
        same_of_own += int((same_T & own_T).sum())
        num_others, num_own = num_others + int((~own_T).sum()), num_own + int(own_T.sum())
    return {"others_unchanged": same_of_others / num_others, "own_unchanged": same_of_own / max(num_own, 1)}


def routing(seed: int) -> Measured:
    """How many experts each token uses, and how many different sets of experts all tokens use."""
    _, _, routed = test_tokens(trained(RunConfig(seed=seed)))
    chosen_TE, probs_TE, gates_TE = routed.chosen_TE[0], routed.probs_TE[0], routed.gates_TE[0]
    least_chosen_T = probs_TE.masked_fill(~chosen_TE, torch.inf).amin(-1)
    most_left_T = probs_TE.masked_fill(chosen_TE, -torch.inf).amax(-1)
    return {
        "fewest": float(chosen_TE.sum(-1).min()), "most": float(chosen_TE.sum(-1).max()),
        "sets": float(len(chosen_TE.unique(dim=0))), "sum_error": float((probs_TE.sum(-1) - 1).abs().max()),
        "least_probability": float(probs_TE.min()), "wrong_order": float((least_chosen_T < most_left_T).sum()),
        "nonzero": float((gates_TE != 0).sum(-1).float().mean()), "experts": float(chosen_TE.shape[-1]),
    }  # fmt: skip


def weighted_sum(seed: int) -> Measured:
    """The layer's output against Σ weight · E(x), added up expert by expert."""
    training = trained(RunConfig(seed=seed))
    x_RTD, y_RTO, routed = test_tokens(training)
    answers_RETO = training.model.layer.expert_outputs(training.rows_RAP, x_RTD)
    by_hand_RTO = torch.zeros_like(y_RTO)
    for expert in range(answers_RETO.shape[1]):
        by_hand_RTO = by_hand_RTO + routed.gates_TE[..., expert, None] * answers_RETO[:, expert]
    return {"difference": float((by_hand_RTO - y_RTO).abs().max()), "size": float(y_RTO.abs().max())}


def gate_size(seed: int) -> Measured:
    """The gate's share of all parameters."""
    training = trained(RunConfig(seed=seed, hidden_width=32))
    layer, experts = training.model.layer, training.configs[0].num_experts
    return {"gate": float(experts * layer.gate_width), "all": float(training.model.num_parameters(experts)),
            "outputs": float(training.rows_RAP.shape[1])}  # fmt: skip


def relevance(seed: int) -> Measured:
    """Does a larger gate probability mean a better expert? Every test token is sent to every expert alone."""
    training = trained(RunConfig(seed=seed, balance_coef=1.0))
    loss_TE, probs_TE = alone_losses(training), test_tokens(training)[2].probs_TE[0]
    first_T = probs_TE.argmax(-1)
    own_T = loss_TE.gather(-1, first_T.unsqueeze(-1)).squeeze(-1)
    others_T = (loss_TE.sum(-1) - own_T) / (loss_TE.shape[-1] - 1)
    better = (loss_TE.unsqueeze(-1) < loss_TE.unsqueeze(-2)).float()
    likelier = (probs_TE.unsqueeze(-1) > probs_TE.unsqueeze(-2)).float()
    return {"first": float(own_T.mean()), "others": float(others_T.mean()),
            "pairs_agree": float((better * likelier).sum() / better.sum())}  # fmt: skip


def best_choice(seed: int) -> Measured:
    """With one expert for each token: how often is the chosen one the best, and what does the choice cost?"""
    training = trained(RunConfig(seed=seed, top_k=1, balance_coef=1.0))
    loss_TE, first_T = alone_losses(training), test_tokens(training)[2].probs_TE[0].argmax(-1)
    own_T = loss_TE.gather(-1, first_T.unsqueeze(-1)).squeeze(-1)
    return {"best": float((own_T <= loss_TE.amin(-1)).float().mean()), "chosen_loss": float(own_T.mean()),
            "best_loss": float(loss_TE.amin(-1).mean()), "random_loss": float(loss_TE.mean())}  # fmt: skip


# ---- training and balance -------------------------------------------------------------------------------------------


def balance(seed: int) -> Measured:
    """The same run at four strengths of the balance loss."""
    names = {"0": 0.0, "0.1": 0.1, "1": 1.0, "10": 10.0}
    training = Training(expand(RunConfig(seed=seed), balance_coef=list(names.values())))
    training.step(STEPS)
    record, updates_RE = training.measure(), metrics.update_share(training.updated_REL.squeeze(-1), training.present_RE)
    numbers: Measured = {"least_updates": float(updates_RE[0].min()), "most_updates": float(updates_RE[0].max())}
    for run, name in enumerate(names):
        numbers |= {f"cv_{name}": float(record.cv_load[run]), f"dead_{name}": float(record.dead_experts[run]),
                  f"busiest_{name}": float(record.load_RE[run].max())}  # fmt: skip
    return numbers


def counts(seed: int) -> Measured:
    """A strong balance loss from the start: what it weighs, and what it does not count."""
    record = trained(RunConfig(seed=seed, balance_coef=100.0)).measure()
    mean_prob_E = torch.from_numpy(record.mean_prob_RE[0])
    return {"loss": float(record.balance_loss[0]), "cv_probability": float(metrics.cv(mean_prob_E)),
            "cv_load": float(record.cv_load[0])}  # fmt: skip


def formula(seed: int) -> Measured:
    """The balance loss of the program against the article's formula in plain loops, and against CV²(importance)/N."""
    _, _, routed = test_tokens(trained(RunConfig(seed=seed)))
    rows = routed.probs_TE[0].double().tolist()
    num_experts = len(rows[0])
    shares = [sum(row[expert] for row in rows) / len(rows) for expert in range(num_experts)]
    by_hand = sum((1 / num_experts - share) ** 2 for share in shares)
    return {"program": float(LOSSES["squared"](routed, k=2)[0]), "by_hand": by_hand,
            "identity": statistics.pvariance(shares) / statistics.fmean(shares) ** 2 / num_experts}  # fmt: skip


def too_much(seed: int) -> Measured:
    """Accuracy and evenness where one group holds half the tokens."""
    training = Training(expand(UNEQUAL.with_(seed=seed), balance_coef=[0.0, 100.0]))
    training.step(600)
    record = training.measure()
    return {"accuracy_0": float(record.test_metric[0]), "accuracy_100": float(record.test_metric[1]),
            "cv_0": float(record.cv_load[0]), "cv_100": float(record.cv_load[1])}  # fmt: skip


# ---- cost, capacity, use --------------------------------------------------------------------------------------------


def efficiency(seed: int) -> Measured:
    """Two of eight experts against all eight: accuracy, and work for one token."""
    numbers: Measured = {}
    for name, k in (("sparse", 2), ("dense", 8)):
        training = trained(RunConfig(seed=seed, top_k=k, balance_coef=1.0, hidden_width=32))
        numbers |= {f"accuracy_{name}": float(training.measure().test_metric[0]),
                  f"flops_{name}": float(training.model.flops(8, k))}  # fmt: skip
    return numbers


def forward(num_experts: int, k: int, num_tokens: int, seed: int, dispatch: str = "sparse") -> Callable[[], Tensor]:
    """A forward pass of the experts over random tokens, routed beforehand."""
    rows_RAP = LAYER.fresh_rows([seed], num_experts).float()
    x_RTD = torch.randn(1, num_tokens, LAYER.input_width, generator=stream(seed, "trial"))
    routed = LAYER.route(rows_RAP, x_RTD, RoutingKnobs(k=k, renormalize=True))
    return partial(DISPATCH[dispatch], LAYER.experts, rows_RAP[..., LAYER.gate_width :], x_RTD, routed)


def cost(seed: int) -> Measured:
    """Measured time of one layer: sparse against dense, twice the k, twice the tokens, and more experts at one k.

    All are timed in turn; of each the least time counts, since other programs can only add to it.
    """
    passes = {
        "base": forward(16, 2, TOKENS, seed), "dense": forward(16, 2, TOKENS, seed, "dense"),
        "twice_k": forward(16, 4, TOKENS, seed), "twice_n": forward(16, 2, 2 * TOKENS, seed),
        "four_times_experts": forward(64, 2, TOKENS, seed),
    }  # fmt: skip
    least = dict.fromkeys(passes, float("inf"))
    for _ in range(ROUNDS):
        for name, once in passes.items():
            started = time.perf_counter()
            once()
            least[name] = min(least[name], time.perf_counter() - started)
    return {name: taken / least["base"] for name, taken in least.items() if name != "base"}


def memory(seed: int) -> Measured:
    """What has to be kept of 16 experts when 2 compute: parameters, and the numbers inside the experts."""
    hidden = LAYER.hidden_width * TOKENS
    return {"kept": float(LAYER.num_parameters(16)), "used": float(LAYER.num_active_parameters(16, 2)),
            "activations_sparse": float(2 * hidden), "activations_dense": float(16 * hidden)}  # fmt: skip


def capacity(seed: int) -> Measured:
    """More experts, each as small as before, one of them for each token."""
    numbers: Measured = {}
    for count in (1, 4, 16):
        training = trained(ONE_OF_MANY.with_(seed=seed, num_experts=count), 600)
        own = training.model.layer.num_active_parameters(1, 1) - training.model.layer.gate_width
        numbers |= {f"accuracy_{count}": float(training.measure().test_metric[0]),
                  f"parameters_{count}": float(training.model.num_parameters(count)),
                  f"expert_parameters_{count}": float(own)}  # fmt: skip
    return numbers


def kinds_of_data(seed: int) -> Measured:
    """One layer, three kinds of data: points of a plane, a curve, handwritten digits."""
    spiral = RunConfig(task="spiral", hidden_width=32, learning_rate=0.01, seed=seed)
    curve = RunConfig(task="piecewise", expert="linear", num_experts=4, top_k=1, balance_coef=1.0, learning_rate=0.05)
    runs = {"spiral": spiral, "piecewise": curve.with_(seed=seed), "digits": DIGITS.with_(seed=seed)}
    return {name: float(trained(config, 600).measure().test_metric[0]) for name, config in runs.items()}


def pictures(seed: int) -> Measured:
    """Digits: the mixture against one network as wide as the experts that one input uses."""
    mixture = DIGITS.with_(seed=seed)
    one = mixture.with_(num_experts=1, top_k=1, hidden_width=mixture.top_k * mixture.hidden_width, balance_coef=0.0)
    numbers: Measured = {}
    for name, config in (("mixture", mixture), ("one", one)):
        record = trained(config, 600).measure()
        numbers |= {f"test_{name}": float(record.test_metric[0]), f"train_{name}": float(record.train_metric[0])}
    record = trained(mixture, 600).measure()
    return numbers | {"specialization": float(record.specialization[0])}


TRIALS: dict[str, Callable[[int], Measured]] = {
    each.__name__: each
    for each in (
        inactive, routing, weighted_sum, gate_size, relevance, best_choice, balance, counts, formula, too_much,
        efficiency, cost, memory, capacity, kinds_of_data, expert_kinds, language, pictures, modalities,
    )
}  # fmt: skip


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trials", nargs="+", choices=list(TRIALS), metavar="TRIAL", help=", ".join(TRIALS))
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")


def run(asked: argparse.Namespace) -> int:
    """Run the named trials, seed by seed, and print each as soon as it is done."""
    if asked.seeds < 1:
        raise UsageError(f"--seeds must be a whole number from 1: got {shown(asked.seeds)}; take more")
    use_one_thread()
    if hasattr(os, "nice"):
        os.nice(10)  # what is watched live goes first
    for name in dict.fromkeys(asked.trials):
        for seed in range(asked.seeds):
            started = time.perf_counter()
            with torch.inference_mode(False):
                numbers = TRIALS[name](seed)
            taken = round(time.perf_counter() - started, 2)
            out(json.dumps({"trial": name, "seed": seed, "seconds": taken, "numbers": numbers}))
    return 0
