"""Real pictures of three clearly different domains: handwritten digits, textures and photographs.

    digits       scikit-learn's: 1,797 digits of 43 writers (E. Alpaydin and C. Kaynak 1998; UCI, CC BY 4.0)
    textures     scikit-image's brick, grass and gravel: 512 by 512 pixels each (from ambientCG and textures.com; CC0)
    photographs  scikit-learn's china.jpg and flower.jpg, a temple by danielbuechele and a flower by vultilion
                 (CC BY 2.0), and scikit-image's chelsea.png, a cat by Stéfan van der Walt (CC0)

All are read from the files that the two packages install; nothing is downloaded.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.tasks.base import Split, TaskData, normal, task_data
from moeviz.tasks.digits import missing, package_file, pixels_and_labels

SIDE = 16  # pixels of a picture
PATCH = 4  # … and of a patch, which is one token
SHRINK = 2  # so many pixels of a texture or photograph, across and down, make one
INFO = TASK_INFO["pictures"]
INKED = 0.1  # pixels above it are ink, and not the soft edge of a stroke
PLAIN = 0.01  # a tile whose pixels differ less (standard deviation) is left out: nobody could tell a sky from a wall
DIGITS, TEXTURES, PHOTOGRAPHS = range(3)
FILES = {
    "brick": (TEXTURES, "skimage", "data/brick.png"),
    "grass": (TEXTURES, "skimage", "data/grass.png"),
    "gravel": (TEXTURES, "skimage", "data/gravel.png"),
    "temple": (PHOTOGRAPHS, "sklearn", "datasets/images/china.jpg"),
    "flower": (PHOTOGRAPHS, "sklearn", "datasets/images/flower.jpg"),
    "cat": (PHOTOGRAPHS, "skimage", "data/chelsea.png"),
}


def pictures(config: RunConfig) -> TaskData:
    """Digits, textures and photographs of 16 by 16 pixels, from −1 (white) to 1 (black), patch by patch.

    Segment: the domain. Textures and photographs are cut into tiles side by side, so that no pixel is in two pictures.
    """
    clean_TD, target_T, segment_T = _all()
    tokens = Split(clean_TD + config.noise * normal(config, "noise", *clean_TD.shape), target_T, segment_T)
    return task_data(config, tokens, num_outputs=INFO.own_classes, num_segments=len(INFO.segments), extent=1.05)


def patches(image_TYX: Float[Tensor, "*T Y X"]) -> Float[Tensor, "*T D"]:
    """The pixels of each picture patch by patch, row by row inside a patch and from patch to patch."""
    return image_TYX.unflatten(-1, (-1, PATCH)).unflatten(-3, (-1, PATCH)).transpose(-3, -2).flatten(-4)


def unpatched(x_TD: Float[Tensor, "*T D"]) -> Float[Tensor, "*T Y X"]:
    """The pictures of which these are the patches."""
    across = SIDE // PATCH
    return x_TD.unflatten(-1, (across, across, PATCH, PATCH)).transpose(-3, -2).flatten(-4, -3).flatten(-2)


@functools.cache
def _all() -> tuple[Float[Tensor, "T D"], Int[Tensor, " T"], Int[Tensor, " T"]]:
    """Every picture once: pixels, class and domain."""
    pixels_TD, label_T = pixels_and_labels()
    kinds = [(enlarged(pixels_TD.unflatten(-1, (8, 8))), label_T, DIGITS)]
    for name, (domain, package, place) in FILES.items():
        tile_TYX = tiles(_gray(package_file(package, place, "pictures")))
        tile_TYX = tile_TYX[tile_TYX.flatten(1).std(1) >= PLAIN]
        kinds.append((tile_TYX, torch.full((len(tile_TYX),), INFO.class_names.index(name)), domain))
    images, targets, domains = zip(*kinds, strict=True)
    segment_T = torch.tensor(domains).repeat_interleave(torch.tensor([len(each) for each in targets]))
    return patches(centered(torch.cat(images))), torch.cat(targets), segment_T


def centered(ink: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """Ink from 0 (white) to 1 (black) as the model gets it, around 0: so white, gray and black point different ways."""
    return 2 * ink - 1


def ink(x: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """The ink that a model's input stands for."""
    return (x + 1) / 2


def enlarged(image_TYX: Float[Tensor, "T 8 8"]) -> Float[Tensor, "T 16 16"]:
    """Digits at twice their size, smoothly."""
    return torch.nn.functional.interpolate(
        image_TYX.unsqueeze(1), scale_factor=2, mode="bilinear", align_corners=False
    ).squeeze(1)


def tiles(image_YX: Float[Tensor, "Y X"]) -> Float[Tensor, "T 16 16"]:
    """The picture at half its size, cut into tiles side by side; what is left over at its edges is dropped."""
    rows, columns = (size // (SHRINK * SIDE) for size in image_YX.shape)
    cut_YX = image_YX[: rows * SHRINK * SIDE, : columns * SHRINK * SIDE]
    small_YX = cut_YX.unflatten(1, (-1, SHRINK)).unflatten(0, (-1, SHRINK)).mean((1, 3))
    return small_YX.unflatten(1, (-1, SIDE)).unflatten(0, (-1, SIDE)).transpose(1, 2).flatten(0, 1)


def fitted(image_YX: Float[Tensor, "16 16"]) -> Float[Tensor, "16 16"]:
    """A drawing as the digits are: its ink fills the height (if it is wide, the width), and stands in the middle."""
    inked_YX = image_YX > INKED
    if not inked_YX.any():
        return image_YX
    (top, bottom), (left, right) = (_ends(inked_YX.any(axis)) for axis in (1, 0))
    half = max(bottom - top, right - left) / SIDE  # of the ink's square, where the whole picture's is 1
    middle_x, middle_y = ((low + high) / SIDE - 1 for low, high in ((left, right), (top, bottom)))
    shift = torch.tensor([[[half, 0.0, middle_x], [0.0, half, middle_y]]], dtype=image_YX.dtype)
    where = torch.nn.functional.affine_grid(shift, [1, 1, SIDE, SIDE], align_corners=False)
    return torch.nn.functional.grid_sample(image_YX[None, None], where, align_corners=False)[0, 0]


def _ends(inked_X: Bool[Tensor, " X"]) -> tuple[int, int]:
    """Where ink begins, and where it has ended."""
    place_X = inked_X.nonzero()[:, 0]
    return int(place_X[0]), int(place_X[-1]) + 1


def _gray(path: Path) -> Float[Tensor, "Y X"]:
    """A picture from a file: 0 = white, 1 = black."""
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(missing("pictures", "pillow", "it is not installed")) from None
    with Image.open(path) as image:
        return 1 - torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float64)) / 255
