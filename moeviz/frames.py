"""A snapshot as one binary frame and back, for Python and for the browser alike.

    offset 0   b"MOE1"
    offset 4   header_bytes, uint32 little-endian; 8 + header_bytes is a multiple of 8
    offset 8   the header: a JSON object in UTF-8, padded with spaces (never NaN or Infinity: null instead)
    then       the arrays, little-endian and in C order, each starting at a multiple of 8

`header["arrays"]` lists them as [name, dtype, shape, offset]: dtype is one of u1 i2 i4 f4, and offset counts bytes from
the start of the frame, so that a browser reads `new Float32Array(buffer, offset, count)` without copying.

Header, per frame: `step`, `measured_step` (of all metrics, losses and loads, here and in every frame's arrays: while a
run trains they are measured a few times a second; pictures and the probe are of `step`), knob `revision`, `scene`
(rises when the points must be asked for again), `state` running | paused | diverged, `speed` slow | watch | fast,
`reason` (a sentence, or null), `steps_per_second` (of late; null: not measured yet), `seconds` trained, `settled` (it
paused by itself), `ghost` (what is drawn gray, in words, or null), `dispatch`, `device`, `marks` (what was
changed by hand: a list of {`step`, `knob`: its short name, `before`, `after`, `runs`} or {`step`, `expert`: its letter,
`now`: killed, frozen or free, `runs`}; many are joined: moeviz.training.settings.bounded), `tape` {`steps`: those
that can be shown again, `end`: the last step reached, `megabytes` of the recorded states, `limit` of these, `rows` that
a history has at most}, `left_out` (pictures that were asked for and that this task does not have), `probe` [x, y] (view
rows: number of the digit, and of its row),
`limited` (seats are), `batch_dependent` (a token's choice depends on its batch: seats are limited, experts choose,
tokens are mixed, or a second choice is skipped at random; maps, curves and the probe then show the preference for a
token by itself: nobody queues or is skipped, and where tokens are compared or mixed, it is with the test tokens).
Header, about the task: `task`, `kind`, `view` map | curve | projection | rows | text | pictures | pairs, `extent`,
`metric_name`, `lo` and `hi` (values that regression pictures are shaded between), `num_runs` R, `num_experts` N (of the
run that has most; in arrays the experts that another does not have are NaN or 0), `num_shared` experts beside them,
`num_outputs` O.
Header, a list with one entry per run: `experts` (its own N), `router`, `balance_loss`, `top_k`, `balance_coef`,
`route_by` (what the gate sees: token | context | input), `renormalized` (a token's weights add up to 1), `weights`,
`choice` and `skips` (how these come about, who decides, and whether a second choice may be skipped at random in
training: see moeviz.config.rules), `task_loss`, `balance_loss_value` (raw), `train_metric`, `test_loss`, `test_metric`,
`cv_load`, `specialization` (match with the true groups; null where there is one, or one expert), `dropped_share` (of
choices), `random_drop` (what a gate that chooses at random drops on average; null without a limit),
`unserved_share` (of tokens, without any expert), `cv_importance` (of the weights' sums),
`gate_gradient` (norm, of the last step; null before the first, and once the run has diverged), `max_violation`,
`load_entropy`, `logit_size`, `num_parameters`, `active_parameters` and `flops` (those of one token), `step_seconds`
(what a step takes of late, its bucket's divided by the runs in it; null before one was timed), `diverged_at` (the step
near which it diverged and since which it stands still; null while it trains),
`diverged_why` (what happened and the remedy, as said after its name; null); one per run and expert: `ids` (letter A is
id 0; the E axis is sorted by id), `dead`, `died_at` (step since which it is idle; 0 = never chosen; null = not dead),
`treated` (killed | frozen | null).

Arrays in every frame: `load`, `mean_prob`, `importance`, `gradient_norm` (of the last step), `update_share` (share of
the steps since it arrived in which an expert had a token; both are NaN before its first step, and `gradient_norm` once
the run has diverged), `probe_prob`, `probe_weight` f4[R,N]; `probe_chosen` u1[R,N]; `probe_first` u1[R,1] (first
choice, place on the E axis); `probe_output` f4[R,O] (shared experts included; view rows: the 16 numbers of the layer
inside the block); `probe_expert_output` f4[R,N,O] (what the weights multiply: of `soft` the answer to an expert's own
mixture); `ghost_load` f4[R,N] and `ghost_load_step` f4[R,1] (what it is of) while a ghost is there. Whatever was not
measured is null in the header and NaN in an array, never 0. Pictures add, in cells row by row from the upper left:
    first_choice   winner u1[R,64,64] (place on the E axis); chosen u1[R,64,64,⌈N/8⌉] (bit e%8 of byte e//8)
    confidence     confidence u1[R,64,64] (largest gate probability × 255)
    prediction     prediction u1[R,64,64] (class; or 255·(value − lo)/(hi − lo))
    gate           gate u1[R,N,32,32] (× 255)
    expert_output  expert_output u1[R,N,32,32] (as prediction)
    points         point_xy f4[R,P,2]; point_target [R,P] (u1 class, or f4 value); point_train, point_segment u1[R,P]
    choices        point_choice u1[R,P] (the kept expert with the largest weight; none kept: the first choice);
                   point_kept u1[R,P] (1 = any choice kept)
    batch          batch_xy f4[R,B,2]; batch_chosen, batch_kept u1[R,B,N] (tokens of the next step, and who gets them)
    groups         group_share f4[R,N,S] (share of each true group by first choice; NaN = no such token);
                   group_baseline f4[R] (match with true groups that chance alone gives; NaN where there is one)
    curve          curve_x, curve_target f4[G]; curve_prediction f4[R,G]; curve_expert, curve_gate f4[R,N,G];
                   curve_winner u1[R,G]
    rows           row_pixels u1[R,24,64] (test digits, ink × 255); row_target, row_answer u1[R,24]; in one batch of all
                   that are measured: row_expert u1[R,24,8] (the kept expert with the largest weight; none kept: the
                   first choice); row_kept u1[R,24,8] (1 = any choice kept); row_weight f4[R,8,N] (of the probe's
                   digit); where the router decides about whole digits, the eight rows of each are alike
    history        history_step f4[S]; history_<column of Training.history> f4[R,S]; history_balance_coef,
                   history_dropped_share, history_random_drop (NaN without a limit), history_unserved_share f4[R,S] (NaN
                   once a run has diverged beside others); history_load f4[R,M,S] by expert id, NaN
                   while it does not exist; deaths f4[R,M,8] by expert id: steps since which it was idle each time
                   that it died, oldest first, at most the newest 8, also after it came back (0 = never chosen until
                   then; NaN = it died less often); of a ghost: ghost_step f4[S]; ghost_task_loss,
                   ghost_balance_loss, ghost_test_metric, ghost_cv_load, ghost_dead_experts,
                   ghost_specialization f4[R,S]
    trails         history_step f4[S], as of the history; at these steps, by expert id: history_mean_prob,
                   history_importance f4[R,M,S] (share of all weights); NaN while it does not exist
    skill          skill_loss f4[R,N] (task loss of each expert's own answers to the measured test tokens, each
                   weighted by its gate probability for that token; NaN where that is 0 for all, as of a killed expert)
    journey        of the token at the probe: journey_x f4[R,D]; journey_gate_w f4[R,N,D]; journey_gate_b f4[R,N] (with
                   what gate_skew adds); journey_logit f4[R,N] (−inf of a killed expert); journey_target f4[R,1] (class)
                   or f4[R,O], of the test token at journey_distance f4[R,1]; journey_loss f4[R,1]; journey_gradient
                   f4[R,N] (of the loss, along each logit); journey_shared f4[R,O] (the shared experts' part of the
                   output); journey_alone_output f4[R,N,O] and journey_alone_loss f4[R,N] (this expert alone computes
                   the token, unmixed, with weight 1);
                   with F = plain, renormalized, softmax after top-k, each with the run's k, then with k = 1:
                   journey_form_weight, journey_form_gradient f4[R,F,N]; journey_form_output f4[R,F,O];
                   journey_form_loss f4[R,F]; of the measured train tokens: journey_mean_prob, journey_batch_load,
                   journey_first_share, journey_weight_sum, journey_likely_count f4[R,N]; journey_balance_loss (raw),
                   journey_mean_entropy, journey_batch_tokens (their number) f4[R,1]; deepseek_v3 adds
                   journey_choice_bias, journey_allowed (1 = in a best group) f4[R,N], journey_route_scale f4[R,1];
                   expert_choice journey_threshold f4[R,N] (the p of the last token taken); hash journey_table
                   f4[R,4] (the token's id, the table's length, its place there, the expert there); soft
                   journey_mixture f4[R,N,D] (what an expert computes), journey_mixed_size f4[R,N] (logsumexp of its
                   scores over the tokens of its mixture)
    items          of a task of pictures and words, M test items: item_picture u1[M,16,16,3]; item_words u1[B], JSON in
                   UTF-8: for each item and language its name and the four tokens of this
    pairs          of the same items, with P = the picture and L names: pair_share f4[R,N,P] (of a part's tokens, by
                   first choice); pair_owner u1[R,N] (0 nobody's expert, 1 of pictures, 2 of words, 3 of both);
                   pair_expert u1[R,M,36] (who serves each token); pair_item i2[R,1] (the item at the probe, x);
                   pair_picture i2[R,L,5] and pair_picture_score f4[R,L,5] (the pictures nearest to its name, and
                   cosines); pair_name, pair_name_score [R,L,5] (the names nearest to its picture)
    found          of the visitor's own word: found_words u1[B] (JSON, its tokens); found_expert u1[R,4]; found_picture
                   i2[R,5]; found_score f4[R,5]
    seating        of the first train tokens, T of them, as a batch of their own in training: seating_prob,
                   seating_weight f4[R,T,N]; seating_chosen, seating_kept u1[R,T,N]; seating_position i2[R,T,N] (in the
                   expert's queue from 0; −1 = not in it: not chosen, or skipped at random); seating_places i4[R,1] (T =
                   no limit); seating_load, seating_importance f4[R,N]; seating_loss f4[R,L] (raw, in
                   the order of router_facts.BALANCED_VALUES); seating_dropped f4[R,2] (share of choices; and by a gate
                   that chooses at random; NaN without a limit); seating_unserved f4[R,1] (share of tokens)
    text           of one test window of W characters of each of S kinds of text, by layer L: text_char i4[R,S,W] (code
                   points; U+FFFD = not in the alphabet); text_segment u1[R,S]; text_expert u1[R,L,S,W] (the kept expert
                   with the largest weight; none kept: the first choice); text_kept u1[R,L,S,W] (1 = any choice kept);
                   text_prob u1[R,L,S,W,N] (gate probability × 255)
    text_tables    of the measured test text, by layer: text_kind_share f4[R,L,N,S], text_class_share f4[R,L,N,6] (of
                   each kind of text, or of character, the share by first choice; see
                   task_facts.CHARACTER_CLASSES); text_match f4[R,L,2] (normalized mutual information of expert and kind
                   of text, of expert and kind of character); text_repeat f4[R,L,2] (share of neighbors with one first
                   choice; by chance); text_load f4[R,L,N]; text_baseline f4[R,2] (loss of the unigram, of the bigram)
    samples        sample_char i4[R,S,G] (prompts, continued by the model); sample_prompt i4[R,1] (their length)
    own_text       of a visitor's text, T characters: own_char i4[R,T]; own_known u1[R,T] (0 = not in the alphabet);
                   own_expert u1[R,L,T]; own_prob u1[R,L,T,N] (× 255)
    gallery        view pictures, of P test pictures, two of each class: gallery_pixels u1[R,P,256] (row by row, ink ×
                   255); gallery_target, gallery_answer u1[R,P]; gallery_expert u1[R,P,16] (who serves each patch, as
                   row_expert; patches row by row)
    liked          of the measured test pictures: class_share f4[R,N,O] (share of each class's patches, or of its
                   pictures, that each expert serves by first choice; NaN = no such picture); liked_pixels u1[R,N,5,256]
                   and liked_prob f4[R,N,5] (the pictures with each expert's largest gate probability, the mean over
                   their patches); domain_metric f4[R,S] (accuracy for each true group; NaN = no such picture)
    drawn          of the picture that the viewer gave: drawn_pixels u1[R,256] (fitted into the frame); drawn_class
                   f4[R,O] (probabilities); drawn_prob, drawn_weight f4[R,N] (mean over its patches); drawn_expert
                   u1[R,16] (who serves each patch)
Where a model has several layers, what is said of its routing is said layer by layer: behind the axis of runs there is
one of layers in `cv_load`, `specialization`, `dropped_share`, `unserved_share`, `cv_importance`, `gate_gradient`,
`max_violation`, `load_entropy`, `logit_size`, `dead` and `died_at`, and in the arrays `load`, `mean_prob`,
`importance`, `gradient_norm`, `update_share`, `ghost_load`, `history_load`, `deaths`, and those of `groups` and
`trails`. A history that is one number for each run has as many arrays instead: `history_cv_load_1`,
`history_cv_load_2`, and so on. `balance_loss_value` is the mean over layers, as the model is trained on it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MAGIC = b"MOE1"
DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(f"<{name}") for name in ("u1", "i2", "i4", "f4")}
PICTURES = (
    "first_choice", "confidence", "prediction", "gate", "expert_output", "choices", "points", "batch", "groups",
    "curve", "history", "journey", "rows", "seating", "trails", "skill", "text", "text_tables", "samples", "own_text",
    "items", "pairs", "found", "gallery", "liked", "drawn",
)  # fmt: skip
"""What a client may ask for; each name adds its own arrays to the ones that every frame carries."""

ALIGNMENT = 8
PREFIX = struct.Struct("<4sI")
WIDE_OFFSET = 10**9  # as many digits as an offset can need: the header's room is measured with it


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One frame from a header and its arrays; non-finite numbers in the header become null."""
    if "arrays" in header:
        raise ValueError("a frame's header must not hold the key arrays: got one; pass the arrays as second argument")
    plain = {name: _little_endian(name, array) for name, array in arrays.items()}
    start = _json({**header, "arrays": []})[: -len(b"]}")]  # written once; the table of arrays depends on its length
    room = _aligned(PREFIX.size + len(start) + len(_json(_table(plain, WIDE_OFFSET)))) - PREFIX.size
    text = start + _json(_table(plain, PREFIX.size + room))[1:] + b"}"
    parts = [PREFIX.pack(MAGIC, room), text.ljust(room)]
    for array in plain.values():
        parts += [array.tobytes(), bytes(_aligned(array.nbytes) - array.nbytes)]
    return b"".join(parts)


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header (without its table) and the arrays, as read-only views into the frame."""
    header, start = _read_header(frame)
    arrays = dict(_read_arrays(frame, header.pop("arrays", None), start))
    return header, arrays


def _read_header(frame: bytes) -> tuple[dict[str, Any], int]:
    """The header with its table, and where the arrays may begin."""
    if len(frame) < PREFIX.size:
        raise ValueError(f"a frame must have at least {PREFIX.size} bytes: got {len(frame)}; was it cut off?")
    magic, room = PREFIX.unpack_from(frame)
    start = PREFIX.size + room
    if magic != MAGIC:
        raise ValueError(f"a frame must begin with {MAGIC!r}: got {magic!r}; this is not a moeviz frame")
    if start > len(frame) or start % ALIGNMENT:
        raise ValueError(f"a frame's header must end inside it, at a multiple of 8: got {start} of {len(frame)} bytes")
    try:
        header = json.loads(bytes(frame[PREFIX.size : start]).decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a frame's header must be JSON in UTF-8: {error}; was it packed by moeviz.frames?") from None
    if not isinstance(header, dict):
        raise ValueError(f"a frame's header must be a JSON object: got {type(header).__name__}")
    return header, start


def _read_arrays(frame: bytes, table: Any, start: int) -> Iterator[tuple[str, np.ndarray]]:
    if not isinstance(table, list):
        raise ValueError(f"a frame's header must list its arrays: got arrays={table!r}; was it packed here?")
    for row in table:
        try:
            name, dtype, shape, offset = row
            whole = all(type(each) is int and each >= 0 for each in [*shape, offset])
            known = isinstance(name, str) and dtype in DTYPES
        except (TypeError, ValueError):
            whole = known = False
        if not (whole and known):
            raise ValueError(f"an array must be listed as [name, dtype, shape, offset]: got {row!r}"[:200])
        end = offset + math.prod(shape) * DTYPES[dtype].itemsize
        if offset < start or offset % ALIGNMENT or end > len(frame):
            raise ValueError(
                f"array {name} must lie inside the frame, from byte {start} to {len(frame)} and at a multiple of 8: "
                f"got {offset} to {end}; was the frame cut off?"
            )
        yield name, _view(frame, name, DTYPES[dtype], shape, offset)


def _view(frame: bytes, name: str, dtype: np.dtype[Any], shape: list[int], offset: int) -> np.ndarray:
    try:
        view: np.ndarray = np.ndarray(shape, dtype, buffer=frame, offset=offset)
    except ValueError as error:  # more axes, or a longer empty axis, than numpy can hold
        raise ValueError(f"array {name} must have a shape that numpy can hold: {error}"[:200]) from None
    view.flags.writeable = False
    return view


def _table(arrays: Mapping[str, np.ndarray], start: int) -> list[list[Any]]:
    """[name, dtype, shape, offset] of each array when the first begins at byte `start`."""
    rows: list[list[Any]] = []
    for name, array in arrays.items():
        rows.append([name, f"{array.dtype.kind}{array.dtype.itemsize}", list(array.shape), start])
        start += _aligned(array.nbytes)
    return rows


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    dtype = DTYPES.get(f"{array.dtype.kind}{array.dtype.itemsize}")
    if dtype is None:
        raise ValueError(f"array {name} must be one of {', '.join(DTYPES)}: got {array.dtype}; convert it first")
    return array.astype(dtype, copy=False)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _json(value: Any) -> bytes:
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_native)
    except ValueError:  # rare, so the common frame does not pay for looking at every number
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode()


def _native(value: Any) -> Any:
    """numpy's numbers and arrays as Python's; anything else is a caller's mistake."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a frame's header must hold JSON values: got {type(value).__name__}; convert it first")


def _finite(value: Any) -> Any:
    """The same value with null in place of every NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
