"""Pictures of the map, pixel by pixel: contours of how sure the gate is, and where an expert was not trained."""

from __future__ import annotations

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.training import Training
from tests.browser.opened_page import Stage

pytestmark = pytest.mark.browser
INK = np.array([17, 17, 17])
CLASSES = np.array([[214] * 3, [94] * 3])  # light and dark
WIDE, SMALL = 64, 32  # cells along a map, and along an expert's small one
BADGE = 34  # pixels that an expert's letter takes of its small map

# The colors of a canvas at places that are given as shares of its width and height.
PIXELS = """
(canvas, places) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return places.map(([x, y]) => {
        const [column, row] = [Math.floor(x * width), Math.floor(y * height)];
        const at = 4 * (Math.min(row, height - 1) * width + Math.min(column, width - 1));
        return [...data.subarray(at, at + 3)];
    });
}
"""


def shown(stage: Stage, picture: str) -> None:
    stage.page.locator(f'[data-tab="{picture}"]').click()
    stage.until("stage.picture === value", picture)


def pixels(stage: Stage, places: np.ndarray) -> np.ndarray:
    return np.array(stage.part("canvas").evaluate(PIXELS, places.tolist()), dtype=int)


def crossings(values: np.ndarray, level: float) -> np.ndarray:
    """Where the values pass a level on the way from a cell's center to the next one's, as shares of the map."""
    before, after = values[:, :-1].astype(float) - level, values[:, 1:].astype(float) - level
    row, column = found = np.nonzero((before < 0) != (after < 0))
    part = before[found] / (before - after)[found]
    return np.stack([column + 0.5 + part, row + 0.5], axis=-1) / WIDE


def test_how_sure_the_gate_is_has_contours_at_a_half_and_at_nine_tenths(stage):
    stage.open().train_to(200)
    run = Training([RunConfig()])
    run.step(200)
    values = run.snapshot(want=("confidence",)).confidence[0]
    shown(stage, "confidence")
    lines = {level: pixels(stage, crossings(values, 255 * level)) for level in (0.5, 0.9)}
    inked = {level: (abs(found - INK) <= 40).all(-1) for level, found in lines.items()}
    assert all(len(found) > 40 for found in lines.values())
    assert all(np.mean(found) > 0.9 for found in inked.values())
    elsewhere = pixels(stage, crossings(values, 255 * 0.7))
    assert np.mean((abs(elsewhere - INK) <= 40).all(-1)) < 0.2  # tokens, letters


def alike(cells: np.ndarray) -> np.ndarray:
    """Which cells have the value of all their eight neighbors."""
    padded = np.pad(cells, 1, constant_values=255)
    moved = [padded[1 + down :, 1 + right :][:SMALL, :SMALL] for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return np.all([each == cells for each in moved], axis=0)


def test_an_experts_small_map_is_hatched_exactly_where_it_is_not_chosen(stage):
    stage.open().train_to(200)
    run = Training([RunConfig()])
    run.step(200)
    shot = run.snapshot(want=("first_choice", "expert_output"))
    chosen = np.unpackbits(shot.chosen[0], axis=-1, bitorder="little").astype(bool)[::2, ::2]
    shown(stage, "expert_output")
    width = stage.part("canvas").evaluate("canvas => canvas.clientWidth")
    columns = 3  # of eight experts
    side = (width - 6 * (columns - 1)) / columns
    seen = []
    for expert, answers in enumerate(shot.expert_output[0]):
        inside = alike(answers) & alike(chosen[..., expert].astype(np.uint8))
        row, column = np.nonzero(inside)
        x, y = ((at + 0.5) / SMALL * side for at in (column, row))
        clear = (x > BADGE) | (y > BADGE)
        left, top = (index * (side + 6) for index in (expert % columns, expert // columns))
        found = pixels(stage, np.stack([left + x, top + y], axis=-1)[clear] / width)
        plain = (abs(found - CLASSES[answers[row, column][clear] % 2]) <= 1).all(-1)
        assert (plain == chosen[row, column, expert][clear]).all(), "ABCDEFGH"[expert]
        seen += plain.tolist()
    assert 0.1 < np.mean(seen) < 0.5  # two of eight are chosen anywhere
