"""Every knob of a run, declared once: bounds, label, help, and whether it may change while the run trains.

Widgets, the URL, the command line, sweep axes and tests all read `KNOBS`; nothing else lists the knobs again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.knob import Knob, Value, knob

ROUTER_NAMES = ("top_k",)
LOSS_NAMES = ("squared", "switch", "z")
EXPERT_NAMES = ("mlp", "linear")
TASK_NAMES = (
    "clusters", "clusters_unequal", "spiral", "xor", "circle", "gauss", "moons", "checkerboard",
    "plane", "bumps", "piecewise", "digits", "linear_clusters",
)  # fmt: skip
GATE_FORMS = ("auto", "plain", "renormalized")
DISPATCH_NAMES = ("auto", "dense", "sparse")
DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run; two equal configs train to the same result on the same device and dispatch."""

    task: str = knob("clusters", choices=TASK_NAMES, label="Task", help="What the network learns.")
    num_experts: int = knob(
        8, low=1, high=64, page_high=32, live=True, label="Experts (N)", help="How many specialists exist. 专家"
    )
    top_k: int = knob(
        2, low=1, high=64, page_high=32, live=True, per_run=True, label="Active experts (k)",
        help="How many work on each input. 稀疏选择 (Top-K)",
    )  # fmt: skip
    router: str = knob("top_k", choices=ROUTER_NAMES, label="Router", help="How each token picks its experts. 门控网络")
    balance_loss: str = knob(
        "squared", choices=LOSS_NAMES, live=True, label="Balance loss",
        choice_labels=("squared (the article's)", "Switch Transformer's", "z-loss"),
        help="What uneven use costs: the article's squared form, the Switch Transformer's, or the z-loss. 负载均衡损失",
    )  # fmt: skip
    balance_coef: float = knob(
        0.0, low=0, high=100, scale="log0", live=True, per_run=True, label="Balance weight (λ)",
        help="How strongly uneven use is punished; 0 = off. 负载均衡损失的权重",
    )  # fmt: skip
    gate_form: str = knob(
        "auto", choices=GATE_FORMS, live=True, per_run=True, label="Make chosen weights add up to 1",
        choice_labels=("automatic: yes from k = 2 on", "no (plain)", "yes (renormalized)"),
        help="renormalized: divide by the sum of the chosen gate probabilities. plain: use them as they are. "
        "auto: plain at k = 1 (or the router would get no task gradient), renormalized from k = 2.",
    )  # fmt: skip
    gate_bias: bool = knob(
        False, label="Gate bias",
        help="Lets the borders between experts miss the origin. The article's gate has none: its regions are cones.",
    )  # fmt: skip
    capacity_factor: float | None = knob(
        None, low=0.1, high=16, scale="log", optional=True, live=True, per_run=True, label="Seats per expert",
        help="1 = fair share; extra inputs are dropped. none = no limit.",
    )  # fmt: skip
    expert: str = knob(
        "mlp",
        choices=EXPERT_NAMES,
        choice_labels=("one hidden layer (MLP)", "linear"),
        label="Expert kind",
        help="What each expert is.",
    )
    hidden_width: int = knob(8, low=1, high=256, scale="log", label="Expert size", help="Hidden units in each expert.")
    batch_size: int = knob(256, low=8, high=4096, scale="log", label="Batch size", help="Tokens in one training step.")
    learning_rate: float = knob(
        0.03, low=1e-5, high=10, scale="log", live=True, per_run=True, label="Learning rate", help="Adam's step size."
    )
    noise: float = knob(
        0.0, low=0, high=1, live=True, per_run=True, label="Data noise", help="How far points stray from their place."
    )
    seed: int = knob(0, low=0, high=2**31 - 1, per_run=True, label="Seed", help="Another seed deals other weights.")
    device: str = knob("auto", choices=DEVICE_NAMES, label="Device", help="auto: CUDA, else Apple's MPS, else the CPU.")
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
            value = getattr(self, each.name)
            each.check(value)
            if each.kind is float and value is not None:
                object.__setattr__(self, each.name, float(value))  # so that 10 and 10.0 are written and compared alike
        if self.top_k > self.num_experts:
            raise ValueError(
                f"top_k must be at most num_experts: got top_k={self.top_k}, num_experts={self.num_experts}; "
                "lower top_k or add experts"
            )
        low, high = TASK_INFO[self.task].classes
        if self.num_classes is not None and not low <= self.num_classes <= high:
            allowed = f"from {low} to {high}" if low < high else f"none or {low}" if low == 2 else "none"
            allowed += f" for task={self.task}"
            raise ValueError(f"num_classes must be {allowed}: got num_classes={self.num_classes}; leave it at none")

    @property
    def renormalized(self) -> bool:
        """Whether the chosen gate probabilities are divided by their sum: `auto` is plain at k = 1."""
        return self.gate_form == "renormalized" or (self.gate_form == "auto" and self.top_k > 1)

    @property
    def biased_gate(self) -> bool:
        """Whether the gate has a bias: asked for, or declared by a task whose regions are not cones."""
        return self.gate_bias or TASK_INFO[self.task].gate_bias

    def with_(self, **changes: Value) -> RunConfig:
        """A copy with some knobs changed, checked again."""
        unknown = sorted(set(changes) - set(KNOBS))
        if unknown:
            raise ValueError(f"a knob must be one of {', '.join(KNOBS)}: got {', '.join(unknown)}; check the spelling")
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
    def from_url(params: Mapping[str, str]) -> tuple[RunConfig, list[str]]:
        """The nearest allowed config, and a notice for every value that had to be changed."""
        values: dict[str, Any] = {}
        notices: list[str] = []
        for name, each in KNOBS.items():
            if name in params:
                values[name], notice = each.clamp(params[name])
                notices += [notice] if notice else []
        experts = values.get("num_experts", RunConfig.num_experts)
        if values.get("top_k", RunConfig.top_k) > experts:
            values["top_k"] = experts
            notices.append(f"top_k must be at most num_experts={experts}; using top_k={experts}")
        try:
            return RunConfig(**values), notices
        except ValueError as error:
            return RunConfig(**{**values, "num_classes": None}), [*notices, str(error)]


