"""What the server answers beside Streamlit: the live picture's socket, the stage's scripts, and plotly.js."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from moeviz.stage import COMPONENT_DIR, VERSION
from moeviz.stage.live_socket import Door, LiveSocket, RunSource


def routes(engine: RunSource, base_path: str = "") -> list[BaseRoute]:
    """Everything the stage needs of the server, for `streamlit.App(routes=…)`. Whose pages may open it: `guard`.

    Args:   engine: whose runs are watched.  base_path: `server.baseUrlPath`.
    """
    base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    # some systems register .js as text/plain, which browsers refuse as a module
    mimetypes.add_type("text/javascript", ".js")
    door = Door()

    async def live(websocket: WebSocket) -> None:
        await LiveSocket(engine, websocket, door).run()

    return [
        WebSocketRoute(f"{base}/live/{{token}}", live),
        Route(f"{base}/stage/plotly.min.js", plotly_script),
        Mount(f"{base}/stage/{VERSION}", KeptFiles(directory=COMPONENT_DIR)),
    ]


class KeptFiles(StaticFiles):
    """Static files that browsers keep and never ask about again: what changes gets another address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


@lru_cache(maxsize=1)
def _plotly() -> tuple[bytes, bytes, str]:
    """plotly.js of the installed plotly package: as it is, gzipped, and a tag that changes with it."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the stage's charts need the plotly package: not found; pip install -r requirements.txt"
        )
    path = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    script = path.read_bytes()
    return script, gzip.compress(script, 6), f'"{len(script):x}-{int(path.stat().st_mtime):x}"'


async def plotly_script(request: Request) -> Response:
    """plotly.js, packed once and kept by the browser for a week."""
    script, packed, tag = await run_in_threadpool(_plotly)
    headers = {"Cache-Control": "public, max-age=604800", "ETag": tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(script, media_type="text/javascript", headers=headers)
