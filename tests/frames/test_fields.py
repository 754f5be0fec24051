"""Every field of every view, packed and read back: type, shape and range are as its Field says, and none is missing."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moeviz.config import TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.frames import PICTURES, pack, unpack
from moeviz.frames.documents import documents
from moeviz.frames.field import AXES, Field
from moeviz.frames.header import HEADER, KEYS
from moeviz.frames.pictures import ARRAYS, EVERY_FRAME, GHOSTLY, PROBED, VIEWS, field_of
from tests.pretend import World

APART = {"answer", "tokens", "groups"}  # axes that are of another length in each picture
TASK_OF = {view: next(name for name, info in TASK_INFO.items() if info.view == view) for view in VIEWS}
RUN_GROUPS: dict[str, list[dict[str, Any]]] = {
    **{view: [{"task": task}, {"task": task, "seed": 1}] for view, task in TASK_OF.items()},
    "several layers": [{"task": "languages", "num_experts": 5}],
    "regression": [{"task": "bumps", "router": "switch"}],
    "several shapes": [{"num_experts": 9}, {"num_experts": 5, "router": "mixtral"}],
    **{router: [{"router": router}] for router in ROUTER_INFO},
}


Frame = tuple[dict[str, Any], dict[str, np.ndarray]]


def frames(configs: list[dict[str, Any]]) -> Iterator[Frame]:
    """What a viewer who asks for everything is sent of these runs: untrained, trained, and beside a ghost."""
    info = TASK_INFO[configs[0].get("task", "clusters")]
    small: dict[str, Any] = {"batch_size": 8 if info.tokens_per_input > 8 else 32, "hidden_width": 4}
    runs = [RunConfig().nearest(**small, **knobs)[0] for knobs in configs]
    own: str | list[float] = [0.5] * 256 if info.view == "pictures" else "Zürich"
    world = World(real=True)
    world.tell(op="open", run="run", configs=[vars(each) for each in runs], play=False, speed="fast", probe=None)
    world.tell(op="watch", run="run", viewer="run", credit=0, want=list(PICTURES), probe=[0.5, 0.5], hidden=False)
    world.tell(op="give", run="run", viewer="run", call=1, value=own)
    step: dict[str, Any] = {"op": "step", "n": 12}
    for messages in ([], [step], [{"op": "set", "knobs": {"balance_coef": 1.0}}, step]):
        for message in messages:
            world.tell(run="run", viewer="run", call=1, **message)
        world.run(0.5)
        world.view("run", credit=4)
        world.run(3.0)
        yield unpack(world.last_frame("run"))


@pytest.fixture(scope="module")
def sent() -> dict[str, list[Frame]]:
    return {name: list(frames(configs)) for name, configs in RUN_GROUPS.items()}


def each_array(sent: dict[str, list[Frame]]) -> Iterator[tuple[str, Field, np.ndarray]]:
    for group, shown in sent.items():
        for _, arrays in shown:
            for name, array in arrays.items():
                yield f"{group}: {name}", field_of(name), array


# ---- arrays --------------------------------------------------------------------------------------------------------


def test_every_array_of_every_picture_is_there_and_has_its_type_and_its_shape(sent: dict[str, list[Frame]]) -> None:
    """An axis that is a number has that many places; one that is a word has equally many in all arrays of a frame."""
    seen = set()
    for group, (header, arrays) in ((group, frame) for group, shown in sent.items() for frame in shown):
        sizes: dict[str, set[int]] = defaultdict(set)
        for axis, key in (("runs", "num_runs"), ("experts", "num_experts")):
            sizes[axis].add(header[key])
        for name, array in arrays.items():
            field = field_of(name)
            seen.add(field.name)
            assert f"{array.dtype.kind}{array.dtype.itemsize}" in field.types, (group, name)
            axes = field.axes if array.ndim == len(field.axes) else field.all_axes
            for axis, size in zip(axes, array.shape, strict=True):
                sizes[f"{axis} of {name}" if axis in APART else axis].add(size)
        for axis, several in sizes.items():
            assert len(several) == 1 and (not axis.isdigit() or several == {int(axis)}), (group, axis, several)
    assert seen == set(ARRAYS)


def test_a_field_is_missing_only_when_it_says_so(sent: dict[str, list[Frame]]) -> None:
    for group, shown in sent.items():
        for header, arrays in shown:
            drawn = [picture.fields for picture in PICTURES.values() if header["view"] in picture.views]
            present = {field_of(name).name for name in arrays}
            for field in itertools.chain(EVERY_FRAME, *drawn):
                assert (field.name in present) == is_there(field, header), (group, header["step"], field.name)


def is_there(field: Field, header: dict[str, Any]) -> bool:
    """Its `when` in code."""
    if field.when == GHOSTLY:
        return header["ghost"] is not None
    if field.when.startswith("view "):
        return header["view"] in PROBED
    if field.when.startswith("router "):
        return header["router"][0] == field.when.split()[1]
    assert not field.when
    return True


def test_an_array_that_counts_has_no_number_that_its_axis_does_not_have(sent: dict[str, list[Frame]]) -> None:
    """Places of experts are below N; what is × 255, a kind of bit, or a share is between its ends."""
    checked = set()
    for name, field, array in each_array(sent):
        if field.unit == "share" or field.unit == "probability":
            known = array[np.isfinite(array)]
            assert ((known >= -1e-6) & (known <= 1 + 1e-5)).all(), name
            checked.add(field.unit)
        elif field.meaning.startswith("1 = ") and field.type == "u1":
            assert set(np.unique(array)) <= {0, 1}, name
            checked.add("yes or no")
    for group, shown in sent.items():
        for header, arrays in shown:
            for name, array in arrays.items():
                if field_of(name).unit == "expert":
                    assert array.max() < header["num_experts"], (group, name)
                    checked.add("expert")
    assert checked == {"share", "probability", "yes or no", "expert"}


# ---- header --------------------------------------------------------------------------------------------------------

PLAIN: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int,
    "float": lambda value: type(value) in (int, float),
    "str": lambda value: type(value) is str,
    "bool": lambda value: type(value) is bool,
    "Point": lambda value: len(value) == 2 and all(type(each) in (int, float) for each in value),
    "Tape": lambda value: set(value) == {"steps", "end", "megabytes", "limit", "rows"},
    "Mark[]": lambda value: all({"step", "runs"} < set(each) for each in value),
    "str[]": lambda value: all(type(each) is str for each in value),
}


def fits(value: Any, field: Field, axes: Sequence[str], sizes: dict[str, int]) -> bool:
    if axes:
        inside = all(fits(each, field, axes[1:], sizes) for each in value)
        return inside and len(value) == sizes.get(axes[0], len(value))
    if value is None:
        return field.nullable
    return any(PLAIN[each](value) if each in PLAIN else value == each for each in field.types)


def test_every_key_of_the_header_is_there_and_is_what_its_field_says(sent: dict[str, list[Frame]]) -> None:
    for group, (header, arrays) in ((group, frame) for group, shown in sent.items() for frame in shown):
        assert set(header) == set(KEYS), group
        layers = arrays["load"].ndim == 3
        for name, field in KEYS.items():
            sizes = {"runs": header["num_runs"], "layers": arrays["load"].shape[1]}
            value, axes = header[name], field.all_axes if layers else field.axes
            assert fits(value, field, axes, sizes), (group, name, value)


def test_a_wrong_value_would_be_seen() -> None:
    assert not fits(None, KEYS["step"], (), {}) and not fits(1.5, KEYS["step"], (), {})
    assert not fits("gone", KEYS["state"], (), {}) and fits("paused", KEYS["state"], (), {})
    assert not fits([1], KEYS["top_k"], ("runs",), {"runs": 2}) and fits([1, 2], KEYS["top_k"], ("runs",), {"runs": 2})
    assert fits([[None, "killed"]], KEYS["treated"], ("runs", "experts"), {"runs": 1})


# ---- the tables ----------------------------------------------------------------------------------------------------


def test_every_axis_is_explained_and_every_explanation_is_used() -> None:
    fields = [*KEYS.values(), *ARRAYS.values()]
    used = {axis for field in fields for axis in field.all_axes if not axis.isdigit()}
    assert used == set(AXES)
    assert all(field.meaning for field in fields)


def test_a_name_means_one_thing_in_all_pictures() -> None:
    by_name: dict[str, set[Field]] = defaultdict(set)
    for field in itertools.chain(EVERY_FRAME, *HEADER.values(), *(picture.fields for picture in PICTURES.values())):
        by_name[field.name].add(field)
    assert {name: fields for name, fields in by_name.items() if len(fields) > 1} == {}


@pytest.mark.parametrize(
    ("header", "arrays", "words"),
    [
        ({"stpe": 3}, {}, "must hold keys of moeviz.frames.header: got stpe"),
        ({}, {"laod": np.ones((1, 8), "f4")}, "must be one of moeviz.frames.pictures: got laod"),
        ({}, {"history_task_loss_2": np.ones((1, 8), "f4")}, "got history_task_loss_2"),
        ({}, {"winner": np.ones((1, 64, 64), "f4")}, "winner must be u1: got float32"),
        ({}, {"load": np.ones(8, "f4")}, r"load must have the axes runs layers\? experts: got shape \(8,\)"),
    ],
)
def test_what_no_field_describes_is_not_packed(header: Any, arrays: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pack(header, arrays)


def test_a_value_of_each_layer_is_known_by_its_number() -> None:
    assert field_of("history_cv_load_2") is field_of("history_cv_load") is ARRAYS["history_cv_load"]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_what_is_made_of_the_fields_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "write it anew: python -m moeviz.frames"
