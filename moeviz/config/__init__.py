"""What a run is: its knobs, each declared once, the rules between them, and what they cost."""

from moeviz.config.knob import Knob, Value
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.config.run_config import (
    DEVICE_NAMES,
    DISPATCH_NAMES,
    EXPERT_NAMES,
    GATE_FORMS,
    KNOBS,
    LOSS_NAMES,
    ROUTING_LEVELS,
    RULES,
    RunConfig,
    as_runs,
    expand,
)
from moeviz.config.task_facts import TASK_INFO, TASK_NAMES

__all__ = [
    "DEVICE_NAMES", "DISPATCH_NAMES", "EXPERT_NAMES", "GATE_FORMS", "KNOBS", "LOSS_NAMES", "ROUTER_NAMES",
    "ROUTING_LEVELS", "RULES", "TASK_INFO", "TASK_NAMES", "Knob", "RunConfig", "Value", "as_runs", "expand",
]  # fmt: skip
