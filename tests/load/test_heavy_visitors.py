"""What ordinary visitors keep beside one who turns everything up as far as a page lets him, page by page.

`pytest tests/load/test_heavy_visitors.py -m measured -s` takes about five minutes and prints, for 14 and for 29
neighbors on one worker, their frames and steps a second without and with him, and the memory of the worker.
"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import pytest

from tests.browser.driving import SmallServer
from tests.load.crowd import Visitor, address, arrive, leave, watch
from tests.measuring import Report, weigh
from tests.watching import apart

ALONE, BESIDE = 4.0, 6.0  # seconds in which is counted
LEARNED = 4.0  # until the worker knows how long his steps and frames take
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
            without = await watch(visitors, ALONE)
            before = weigh(small.workers())["memory"]
            heavy = Visitor(small, query, 99, page, want)
            await heavy.arrive()
            await asyncio.sleep(LEARNED)
            *beside, own = await watch([*visitors, heavy], BESIDE)
            memory = weigh(small.workers())["memory"]
            await leave([heavy])
            who = f"{count} beside {page}"
            for what in ("frames", "steps"):
                rates = [[getattr(each, f"{what}_per_second") for each in windows] for windows in (without, beside)]
                had, kept = (statistics.median(each) for each in rates)
                report(f"{who}: {what} without", had, "1/s")
                report(f"{who}: {what} with", kept, "1/s")
                report(f"{who}: {what}, with ÷ without", kept / had, "")
            report(f"{who}: his own frames", own.frames_per_second, "1/s")
            report(f"{who}: his own steps", own.steps_per_second, "1/s")
            report(f"{who}: memory of the worker without", before, "MB")
            report(f"{who}: memory of the worker with", memory, "MB")
            await asyncio.sleep(2.0)  # he is forgotten
        await leave(visitors)

    with SmallServer(tmp_path / "log.txt", {"num_workers": 1, "idle_free": 1.0}) as small:
        apart(compared(small))
        assert "Traceback" not in small.said()
