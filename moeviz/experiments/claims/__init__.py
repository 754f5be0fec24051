"""What the article says, sentence by sentence, and what each becomes when it is tested. Data only.

The numbers come from `trials`, one set for each seed; nothing here computes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.experiments.claims import verdicts
from moeviz.experiments.claims.verdicts import STATES, Measured, Verdict

__all__ = ["CLAIMS", "SEEDS", "STATES", "Claim", "Measured", "Verdict"]

SEEDS = 3


@dataclass(frozen=True)
class Claim:
    """One testable sentence of the article, in our words."""

    chapter: str
    says: str
    trial: str | None  # of `trials`; None = not tested here
    test: str  # what the trial does; or why there is none
    judge: Callable[[Sequence[Measured]], Verdict] | None = None
    config: RunConfig | None = None  # shows it in the Playground


INTRO, CORE, MATH, SPARSE = "Introduction", "1. Core idea", "2. Output and gate", "2c. Sparse choice"
TRAINING, ADVANTAGES, USES, SUMMARY = "3. Training", "4. Advantages", "5. Applications", "6. Summary"
UNEQUAL = RunConfig(task="clusters_unequal", expert="linear", top_k=1, learning_rate=0.02, balance_coef=100.0)

CLAIMS: dict[str, Claim] = {
    "efficient": Claim(
        INTRO, "Letting only some experts take part keeps performance high and lowers the cost of computing.",
        "efficiency", "The same task with 2 of 8 experts and with all 8, 400 steps each.", verdicts.efficient,
        RunConfig(hidden_width=32, balance_coef=1.0),
    ),
    "few": Claim(
        INTRO, "For each input the gate picks a few of many experts instead of asking all.", "routing",
        "Count the experts that each test input uses.", verdicts.few, RunConfig(),
    ),
    "relevant": Claim(
        INTRO, "Those it picks are the ones most relevant to the input.", "relevance",
        "Send every test input to every expert alone and compare losses.", verdicts.relevant,
        RunConfig(balance_coef=1.0),
    ),
    "inactive": Claim(
        CORE, "Each input is processed by a small part of the experts; the others stay inactive.", "inactive",
        "Fill one expert’s weights with NaN and see whose output changes.", verdicts.inactive, RunConfig(),
    ),
    "kinds": Claim(
        CORE, "An expert can be a fully connected, a convolutional or a Transformer layer.", "expert_kinds",
        "The same digits, textures and photographs through experts of each kind, 300 steps.", verdicts.kinds,
    ),
    "dynamic": Claim(
        CORE, "Each input may activate another subset of experts.", "routing",
        "Count the different subsets over the test inputs.", verdicts.dynamic, RunConfig(),
    ),
    "sum": Claim(
        MATH, "The output is the sum of the experts’ outputs, each times its gate weight.", "weighted_sum",
        "Add up expert by expert and compare with the layer’s output.", verdicts.output_sum, RunConfig(),
    ),
    "softmax": Claim(
        MATH, "Softmax makes the gate’s weights add up to 1.", "routing", "Add up each test input’s probabilities.",
        verdicts.softmax, RunConfig(),
    ),
    "gate": Claim(
        MATH, "The gate is usually a small fully connected network with N outputs.", "gate_size",
        "Count parameters: 8 experts with 32 hidden units.", verdicts.small_gate, RunConfig(hidden_width=32),
    ),
    "relevance": Claim(
        MATH, "Each weight says how relevant that expert is.", "relevance",
        "For every pair of experts and every test input: has the better one the larger probability?", verdicts.in_order,
        RunConfig(balance_coef=1.0),
    ),
    "top_k": Claim(
        SPARSE, "Top-k keeps the k largest probabilities and sets all other weights to 0: a sparse vector.", "routing",
        "Count weights that are not 0, and look for a larger probability among those left out.", verdicts.top_k,
        RunConfig(),
    ),
    "less_work": Claim(
        SPARSE, "Choosing sparsely lowers the cost of computing a lot, since only k experts compute.", "cost",
        "Time one layer of 16 experts, computing 2 of them and computing all.", verdicts.less_work,
    ),
    "memory": Claim(
        SPARSE, "It also lowers the use of memory.", "memory", "Count parameters and the numbers inside the experts.",
        verdicts.memory,
    ),
    "starving": Claim(
        TRAINING, "Each expert meets only part of the data, so that some are updated rarely.", "balance",
        "Train 400 steps without a balance loss; count the steps in which each expert got an input.", verdicts.starving,
        RunConfig(),
    ),
    "collapse": Claim(
        TRAINING, "Some experts are used all the time and others hardly ever, unless something prevents it.", "balance",
        "Train 400 steps without a balance loss and look at the load.", verdicts.collapse, RunConfig(),
    ),
    "balanced": Claim(
        TRAINING, "A balance loss makes use as even as possible.", "balance",
        "The same run with λ = 0 and λ = 10.", verdicts.balanced, RunConfig(balance_coef=10.0),
    ),
    "equal_counts": Claim(
        TRAINING, "Its aim is that all experts are activated about equally often.", "counts",
        "Train with λ = 100 from the start; compare mean probabilities with counts.", verdicts.equal_counts,
        RunConfig(balance_coef=100.0),
    ),
    "formula": Claim(
        TRAINING, "A common form is λ times the sum of the squared distances of the mean probabilities from 1/N.",
        "formula", "Compute it once more in plain loops.", verdicts.formula, RunConfig(),
    ),
    "lambda": Claim(
        TRAINING, "λ sets the weight of the balance loss.", "balance", "The same run with four λ.", verdicts.weighted,
        RunConfig(balance_coef=1.0),
    ),
    "too_much": Claim(
        TRAINING, "The loss keeps some experts from being activated often while others are hardly used.", "too_much",
        "A task whose groups are unequal, with λ = 0 and λ = 100.", verdicts.costs, UNEQUAL,
    ),
    "linear_cost": Claim(
        ADVANTAGES, "The cost is about O(k · n): active experts times the length of the input.", "cost",
        "Time one layer at twice the k, and at twice the number of inputs.", verdicts.linear_cost,
    ),
    "capacity": Claim(
        ADVANTAGES, "More experts mean more capacity, at hardly more cost for each input.", "capacity",
        "1, 4 and 16 linear experts, k = 1, 600 steps.", verdicts.capacity,
        RunConfig(expert="linear", num_experts=16, top_k=1, balance_coef=3.0),
    ),
    "same_cost": Claim(
        ADVANTAGES, "That suits very large models such as Switch Transformer and GShard.", "cost",
        "Time one layer of 16 and of 64 experts at the same k. (Their real sizes: not tested here.)",
        verdicts.same_cost,
    ),
    "flexible": Claim(
        ADVANTAGES, "Since the experts are chosen by the input, one structure handles different tasks and data.",
        "kinds_of_data", "The same layer on points of a plane, a curve and handwritten digits.", verdicts.flexible,
    ),
    "language": Claim(
        USES, "In language modeling an MoE does much better at hardly more cost.", "language",
        "A small language model, and one without a gate and as many active parameters, 300 steps.", verdicts.language,
    ),
    "translation": Claim(
        USES, "The same holds for machine translation.", None, "Not tested here: no translation model trains in a page."
    ),
    "pictures": Claim(
        USES, "In image classification, experts for different features generalize better.", "pictures",
        "Digits: the mixture against one network with as many active hidden units.", verdicts.pictures,
        RunConfig(task="digits", hidden_width=16, learning_rate=0.003, balance_coef=1.0),
    ),
    "detection": Claim(
        USES, "The same holds for object detection.", None, "Not tested here: no detector trains in a page.",
    ),
    "multimodal": Claim(
        USES, "With images and language together, experts divide the modalities.", "modalities",
        "Pictures and words through one mixture, with and without entropy losses, 300 steps.", verdicts.modalities,
    ),
    "keeps_capacity": Claim(
        SUMMARY, "Sparse activation lowers the cost and keeps the model’s capacity.", "memory",
        "Count the parameters that one input uses.", verdicts.used,
    ),
    "optimal": Claim(
        SUMMARY, "The gate picks the best subset of experts for each input.", "best_choice",
        "k = 1: send every test input to every expert and see whether the chosen one is the best.", verdicts.optimal,
        RunConfig(top_k=1, balance_coef=1.0),
    ),
    "ensures": Claim(
        SUMMARY, "The balance mechanism ensures even use of the experts.", "balance",
        "The same run with λ = 0 and λ = 10.", verdicts.balanced, RunConfig(balance_coef=10.0),
    ),
}  # fmt: skip
