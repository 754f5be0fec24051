"""What ordinary visitors keep beside one who turns everything up as far as a page lets him, page by page.

`pytest tests/load/test_heavy_visitors.py -m measured -s` takes about six minutes and prints, for 14 and for 29
neighbors of the app as it starts, their frames and steps a second without and with him, and the memory of the workers.
MOEVIZ_WORKERS=1 puts all of them beside him.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from pathlib import Path

import pytest

from tests.browser.opened_page import SmallServer
from tests.load.crowd import Visitor, address, arrive, leave, watch
from tests.report import Report, weigh
from tests.viewers import apart

ALONE, BESIDE = 4.0, 8.0  # seconds in which is counted; without him before and after, as a computer's pace changes
LEARNED = 4.0  # until the worker knows how long his steps and frames take
FORGOTTEN = 2.0
WORKERS = int(os.environ["MOEVIZ_WORKERS"]) if "MOEVIZ_WORKERS" in os.environ else None
ALL = "num_experts=32&top_k=32&hidden_width=256&batch_size=512&num_shared_experts=4"
ROWS = f"{ALL}&task=digit_rows"
ON_ROWS = ("rows", "seating", "groups", "history")
HEAVIEST = {  # the address of each page's heaviest corner, and its pictures
    "playground": (f"{ALL}&task=digits", ("choices", "skill", "groups", "history")),
    "lab": (f"{ROWS}&vary=balance_coef&values=0,1,2,5,10,20", ON_ROWS),
    "routers": (f"{ROWS}&left=noisy_top_k&right=deepseek_v3", ON_ROWS),
    "methods": (ROWS, ON_ROWS),
    "language": (f"{ALL}&dense=active", ("text", "text_tables", "samples")),
    "vision": (f"{ALL}&experts=conv", ("gallery", "liked", "groups", "history")),
    "image_text": (f"{ALL}&dense=active", ("items", "pairs", "history")),
}


@pytest.mark.measured
@pytest.mark.parametrize("count", [14, 29])
def test_the_heaviest_corner_of_each_page_beside_ordinary_visitors(tmp_path: Path, report: Report, count: int) -> None:
    async def compared(small: SmallServer) -> None:
        visitors = [Visitor(small, address(number), number) for number in range(count)]
        await arrive(visitors)
        for page, (query, want) in HEAVIEST.items():
            before, weight = await watch(visitors, ALONE), weigh(small.workers())["memory"]
            heavy = Visitor(small, query, 99, page, want)
            await heavy.arrive()
            await asyncio.sleep(LEARNED)
            *beside, own = await watch([*visitors, heavy], BESIDE)
            memory = weigh(small.workers())["memory"]
            await leave([heavy])
            await asyncio.sleep(FORGOTTEN)
            after = await watch(visitors, ALONE)
            who = f"{count} beside {page}"
            for what in ("frames", "steps"):
                rates = [
                    [getattr(each, f"{what}_per_second") for each in windows] for windows in (before, beside, after)
                ]
                had = [(first + last) / 2 for first, last in zip(rates[0], rates[2], strict=True)]
                report(f"{who}: {what} without, median", statistics.median(had), "1/s")
                report(f"{who}: {what} with, median", statistics.median(rates[1]), "1/s")
                report(f"{who}: {what} with, lowest", min(rates[1]), "1/s")
                ratios = [kept / usual for kept, usual in zip(rates[1], had, strict=True)]
                report(f"{who}: {what} in percent of those without, median", 100 * statistics.median(ratios), "%")
                report(f"{who}: {what} in percent of those without, lowest", 100 * min(ratios), "%")
            report(f"{who}: his own frames", own.frames_per_second, "1/s")
            report(f"{who}: his own steps", own.steps_per_second, "1/s")
            report(f"{who}: memory of the workers without", weight, "MB")
            report(f"{who}: memory of the workers with", memory, "MB")
        await leave(visitors)

    with SmallServer(tmp_path / "log.txt", {"num_workers": WORKERS, "idle_free": 1.0}) as small:
        apart(compared(small))
        assert "Traceback" not in small.said()
