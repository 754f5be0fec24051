"""The header of a frame: plain values of the run group, of its task, of each run, and of each run's experts."""

from __future__ import annotations

from moeviz.frames.field import Field

OF_THE_FRAME = (
    Field("step", "int", "", "steps", "of the weights, and so of pictures and probe"),
    Field(
        "measured_step", "int", "", "steps",
        "of all metrics, losses and loads, here and in arrays: a run that trains is measured a few times a second",
    ),
    Field("revision", "int", "", "", "how many knobs have been turned", "a worker plays the run"),
    Field("data_version", "int", "", "", "rises when the points must be asked for again", "a worker plays the run"),
    Field("state", "running|paused|diverged", "", "", "what the run group does", "a worker plays the run"),
    Field("speed", "slow|watch|fast", "", "", "how fast it is played", "a worker plays the run"),
    Field("reason", "str?", "", "", "a sentence: why it has stopped, or what else had to change"),
    Field("steps_per_second", "float?", "", "1/s", "of late; null until measured", "a worker plays the run"),
    Field("seconds", "float", "", "s", "trained so far"),
    Field("settled", "bool", "", "", "it has paused by itself: nothing changed any more", "a worker plays the run"),
    Field("ghost", "str?", "", "", "what is drawn gray, in words", "a worker plays the run"),
    Field("dispatch", "str", "", "", "how tokens reach their experts: masked or gathered; of several shapes by comma"),
    Field("device", "str", "", "", "what the model trains on"),
    Field("marks", "Mark[]", "", "", "what was changed by hand; many are joined: moeviz.training.settings.bounded"),
    Field("tape", "Tape", "", "", "what can be wound back to"),
    Field("left_out", "str[]", "", "", "pictures that were asked for and that tasks of this view do not have"),
    Field("probe", "Point?", "", "", "where it is; of the view rows: number of the digit, and of its row"),
    Field("limited", "bool", "", "", "an expert has only so many seats"),
    Field(
        "batch_dependent", "bool", "", "",
        "a token's choice depends on its batch: seats are limited, experts choose, tokens are mixed, or a second choice"
        " is skipped at random. Maps, curves and the probe then show the preference for a token by itself: nobody"
        " queues or is skipped, and where tokens are compared or mixed, it is with the test tokens",
    ),
)  # fmt: skip

OF_THE_TASK = (
    Field("task", "str", "", "", "its name"),
    Field("kind", "str", "", "", "classification, regression, retrieval or text"),
    Field("view", "map|curve|projection|rows|text|pictures|pairs", "", "", "how its tokens are shown"),
    Field("extent", "float", "", "", "maps and curves show −extent to extent"),
    Field("metric_name", "str", "", "", "what train_metric and test_metric are"),
    Field("lo", "float", "", "", "the value that is shaded least, of regression"),
    Field("hi", "float", "", "", "the value that is shaded most"),
    Field("num_runs", "int", "", "", "R"),
    Field("num_experts", "int", "", "", "N of the run that has most"),
    Field("num_shared", "int", "", "", "experts beside them that compute every token"),
    Field("num_outputs", "int", "", "", "numbers of one answer"),
)

OF_RUNS = (
    Field("experts", "int", "runs", "", "its own N"),
    Field("router", "str", "runs", "", "its name"),
    Field("balance_loss", "str", "runs", "", "its name"),
    Field("top_k", "int", "runs", "", "k"),
    Field("balance_coef", "float", "runs", "", "λ"),
    Field("route_by", "token|context|input", "runs", "", "what the gate sees"),
    Field("renormalized", "bool", "runs", "", "a token's weights add up to 1"),
    Field("weights", "str", "runs", "", "how weights follow from scores: see moeviz.config.rules"),
    Field("choice", "scores|bias|experts|table|nobody", "runs", "", "who decides"),
    Field("skips", "bool", "runs", "", "a second choice may be skipped at random in training"),
    Field("task_loss", "float?", "runs", "loss", "of train tokens"),
    Field("balance_loss_value", "float?", "runs", "loss", "of train tokens, not weighted; the mean over layers"),
    Field("train_metric", "float?", "runs", "", "of train tokens"),
    Field("test_loss", "float?", "runs", "loss", "of test tokens, as are all that follow"),
    Field("test_metric", "float?", "runs", "", "accuracy, or what metric_name says"),
    Field("cv_load", "float?", "runs layers?", "", "coefficient of variation of the load"),
    Field(
        "specialization", "float?", "runs layers?", "share",
        "match of first choice and true group; null where there is one group, or one expert",
    ),
    Field("dropped_share", "float?", "runs layers?", "share", "of choices, that found no seat"),
    Field("random_drop", "float?", "runs", "share", "what a gate that chooses at random drops; null without a limit"),
    Field("unserved_share", "float?", "runs layers?", "share", "of tokens, without any expert"),
    Field("cv_importance", "float?", "runs layers?", "", "coefficient of variation of the weights' sums"),
    Field(
        "gate_gradient", "float?", "runs layers?", "",
        "norm of the gate's, of the last step; null before the first, and once the run has diverged",
    ),
    Field("max_violation", "float?", "runs layers?", "", "how far the busiest is above even load, in even loads"),
    Field("load_entropy", "float?", "runs layers?", "nats", "of the load; log N = even"),
    Field("logit_size", "float?", "runs layers?", "", "mean over tokens of log Σ exp(logit) (z-loss)"),
    Field("num_parameters", "int", "runs", "", "of the network"),
    Field("active_parameters", "int", "runs", "", "that one token uses"),
    Field("flops", "int", "runs", "", "operations for one token"),
    Field("step_seconds", "float?", "runs", "s", "of late, of a step of all alike by their number; null until timed"),
    Field("diverged_at", "int?", "runs", "steps", "near which it diverged and since which it stands still"),
    Field("diverged_why", "str?", "runs", "", "what happened and the remedy, as said after its name"),
)  # fmt: skip

OF_EXPERTS = (
    Field("ids", "int", "runs experts", "", "letter A is id 0; places are sorted by id"),
    Field("dead", "bool", "runs layers? experts", "", "no test token has chosen it for three measurements on end"),
    Field("died_at", "int?", "runs layers? experts", "steps", "since which it is idle; 0 = never chosen"),
    Field("treated", "killed|frozen?", "runs experts", "", "what was done to it by hand"),
)

HEADER = {"frame": OF_THE_FRAME, "task": OF_THE_TASK, "run": OF_RUNS, "run and expert": OF_EXPERTS}
KEYS = {field.name: field for fields in HEADER.values() for field in fields}
OF_EACH_RUN = frozenset(field.name for field in (*OF_RUNS, *OF_EXPERTS))
"""The lists that have one entry for each run."""

SHAPES = {
    "Mark": "{`step`, `knob`: its short name, `before`, `after`, `runs`}, or {`step`, `expert`: its letter,"
    " `now`: killed, frozen or free, `runs`}",
    "Tape": "{`steps`: those that can be shown again, `end`: the last step reached, `megabytes` of the recorded states,"
    " `limit` of these, `rows` that a history has at most}",
    "Point": "[x, y]",
}
"""Values of the header that are made of several."""
