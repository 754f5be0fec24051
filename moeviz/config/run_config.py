"""Every knob of a run, declared once: bounds, label, help, and whether it may change while the run trains.

Widgets, the URL, the command line, sweep axes and tests all read `KNOBS`; nothing else lists the knobs again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moeviz.config import rules
from moeviz.config.knob import Knob, Value, knob, knobs_of, listed, shown
from moeviz.config.router_facts import ADD_UP, ROUTER_INFO, ROUTER_NAMES, SEATED
from moeviz.config.rules import Complaint
from moeviz.config.task_facts import (
    TASK_INFO,
    TASK_NAMES,
    only_what_came_before,
    task_classes,
    task_experts,
    task_levels,
    whole_inputs,
)

LOSS_NAMES = ("squared", "switch", "gshard", "importance", "load", "importance_load", "z", "entropy")
EXPERT_NAMES = ("mlp", "linear", "conv", "transformer")
ROUTING_LEVELS = ("token", "context", "input")
GATE_FORMS = ("auto", "plain", "renormalized")
DISPATCH_NAMES = ("auto", "dense", "sparse")
DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run; two equal configs train to the same result on the same device and dispatch."""

    task: str = knob("clusters", choices=TASK_NAMES, label="Task", help="What the network learns.")
    num_experts: int = knob(
        8, low=1, high=64, page_high=32, live=True, label="Experts (N)", caption="how many specialists exist",
        help="The small networks among which the gate chooses. In Chinese: 专家.",
    )  # fmt: skip
    top_k: int = knob(
        2, low=1, high=64, page_high=32, live=True, per_run=True, label="Active experts (k)",
        caption="how many work on each input",
        help="Only the k experts with the largest gate probability compute. In Chinese: 稀疏选择 (Top-K).",
    )  # fmt: skip
    router: str = knob(
        "top_k", choices=ROUTER_NAMES, choice_labels=tuple(info.label for info in ROUTER_INFO.values()), label="Router",
        help="How tokens and experts find each other: the article's gate, or that of another paper. "
        "In Chinese: 门控网络.",
    )  # fmt: skip
    balance_loss: str = knob(
        "squared", choices=LOSS_NAMES, live=True, label="Balance loss",
        choice_labels=(
            "squared: Σ (1/N − P)²", "Switch Transformer's", "GShard's", "importance", "load",
            "importance + load (Shazeer's)", "z-loss", "entropy",
        ),
        help="What uneven use costs: the squared form, or that of another paper. DeepSeek's sequence-wise loss is "
        "Switch's, on DeepSeek's own probabilities. In Chinese: 负载均衡损失.",
    )  # fmt: skip
    balance_coef: float = knob(
        0.0, low=0, high=100, scale="log0", live=True, per_run=True, label="Balance weight (λ)",
        caption="how strongly uneven use is punished; 0 = off",
        help="The balance loss is multiplied by λ and added to the task loss. In Chinese: 负载均衡损失的权重.",
    )  # fmt: skip
    gate_form: str = knob(
        "auto", choices=GATE_FORMS, live=True, per_run=True, routers=("top_k",),
        label="Make chosen weights add up to 1",
        choice_labels=("automatic: yes from k = 2 on", "no (plain)", "yes (renormalized)"),
        help="renormalized: divide by the sum of the chosen gate probabilities. plain: use them as they are. "
        "auto: plain at k = 1 (or the router would get no task gradient), renormalized from k = 2. "
        "In Chinese, the gate: 门控网络.",
    )  # fmt: skip
    gate_bias: bool = knob(
        False, label="Gate bias",
        help="Lets the borders between experts miss the origin. The article's gate has none: its regions are cones.",
    )  # fmt: skip
    capacity_factor: float | None = knob(
        None, low=0.1, high=16, scale="log", optional=True, live=True, per_run=True, routers=SEATED,
        label="Seats per expert", caption="1 = a fair share; none = no limit",
        help="1 = fair share; extra inputs are dropped. none = no limit.",
    )  # fmt: skip
    eval_capacity_factor: float | None = knob(
        None, low=0.1, high=16, scale="log", optional=True, live=True, per_run=True, routers=SEATED,
        label="Seats when tested", caption="none = as in training",
        help="Seats per expert while the run is measured; none = as in training.",
    )  # fmt: skip
    batch_prioritized: bool = knob(
        False, live=True, routers=SEATED, label="Surest inputs first",
        help="Where seats are limited, the inputs with the largest gate probability queue first (V-MoE).",
    )  # fmt: skip
    gate_jitter: float = knob(
        0.0, low=0, high=0.5, scale="log0", live=True, per_run=True, routers=("switch",), label="Gate jitter",
        help="In training the gate sees each input number times a random one from 1 − j to 1 + j; 0 = off.",
    )  # fmt: skip
    gate_skew: float = knob(
        0.0, low=0, high=4, live=True, per_run=True, label="Skew of the scores",
        caption="favors the first experts",
        help="Added to the gate's scores for every input: as much for the first expert, as much less for the last, "
        "evenly between them; 0 = off.",
    )  # fmt: skip
    router_noise: float = knob(
        1.0, low=0, high=4, live=True, per_run=True, routers=("noisy_top_k", "switch", "gshard"),
        label="Router's noise",
        help="Multiplies what the router draws at random in training: 1 = as in its paper, 0 = nothing is random.",
    )  # fmt: skip
    second_policy: str = knob(
        "random", choices=("random", "all"), choice_labels=("with chance 2 × weight", "always"), live=True,
        routers=("gshard",), label="Second expert is asked", help="In training; where the run is measured, always.",
    )  # fmt: skip
    token_groups: int = knob(
        1, low=1, high=64, live=True, routers=("gshard",), label="Token groups",
        help="Seats and balance are counted in each of so many parts of a training batch, as on so many machines.",
    )  # fmt: skip
    bias_rate: float = knob(
        0.001, low=0, high=1, scale="log0", live=True, per_run=True, routers=("deepseek_v3",), label="Bias step (γ)",
        help="How far each step moves an expert's bias: up if it got too few inputs, down if too many; 0 = off.",
    )  # fmt: skip
    expert_groups: int = knob(
        1, low=1, high=64, live=True, routers=("deepseek_v3",), label="Expert groups",
        help="Experts in so many equal groups; each input may use the best few of these.",
    )  # fmt: skip
    kept_groups: int = knob(
        1, low=1, high=64, live=True, routers=("deepseek_v3",), label="Groups for one input",
        help="How many of the expert groups each input may choose from.",
    )  # fmt: skip
    route_scale: float = knob(
        1.0, low=0.1, high=10, scale="log", live=True, routers=("deepseek_v3",), label="Weight scale",
        help="All weights are multiplied by it.",
    )  # fmt: skip
    num_shared_experts: int = knob(
        0, low=0, high=4, label="Shared experts",
        help="Experts beside the N that compute every input, with weight 1 and without the gate (DeepSeekMoE).",
    )  # fmt: skip
    expert: str = knob(
        "mlp", choices=EXPERT_NAMES, label="Expert kind",
        choice_labels=("one hidden layer (MLP)", "linear", "convolution", "Transformer layer"),
        help="What each expert is. Where an input is several tokens, a convolution or a Transformer layer computes all "
        "of them together, so the gate then sees the whole input.",
    )  # fmt: skip
    route_by: str = knob(
        "token", choices=ROUTING_LEVELS, label="The gate sees",
        choice_labels=("each token", "its context so far (running mean)", "the whole input (mean)"),
        help="What the router decides by, where an input is several tokens. With the whole input it decides once for "
        "all of them.",
    )  # fmt: skip
    hidden_width: int = knob(8, low=1, high=256, scale="log", label="Expert size", help="Hidden units in each expert.")
    batch_size: int = knob(
        256,
        low=8,
        high=4096,
        page_high=512,
        scale="log",
        label="Batch size",
        help="Inputs in one training step; where one input is several tokens (Digit rows: 8), so many times more.",
    )  # with N = 32 experts of the largest size a step of 512 tokens takes 0.06 s; one of 4096 would hold up others
    learning_rate: float = knob(
        0.03, low=1e-5, high=10, scale="log", live=True, per_run=True, label="Learning rate", help="Adam's step size."
    )
    noise: float = knob(
        0.0, low=0, high=1, live=True, per_run=True, label="Data noise", help="How far points stray from their place."
    )
    seed: int = knob(
        0, low=0, high=2**31 - 1, per_run=True, label="Seed", caption="another seed deals other weights",
        help="Another seed deals other weights.",
    )  # fmt: skip
    device: str = knob(
        "auto", choices=DEVICE_NAMES, page_choices=("auto",), label="Device",
        help="auto: CUDA, else Apple's MPS, else the CPU.",
    )  # fmt: skip  # (which of them are there, a server does not know: only its workers import torch)
    dispatch: str = knob(
        "auto", choices=DISPATCH_NAMES, label="Dispatch",
        help="dense: every expert computes every token. sparse: only chosen tokens are computed. Same result.",
    )  # fmt: skip
    num_classes: int | None = knob(
        None,
        low=2,
        high=8,
        optional=True,
        label="Classes",
        help="For tasks that can have 2 to 8; none = the task's own.",
    )
    train_share: float = knob(
        0.5, low=0.1, high=0.9, label="Training share", help="Share of the data to train on; the rest is the test set."
    )

    def __post_init__(self) -> None:
        for each in KNOBS.values():
            object.__setattr__(self, each.name, each.check(getattr(self, each.name)))
        complaint = rules.complaint(vars(self), RULES)
        if complaint is not None:
            raise ValueError(str(complaint))

    @property
    def weights(self) -> str:
        """How the weights of a token come about (see router_facts.ADD_UP); the gate form `auto` is plain at k = 1."""
        declared = ROUTER_INFO[self.router].weights
        if declared != "form":
            return declared
        return ("renormalized" if self.top_k > 1 else "plain") if self.gate_form == "auto" else self.gate_form

    @property
    def renormalized(self) -> bool:
        """Whether the weights of a token always add up to 1."""
        return ADD_UP[self.weights]

    @property
    def biased_gate(self) -> bool:
        """Whether the gate has a bias: asked for, or declared by a task whose regions are not cones."""
        return self.gate_bias or TASK_INFO[self.task].gate_bias

    def with_(self, **changes: Value) -> RunConfig:
        """A copy with some knobs changed, checked again."""
        _check_names(changes)
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def bucket(self) -> tuple[Value, ...]:
        """What runs must share to train in lockstep: every knob that is not `per_run`."""
        return tuple(getattr(self, each.name) for each in KNOBS.values() if not each.per_run)

    def data(self) -> tuple[Value, ...]:
        """The knobs that decide the tokens; runs that agree in them share their data."""
        return self.task, self.seed, self.noise, self.num_classes, self.train_share

    def to_url(self) -> dict[str, str]:
        """The knobs that differ from the defaults, as query parameters."""
        pairs = ((each, getattr(self, each.name)) for each in KNOBS.values())
        return {each.name: each.write(value) for each, value in pairs if value != each.default}

    @staticmethod
    def from_url(params: Mapping[str, str], base: RunConfig | None = None) -> tuple[RunConfig, list[str]]:
        """The nearest allowed config, and a notice for every named value that had to be changed.

        What is not named is as in `base`, or the default; what of it does not fit what is named follows in silence.
        """
        values: dict[str, Any] = {}
        notices: list[str] = []
        for name, each in KNOBS.items():
            if name in params:
                values[name], notice = each.clamp(params[name])
                notices += [notice] if notice else []
        config, complaints = (base or RunConfig()).nearest(**values)
        return config, notices + [each.notice for each in complaints if each.name in values]

    def nearest(self, keep: Collection[str] = (), **changes: Value) -> tuple[RunConfig, list[Complaint]]:
        """A copy with some knobs changed, and others where the rules between knobs ask for it: a complaint for each.

        Raises ValueError where the rules ask for another value of a knob named in `keep`.
        """
        _check_names(changes)
        changes = {name: KNOBS[name].check(value) for name, value in changes.items()}
        values, complaints = rules.mended(vars(self) | changes, RULES)
        for each in complaints:
            if each.name in keep:
                raise ValueError(str(each))
        return self.with_(**values), complaints

    def choices_now(self, name: str) -> list[Value]:
        """The values of a whole-number knob that it keeps whatever must follow it."""
        numbers = range(int(KNOBS[name].low or 0), int(KNOBS[name].high or 0) + 1)
        return [each for each in numbers if rules.mended(vars(self) | {name: each}, RULES)[0][name] == each]


