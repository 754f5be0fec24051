"""The task `pictures`: patches, tiles and drawings by hand, and what a missing package says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from moeviz.config import TASK_INFO
from moeviz.tasks.pictures import enlarged, fitted, ink, patches, tiles, unpatched
from tests.task_tokens import draw, together

INFO = TASK_INFO["pictures"]
DIGITS, TEXTURES, PHOTOGRAPHS = range(3)


def test_pixels_are_ordered_patch_by_patch() -> None:
    image_YX = torch.arange(256.0).view(16, 16)  # pixel 16·row + column
    x_D = patches(image_YX)
    # patch 0 is rows 0-3 of columns 0-3, patch 1 the four columns beside it, patch 4 begins in row 4
    assert x_D[:6].tolist() == [0, 1, 2, 3, 16, 17]
    assert x_D[16:20].tolist() == [4, 5, 6, 7]
    assert x_D[64:66].tolist() == [64, 65]
    assert x_D[255] == 255
    many = torch.stack([image_YX, image_YX.mT])
    assert torch.equal(unpatched(patches(many)), many)


def test_tiles_are_halved_and_never_share_a_pixel() -> None:
    place_YX = torch.arange(40 * 70, dtype=torch.float64).view(
        40, 70
    )  # one tile down, two across; 8 rows and 6 columns left
    found = tiles(place_YX)
    assert found.shape == (2, 16, 16)
    assert found[0, 0, 0] == (0 + 1 + 70 + 71) / 4
    assert found[1, 2, 3] == (4 * 70 + 38) + (0 + 1 + 70 + 71) / 4  # 2·2 rows down, 32 + 2·3 columns across
    # each tile pixel has its own block of four, so means of different blocks of numbers that are all different differ
    assert len(set(found.flatten().tolist())) == 2 * 256


def test_digits_keep_their_ink_when_enlarged() -> None:
    dot = torch.zeros(1, 8, 8)
    dot[0, 3, 3] = 1
    # between pixel centers the ink falls evenly: 1/4 of a pixel away 3/4 is left, 3/4 away a quarter
    line = [0, 0, 0, 0, 0, 0.25, 0.75, 0.75, 0.25, 0, 0, 0, 0, 0, 0, 0]
    assert torch.allclose(enlarged(dot)[0], torch.tensor(line).outer(torch.tensor(line)))


def of_class(name: str) -> Tensor:
    x_TD, target_T, _ = together(draw("pictures"))
    return ink(unpatched(x_TD[target_T == INFO.class_names.index(name)]))


def test_pictures_are_those_of_the_files() -> None:
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    with Image.open(Path(str(spec.origin)).parent / "datasets" / "images" / "china.jpg") as image:
        color_YX3 = torch.from_numpy(np.array(image)).double()[192:224, 320:352]
    _, target_T, segment_T = together(draw("pictures"))
    assert int((segment_T == DIGITS).sum()) == 1797
    domains = {each: set(target_T[segment_T == each].tolist()) for each in (DIGITS, TEXTURES, PHOTOGRAPHS)}
    assert domains == {DIGITS: set(range(10)), TEXTURES: {10, 11, 12}, PHOTOGRAPHS: {13, 14, 15}}
    gray_YX = 1 - color_YX3 @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64) / 255
    tile_YX = gray_YX.unflatten(0, (16, 2)).unflatten(2, (16, 2)).mean((1, 3))
    # each of its grays is rounded to a whole number when it is read, so it is off by at most half of one
    assert (of_class("temple") - tile_YX).abs().amax((1, 2)).min() < 0.51 / 255


def test_a_drawing_is_fitted_into_the_frame() -> None:
    small = torch.zeros(16, 16, dtype=torch.float64)
    small[1:9, 2:6] = 1  # 8 high and 4 wide, in a corner
    large = fitted(small)
    # twice as large and in the middle: all 16 rows, columns 4 to 11
    assert torch.allclose(large[1:15, 5:11], torch.ones(14, 6, dtype=torch.float64))
    assert large[:, :3].max() == 0
    assert large[:, 13:].max() == 0
    # the middle of an outermost pixel lies 1/4 of a small pixel inside the ink's edge, so a quarter of it is paper
    assert torch.allclose(large[[0, 15], 5:11], torch.full((2, 6), 0.75, dtype=torch.float64))
    full = torch.rand(16, 16, dtype=torch.float64) + 0.2
    assert torch.allclose(fitted(full), full, atol=1e-12)
    empty = torch.zeros(16, 16, dtype=torch.float64)
    assert torch.equal(fitted(empty), empty)


def test_pictures_are_read_without_importing_their_packages() -> None:
    program = (
        "import sys; from moeviz.config import RunConfig; from moeviz.tasks import TASKS; "
        "TASKS['pictures'](RunConfig(task='pictures')); sys.exit(bool({'sklearn', 'skimage'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0


@pytest.mark.parametrize("package", ["skimage", "PIL"])
def test_a_missing_package_is_explained(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["moeviz.tasks.pictures"]
    module._all.cache_clear()  # type: ignore[attr-defined]
    if package == "PIL":
        monkeypatch.setitem(sys.modules, "PIL", None)
    else:
        real = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else real(name))
    named = {"PIL": "pillow", "skimage": "scikit-image"}[package]
    with pytest.raises(
        ValueError, match=f"task=pictures needs the package {named}: it is not installed; .* another task"
    ):
        draw("pictures")
