"""Which device a run trains on."""

from __future__ import annotations

import torch


def available() -> list[str]:
    """The devices that are present, best first; the CPU is always last."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else [accelerator.type, "cpu"]


def resolve(name: str) -> torch.device:
    """The device meant by a config's `device`; raises ValueError when it is not present."""
    present = available()
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise ValueError(f"device must be present on this machine ({', '.join(present)}): got device={name}; use auto")
    return torch.device(name)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was given: read a clock only afterwards. The CPU never lags behind."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def widest(device: torch.device) -> torch.dtype:
    """The floats with the most digits that a device has: what is added up over many steps is held in them."""
    return torch.float32 if device.type == "mps" else torch.float64


def use_one_thread() -> None:
    """Let torch compute on one thread: small models gain nothing from more, and several workers share the cores.

    Call it once, before the first computation: changing it in a live process can slow torch down a lot.
    """
    torch.set_num_threads(1)
