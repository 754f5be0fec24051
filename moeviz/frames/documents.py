"""What is made of the fields: docs/frames.md for readers, and frame.d.ts, the types of the scripts that draw frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from moeviz.frames.field import AXES, Field
from moeviz.frames.header import HEADER, KEYS, SHAPES
from moeviz.frames.pictures import EVERY_FRAME, PICTURES, VIEWS

ROOT = Path(__file__).parents[2]
MAKE = "`python -m moeviz.frames`"
SCRIPT_TYPES = {"int": "number", "float": "number", "str": "string", "bool": "boolean"}
ALWAYS = {*KEYS, *(field.name for field in EVERY_FRAME if not field.when)}  # in every frame that a browser is sent
SCRIPT_ARRAYS = {"u1": "Uint8Array", "i2": "Int16Array", "i4": "Int32Array", "f4": "Float32Array"}


def documents() -> dict[Path, str]:
    """Each file that is made of the fields, and its text."""
    types = ROOT / "moeviz" / "stage" / "component" / "frame.d.ts"
    return {ROOT / "docs" / "frames.md": markdown(), types: typescript()}


# ---- for readers ---------------------------------------------------------------------------------------------------


def markdown() -> str:
    """The header and the arrays of a frame as tables."""
    parts = [
        "# What a frame says",
        f"Made from `moeviz/frames/` by {MAKE}. How a frame lies in bytes stands in `moeviz/frames/packing.py`.",
        "Whatever was not measured is null in the header and NaN in an array, never 0; a type with ? may be null.",
        "## Axes", _table(("axis", "goes along"), AXES.items()),
    ]  # fmt: skip
    for of, fields in HEADER.items():
        parts += [f"## Header, of {'each' if of.startswith('run') else 'the'} {of}", _fields(fields)]
    parts += ["## Made of several values", _table(("type", "what it holds"), SHAPES.items())]
    parts += ["## Arrays in every frame", _fields(EVERY_FRAME), "## Pictures", "A viewer asks for them by name."]
    for name, picture in PICTURES.items():
        whose = "of all tasks" if picture.views == VIEWS else f"of tasks with the view {', '.join(picture.views)}"
        parts += [f"### {name}", f"Drawn from the {picture.of}, {whose}.", _fields(picture.fields)]
    return "\n\n".join(parts) + "\n"


def _fields(fields: Iterable[Field]) -> str:
    columns = ("name", "type", "shape", "unit", "meaning", "only when")
    rows = (
        (f"`{_names(field)}`", field.type.replace("|", " or "), field.shape, field.unit, field.meaning, field.when)
        for field in fields
    )
    return _table(columns, rows)


def _names(field: Field) -> str:
    return f"{field.name}`, of several layers `{field.name}_1`, `_2`, `…" if field.each_layer else field.name


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = ([each.replace("|", r"\|") for each in row] for row in (columns, ("---",) * len(columns), *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


# ---- for the scripts -----------------------------------------------------------------------------------------------


def typescript() -> str:
    """The interfaces Header and Arrays."""
    header = [line for fields in HEADER.values() for field in fields for line in _lines(field, _script_type(field))]
    pictures = [field for picture in PICTURES.values() for field in picture.fields]
    arrays = [
        line
        for field in dict.fromkeys((*EVERY_FRAME, *pictures))
        for line in _lines(field, " | ".join(f"FrameArray<{SCRIPT_ARRAYS[each]}>" for each in field.types))
    ]
    return "\n".join([
        f"// Made from moeviz/frames by {MAKE}: what a frame says.", "",
        "interface Header {",
        "  arrays: [name: string, type: 'u1' | 'i2' | 'i4' | 'f4', shape: number[], offset: number][];", *header,
        "}", "",
        "/** By name; those of a picture are there when it was asked for. */",
        "interface Arrays {", *arrays, "}", "",
    ])  # fmt: skip


def _lines(field: Field, script_type: str) -> list[str]:
    shape = f"[{field.shape.replace(' ', ', ')}]" if field.shape else ""
    about = " · ".join(each for each in (field.meaning, field.unit, shape, field.when) if each)
    lines = [f"  /** {about} */", f"  {field.name}{'' if field.name in ALWAYS else '?'}: {script_type};"]
    if field.each_layer:
        lines.append(f"  [{field.name}: `{field.name}_${{number}}`]: {script_type};")
    return lines


def _script_type(field: Field) -> str:
    if "layers?" in field.shape:
        return "PerRunOrLayer"
    words = len(field.types) > 1
    one = " | ".join(f"'{each}'" if words else _alone(each) for each in field.types)
    if field.nullable:
        one += " | null"
    return f"({one}){'[]' * len(field.axes)}" if field.axes and " " in one else one + "[]" * len(field.axes)


def _alone(name: str) -> str:
    listed = name.endswith("[]")
    return SCRIPT_TYPES.get(name.removesuffix("[]"), name.removesuffix("[]")) + "[]" * listed
