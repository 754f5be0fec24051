"""The arrays of a frame: those that every frame has, and those of each picture that a viewer may ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from moeviz.config.names import CHARTED, GHOST_CURVES, LAYERED
from moeviz.config.task_facts import TASK_INFO
from moeviz.frames.field import Field

VIEWS = tuple(dict.fromkeys(info.view for info in TASK_INFO.values()))
MAP, CURVE, ROWS, TEXT, DRAWINGS, PAIRS = (("map",), ("curve",), ("rows",), ("text",), ("pictures",), ("pairs",))
PLANE = ("map", "curve", "projection")  # where a token is a point
PROBED = (*PLANE, *ROWS)  # where a probe points at a token

PROBED_ONLY = "view map, curve, projection or rows"
GHOSTLY = "a ghost is there"


@dataclass(frozen=True)
class Picture:
    """What a viewer may ask for: of which tasks, from what, and the arrays that it is."""

    fields: tuple[Field, ...]
    views: tuple[str, ...] = VIEWS  # of the tasks that have it
    of: str = "run"  # | history | probe | text | drawing: the visitor's own


EVERY_FRAME = (
    Field("load", "f4", "runs layers? experts", "share", "of all choices, by expert"),
    Field("mean_prob", "f4", "runs layers? experts", "probability", "mean gate probability over tokens"),
    Field("importance", "f4", "runs layers? experts", "", "sum over tokens of each expert's weights"),
    Field(
        "gradient_norm", "f4", "runs layers? experts", "",
        "norm of each expert's gradient, of the last step; NaN before its first, and once the run has diverged",
    ),
    Field(
        "update_share", "f4", "runs layers? experts", "share",
        "of the steps since it arrived in which an expert had a token; NaN before its first",
    ),
    Field("probe_prob", "f4", "runs experts", "probability", "the gate's for the token at the probe", PROBED_ONLY),
    Field("probe_weight", "f4", "runs experts", "", "what each expert's output is multiplied by", PROBED_ONLY),
    Field("probe_chosen", "u1", "runs experts", "", "1 = chosen", PROBED_ONLY),
    Field("probe_first", "u1", "runs 1", "expert", "first choice", PROBED_ONLY),
    Field(
        "probe_output", "f4", "runs outputs", "",
        "the answer, shared experts included; of the view rows the 16 numbers of the layer inside the block",
        PROBED_ONLY,
    ),
    Field(
        "probe_expert_output", "f4", "runs experts outputs", "",
        "what the weights multiply; of the router soft each expert's answer to its own mixture", PROBED_ONLY,
    ),
    Field("ghost_load", "f4", "runs layers? experts", "share", "of the ghost's choices, in the run's places", GHOSTLY),
    Field("ghost_load_step", "f4", "runs 1", "steps", "of ghost_load", GHOSTLY),
)  # fmt: skip

CHARTS = {
    "task_loss": "loss of train tokens",
    "balance_loss": "loss of train tokens, not weighted; the mean over layers",
    "train_metric": "accuracy of train tokens, or what the header's metric_name says",
    "test_metric": "of test tokens",
    "cv_load": "coefficient of variation of the load",
    "dead_experts": "how many experts are dead",
    "specialization": "match of first choice and true group",
    "balance_coef": "λ",
    "dropped_share": "share of choices, without a seat",
    "random_drop": "share of choices, chosen at random, without a seat",
    "unserved_share": "share of tokens, without an expert",
}
"""What is told over time; NaN once a run has diverged beside others."""
HISTORY_FIELDS = (
    Field("history_step", "f4", "steps", "steps", "of what is told over time"),
    *(
        Field(f"history_{name}", "f4", "runs steps", "", CHARTS[name], each_layer=name in LAYERED) for name in CHARTED
    ),
    Field("history_load", "f4", "runs layers? ids steps", "share", "of all choices"),
    Field(
        "deaths", "f4", "runs layers? ids deaths", "steps",
        "since which an expert was idle each time that it died, also if it came back; 0 = never chosen until then;"
        " NaN = it died less often",
    ),
    Field("ghost_step", "f4", "ghost_steps", "steps", "of what is told of the ghost over time", GHOSTLY),
    *(
        Field(f"ghost_{name}", "f4", "runs ghost_steps", "", CHARTS[name], GHOSTLY, each_layer=name in LAYERED)
        for name in GHOST_CURVES
    ),
)  # fmt: skip

JOURNEY_FIELDS = (
    Field("journey_x", "f4", "runs inputs", "", "the token at the probe"),
    Field("journey_gate_w", "f4", "runs experts inputs", "", "the gate's columns"),
    Field("journey_gate_b", "f4", "runs experts", "", "the gate's bias, with what the knob gate_skew adds"),
    Field("journey_logit", "f4", "runs experts", "", "the scores; −∞ of a killed expert"),
    Field("journey_target", "f4", "runs answer", "", "class, or values, of the nearest test token"),
    Field("journey_distance", "f4", "runs 1", "", "of that test token"),
    Field("journey_loss", "f4", "runs 1", "loss", "task loss of the answer"),
    Field("journey_gradient", "f4", "runs experts", "", "of that loss, along each logit"),
    Field("journey_shared", "f4", "runs outputs", "", "the shared experts' part of the answer"),
    Field("journey_alone_output", "f4", "runs experts outputs", "", "if one expert alone computed it, with weight 1"),
    Field("journey_alone_loss", "f4", "runs experts", "loss", "of these answers"),
    Field("journey_form_weight", "f4", "runs forms experts", "", "weights under each form"),
    Field("journey_form_gradient", "f4", "runs forms experts", "", "of the loss under each form, along each logit"),
    Field("journey_form_output", "f4", "runs forms outputs", "", "the answer under each form"),
    Field("journey_form_loss", "f4", "runs forms", "loss", "of these answers"),
    Field("journey_mean_prob", "f4", "runs experts", "probability", "of the measured train tokens, as all below"),
    Field("journey_batch_load", "f4", "runs experts", "share", "of choices"),
    Field("journey_first_share", "f4", "runs experts", "share", "of first choices"),
    Field("journey_weight_sum", "f4", "runs experts", "", "of weights"),
    Field("journey_likely_count", "f4", "runs experts", "", "expected number of tokens: see moeviz.losses"),
    Field("journey_balance_loss", "f4", "runs 1", "loss", "not weighted"),
    Field("journey_mean_entropy", "f4", "runs 1", "nats", "of the gate probabilities"),
    Field("journey_batch_tokens", "f4", "runs 1", "", "number of these tokens"),
    Field("journey_choice_bias", "f4", "runs experts", "", "what is added for the choice alone", "router deepseek_v3"),
    Field("journey_allowed", "f4", "runs experts", "", "1 = in one of the token's best groups", "router deepseek_v3"),
    Field("journey_route_scale", "f4", "runs 1", "", "what multiplies the weights", "router deepseek_v3"),
    Field("journey_threshold", "f4", "runs experts", "probability", "of the last token taken", "router expert_choice"),
    Field(
        "journey_table", "f4", "runs 4", "", "the token's id, the table's length, its place there, the expert there",
        "router hash",
    ),
    Field("journey_mixture", "f4", "runs experts inputs", "", "what each expert computes", "router soft"),
    Field("journey_mixed_size", "f4", "runs experts", "", "log Σ exp(score) over its mixture", "router soft"),
)  # fmt: skip

PICTURES = {
    "first_choice": Picture((
        Field("winner", "u1", "runs 64 64", "expert", "first choice of each cell, in rows from the upper left"),
        Field("chosen", "u1", "runs 64 64 mask", "bits", "all chosen experts of each cell"),
    ), MAP),
    "confidence": Picture((
        Field("confidence", "u1", "runs 64 64", "probability × 255", "the largest gate probability of each cell"),
    ), MAP),
    "prediction": Picture((
        Field("prediction", "u1", "runs 64 64", "class, or 255·(value − lo) / (hi − lo)", "the answer in each cell"),
    ), MAP),
    "gate": Picture((
        Field("gate", "u1", "runs experts 32 32", "probability × 255", "the gate's, for each cell"),
    ), MAP),
    "expert_output": Picture((
        Field("expert_output", "u1", "runs experts 32 32", "as prediction", "each expert's own answer, chosen or not"),
    ), MAP),
    "choices": Picture((
        Field(
            "point_choice", "u1", "runs points", "expert",
            "the kept one with the largest weight; none kept: the first choice",
        ),
        Field("point_kept", "u1", "runs points", "", "1 = any choice kept"),
    ), PLANE),
    "points": Picture((
        Field("point_xy", "f4", "runs points 2", "", "where it is shown"),
        Field("point_target", "u1|f4", "runs points", "class, or value", "what is to be learned"),
        Field("point_train", "u1", "runs points", "", "1 = a train token"),
        Field("point_segment", "u1", "runs points", "group", "its true group"),
    ), PLANE),
    "batch": Picture((
        Field("batch_xy", "f4", "runs tokens 2", "", "the tokens of the next step, where they are shown"),
        Field("batch_chosen", "u1", "runs tokens experts", "", "1 = chosen"),
        Field("batch_kept", "u1", "runs tokens experts", "", "1 = gets it"),
    ), PLANE),
    "groups": Picture((
        Field(
            "group_share", "f4", "runs layers? experts groups", "share",
            "of each true group's tokens, by first choice; NaN = no such token",
        ),
        Field(
            "group_baseline", "f4", "runs layers?", "share",
            "match with true groups that chance alone gives; NaN where there is one",
        ),
    )),
    "curve": Picture((
        Field("curve_x", "f4", "line", "", "the input"),
        Field("curve_target", "f4", "line", "", "what is to be learned"),
        Field("curve_prediction", "f4", "runs line", "", "the answer"),
        Field("curve_expert", "f4", "runs experts line", "", "each expert's own answer"),
        Field("curve_gate", "f4", "runs experts line", "probability", "the gate's"),
        Field("curve_winner", "u1", "runs line", "expert", "first choice"),
    ), CURVE),
    "history": Picture(HISTORY_FIELDS, of="history"),
    "journey": Picture(JOURNEY_FIELDS, PLANE, of="probe"),
    "rows": Picture((
        Field("row_pixels", "u1", "runs digits 64", "ink × 255", "the pixels of each digit, row by row"),
        Field("row_target", "u1", "runs digits", "class", "what it is"),
        Field("row_answer", "u1", "runs digits", "class", "what the model takes it for, in one batch of all measured"),
        Field("row_expert", "u1", "runs digits rows", "expert", "who serves each row, as point_choice"),
        Field("row_kept", "u1", "runs digits rows", "", "1 = any choice kept"),
        Field("row_weight", "f4", "runs rows experts", "", "weights of the probe's digit"),
    ), ROWS, of="probe"),
    "seating": Picture((
        Field("seating_prob", "f4", "runs tokens experts", "probability", "of the first train tokens, as one batch"),
        Field("seating_weight", "f4", "runs tokens experts", "", "of each expert's output"),
        Field("seating_chosen", "u1", "runs tokens experts", "", "1 = chosen"),
        Field("seating_kept", "u1", "runs tokens experts", "", "1 = has a seat"),
        Field(
            "seating_position", "i2", "runs tokens experts", "",
            "in the expert's queue, from 0; −1 = not chosen, or skipped at random",
        ),
        Field("seating_places", "i4", "runs 1", "", "seats of an expert; of no limit as many as tokens"),
        Field("seating_load", "f4", "runs experts", "share", "of choices"),
        Field("seating_importance", "f4", "runs experts", "", "sum over tokens of each expert's weights"),
        Field("seating_loss", "f4", "runs balance_losses", "loss", "each balance loss of this batch, not weighted"),
        Field(
            "seating_dropped", "f4", "runs 2", "share", "of choices; chosen at random; NaN without a limit"
        ),
        Field("seating_unserved", "f4", "runs 1", "share", "of tokens"),
    ), (*PLANE, *ROWS, *DRAWINGS)),  # of others an input has more tokens than it shows
    "trails": Picture((
        HISTORY_FIELDS[0],
        Field("history_mean_prob", "f4", "runs layers? ids steps", "probability", "mean over tokens"),
        Field("history_importance", "f4", "runs layers? ids steps", "share", "of all weights"),
    ), of="history"),
    "skill": Picture((
        Field(
            "skill_loss", "f4", "runs experts", "loss",
            "of each expert's own answers to test tokens, by its gate probability; NaN where that is 0 for all",
        ),
    ), PLANE),
    "text": Picture((
        Field("text_char", "i4", "runs windows characters", "code point", "U+FFFD = not in the alphabet"),
        Field("text_segment", "u1", "runs windows", "kind", "of each window"),
        Field("text_expert", "u1", "runs layers windows characters", "expert", "who serves it, as point_choice"),
        Field("text_kept", "u1", "runs layers windows characters", "", "1 = any choice kept"),
        Field("text_prob", "u1", "runs layers windows characters experts", "probability × 255", "the gate's"),
    ), TEXT),
    "text_tables": Picture((
        Field("text_kind_share", "f4", "runs layers experts kinds", "share", "of each kind of text, by first choice"),
        Field("text_class_share", "f4", "runs layers experts classes", "share", "of each class, by first choice"),
        Field("text_match", "f4", "runs layers 2", "share", "of expert and kind, of expert and class: see metrics"),
        Field("text_repeat", "f4", "runs layers 2", "share", "of neighbors with one first choice; by chance"),
        Field("text_load", "f4", "runs layers experts", "share", "of choices"),
        Field("text_baseline", "f4", "runs 2", "loss", "of the unigram, of the bigram"),
    ), TEXT),
    "samples": Picture((
        Field("sample_char", "i4", "runs windows written", "code point", "a prompt, continued by the model"),
        Field("sample_prompt", "i4", "runs 1", "", "characters of the prompt"),
    ), TEXT),
    "own_text": Picture((
        Field("own_char", "i4", "runs typed", "code point", "the visitor's text"),
        Field("own_known", "u1", "runs typed", "", "0 = not in the alphabet"),
        Field("own_expert", "u1", "runs layers typed", "expert", "first choice"),
        Field("own_prob", "u1", "runs layers typed experts", "probability × 255", "the gate's"),
    ), TEXT, of="text"),
    "items": Picture((
        Field("item_picture", "u1", "items 16 16 3", "red, green, blue", "the pictures"),
        Field("item_words", "u1", "item_bytes", "JSON", "of each item and language its name, and its four tokens"),
    ), PAIRS),
    "pairs": Picture((
        Field("pair_share", "f4", "runs experts parts", "share", "of a part's tokens, by first choice"),
        Field("pair_owner", "u1", "runs experts", "", "whose expert: 0 nobody's, 1 of pictures, 2 of words, 3 of both"),
        Field("pair_expert", "u1", "runs items item_tokens", "expert", "who serves each token"),
        Field("pair_item", "i2", "runs 1", "item", "that the probe has chosen"),
        Field("pair_picture", "i2", "runs languages nearest", "item", "whose picture is nearest to its name"),
        Field("pair_picture_score", "f4", "runs languages nearest", "cosine", "of these"),
        Field("pair_name", "i2", "runs languages nearest", "item", "whose name is nearest to its picture"),
        Field("pair_name_score", "f4", "runs languages nearest", "cosine", "of these"),
    ), PAIRS, of="probe"),
    "found": Picture((
        Field("found_words", "u1", "found_bytes", "JSON", "the tokens of the visitor's word"),
        Field("found_expert", "u1", "runs 4", "expert", "who serves each"),
        Field("found_picture", "i2", "runs nearest", "item", "whose picture is nearest to the word"),
        Field("found_score", "f4", "runs nearest", "cosine", "of these"),
    ), PAIRS, of="text"),
    "gallery": Picture((
        Field("gallery_pixels", "u1", "runs pictures 256", "ink × 255", "row by row"),
        Field("gallery_target", "u1", "runs pictures", "class", "what it is"),
        Field("gallery_answer", "u1", "runs pictures", "class", "what the model takes it for"),
        Field("gallery_expert", "u1", "runs pictures patches", "expert", "who serves each patch, as point_choice"),
    ), DRAWINGS),
    "liked": Picture((
        Field(
            "class_share", "f4", "runs experts outputs", "share",
            "of each class's patches, or of its pictures, by first choice; NaN = no such picture",
        ),
        Field("liked_pixels", "u1", "runs experts liked 256", "ink × 255", "row by row"),
        Field("liked_prob", "f4", "runs experts liked", "probability", "the gate's, the mean over patches"),
        Field("domain_metric", "f4", "runs groups", "", "accuracy for each true group; NaN = no such picture"),
    ), DRAWINGS),
    "drawn": Picture((
        Field("drawn_pixels", "u1", "runs 256", "ink × 255", "the visitor's picture, fitted into the frame"),
        Field("drawn_class", "f4", "runs outputs", "probability", "of each class"),
        Field("drawn_prob", "f4", "runs experts", "probability", "the gate's, the mean over patches"),
        Field("drawn_weight", "f4", "runs experts", "", "the mean over patches"),
        Field("drawn_expert", "u1", "runs patches", "expert", "who serves each patch"),
    ), DRAWINGS, of="drawing"),
}  # fmt: skip
"""What a viewer may ask for; each adds its own arrays to the ones that every frame has."""

ARRAYS = {
    field.name: field
    for fields in (EVERY_FRAME, *(picture.fields for picture in PICTURES.values()))
    for field in fields
}  # fmt: skip


def field_of(name: str) -> Field:
    """What an array of a frame is; ValueError for one that no frame has."""
    field = ARRAYS.get(name)
    if field is None:
        whole = ARRAYS.get(re.sub(r"_\d+$", "", name))
        field = whole if whole and whole.each_layer else None
    if field is None:
        raise ValueError(f"an array must be one of moeviz.frames.pictures: got {name}; give it a Field there")
    return field
