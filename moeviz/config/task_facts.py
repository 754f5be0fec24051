"""What pages and rules must know of each task without drawing it (the data itself is made in `moeviz.tasks`)."""

from __future__ import annotations

from dataclasses import dataclass

from moeviz.config.router_facts import ROUTER_INFO
from moeviz.config.rules import Complaint, Values


@dataclass(frozen=True)
class TaskInfo:
    """One task in words, and what its pictures and its gate depend on."""

    label: str
    story: str
    kind: str = "classification"  # or regression, retrieval, or text (the next character of every place)
    # map (2-D inputs) | curve (1-D) | projection (more: first two principal components) | rows (pictures, row by row)
    # | text | pictures | pairs (each on a page of its own)
    view: str = "map"
    classes: tuple[int, int] = (2, 2)  # fewest and most; (0, 0) for regression
    own_classes: int = 2
    gate_bias: bool = False  # declared on where the regions are not cones through the origin
    tokens_per_input: int = 1  # of how many parts each input is made
    levels: tuple[str, ...] = ("token",)  # what the gate may see: each of these parts, …
    experts: tuple[str, ...] = ("mlp", "linear")  # the kinds that can compute it
    measured: int = 1024  # at most so many train and as many test inputs are measured
    page: str = ""  # the only page that shows it, if it has one of its own
    segments: tuple[str, ...] = ()  # what the hidden kinds are called, if they have names
    class_names: tuple[str, ...] = ()  # where a number does not say it
    parts: tuple[int, ...] = ()  # where each input is a picture and its names: tokens of the picture, then of each name
    causal: bool = False  # whether what comes later must not decide about what came before
    inputs: int = 2  # numbers of one input
    outputs: int = 0  # numbers of one answer; 0 = one for each class
    width: int = 16  # of the hidden state, where a Transformer is around the layer
    layers: int = 1  # mixture-of-experts layers, each behind attention of so many heads
    heads: int = 1
    table: int = 0  # vectors that inputs are looked up in


TASK_INFO: dict[str, TaskInfo] = {
    "clusters": TaskInfo("Clusters", "8 groups on a ring, each with its own rule inside.", classes=(2, 8)),
    "clusters_unequal": TaskInfo("Unequal clusters", "One of the 8 groups holds half the inputs.", classes=(2, 8)),
    "spiral": TaskInfo("Spiral", "Two arms wound around each other.", classes=(2, 8)),
    "xor": TaskInfo("XOR", "Opposite quadrants belong together."),
    "circle": TaskInfo("Circle", "A disk inside a ring.", classes=(2, 8), gate_bias=True),
    "gauss": TaskInfo("Gaussians", "One blob for each class.", classes=(2, 8)),
    "moons": TaskInfo("Moons", "Two interleaved half circles.", gate_bias=True),
    "checkerboard": TaskInfo("Checkerboard", "4 by 4 squares.", classes=(2, 8), gate_bias=True),
    "plane": TaskInfo("Plane", "A tilted plane: one expert is enough.", "regression", classes=(0, 0), outputs=1),
    "bumps": TaskInfo("Bumps", "Hills and valleys.", "regression", classes=(0, 0), gate_bias=True, outputs=1),
    "piecewise": TaskInfo(
        "Piecewise", "A W on a line that experts cut into pieces.", "regression", "curve", (0, 0), gate_bias=True,
        inputs=1, outputs=1,
    ),
    "digits": TaskInfo(
        "Digits", "1,797 handwritten digits of 8×8 pixels.", view="projection", classes=(10, 10), own_classes=10,
        inputs=64,
    ),
    "linear_clusters": TaskInfo(
        "Linear clusters", "8 groups in 16 dimensions, each with a linear map.", "regression", "projection", (0, 0),
        gate_bias=True, inputs=16, outputs=16,
    ),
    "digit_rows": TaskInfo(
        "Digit rows",
        "A Transformer reads digits: each of 8 rows is a token, joined by attention. A batch counts digits.",
        view="rows", classes=(10, 10), own_classes=10, tokens_per_input=8, levels=("token", "input"),
        experts=("mlp", "linear", "transformer"), inputs=64,
    ),
    "pairs": TaskInfo(
        "Pictures and words",
        "Emoji and their names in five languages: which belong together? A batch counts emoji.",
        "retrieval", "pairs", (0, 0), tokens_per_input=36,
        measured=200, page="image_text", inputs=968, outputs=192, width=32, table=2048,
        segments=("picture", "English", "German", "Spanish", "Russian", "Chinese"), parts=(16, 4, 4, 4, 4, 4),
    ),
    "languages": TaskInfo(
        "Languages", "A decoder reads six kinds of text, character by character, and guesses the next one.", "text",
        "text", (0, 0), tokens_per_input=64, levels=("token", "context"), measured=36, causal=True, page="language",
        inputs=64, outputs=241, width=64, layers=2, heads=4, table=241,
        segments=("English prose", "Python code", "sums", "German names", "Russian names", "Greek names"),
    ),
    "pictures": TaskInfo(
        "Pictures", "Handwritten digits, textures and photographs of 16×16 pixels, cut into 16 patches.",
        view="pictures", classes=(16, 16), own_classes=16, tokens_per_input=16, levels=("token", "input"),
        experts=("mlp", "linear", "conv", "transformer"), measured=512, page="vision", inputs=256, width=32,
        class_names=(*"0123456789", "brick", "grass", "gravel", "temple", "flower", "cat"),
        segments=("digits", "textures", "photographs"),
    ),
}  # fmt: skip
TASK_NAMES = tuple(TASK_INFO)
CHARACTER_CLASSES = ("lower case", "upper case", "digit", "space", "punctuation", "other script")
"""The kinds of characters in a text; lower and upper case are those of the Latin script."""
WHOLE = ("conv", "transformer")
"""The experts that compute a whole input, of all its tokens, and not each token by itself."""


