"""What a frame says of one of its numbers, lists or arrays: type, shape, unit, meaning, and when it is there."""

from __future__ import annotations

from dataclasses import dataclass

AXES = {
    "runs": "R, in their order",
    "layers": "mixture-of-experts layers of the network; an axis with ? is there only where it has several",
    "experts": "places of experts, sorted by id; as many as the run has that has most: of others NaN or 0",
    "ids": "expert ids, A is 0: of all that are or have been there; NaN while one is not there",
    "steps": "those of `history_step`",
    "ghost_steps": "those of `ghost_step`",
    "deaths": "the newest eight, oldest first",
    "outputs": "numbers of the model's answer",
    "inputs": "numbers of one token, as the gate sees it",
    "mask": "bytes of eight experts each: bit e % 8 of byte e // 8",
    "points": "train tokens that are shown, then test tokens",
    "line": "places along the input of a 1-D task",
    "tokens": "of the batch that is shown",
    "groups": "true groups",
    "answer": "one class, or the numbers of the model's answer",
    "forms": "plain, renormalized, softmax after top-k: each with the run's k, then each with k = 1",
    "balance_losses": "in the order of `moeviz.config.router_facts.BALANCED_VALUES`",
    "digits": "test digits that are shown",
    "rows": "of a digit, from the top",
    "pictures": "test pictures that are shown, two of each class",
    "patches": "of a picture, row by row",
    "liked": "pictures, the most liked first",
    "items": "test items: a picture and its names",
    "item_tokens": "of an item: those of its picture, then those of each name",
    "parts": "of an item: its picture, then each name",
    "languages": "in which an item has a name",
    "nearest": "items, the most alike first",
    "windows": "of test text, one of each kind",
    "characters": "of a window",
    "written": "characters: a prompt, then what the model writes",
    "typed": "characters of the visitor's text",
    "kinds": "of text",
    "classes": "of characters: `moeviz.config.task_facts.CHARACTER_CLASSES`",
    "item_bytes": "of JSON in UTF-8",
    "found_bytes": "of JSON in UTF-8",
}
"""What an array's axis goes along; an axis that is a number has that many places."""


@dataclass(frozen=True)
class Field:
    """One key of a frame's header, or one of its arrays."""

    name: str
    type: str  # array: u1 | i2 | i4 | f4; header: int | float | str | bool, words by |, or one of moeviz.frames.header
    shape: str  # axes from AXES, or numbers; "" = one value
    unit: str  # of its numbers; "" where they only count, or are no numbers
    meaning: str
    when: str = ""  # "" = always where its header, or its picture, is
    each_layer: bool = False  # of several layers as many fields instead: name_1, name_2, …

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of its axes where the network has one layer."""
        return tuple(each for each in self.shape.split() if not each.endswith("?"))

    @property
    def all_axes(self) -> tuple[str, ...]:
        """The names of its axes where the network has several layers."""
        return tuple(self.shape.replace("?", "").split())

    @property
    def types(self) -> tuple[str, ...]:
        """What its type may be, without that it may be null."""
        return tuple(self.type.removesuffix("?").split("|"))

    @property
    def nullable(self) -> bool:
        """Whether null says that it is not known, or that there is none."""
        return self.type.endswith("?")
