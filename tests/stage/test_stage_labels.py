"""What the stage writes about who chooses whom, in node: it fits every router, k, N and view."""

from __future__ import annotations

import itertools
import json
from typing import Any

from moeviz.config.router_facts import ROUTER_INFO
from tests.scripts import javascript

VIEWS = ("map", "curve", "projection", "rows")


def header(router: str, experts: int, k: int, view: str = "map", **other: Any) -> dict[str, Any]:
    info = ROUTER_INFO[router]
    alone = {"limited": False, "batch_dependent": info.batchwise or info.skips, "skips": [info.skips]}
    return {"router": [router], "choice": [info.choice], "ids": [list(range(experts))], "top_k": [k], "view": view} | (
        alone | other
    )


def cases() -> list[dict[str, Any]]:
    """Every router with the k that it can have: 1, some, all; with one expert; in every view; with seats."""
    found = []
    for (router, info), experts, view in itertools.product(ROUTER_INFO.items(), (1, 2, 8), VIEWS):
        some = {1, min(2, experts), min(3, experts), experts}
        allowed = some if info.k == "any" else {experts if info.k == "N" else int(info.k)}
        for k in sorted(each for each in allowed if each <= experts):
            found.append(header(router, experts, k, view))
            if info.seats:
                found.append(found[-1] | {"limited": True, "batch_dependent": True})
    return found


def labels(headers: list[dict[str, Any]]) -> list[dict[str, str]]:
    return list(
        javascript(f"""
        const labels = await import('$/kit/labels.js');
        const {{ heading }} = await import('$/panels/legend.js');
        const {{ PICTURES }} = await import('$/maps/pictures.js');
        const shown = {{ kind: 'classes', unserved_share: [0], dropped_share: [0] }};
        const written = (header) => ({{
            cut: labels.cutName(header, header.top_k[0]), note: labels.loadNote(header), solid: labels.solidKey(header),
            title: labels.probeTitle(header), color: labels.colorName(header), company: labels.companyNote(header),
            first: labels.firstWords(header), area: labels.chosenWords(header, 0),
            who: labels.whoChooses(header.choice[0]), one: labels.oneOfSeveral(header),
            tabs: Object.values(labels.tabNames(header)).join(),
            ...Object.fromEntries(Object.keys(PICTURES).map(
                (name) => [name, heading({{ ...header, ...shown }}, name, 0)])),
        }});
        console.log(JSON.stringify({json.dumps(headers)}.map(written)));""")
    )


def test_no_label_speaks_of_a_choice_that_the_router_does_not_make():
    found = cases()
    assert {each["router"][0] for each in found} == set(ROUTER_INFO) and len(found) > 150
    for made, said in zip(found, labels(found), strict=True):
        case, text = (made["router"], made["top_k"], made["view"]), json.dumps(said, ensure_ascii=False).lower()
        choice, (k,), experts = made["choice"][0], made["top_k"], len(made["ids"][0])
        assert "undefined" not in text and "null" not in text, case
        if choice in ("experts", "nobody"):  # no token chooses k experts
            wrong = ("top-", "top k", "choices", "first choice", f"{k} chosen")
            assert not any(each in text for each in wrong), (case, said)
        if choice == "table":
            assert "the gate" not in text and "top-" not in text, (case, said)
        if choice != "scores" or k == experts:
            assert said["cut"] == "", case  # nothing is cut off the probabilities
        else:
            assert said["cut"] == f"top-{k} cut", case
        if made["view"] != "map" or experts == 1 or (choice in ("scores", "bias", "table") and k == 1):
            assert said["note"] == "", case  # bars and picture count the same
        one = experts == 1 or (choice in ("scores", "bias", "table") and k == 1)
        assert (said["one"] == "") == one, case  # else a picture shows one of several
        if k == experts and choice != "experts":
            assert "solid = " not in said["solid"] and "choices" not in said["note"], case


def test_the_stops_of_a_tokens_way_are_called_by_what_the_router_does_there():
    """Every router's, also those whose weights follow a knob."""
    ways = {(info.choice, info.weights) for info in ROUTER_INFO.values()}
    found = javascript(f"""
        const {{ stopTitle }} = await import('$/kit/labels.js');
        const {{ STOPS }} = await import('$/pages/journey/stops.js');
        const of = ([choosing, weighing]) => STOPS.map((stop) => stopTitle(stop, {{ choosing, weighing }}));
        console.log(JSON.stringify({json.dumps(sorted(ways))}.map(of)));""")
    for (choice, weights), titles in zip(sorted(ways), found, strict=True):
        assert ("Softmax" in titles) == (weights not in ("sigmoid", "table")), (choice, titles)
        assert ("Top‑k" in titles) == (choice in ("scores", "bias")), (choice, titles)
        assert len(set(titles)) == 9 and all(titles)


def test_what_is_said_of_some_of_them():
    found = labels([
        header("top_k", 8, 2), header("top_k", 8, 8), header("expert_choice", 8, 2), header("soft", 8, 8),
        header("hash", 8, 1), header("top_k", 1, 1),
    ])  # fmt: skip
    assert [(each["cut"], each["note"], each["solid"]) for each in found] == [
        ("top-2 cut", "all 2 choices; map: the first only", "solid = chosen"),
        ("", "all 8 experts answer each input; map: the first only", "all are chosen"),
        ("", "all that experts take; map: what the gate prefers", "solid = takes it"),
        ("", "all work on all inputs; map: the largest share", "nothing is chosen"),
        ("", "", "solid = chosen"), ("", "", "one expert: no choice"),
    ]  # fmt: skip
    assert found[2]["top_k"].startswith("Where does A take inputs?")
    assert found[3]["top_k"] == "Nothing is chosen: every expert has a part everywhere"
    several = header("top_k", 8, 1) | {"top_k": [1, 4], "choice": ["scores"] * 2, "ids": [list(range(8))] * 2}
    assert labels([several])[0]["note"] == "all k choices; map: the first only"
