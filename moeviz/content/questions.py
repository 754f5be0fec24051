"""Questions that learners ask: each with a short answer, and the setting that shows it live. Data, and a search."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.config.knob import Value
from moeviz.content.presets import PRESETS

PLACES = ("home", "journey", "playground", "balance", "routers", "sparse")  # pages where questions arise

MEASURED: dict[str, tuple[str, int]] = {  # a number in a frame's header -> what a page calls it, and its digits
    "test_metric": ("Test accuracy", 2),
    "task_loss": ("Training loss", 2),
    "balance_loss_value": ("Balance loss, before λ", 4),
    "cv_load": ("Unevenness of load (CV)", 2),
    "cv_importance": ("Unevenness of importance (CV)", 2),
    "specialization": ("Match with true groups (0-1)", 2),
    "dropped_share": ("Share of choices dropped", 2),
    "gate_gradient": ("Size of the gate’s gradient", 4),
    "num_parameters": ("Parameters kept in memory", 0),
    "active_parameters": ("Parameters used for one input", 0),
    "flops": ("Floating-point operations for one input", 0),
}


@dataclass(frozen=True)
class Example:
    """A setting that shows the answer: one run, or twins that differ in one knob and have a title each."""

    label: str
    configs: tuple[RunConfig, ...]
    titles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What somebody asks, in plain words, and all that answers it."""

    text: str
    answer: str
    look: str  # what to look at in the live picture
    examples: tuple[Example, ...]
    numbers: tuple[str, ...]  # of `MEASURED`, shown live beside each run
    code: tuple[str, ...]  # functions to show, as "module:name"
    source: str
    places: tuple[str, ...]
    keywords: str = ""  # other words that people search for


def one(label: str, **knobs: Value) -> Example:
    """An example of one run."""
    return Example(label, (RunConfig().with_(**knobs),))


def twins(label: str, base: RunConfig, knob: str, left: tuple[str, Value], right: tuple[str, Value]) -> Example:
    """An example of two runs that differ in one knob; `left` and `right` are a title and the knob's value each."""
    return Example(label, (base.with_(**{knob: left[1]}), base.with_(**{knob: right[1]})), (left[0], right[0]))


