"""The whole layer: one token by hand, finite differences of every gradient, and how experts start."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from moeviz.config import DISPATCH_NAMES, EXPERT_NAMES, LOSS_NAMES
from moeviz.config.task_facts import WHOLE
from moeviz.losses import LOSSES
from moeviz.models.moe_layer import MoE, RoutingKnobs
from moeviz.routers import Routing
from moeviz.tensors.axes import PerRun
from moeviz.training.objective import accuracy, cross_entropy, r_squared, squared_error

RUNS, EXPERT_COUNT, TOKENS, WIDTH, HIDDEN, OUTPUTS = 2, 4, 6, 3, 2, 3
Loss = Callable[[Tensor, Routing, PerRun], Tensor]  # output, routing, k -> one number per run
EXECUTED = [name for name in DISPATCH_NAMES if name != "auto"]


PLACES = 4  # of an input, for experts that compute it whole


def layer(expert: str = "mlp", dispatch: str = "dense", biased: bool = False, **sizes: Any) -> MoE:
    size: dict[str, Any] = {"input_width": WIDTH, "hidden_width": HIDDEN, "output_width": OUTPUTS}
    whole = {"tokens_per_input": PLACES, "route_by": "input"} if expert in WHOLE else {}
    return MoE("top_k", expert, dispatch, biased_gate=biased, **(size | whole | sizes))


def fresh(model: MoE, num_experts: int = EXPERT_COUNT) -> Tensor:
    """Rows of runs with seeds 0, 1, …"""
    return torch.stack([torch.stack([model.initialize(seed, i) for i in range(num_experts)]) for seed in range(RUNS)])


def tokens(each: int = 1) -> Tensor:
    """Six units of each run, of so many tokens."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn(RUNS, each * TOKENS, WIDTH, dtype=torch.float64, generator=generator)


class Bends(TorchFunctionMode):
    """While it is on: how near to the bend of a relu any number came."""

    nearest = torch.inf

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.relu_:
            self.nearest = min(self.nearest, args[0].abs().min().item())
        return function(*args, **(kwargs or {}))


def far_from_kinks(model: MoE, rows_RAP: Tensor, x_RTD: Tensor, knobs: RoutingKnobs) -> bool:
    """No two experts tie for a token, and no hidden unit is near the bend of its relu: finite differences are valid."""
    with Bends() as bends:
        model.expert_outputs(rows_RAP, x_RTD)
    assert (bends.nearest < torch.inf) == (model.expert != "linear")
    gaps = model.route(rows_RAP, x_RTD, knobs).logits_TE.sort(-1).values.diff(dim=-1)
    return bool(gaps.min() > 1e-4) and bends.nearest > 1e-4


# ---- one token by hand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", EXECUTED)
@pytest.mark.parametrize(
    ("k", "renormalize", "expected"), [(2, True, 2.75), (2, False, 2.75), (1, False, 2.25), (1, True, 3.0)]
)
def test_one_token_by_hand(dispatch: str, k: int, renormalize: bool, expected: float) -> None:
    # x = (1, 2); gate columns (ln 3, 0) and (0, 0): z = (ln 3, 0), p = (3/4, 1/4)
    # expert A: 2 x1 + 1 = 3; expert B: x2 = 2. Both: 3/4 * 3 + 1/4 * 2 = 2.75; A alone: 3/4 * 3, or its full 3
    model = layer("linear", dispatch, input_width=2, output_width=1)
    log_3 = torch.tensor(3.0, dtype=torch.float64).log().item()
    rows_RAP = torch.tensor([[[log_3, 0, 2, 0, 1], [0, 0, 0, 1, 0]]], dtype=torch.float64)
    y_RTO, routing = model(rows_RAP, torch.tensor([[[1.0, 2.0]]], dtype=torch.float64), RoutingKnobs(k, renormalize))
    assert y_RTO.item() == pytest.approx(expected, rel=1e-12)
    assert routing.probs_TE.flatten().tolist() == pytest.approx([0.75, 0.25], rel=1e-12)


def test_a_gate_bias_is_added_to_its_own_expert() -> None:
    model = layer("linear", biased=True, input_width=2, output_width=1)
    rows_RAP = torch.tensor([[[1.0, 0, 5, 0, 0, 0], [0, 1.0, 7, 0, 0, 0]]])
    routing = model.route(rows_RAP, torch.tensor([[[2.0, 3.0]]]), RoutingKnobs(1, False))
    assert routing.logits_TE.tolist() == [[[7, 10]]]  # 2 + 5 and 3 + 7
    assert set(model.parameters(rows_RAP)) == {"gate_w", "gate_b", "w_out", "b_out"}


