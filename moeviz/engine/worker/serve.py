"""A worker: many runs in fair time slices. `python -m moeviz.engine.worker` serves them on its stdin and stdout."""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any

from moeviz.engine.messages import Ready
from moeviz.engine.protocol import read_message, write_message
from moeviz.engine.worker.host import Host

BATCH, BATCH_SECONDS = 256, 0.03
"""Messages handled between two slices, and for how long, so that neither many nor long ones stop the training."""
QUEUE = 4096

logger = logging.getLogger(__name__)
Inbox = queue.Queue[Any]  # of what the server says (see `moeviz.engine.messages`), and None at the end


def serve(host: Host, inbox: Inbox) -> None:
    """Handle what waits, advance, sleep until something is due; ends at a None."""
    while True:
        wait, until = host.wait(), math.inf
        for _ in range(BATCH):
            try:
                message = inbox.get(timeout=wait)
            except queue.Empty:
                break
            if message is None:
                return
            until = min(until, time.perf_counter() + BATCH_SECONDS)
            host.handle(message)
            wait = 0
            if time.perf_counter() >= until:
                break
        host.advance()


def _read_into(stream: IO[bytes], inbox: Inbox) -> None:
    """Feed the inbox until the pipe closes, which is how a worker learns that its parent is gone.

    Then it ends at once, also in the middle of a step or of importing torch: it keeps nothing that must be saved.
    """
    status = 0
    try:
        while (received := read_message(stream)) is not None:
            inbox.put(received[0])
    except ValueError:
        logger.exception("the server's messages could not be read")
        status = 1
    os._exit(status)


def open_pipes() -> tuple[IO[bytes], Inbox]:
    """Where a worker process writes its messages, and where those of its parent arrive."""
    logging.basicConfig(format="%(asctime)s moeviz worker: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not land between two messages
    inbox: Inbox = queue.Queue(QUEUE)
    stdin = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    threading.Thread(target=_read_into, args=(stdin, inbox), name="moeviz-stdin", daemon=True).start()
    return out, inbox


def give_memory_back() -> None:
    """Return what a class has left behind to the system; glibc would keep it for the next one."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def main() -> None:
    """Serve runs on this process's pipes until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m moeviz.engine.worker", description=__doc__)
    parser.add_argument("--idle-pause", type=float, default=10.0, help="seconds until an unwatched run pauses")
    parser.add_argument("--idle-free", type=float, default=120.0, help="seconds until a run without viewers is freed")
    arguments = parser.parse_args()
    out, inbox = open_pipes()
    from moeviz.training import opened, step_together  # imports torch, while messages are already collected

    host = Host(
        lambda message, payload: write_message(out, message, payload), opened, step_together,
        idle_pause=arguments.idle_pause, idle_free=arguments.idle_free, on_empty=give_memory_back,
    )  # fmt: skip
    ready: Ready = {"op": "ready"}
    write_message(out, ready)
    try:
        serve(host, inbox)
    except BrokenPipeError:
        return  # the parent is gone