def task_classes(values: Values) -> Complaint | None:
    """A task has the number of classes that it can have."""
    task, classes = values["task"], values["num_classes"]
    low, high = TASK_INFO[task].classes
    if classes is None or low <= classes <= high:
        return None
    allowed = f"from {low} to {high}" if low < high else f"none or {low}" if low == 2 else "none"
    rule, got = f"must be {allowed} for task={task}", f"num_classes={classes}"
    return Complaint("num_classes", rule, got, "leave it at none", None, "this task has its own")


def task_experts(values: Values) -> Complaint | None:
    """A task takes experts of some kinds only: a convolution needs a picture."""
    task, kind = values["task"], values["expert"]
    allowed = TASK_INFO[task].experts
    if kind in allowed:
        return None
    rule = f"must be one of {', '.join(allowed)} for task={task}"
    remedy, why = f"use {allowed[0]}, or another task", "this task has no use for that kind"
    return Complaint("expert", rule, f"expert={kind}", remedy, allowed[0], why)


def whole_inputs(values: Values) -> Complaint | None:
    """Experts that compute a whole input are chosen for a whole input."""
    kind, level = values["expert"], values["route_by"]
    if kind not in WHOLE or level == "input":
        return None
    rule, got = f"must be input for expert={kind}", f"route_by={level}"
    return Complaint("route_by", rule, got, "pass input, or use expert=mlp", "input", "these experts compute it whole")


def only_what_came_before(values: Values) -> Complaint | None:
    """Where the next character is to be guessed, no router may look at those that come after it."""
    task, router = values["task"], values["router"]
    if not TASK_INFO[task].causal or not ROUTER_INFO[router].batchwise:
        return None
    rule, got = f"must choose for each token apart for task={task}", f"router={router}"
    why = "it compares a character with later ones, which a language model must not see"
    return Complaint("router", rule, got, "use top_k, switch or gshard", "top_k", why)


def task_levels(values: Values) -> Complaint | None:
    """The gate sees what the task has: no context without a sequence, and nothing that is yet to come."""
    task, level = values["task"], values["route_by"]
    allowed = TASK_INFO[task].levels
    if level in allowed:
        return None
    rule, got = f"must be one of {', '.join(allowed)} for task={task}", f"route_by={level}"
    return Complaint("route_by", rule, got, f"use {allowed[0]}", allowed[0], "this task has nothing else to show it")
