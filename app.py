"""The server: Streamlit's pages, the engine that trains in worker processes, and the live picture's socket.

Start it with `make app` or `streamlit run app.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from moeviz.engine.server.open_files import raised_limit
from moeviz.stage.addresses import own_names
from moeviz.stage.guard import Guard, impatient, say_when_full
from moeviz.stage.routes import routes
from moeviz.ui.faults import explain
from moeviz.ui.run.presence import looking, presence
from moeviz.ui.run.visitor import engine

raised_limit()
impatient(AutoHTTPProtocol)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """The engine lives as long as the server; its workers start when first needed."""
    asyncio.get_running_loop().set_exception_handler(say_when_full)
    async with looking():
        yield
    engine().shutdown()


app = st.App(
    "moeviz/ui/shell.py",
    lifespan=lifespan,
    on_script_error=explain,
    routes=routes(engine(), base_path=st.get_option("server.baseUrlPath") or ""),
    middleware=[
        Middleware(
            Guard,
            names=[*own_names(), st.get_option("server.address") or "", *(st.get_option("server.allowedHosts") or ())],
            make_room=lambda: presence().make_room(),
            origins=st.get_option("server.corsAllowedOrigins") or (),
        )
    ],
)