def test_cost_by_hand() -> None:
    # D = 3, H = 2, O = 3: an mlp expert costs 2 * 2 * (3 + 3) = 24 operations, the gate 2 * 3 for each of 4 experts
    assert layer().flops(4, 2) == 24 + 2 * 24
    # numbers: 3 of the gate (and its bias) + 3 * 2 + 2 + 2 * 3 + 3 = 17 of the expert, four times
    assert layer().num_parameters(4) == 4 * 20
    assert layer(biased=True).num_parameters(4) == 4 * 21


# ---- gradients -------------------------------------------------------------------------------------------------


def by_differences(model: MoE, rows_EP: Tensor, x_TD: Tensor, knobs: RoutingKnobs, loss: Loss) -> Tensor:
    """The gradient of one run's loss by central differences; every bent number is a run of its own."""
    count, step = rows_EP.numel(), 1e-6
    bend_RAP = step * torch.eye(count, dtype=rows_EP.dtype).reshape(count, *rows_EP.shape)
    rows_RAP = torch.cat([rows_EP + bend_RAP, rows_EP - bend_RAP])
    loss_R = loss(*model(rows_RAP, x_TD.expand(2 * count, -1, -1), knobs), knobs.k)
    return ((loss_R[:count] - loss_R[count:]) / (2 * step)).reshape(rows_EP.shape)


def check(model: MoE, run_knobs: Sequence[RoutingKnobs], loss: Loss) -> None:
    """Every number of every row of two runs, each with its own knobs, to 1e-6 of the largest gradient."""
    rows_RAP, x_RTD = fresh(model).requires_grad_(), tokens(model.tokens_per_input)
    numbers: list[tuple[Any, ...]] = [(knobs.k, knobs.renormalize, knobs.capacity) for knobs in run_knobs]
    k, renormalize, capacity = (torch.tensor(column) for column in zip(*numbers, strict=True))
    together = RoutingKnobs(k, renormalize, capacity)
    assert far_from_kinks(model, rows_RAP, x_RTD, together)
    (gradient_RAP,) = torch.autograd.grad(loss(*model(rows_RAP, x_RTD, together), together.k).sum(), rows_RAP)
    for run, knobs in enumerate(run_knobs):
        expected_EP = by_differences(model, rows_RAP[run].detach(), x_RTD[run], knobs, loss)
        assert (gradient_RAP[run] - expected_EP).abs().max() <= 1e-6 * expected_EP.abs().max()
        assert (expected_EP[:, :WIDTH].abs() > 1e-4).any()  # the router does learn


def cross_entropy_loss(y_RTO: Tensor, _: Routing, __: PerRun) -> Tensor:
    return cross_entropy(y_RTO, (torch.arange(y_RTO.shape[1]) % OUTPUTS).expand(len(y_RTO), -1))


def squared_error_loss(y_RTO: Tensor, _: Routing, __: PerRun) -> Tensor:
    return squared_error(y_RTO, torch.ones_like(y_RTO))


@pytest.mark.parametrize("dispatch", EXECUTED)
@pytest.mark.parametrize("expert", EXPERT_NAMES)
@pytest.mark.parametrize("biased", [False, True], ids=["no bias", "gate bias"])
@pytest.mark.parametrize("loss", [cross_entropy_loss, squared_error_loss])
def test_task_gradients_agree_with_finite_differences(loss: Loss, biased: bool, expert: str, dispatch: str) -> None:
    model = layer(expert, dispatch, biased)
    check(model, [RoutingKnobs(1, False, TOKENS), RoutingKnobs(2, True, TOKENS)], loss)
    check(model, [RoutingKnobs(2, False, 2), RoutingKnobs(3, True, 3)], loss)  # with drops


@pytest.mark.parametrize("name", [name for name in LOSS_NAMES if name != "load"])  # without noise it has no gradient
def test_balance_gradients_agree_with_finite_differences(name: str) -> None:
    def balance(_: Tensor, routing: Routing, k: PerRun) -> Tensor:
        return LOSSES[name](routing, k=k)

    def both(y_RTO: Tensor, routing: Routing, k: PerRun) -> Tensor:
        return cross_entropy_loss(y_RTO, routing, k) + 3 * LOSSES[name](routing, k=k)

    for loss in (balance, both):
        check(layer(biased=True), [RoutingKnobs(1, False, TOKENS), RoutingKnobs(2, True, 2)], loss)


def test_padding_gets_no_gradient() -> None:
    model = layer()
    rows_RAP = fresh(model).requires_grad_()
    y_RTO, _ = model(rows_RAP, tokens(), RoutingKnobs(EXPERT_COUNT, False))
    (gradient_RAP,) = torch.autograd.grad(y_RTO.square().sum(), rows_RAP)
    used = model.num_parameters(1)
    assert used < rows_RAP.shape[-1]
    assert (gradient_RAP[..., used:] == 0).all()
    assert (gradient_RAP[..., :WIDTH] != 0).all()  # every gate column learns when all experts answer


