"""Pictures of a language model: who reads which character, how experts share the text, what it writes by itself."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz import metrics
from moeviz.config.task_facts import CHARACTER_CLASSES
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.routers import Routing
from moeviz.tasks.text import ALPHABET, CLASS_OF, ids
from moeviz.tensors.rng import stream
from moeviz.training import from_configs
from moeviz.training.measure import in_each, segments
from moeviz.training.state import State
from moeviz.training.views.bytes import Arrays, floats, integers, shades

CODES = torch.tensor([ord(character) for character in ALPHABET])
PROMPT, WRITTEN = 16, 32  # characters that a sample starts with, and that the model adds
TEMPERATURE = 0.7  # below 1: likely characters are drawn more often than the model's probabilities say


def text(state: State) -> Arrays:
    """One test window of each kind, character by character: who reads it in each layer, and the gate probabilities.

    Where characters act on each other, these windows are among all that are measured.
    """
    tokens, index_J = state.data.measured_test, shown(state)
    among_all = from_configs.crowded(state.configs)
    windows_RMW = tokens.x_RTD if among_all else tokens.x_RTD[:, index_J]
    routing = state.model.route(state.rows_RAP, windows_RMW, state.routing_knobs_for(windows_RMW.shape[1]))
    expert, kept, prob = (
        _by_place(table, windows_RMW)[:, :, index_J if among_all else slice(None)]
        for table in (metrics.server(routing), routing.kept_TE.any(-1), routing.probs_TE)
    )
    return {
        "text_char": _codes(tokens.x_RTD[:, index_J]), "text_segment": integers(tokens.segment_RT[:, index_J]),
        "text_expert": integers(expert), "text_kept": integers(kept), "text_prob": shades(prob),
    }  # fmt: skip


def shown(state: State) -> Int[Tensor, " J"]:
    """Which of the measured windows are drawn: one of each kind, from everywhere in the queue of all."""
    kinds, count = state.data.tasks[0].num_segments, state.data.measured_test.count
    kind_J = torch.arange(kinds, device=state.device)
    return kind_J + kind_J * (count // kinds) // kinds * kinds  # the kinds take turns


def text_tables(state: State) -> Arrays:
    """Which experts take which kinds of text and of characters, layer by layer, on the measured test text.

    The first choice counts. Repeats: the share of neighbors in a window with one expert; by chance, Σ load².
    """
    tokens, num_kinds = state.data.measured_test, state.data.tasks[0].num_segments
    routing = state.model.route(state.rows_RAP, tokens.x_RTD, state.routing_knobs_for(tokens.count))
    kind_RLT = in_each(routing, segments(state))
    class_V = torch.tensor(CLASS_OF, device=state.device)
    class_RLT = in_each(routing, class_V[tokens.x_RTD.long()].flatten(1))
    by_kind, by_class = ((kind_RLT, num_kinds), (class_RLT, len(CHARACTER_CLASSES)))
    matches = [metrics.specialization(routing, *each) for each in (by_kind, by_class)]
    return {
        "text_kind_share": floats(metrics.share_of_each(routing, *by_kind)),
        "text_class_share": floats(metrics.share_of_each(routing, *by_class)),
        "text_match": floats(torch.stack(matches, dim=-1)), "text_repeat": floats(repeats(routing, tokens.x_RTD)),
        "text_load": floats(metrics.load(routing, k=state.routing_knobs.k)),
        "text_baseline": floats(state.data.baselines),
    }  # fmt: skip


def repeats(layered: Routing, x_RMW: Float[Tensor, "R M W"]) -> Float[Tensor, "R L 2"]:
    """How often two neighbors in a window have the same first choice, and how often two by chance would: Σ load²."""
    first_RLMW = metrics.first_choice(layered).unflatten(-1, x_RMW.shape[1:])
    same_RL = (first_RLMW[..., 1:] == first_RLMW[..., :-1]).to(x_RMW.dtype).mean((-1, -2))
    load_RLE = layered.first_TE.to(x_RMW.dtype).mean(-2)
    return torch.stack([same_RL, load_RLE.square().sum(-1)], dim=-1)


def samples(state: State) -> Arrays:
    """What the model writes after the first characters of each shown window, drawn anew at every step."""
    prompt_RMW = state.data.measured_test.x_RTD[:, shown(state), :PROMPT]
    return {"sample_char": _codes(written(state, prompt_RMW, WRITTEN)), "sample_prompt": _one(state, PROMPT)}


def written(state: State, prompt_RMW: Float[Tensor, "R M W"], count: int) -> Float[Tensor, "R M W2"]:
    """The prompts, continued by so many characters, each drawn from the model's own probabilities."""
    knobs = alone(state, prompt_RMW)
    drawn = [
        torch.rand(*prompt_RMW.shape[1:2], count, generator=stream(config.seed, "samples", state.current_step))
        for config in state.configs
    ]
    uniform_RMW = torch.stack(drawn).to(prompt_RMW)
    for number in range(count):
        scores_RMO = state.model(state.rows_RAP, prompt_RMW, knobs)[0][:, :, -1]
        below_RMO = (scores_RMO / TEMPERATURE).softmax(-1).cumsum(-1) < uniform_RMW[:, :, [number]]
        next_RM1 = below_RMO.sum(-1, keepdim=True).clamp(max=scores_RMO.shape[-1] - 1)
        prompt_RMW = torch.cat([prompt_RMW, next_RM1.to(prompt_RMW)], dim=-1)
    return prompt_RMW


def own_text(state: State, given: str) -> Arrays:
    """A visitor's own text, read window by window: who reads each character, and the gate probabilities.

    Characters that are not in the alphabet are all the same to the model.
    """
    width, letters = from_configs.tokens_per_input(state.configs), ids(given)
    windows_MW = torch.nn.functional.pad(letters, (0, -len(letters) % width)).unflatten(0, (-1, width))
    windows_RMW = windows_MW.expand(len(state.configs), -1, -1).to(state.rows_RAP)
    routing = state.model.route(state.rows_RAP, windows_RMW, alone(state, windows_RMW))
    expert, prob = (
        _by_place(table, windows_RMW).flatten(2, 3)[:, :, : len(given)]
        for table in (metrics.first_choice(routing), routing.probs_TE)
    )
    code = np.array([[ord(character) for character in given]] * len(state.configs), dtype="i4")
    known = integers((letters > 0).expand(len(state.configs), -1))
    return {"own_char": code, "own_known": known, "own_expert": integers(expert), "own_prob": shades(prob)}


def alone(state: State, x_RMW: Float[Tensor, "R M W"]) -> RoutingKnobs:
    """Each character is routed by itself: no queue, nothing drawn."""
    return state.model.alone(state.rows_RAP, x_RMW, state.routing_knobs_for(x_RMW.shape[1]))


# ---- tables and bytes ----------------------------------------------------------------------------------------------


def _by_place(table: Tensor, windows_RMW: Tensor) -> Tensor:
    """A table over the tokens of each layer, by window and place in it: `[R, L, M, W, …]`."""
    return table.unflatten(2, windows_RMW.shape[1:])


def _codes(x_RMW: Tensor) -> np.ndarray:
    return CODES[x_RMW.long().cpu()].numpy().astype("i4")


def _one(state: State, number: int) -> np.ndarray:
    return np.full((len(state.configs), 1), number, dtype="i4")