def expand(config: RunConfig, **lists: Iterable[Value]) -> list[RunConfig]:
    """Every combination of the listed knob values, the last knob varying fastest."""
    _check_names(lists)
    combinations = itertools.product(*(listed(name, values) for name, values in lists.items()))
    return [config.with_(**dict(zip(lists, values, strict=True))) for values in combinations]


def as_runs(configs: Any) -> tuple[RunConfig, ...]:
    """One run, or all of a list; raises ValueError (rule, value, remedy) for whatever else."""
    several = isinstance(configs, Iterable) and not isinstance(configs, (str, Mapping))
    runs = tuple(configs) if several else (configs,)
    for each in runs:
        if not isinstance(each, RunConfig):
            raise ValueError(f"a run must be a RunConfig: got {shown(each)}; pass RunConfig(), or a list of them")
    return runs


def _check_names(changes: Collection[str]) -> None:
    unknown = sorted(set(changes) - set(KNOBS))
    if unknown:
        raise ValueError(f"a knob must be one of {', '.join(KNOBS)}: got {', '.join(unknown)}; check the spelling")


KNOBS: dict[str, Knob] = knobs_of(RunConfig)
RULES: tuple[rules.Rule, ...] = (
    only_what_came_before, rules.only_where_used(KNOBS.values()), *rules.BETWEEN_KNOBS, task_classes,
    task_experts, whole_inputs, task_levels,
)  # fmt: skip
