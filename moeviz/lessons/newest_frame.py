"""What a run says in its newest frame, asked for as a browser would."""

from __future__ import annotations

import queue
from typing import Any

from moeviz.engine.server.engine import Engine
from moeviz.frames import unpack

PATIENCE = 30.0  # seconds: the server may be busy


def newest_header(engine: Engine, token: str) -> dict[str, Any]:
    """The header of a frame of this moment; TimeoutError if none comes."""
    received: queue.Queue[bytes | str] = queue.Queue()
    viewer = engine.watch(token, received.put)
    try:
        viewer.send({"op": "view", "credit": 1, "want": []})
        while isinstance(frame := received.get(timeout=PATIENCE), str):
            pass  # a notice to whoever watches
    except queue.Empty:
        raise TimeoutError(f"a run must show itself within {PATIENCE:g} s: no frame came; try again") from None
    finally:
        viewer.close()
    header, _ = unpack(frame)
    return header
