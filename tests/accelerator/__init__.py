"""A pretended accelerator, for computers without one: what a GPU refuses, and where the host waits for it.

Its tensors hold their numbers in a tensor of the host, but say that they are elsewhere. Computing with a tensor of the
host beside them fails, as on a GPU; so does reading them as numpy. `waits` lists what makes the host wait for a device.

    python -m pytest -p tests.accelerator tests/core/test_moe_layer.py     # a test file, where `auto` is this device

It replaces `torch.inference_mode`, with which such tensors do not work, by `torch.no_grad`; so it must be installed
before moeviz is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

if TYPE_CHECKING:
    import pytest

NAME = "accel"
aten = torch.ops.aten
COPIES = (aten._to_copy.default, aten.copy_.default)
READS = {  # what needs numbers of the device before the host can go on
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default,
    aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default,
}  # fmt: skip
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
_waits: list[str] | None = None


class OnDevice(Tensor):
    """A tensor of the device; `host` holds its numbers."""

    host: Tensor

    @staticmethod
    def __new__(cls, host: Tensor) -> OnDevice:
        made = Tensor._make_wrapper_subclass(
            cls, host.shape, strides=host.stride(), storage_offset=host.storage_offset(), dtype=host.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip
        made.host = host
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"on {NAME}: {self.host}"

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Lists, arrays and plain numbers reach the device as a copy from the host."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if function in (Tensor.__getitem__, Tensor.__setitem__):
                place = args[1] if isinstance(args[1], tuple) else (args[1],)
                args = (args[0], tuple(_index(each) for each in place), *args[2:])
            if function is Tensor.tolist or (function is Tensor.numpy and kwargs.get("force")):
                return getattr(args[0].detach().cpu(), function.__name__)()
            if function is Tensor.new_tensor:
                return torch.tensor(args[1], **{"dtype": args[0].dtype, "device": args[0].device} | kwargs)
            return function(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return computed(operation, *args, **(kwargs or {}))


def computed(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """An operation on tensors of the device, done by the host; RuntimeError where a GPU would refuse it."""
    tensors = [each for each in _leaves((args, tuple(kwargs.values()))) if isinstance(each, Tensor)]
    here = [each for each in tensors if isinstance(each, OnDevice)]
    elsewhere = [each for each in tensors if each.dim() and not isinstance(each, OnDevice)]
    target = torch.device(kwargs["device"]).type if kwargs.get("device") is not None else None
    _count_wait(operation, args, kwargs, bool(here and elsewhere) or (operation in COPIES and target is not None))
    if operation in INDEXED:  # an index may be of the host; it is copied
        elsewhere = [each for each in elsewhere if not any(each is index for index in args[1])]
    if here and elsewhere and operation not in COPIES:
        shapes = [tuple(each.shape) for each in elsewhere]
        raise RuntimeError(f"{operation}: tensors of {NAME} and of the host in one operation: of the host {shapes}")
    if target == NAME:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    made = operation(*_each(_host, args), **{name: _each(_host, value) for name, value in kwargs.items()})
    if operation._schema.is_mutable and operation._schema.arguments[0].is_write:
        return args[0] if isinstance(made, Tensor) else made
    stays = target == NAME or (target is None and bool(here))
    return _each(lambda each: OnDevice(each) if isinstance(each, Tensor) else each, made) if stays else made


def _leaves(value: Any) -> Iterator[Any]:
    """What stands in lists and tuples, which are all that an operation takes and gives: torch's trees are slower."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """The same lists and tuples, with each leaf changed."""
    return type(value)([_each(change, each) for each in value]) if isinstance(value, (list, tuple)) else change(value)


def _host(value: Any) -> Any:
    return value.host if isinstance(value, OnDevice) else value


def _index(value: Any) -> Any:
    """An index as the device can read it."""
    if value is None or value is Ellipsis or isinstance(value, (int, slice, Tensor)):
        return value
    return torch.as_tensor(value, device=NAME)


def _count_wait(operation: Any, args: Any, kwargs: Any, copied: bool) -> None:
    if _waits is None:
        return
    masked = operation in INDEXED and any(
        each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
    )
    repeated = "repeat_interleave" in str(operation) and kwargs.get("output_size") is None
    if operation in READS or masked or repeated or copied:
        _waits.append(str(operation))


@contextmanager
def waits() -> Iterator[list[str]]:
    """The operations that make the host wait for the device from here on, by name: reads, counts and copies."""
    global _waits
    before, _waits = _waits, []
    try:
        yield _waits
    finally:
        _waits = before


class NoGrad(torch.no_grad):
    """`torch.no_grad` in the place of `torch.inference_mode`: as decorator, as context, and switched off by False."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return torch.no_grad()(mode)
        return super().__new__(cls) if mode else torch.enable_grad()

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


def _made_by_the_host(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A factory that reads Python's numbers: it allocates where no dispatch can be seen."""

    def made(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        if device is None or torch.device(device).type != NAME:
            return make(data, **options) if device is None else make(data, device=device, **options)
        return make(_host(data), **options).to(device)

    return made


def _synchronized(device: object = None) -> None:
    if _waits is not None:
        _waits.append("synchronize")


def install() -> None:
    """Let torch know the device from now on, in all threads."""
    _setup_privateuseone_for_python_backend(NAME)
    global _library
    _library = torch.library.Library("_", "IMPL")  # it ends with the object
    _library.fallback(computed, "PrivateUse1")
    torch.inference_mode = NoGrad  # type: ignore[misc, assignment]
    torch.tensor = _made_by_the_host(torch.tensor)
    torch.as_tensor = _made_by_the_host(torch.as_tensor)  # type: ignore[assignment]
    torch.accelerator.synchronize = _synchronized


def pytest_configure() -> None:
    """As a plugin: `-p tests.accelerator`."""
    install()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that runs once for each device runs here on this one; on the others it runs without the plugin."""
    parameters = [(item, item.callspec.params if hasattr(item, "callspec") else {}) for item in items]
    elsewhere = [item for item, given in parameters if given.get("devices", NAME) != NAME]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]