DEEPSEEK = RunConfig(router="deepseek_v3")
QUESTIONS: dict[str, Question] = {
    "softmax_order": Question(
        "Softmax before or after top-k?",
        "Either way, if the chosen probabilities are then divided by their sum: that is the same as a softmax among "
        "the chosen alone. Who is chosen is the same in any case, since softmax keeps the order. What does differ is "
        "leaving out the division: then the weights add up to less than 1, and an unsure gate makes the answer "
        "smaller.",
        "Drag the probe. Bars: the softmax over all eight experts. Beneath them (×): the weights of the chosen two.",
        (
            one("Divided by their sum", gate_form="renormalized"), one("Left as they are", gate_form="plain"),
            one("Softmax among the chosen", router="mixtral"),
        ),
        (), ("moeviz.routers:top_k", "moeviz.routers:mixtral", "moeviz.routers:softmax"),
        "the article, section 2c; Mixtral, section 2.1 (arXiv 2401.04088)",
        ("journey", "playground", "routers"), "normalize renormalize weights sum order mixtral gate",
    ),
    "zero_gradient": Question(
        "Why is the router’s gradient zero at k = 1?",
        "Divided by their sum, the chosen weights add up to 1; a single one is then 1 whatever the gate says. A "
        "constant has no slope, so the task loss tells the gate nothing and its regions never move, while the experts "
        "learn all the same. The remedy is not to divide: with the plain probability as weight, as in Switch, the "
        "gate learns.",
        "Left, the borders move and the gradient is above 0; right, it is exactly 0 and the regions stay as they "
        "began.",
        (twins("k = 1", RunConfig(top_k=1), "gate_form", left=("Plain weight", "plain"),
               right=("Divided by itself", "renormalized")),),
        ("gate_gradient",), ("moeviz.routers:top_k", "moeviz.routers:switch"),
        "Switch Transformer, eq. 2 (arXiv 2101.03961)",
        ("journey", "playground", "routers"), "top-1 top1 gate learn frozen switch renormalized vanishing",
    ),
    "not_differentiable": Question(
        "Top-k is not differentiable, so how does the gate learn?",
        "The choice passes no gradient, but the weights of the chosen do: they are smooth functions of the gate’s "
        "scores. Where one chosen expert answers better than the other, its score is raised, until it overtakes its "
        "rivals at a border. An expert that is never chosen gets no task gradient for its own weights, so it cannot "
        "improve.",
        "The gate’s gradient is above 0, and the borders between the letters move from step to step.",
        (one("k = 2, no balance loss"),),
        ("gate_gradient",), ("moeviz.routers:top_k", "moeviz.training.step:stepped"),
        "Shazeer et al. 2017, section 2.1 (arXiv 1701.06538)",
        ("journey", "playground"), "backpropagation discrete argmax straight-through selection training router",
    ),
    "load_share": Question(
        "What is fᵢ, and which value means balanced?",
        "fᵢ is a count: the share of all choices that went to expert i (a bar). Balanced means fᵢ = 1/N for every "
        "expert (the dashed line). Switch’s loss N · Σ fᵢ Pᵢ is then 1, not 0; Pᵢ, the mean gate probability (◆), "
        "carries its gradient, since a count has none. Some code divides by k elsewhere, so that balanced reads k "
        "instead of 1.",
        "Right, the loss settles near 1 and the bars near the dashed line; left, both leave them.",
        (twins("Switch’s loss", RunConfig(balance_loss="switch"), "balance_coef", left=("λ = 0", 0.0),
               right=("λ = 1", 1.0)),),
        ("balance_loss_value", "cv_load"), ("moeviz.losses:switch", "moeviz.metrics:load"),
        "Switch Transformer, eq. 4-6 (arXiv 2101.03961)",
        ("playground", "balance", "routers"), "load balancing auxiliary loss fraction tokens Pᵢ minimum value 1",
    ),
    "constant_loss": Question(
        "Why is the balance loss constant?",
        "Perhaps it has reached its balanced value, which for Switch’s loss is 1 and not 0. Or nothing can move it: "
        "at k = N every expert is always chosen, so fᵢ = 1/N and the loss is 1 whatever the gate does. Likewise "
        "importance with a weight that is always 1, and load without noise: these are plain counts, without a "
        "gradient.",
        "Left, the loss moves as the gate learns; right, it stays at the same number from the first step on.",
        (
            twins("k = N", RunConfig(balance_loss="switch", balance_coef=1.0), "top_k", left=("k = 2 of 8", 2),
                  right=("k = N = 8", 8)),
            twins("Importance, k = 1", RunConfig(balance_loss="importance", balance_coef=1.0, top_k=1), "gate_form",
                  left=("Plain weight", "plain"), right=("Weight always 1", "renormalized")),
        ),
        ("balance_loss_value", "cv_load"), ("moeviz.losses:switch", "moeviz.losses:importance", "moeviz.losses:load"),
        "Switch Transformer, eq. 4 (2101.03961); Shazeer et al. 2017, eq. 6-7 (1701.06538)",
        ("playground", "balance"), "stuck flat does not change decrease auxiliary load balancing aux",
    ),
    "nan": Question(
        "Why NaN?",
        "Nearly always the steps are too large: weights are thrown far away, the loss explodes and overflows, and ∞ − "
        "∞ is NaN. A run here stops itself before that and keeps its last good state. Other causes: √0 or log 0 in a "
        "loss (perfectly even load, an unused expert), which the formulas here avoid, and router arithmetic in half "
        "precision.",
        "With a learning rate of 10 it stops within ten steps. Press “Go back and lower the learning rate”.",
        (one("Learning rate 10", task="bumps", learning_rate=10.0),),
        ("task_loss",), ("moeviz.metrics:cv_squared", "moeviz.metrics:entropy"),
        "ST-MoE, on stability (arXiv 2202.08906)",
        ("playground",), "diverged exploded infinite inf overflow learning rate unstable loss gradient clipping",
    ),
    "dropped": Question(
        "What happens to dropped tokens?",
        "An expert with limited seats takes its first C = ⌈seats · k · T / N⌉ inputs. Whoever queues later is "
        "dropped: for that choice this layer adds exactly 0. In a transformer the residual connection carries the "
        "token past the layer; this small model has none, so the input gets no answer and accuracy falls. Even load "
        "drops less.",
        "✕ marks inputs that no expert answered; compare share dropped and accuracy.",
        (
            twins("Seats", RunConfig(top_k=1), "capacity_factor", left=("No limit", None), right=("Seats = 1", 1.0)),
            twins("Balance helps", RunConfig(top_k=1, capacity_factor=1.0), "balance_coef",
                  left=("λ = 0", 0.0), right=("λ = 10", 10.0)),
        ),
        ("dropped_share", "cv_load", "test_metric"), ("moeviz.routers:capacity", "moeviz.routers:queue"),
        "GShard, algorithm 1 (arXiv 2006.16668); Switch Transformer, section 2.2 (arXiv 2101.03961)",
        ("playground", "routers"), "capacity factor overflow residual skip seats buffer lost",
    ),
    "deepseek_bias": Question(
        "Is the DeepSeek bias trained by gradient?",
        "No. After each step every expert’s bias moves by a fixed amount: up if the expert got fewer choices than the "
        "mean, down if it got more. That is counting, outside of automatic differentiation. The bias only decides who "
        "is chosen; the weights come from the scores without it, so balancing does not bend the answer.",
        "Compare the unevenness of load with the bias and without it; neither run has a balance loss (λ = 0).",
        (twins("Bias", DEEPSEEK, "bias_rate", ("Without a bias", 0.0), ("With the bias", 0.001)),),
        ("cv_load", "balance_loss_value"), ("moeviz.routers:bias_step", "moeviz.routers:deepseek_v3"),
        "loss-free balancing, algorithm 1 (arXiv 2408.15664); DeepSeek-V3, eq. 16 (arXiv 2412.19437)",
        ("balance", "routers"), "auxiliary-loss-free bias update sign gamma autograd deepseek v3",
    ),
    "importance_load": Question(
        "Is importance the same as load?",
        "No. Load counts how often an expert is chosen; importance adds up the weights it is given. An expert that is "
        "always second with a weight of .05 has much load and little importance. With more choices per input the load "
        "evens out by itself, while a few experts may still have most of the weight.",
        "At k = 4 the load is nearly even, and importance is as uneven as at k = 2.",
        (twins("No balance loss", RunConfig(), "top_k", left=("k = 2", 2), right=("k = 4", 4)),),
        ("cv_load", "cv_importance"), ("moeviz.metrics:importance", "moeviz.metrics:load", "moeviz.losses:importance"),
        "Shazeer et al. 2017, section 4 and appendix A (arXiv 1701.06538)",
        ("playground", "balance"), "count weight sum gates shazeer cv squared",
    ),
    "specialization": Question(
        "Does balance mean specialization?",
        "No. Balance asks how much work each expert gets, specialization whether its inputs belong together. Here one "
        "true group holds half of all inputs: to even out the load the gate has to cut that group up, and the match "
        "between experts and groups falls.",
        "Wait for step 600: right, the load is far more even and the match with the true groups is lower.",
        (twins("Unequal groups", RunConfig(task="clusters_unequal", top_k=1, balance_loss="switch"), "balance_coef",
               left=("λ = 0", 0.0), right=("λ = 1", 1.0)),),
        ("cv_load", "specialization"), ("moeviz.metrics:specialization", "moeviz.losses:switch"),
        "measured here; compare Mixtral, section 5 (arXiv 2401.04088)",
        ("home", "playground", "balance"), "specialize experts groups even mutual information trade-off",
    ),
    "zero_loss": Question(
        "Does a balance loss of 0 mean even load?",
        "No. The article’s loss looks at mean gate probabilities, not at counts. A gate can spread its probability "
        "evenly on average and still rank some experts first far more often than others. So the loss reads .0000 "
        "while the bars are uneven.",
        "Right, the balance loss is 0 to three digits, the diamonds (◆) lie on the dashed line, and the bars do not.",
        (twins("The article’s loss", RunConfig(top_k=1), "balance_coef", left=("λ = 0", 0.0),
               right=("λ = 100 from the start", 100.0)),),
        ("balance_loss_value", "cv_load"), ("moeviz.losses:squared", "moeviz.metrics:cv"),
        "the article, section 3",
        ("playground", "balance"), "squared loss probability counts zero unbalanced",
    ),
    "letters": Question(
        "Do letters name jobs?",
        "No. A letter is only an expert’s number. Which region an expert gets is decided by the random start: another "
        "seed deals other regions, and the answers are about as good. So no letter means “left side”, and in a "
        "language model no expert number means “grammar” unless it is measured.",
        "The same letters lie in other places.",
        (twins("Two seeds", RunConfig(top_k=1, balance_coef=10.0), "seed", left=("Seed 0", 0), right=("Seed 1", 1)),),
        ("test_metric", "specialization"), ("moeviz.models.moe_layer:MoE", "moeviz.tensors.rng:stream"),
        "measured here",
        ("home", "playground"), "expert names colors meaning role random seed permutation",
    ),
    "pizza": Question(
        "Why are the regions pizza slices?",
        "The gate’s scores are Wᵀx. Doubling x doubles every score and changes no order, so the winner depends on "
        "the direction of x alone: each region is a cone with its tip at the origin, in the plane a slice. A gate "
        "bias lets the borders miss the origin.",
        "Move the probe straight away from the center: without a bias the first choice never changes.",
        (one("No gate bias", top_k=1, balance_coef=10.0),
         one("Gate bias", top_k=1, balance_coef=10.0, gate_bias=True)),
        (), ("moeviz.models.moe_layer:MoE", "moeviz.routers:top_k"),
        "the article, section 2b",
        ("home", "playground", "journey"), "cones borders straight lines origin gate bias map linear wedge shape",
    ),
    "memory": Question(
        "Does top-k halve the memory?",
        "No, it saves work. All N experts stay in memory, since the next input may need any of them, and in training "
        "their optimizer state stays too. What shrinks with k are the operations and activations for one input. So a "
        "model has two sizes: all parameters, and active parameters.",
        "Both keep the same parameters; k = 2 of 8 uses under a third of them for one input.",
        (twins("All or two", RunConfig(), "top_k", left=("k = N = 8", 8), right=("k = 2", 2)),),
        ("num_parameters", "active_parameters", "flops"),
        ("moeviz.models.moe_layer:MoE", "moeviz.models.dispatch:sparse"),
        "the article, section 4; Mixtral, section 1 (arXiv 2401.04088)",
        ("home", "playground", "sparse"), "ram vram gpu parameters active total cost flops sparse cheap storage",
    ),
    "lambda_accuracy": Question(
        "Does a higher λ raise accuracy?",
        "Not as a rule. λ evens out the work, and what that does to the answers depends on the data. Where equal "
        "groups wait for experts that idle, waking them costs nothing and may help. Where one group holds half of all "
        "inputs, even load has to cut it up, and answers get worse.",
        "Unequal groups: right, the load is more even and accuracy lower. Equal groups: right, more even and no worse.",
        (
            twins("Unequal groups", PRESETS["too_much"].config, "balance_coef", left=("λ = 0", 0.0),
                  right=("λ = 20", 20.0)),
            twins("Equal groups", RunConfig(top_k=1), "balance_coef", left=("λ = 0", 0.0), right=("λ = 10", 10.0)),
        ),
        ("test_metric", "cv_load"), ("moeviz.losses:squared", "moeviz.metrics:cv"),
        "measured here",
        ("home", "playground", "balance"), "better answers quality improve help performance trade-off",
    ),
    "lambda_units": Question(
        "Can λ be compared across losses?",
        "No. λ multiplies losses of different size and slope: the article’s lies between 0 and 1 − 1/N, Switch’s "
        "between about 1 and N. At k = 1, λ = 0.1 is hardly visible with the first, and halves the unevenness with "
        "the second. Compare what comes out (load, accuracy), not λ.",
        "Choose one loss, then the other: the right-hand run has λ = 0.1 both times.",
        tuple(
            twins(label, RunConfig(top_k=1, balance_loss=loss), "balance_coef",
                  left=("λ = 0", 0.0), right=("λ = 0.1", 0.1))
            for label, loss in (("The article’s", "squared"), ("Switch’s", "switch"))
        ),
        ("cv_load", "balance_loss_value", "test_metric"), ("moeviz.losses:squared", "moeviz.losses:switch"),
        "measured here",
        ("playground", "balance"), "coefficient alpha auxiliary weight scale hyperparameter 0.01 tune",
    ),
}  # fmt: skip


def about(place: str) -> list[str]:
    """The questions that arise on a page."""
    return [key for key, question in QUESTIONS.items() if place in question.places]


def find(text: str) -> list[str]:
    """Questions with a word that begins with each of the searched words, in any order; hits in the question first."""
    wanted = _words(text)
    matches = []
    for key, question in QUESTIONS.items():
        title, rest = _words(question.text), _words(f"{question.answer} {question.keywords}")
        if all(any(word.startswith(each) for word in title + rest) for each in wanted):
            in_title = sum(any(word.startswith(each) for word in title) for each in wanted)
            matches.append((-in_title, key))
    return [key for _, key in sorted(matches, key=lambda each: each[0])]


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()  # fᵢ and f_i are both fi
    return re.findall(r"\w+", re.sub("[_’']", "", plain))