# ---- how experts start -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("expert", EXPERT_NAMES)
def test_expert_i_starts_the_same_whatever_n(expert: str, biased: bool) -> None:
    model = layer(expert, biased=biased)
    assert torch.equal(fresh(model, 3), fresh(model, 9)[:, :3])
    rows_RAP = fresh(model, 9)
    assert len({tuple(row_P.tolist()) for row_P in rows_RAP.flatten(0, 1)}) == 18  # and no two are alike


def test_gate_columns_start_with_equal_length_and_a_fair_bias() -> None:
    model = layer(biased=True)
    part = model.parameters(fresh(model, 32))
    assert torch.allclose(part["gate_w"].norm(dim=-1), torch.ones(RUNS, 32, dtype=torch.float64), rtol=1e-12)
    # -|w|^2/2 makes the nearest column win: |x - w|^2 = |x|^2 - 2 (w x - |w|^2/2)
    assert torch.allclose(part["gate_b"], torch.full((RUNS, 32), -0.5, dtype=torch.float64), rtol=1e-12)
    x_RTD = tokens()
    nearest_RT = torch.cdist(x_RTD, part["gate_w"]).argmin(-1)
    assert torch.equal(model.route(fresh(model, 32), x_RTD, RoutingKnobs(1, False)).rank_TE.argmin(-1), nearest_RT)


def test_on_a_line_columns_differ_in_length() -> None:
    # of equal length there would be only +1 and -1, so at most two experts could ever win
    column_RE = layer(input_width=1).parameters(fresh(layer(input_width=1), 8))["gate_w"][..., 0]
    assert all(len({round(abs(value), 6) for value in row.tolist()}) == 8 for row in column_RE)


def test_seed_and_number_decide_the_start() -> None:
    model = layer()
    assert torch.equal(model.initialize(5, 2), model.initialize(5, 2))
    for other in ((6, 2), (5, 3)):
        assert not torch.equal(model.initialize(5, 2), model.initialize(*other))


# ---- precision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", EXECUTED)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_half_type_layer_routes_in_float32(half: torch.dtype, dispatch: str) -> None:
    model = layer(dispatch=dispatch, biased=True)
    rows_RAP, x_RTD, knobs = fresh(model).to(half), tokens().to(half), RoutingKnobs(2, True)
    y_RTO, routing = model(rows_RAP, x_RTD, knobs)
    assert y_RTO.dtype == half
    assert routing.probs_TE.dtype == routing.gates_TE.dtype == torch.float32
    # the products of half-type numbers summed in float32, not rounded to 8 or 11 bits on the way
    part = model.parameters(rows_RAP.float())
    logits_RTE = x_RTD.float() @ part["gate_w"].mT + part["gate_b"].unsqueeze(-2)
    assert torch.allclose(routing.logits_TE, logits_RTE, rtol=1e-6, atol=1e-6)


# ---- objectives ------------------------------------------------------------------------------------------------


def test_objectives_are_torchs() -> None:
    y_RTO = torch.randn(3, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target_RT = torch.arange(24).reshape(3, 8) % 4
    wanted_RTO = y_RTO.flip(1)
    for run in range(3):
        expected = torch.nn.functional.cross_entropy(y_RTO[run], target_RT[run]).item()
        assert cross_entropy(y_RTO, target_RT)[run].item() == pytest.approx(expected, rel=1e-12)
        expected = torch.nn.functional.mse_loss(y_RTO[run], wanted_RTO[run]).item()
        assert squared_error(y_RTO, wanted_RTO)[run].item() == pytest.approx(expected, rel=1e-12)


def test_metrics_of_objectives_by_hand() -> None:
    # answers 1, 0, 1 to targets 1, 0, 0: two of three
    y_RTO = torch.tensor([[[0.0, 1.0], [2.0, 1.0], [0.0, 1.0]]])
    assert accuracy(y_RTO, torch.tensor([[1, 0, 0]])).item() == pytest.approx(2 / 3)
    # targets 1, 3 have variance 1; answers 1, 2 miss by 0 and 1: mean square .5, so R² = .5; their mean scores 0
    target_RTO = torch.tensor([[[1.0], [3.0]]])
    assert r_squared(torch.tensor([[[1.0], [2.0]]]), target_RTO).item() == pytest.approx(0.5)
    assert r_squared(torch.full((1, 2, 1), 2.0), target_RTO).item() == pytest.approx(0)