def expand(config: RunConfig, **lists: Sequence[Value]) -> list[RunConfig]:
    """Every combination of the listed knob values, the last knob varying fastest."""
    combinations = itertools.product(*lists.values())
    return [config.with_(**dict(zip(lists, values, strict=True))) for values in combinations]


@dataclass(frozen=True)
class TaskInfo:
    """What pages must know of a task without drawing it (the data itself is made in `moeviz.tasks`)."""

    label: str
    story: str
    kind: str = "classification"  # or regression
    view: str = "map"  # map (2-D inputs) | curve (1-D) | projection (more: first two principal components)
    classes: tuple[int, int] = (2, 2)  # fewest and most; (0, 0) for regression
    own_classes: int = 2
    gate_bias: bool = False  # declared on where the regions are not cones through the origin


TASK_INFO: dict[str, TaskInfo] = {
    "clusters": TaskInfo("Clusters", "8 groups on a ring, each with its own rule inside.", classes=(2, 8)),
    "clusters_unequal": TaskInfo("Unequal clusters", "One of the 8 groups holds half the tokens.", classes=(2, 8)),
    "spiral": TaskInfo("Spiral", "Two arms wound around each other.", classes=(2, 8)),
    "xor": TaskInfo("XOR", "Opposite quadrants belong together."),
    "circle": TaskInfo("Circle", "A disk inside a ring.", classes=(2, 8), gate_bias=True),
    "gauss": TaskInfo("Gaussians", "One blob for each class.", classes=(2, 8)),
    "moons": TaskInfo("Moons", "Two interleaved half circles.", gate_bias=True),
    "checkerboard": TaskInfo("Checkerboard", "4 by 4 squares.", classes=(2, 8), gate_bias=True),
    "plane": TaskInfo("Plane", "A tilted plane: one expert is enough.", "regression", classes=(0, 0)),
    "bumps": TaskInfo("Bumps", "Hills and valleys.", "regression", classes=(0, 0), gate_bias=True),
    "piecewise": TaskInfo(
        "Piecewise", "A W on a line that experts cut into pieces.", "regression", "curve", (0, 0), gate_bias=True
    ),
    "digits": TaskInfo(
        "Digits", "1,797 handwritten digits of 8×8 pixels.", view="projection", classes=(10, 10), own_classes=10
    ),
    "linear_clusters": TaskInfo(
        "Linear clusters", "8 groups in 16 dimensions, each with a linear map.", "regression", "projection", (0, 0),
        gate_bias=True,
    ),
}  # fmt: skip


def _knobs() -> dict[str, Knob]:
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    found = {}
    for each in dataclasses.fields(RunConfig):
        kind = kinds[str(each.type).split(" ")[0]]
        default: Any = each.default
        found[each.name] = Knob(name=each.name, kind=kind, default=default, **each.metadata)
    return found


KNOBS: dict[str, Knob] = _knobs()
