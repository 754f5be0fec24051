"""A pocket calculator for the parameters of published models, on a page."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from moeviz.config.knob import shown
from moeviz.content.published_models import PUBLISHED, SHAPE_KNOBS, Published, Shapes, active, parts, total
from moeviz.figures.costs import parts_figure
from moeviz.ui.page_parts.swept import STILL, ink
from moeviz.ui.run.notices import plain
from moeviz.ui.widgets.sizes import boxes, forget, sizes

FIRST = "mixtral_8x7b"
MAIN = ("num_experts", "top_k", "num_shared", "width", "hidden_width", "moe_layers", "vocabulary")
ACROSS = 4
BILLION = 1e9
OWN = ("model", SHAPE_KNOBS, "model_")


def calculator() -> None:
    """A model's shapes in boxes, its parameters from them, and the published figures beside."""
    name = _model()
    model = PUBLISHED[name]
    chosen = sizes(*OWN[:2], asdict(model.shapes), OWN[2])
    boxes("model", SHAPE_KNOBS, chosen, MAIN, len(MAIN))
    with st.expander("Attention, layers without experts, tables", key="more_shapes", on_change="rerun") as more:
        if more.open:
            boxes("model", SHAPE_KNOBS, chosen, [each for each in SHAPE_KNOBS if each not in MAIN], ACROSS)
    shapes = Shapes(**chosen)
    _numbers(model, shapes)
    bars = {
        title: {part: count / BILLION for part, count in parts(shapes, experts).items()}
        for title, experts in (("all", shapes.num_experts), ("active", shapes.top_k))
    }
    figure = parts_figure(bars, "10⁹ parameters", ink=ink())
    alt = "Two bars: all parameters and those that one token uses, by part. The numbers stand above."
    st.plotly_chart(figure, key="parts", alt=alt, config=STILL)


def _model() -> str:
    """The model that was chosen: in this session, or by the address."""
    asked = st.session_state.get("calculator_model", st.query_params.get("model", FIRST))
    if asked not in PUBLISHED:
        rule = f"model must be one of {', '.join(PUBLISHED)}"
        st.warning(plain(f"{rule}: got {shown(asked)}; using {FIRST}"))
        asked = FIRST
    st.session_state.calculator_model = asked
    name = st.selectbox(
        "Model", list(PUBLISHED), key="calculator_model", on_change=forget, args=OWN,
        format_func=lambda each: PUBLISHED[each].label,
    )  # fmt: skip
    if name != FIRST or "model" in st.query_params:
        st.query_params["model"] = name
    return str(name)


def _numbers(model: Published, shapes: Shapes) -> None:
    """Both sums with their numbers, and the difference to what was published while the shapes are the model's."""
    same = shapes == model.shapes
    columns = st.columns(2)
    sums = (("All parameters", total(shapes), model.total), ("Used by one token", active(shapes), model.active))
    for column, (title, count, figure) in zip(columns, sums, strict=True):
        beside = "" if figure is None else f" · {model.label} is published with {_published(figure)}"
        differs = f" ({count / BILLION / figure - 1:+.1%})" if same and figure else ""
        column.markdown(f"**{title}: {_billions(count / BILLION)}**{beside}{differs}")
        experts = shapes.num_experts if title.startswith("All") else shapes.top_k
        column.caption(_formula(shapes, experts))
    if same:
        st.caption(f"Source of the figures: {model.source}. {model.why}")
    else:
        st.button("Back to its own shapes", on_click=forget, args=OWN, key="own_shapes")


def _formula(shapes: Shapes, num_experts: int) -> str:
    """The sum with its numbers: layers · experts · one expert + all else."""
    counts = parts(shapes, num_experts)
    others = " + ".join(
        f"{_billions(count / BILLION)} {part}" for part, count in counts.items() if count and part != "experts"
    )
    return (
        f"{shapes.moe_layers} layers × {num_experts} experts × {shapes.matrices} · {shapes.width:,} · "
        f"{shapes.hidden_width:,} = {_billions(counts['experts'] / BILLION)}; + {others}"
    )


def _published(figure: float) -> str:
    """As its makers write it."""
    return f"{figure:g} B" if figure >= 1 else f"{figure * 1000:g} M"


def _billions(number: float) -> str:
    return f"{number:.2f} B" if number >= 1 else f"{number * 1000:.3g} M"
