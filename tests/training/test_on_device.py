"""On every device that is present (tests/accelerator pretends one) runs learn, and are drawn, as on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moeviz.config import DEVICE_NAMES, LOSS_NAMES, TASK_INFO, TASK_NAMES, RunConfig
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.content.methods import PAPERS
from moeviz.engine.messages import FromWorker
from moeviz.engine.worker.host import Host
from moeviz.frames import PICTURES, pack, unpack
from moeviz.training import Training, opened
from tests import accelerator

SMALL: dict[str, Any] = {"batch_size": 16, "balance_coef": 1.0, "num_experts": 4, "hidden_width": 4}
WITH_ROWS = ("clusters", "digit_rows")  # a layer alone, and one inside a Transformer block
DRAWING = ("noisy_top_k", "gshard")
STEPS = 3


def on(device: str, **knobs: Any) -> RunConfig:
    """The nearest allowed small config; a device without a name of its own is `auto`."""
    known = device if device in DEVICE_NAMES else "auto"
    return RunConfig().nearest(**SMALL | knobs, device=known)[0]


def learns_as_on_the_cpu(device: str, **knobs: Any) -> Training:
    """Train beside the same run on the CPU; both in the dense form, which is what a GPU takes."""
    there, here = (Training([on(each, **knobs, dispatch="dense")]) for each in (device, "cpu"))
    there.step(STEPS)
    here.step(STEPS)
    assert str(there.device).startswith(device)
    rows_RAP, expected_RAP = there.rows_RAP.cpu(), here.rows_RAP
    assert (rows_RAP - expected_RAP).abs().max() <= 1e-4 * expected_RAP.abs().max()
    return there


@pytest.mark.parametrize("task", WITH_ROWS)
@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_router_learns_as_on_the_cpu(router: str, task: str, devices: str) -> None:
    learns_as_on_the_cpu(devices, router=router, task=task, **PAPERS.get(router, {}))


@pytest.mark.parametrize("balance_loss", LOSS_NAMES)
def test_every_balance_loss_learns_as_on_the_cpu(balance_loss: str, devices: str) -> None:
    learns_as_on_the_cpu(devices, router="noisy_top_k", balance_loss=balance_loss)


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_is_learned_and_drawn(task: str, devices: str) -> None:
    for expert in TASK_INFO[task].experts:
        training = learns_as_on_the_cpu(devices, task=task, expert=expert, route_by=TASK_INFO[task].levels[-1])
        shot = training.snapshot(PICTURES)
        header, arrays = unpack(pack(shot.header, shot.arrays))
        assert header["device"] == str(training.device)
        assert np.isfinite(arrays["load"]).all() and len(arrays) > 10


@pytest.mark.parametrize("router", ["top_k", "deepseek_v3", "gshard", "noisy_top_k", "switch"])
@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
def test_a_run_is_turned_treated_and_rewound(dispatch: str, router: str, devices: str) -> None:
    training = Training([on(devices, dispatch=dispatch, router=router)])
    training.step(2)
    ghost = training.ghost("twin")
    training.set(num_experts=6, balance_coef=10.0, learning_rate=0.01, noise=0.1)
    training.treat(0, "freeze")
    training.treat(1, "kill")
    training.step(2)
    ghost.training.step(2)
    assert training.current_step == ghost.training.current_step == 4
    assert np.isfinite(ghost.arrays(training, curves=True)["ghost_load"]).all()
    losses = training.measure().task_loss
    training.rewind(2)
    training.step(2)
    np.testing.assert_allclose(training.measure().task_loss, losses, rtol=1e-3)
    training.reset()
    assert training.current_step == 0


def test_runs_of_several_shapes_train_side_by_side(devices: str) -> None:
    runs = opened([on(devices, num_experts=count) for count in (3, 4)])
    runs.step(2)
    header, arrays = unpack(pack(*vars(runs.snapshot(("first_choice", "points", "history"))).values()))
    assert header["device"] == str(runs.parts[0].device) and arrays["load"].shape == (2, 4)


@pytest.mark.parametrize("task", WITH_ROWS)
@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_a_dense_step_never_waits_for_the_device(router: str, task: str, devices: str) -> None:
    if devices != accelerator.NAME:
        pytest.skip("only the pretended device tells when the host waits for it")
    training = Training([on(devices, router=router, task=task, dispatch="dense", balance_loss="switch")])
    training.step()  # it draws the batches of many steps ahead
    with accelerator.waits() as waits:
        training.step(2)
    # what a router draws comes from named streams of the host: one copy a step, and nothing is read back
    assert waits == ["aten.copy_.default"] * 2 * (router in DRAWING)


def test_a_worker_trains_on_the_device(devices: str) -> None:
    sent: list[tuple[FromWorker, bytes]] = []
    host = Host(lambda message, payload: sent.append((message, payload)), opened)
    shared: Any = {"run": "a", "viewer": "v", "want": None, "probe": None, "hidden": False}
    host.handle(shared | {"op": "open", "configs": [vars(on(devices))], "play": True, "speed": "fast"})
    for message in ({"op": "watch", "credit": 0}, {"op": "view", "credit": 1}):
        host.handle(shared | message)
    frames: list[bytes] = []
    for _ in range(1000):
        host.advance()
        frames = [payload for message, payload in sent if message["op"] == "frame"]
        if frames:
            break
    assert unpack(frames[0])[0]["device"].startswith(devices)
