"""Dense and sparse execution of one layer equal each other and a loop of the definition, values and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from moeviz.config import DISPATCH_NAMES
from moeviz.models import dispatch
from moeviz.models.affine_chain import LAYERS, Chain, Divide, like_rows
from moeviz.models.dispatch import DISPATCH, OneKind, blocks, dense, every_output, resolve, sparse
from moeviz.models.experts import EXPERTS, unpack
from moeviz.routers import Routing, top_k

TOKENS, EXPERT_COUNT, WIDTH, HIDDEN, OUTPUTS = 70, 6, 5, 7, 3
SHAPES = EXPERTS["mlp"].shapes(WIDTH, HIDDEN, OUTPUTS)
ROW = EXPERTS["mlp"].num_parameters(WIDTH, HIDDEN, OUTPUTS) + 2  # two numbers of padding

Case = Callable[[Tensor], Routing]  # router logits -> routing


def forced(logits_RTE: Tensor, expert: Tensor) -> Tensor:
    """Logits that make token t choose expert[t] first, whatever they were."""
    return logits_RTE + 50 * torch.nn.functional.one_hot(expert, EXPERT_COUNT).to(logits_RTE)  # also to its device


CASES: dict[str, Case] = {
    "balanced": lambda z: top_k(forced(z, torch.arange(TOKENS) % EXPERT_COUNT), k=1, renormalize=False),
    "collapsed": lambda z: top_k(forced(z, torch.full((TOKENS,), 2)), k=1, renormalize=False),
    "top 2": lambda z: top_k(z, k=2, renormalize=True),
    "drops": lambda z: top_k(z, k=2, capacity=9, renormalize=True),
    "most tokens without an expert": lambda z: top_k(z, k=1, capacity=1, renormalize=False),
    "everything dropped": lambda z: top_k(z, k=2, capacity=0, renormalize=True),
    "k = N": lambda z: top_k(z, k=EXPERT_COUNT, renormalize=True),
    "blocks exactly full": lambda z: top_k(  # 32 tokens each for A and B, 6 for F: no place is left over
        forced(z, torch.tensor([0] * 32 + [1] * 32 + [5] * 6)), k=1, renormalize=False
    ),
}


experts = OneKind(EXPERTS["mlp"], SHAPES)


def unknown_experts(rows_GP: Tensor, x_GCD: Tensor) -> Tensor:
    """The same for a sparse form that does not know what they are."""
    return EXPERTS["mlp"].apply(unpack(rows_GP, SHAPES), x_GCD)


# How experts are computed by the sparse form: small ones, and large ones that are or are not a known chain of layers.
WAYS: dict[str, tuple[int, Callable[[Tensor, Tensor], Tensor]]] = {
    "in blocks": (10**9, experts),
    "one by one, by hand": (1, experts),
    "one by one, by autograd": (1, unknown_experts),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tensor]:
    """The sparse form, computed in one of the ways whatever the size."""
    large, kind = WAYS[request.param]
    monkeypatch.setattr(dispatch, "LARGE", large)
    return lambda _, *rest: sparse(kind, *rest)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(runs: int, device: str = "cpu", dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Rows, tokens and router logits: the leaves of one layer."""
    shapes = [(EXPERT_COUNT, ROW), (TOKENS, WIDTH), (TOKENS, EXPERT_COUNT)]
    return [random(runs, *shape, seed=seed).to(device, dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def outcome(compute: Callable[..., Tensor], case: Case, leaves: list[Tensor]) -> list[Tensor]:
    """Output, then its gradients for rows, tokens and logits under fixed weights."""
    rows_REP, x_RTD, logits_RTE = leaves
    y_RTO = compute(experts, rows_REP, x_RTD, case(logits_RTE))
    weight_RTO = random(*y_RTO.shape, seed=4).to(y_RTO)
    return [y_RTO.detach(), *torch.autograd.grad((y_RTO * weight_RTO).sum(), leaves)]


def loop(_: object, rows_REP: Tensor, x_RTD: Tensor, routing: Routing) -> Tensor:
    """The definition, token by token: y_t = sum over kept experts of gate * E(x_t)."""
    y_RTO = x_RTD.new_zeros(*x_RTD.shape[:2], OUTPUTS) + 0 * (rows_REP.sum() + x_RTD.sum() + routing.gates_TE.sum())
    for run, token, expert in routing.kept_TE.nonzero().tolist():
        w = unpack(rows_REP[run, expert], SHAPES)
        own_O = (x_RTD[run, token] @ w["w_in"] + w["b_in"]).relu() @ w["w_out"] + w["b_out"]
        weighted_O = routing.gates_TE[run, token, expert] * own_O
        y_RTO = y_RTO.index_put((torch.tensor(run), torch.tensor(token)), weighted_O, accumulate=True)
    return y_RTO


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Each tensor equal within `tolerance` of its largest entry."""
    for name, ours, theirs in zip(("y", "rows", "x", "logits"), actual, expected, strict=True):
        assert ours.isfinite().all(), name
        assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max(), name


def test_the_registry_is_the_config_list() -> None:
    assert ("auto", *DISPATCH) == DISPATCH_NAMES


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_dense_and_sparse_agree(
    runs: int, case: Case, dtype: torch.dtype, tolerance: float, devices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if devices == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    if devices == "cuda":  # TF32 would keep only 10 bits of each factor
        monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    leaves = layer(runs, devices, dtype)
    assert_close(outcome(sparse, case, leaves), outcome(dense, case, leaves), tolerance)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_equal_the_loop(case: Case, way: Callable[..., Tensor]) -> None:
    leaves = layer(2)
    expected = outcome(loop, case, leaves)
    assert_close(outcome(dense, case, leaves), expected, 1e-10)
    assert_close(outcome(way, case, leaves), expected, 1e-10)


@pytest.mark.parametrize("compute", [dense, sparse])
def test_a_dropped_token_gets_exactly_nothing(compute: Callable[..., Tensor]) -> None:
    rows_REP, x_RTD, logits_RTE = layer(1)
    routing = top_k(logits_RTE, k=1, capacity=1)
    lost_RT = ~routing.kept_TE.any(-1)
    assert int(lost_RT.sum()) >= TOKENS - EXPERT_COUNT
    y_RTO = compute(experts, rows_REP, x_RTD, routing)
    assert (y_RTO[lost_RT] == 0).all()
    assert (y_RTO[~lost_RT] != 0).all()


@pytest.mark.parametrize("poisoned", [0, 1, 2], ids=["rows", "tokens", "logits"])
def test_a_nan_run_does_not_touch_its_neighbors(way: Callable[..., Tensor], poisoned: int) -> None:
    case = CASES["drops"]
    for compute in (dense, way):
        healthy = outcome(compute, case, layer(3))
        leaves = [each.detach().clone() for each in layer(3)]
        leaves[poisoned][1] = torch.nan
        sick = outcome(compute, case, [each.requires_grad_() for each in leaves])
        assert sick[0][1].isnan().any()
        for ours, theirs in zip(sick, healthy, strict=True):
            assert torch.equal(ours[[0, 2]], theirs[[0, 2]])


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_the_chain_by_hand_has_the_derivatives_of_finite_differences(kind: str) -> None:
    shapes = EXPERTS[kind].shapes(3, 4, 2)
    rows_GP = random(3, EXPERTS[kind].num_parameters(3, 4, 2) + 1, seed=0).requires_grad_()  # one number of padding
    x_ID = random(7, 3, seed=1).requires_grad_()
    counts = [5, 0, 2]  # one expert without items
    names = LAYERS[EXPERTS[kind].apply]
    assert torch.autograd.gradcheck(lambda rows, x: Chain.apply(names, shapes, counts, rows, x), (rows_GP, x_ID))


def test_the_work_of_the_sparse_form_is_that_of_the_choices_however_uneven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that go through an expert: k for each token, whether the experts share them evenly or two get all."""
    computed: list[int] = []

    def counted(rows_GP: Tensor, x_GCD: Tensor) -> Tensor:
        computed.append(x_GCD.shape[0] * x_GCD.shape[1])
        return unknown_experts(rows_GP, x_GCD)

    rows_REP, x_RTD, logits_RTE = layer(1)
    for large, limit in ((1, 0), (10**9, EXPERT_COUNT * dispatch.BLOCK)):  # an expert's last block may be half empty
        monkeypatch.setattr(dispatch, "LARGE", large)
        for name, k in (("balanced", 1), ("collapsed", 1), ("top 2", 2)):
            computed.clear()
            sparse(counted, rows_REP, x_RTD, CASES[name](logits_RTE))
            assert k * TOKENS <= sum(computed) <= k * TOKENS + limit, (large, name)


def test_the_ways_are_chosen_by_the_work_of_an_expert(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def noting(name: str) -> Callable[..., Tensor]:
        way = getattr(dispatch, name)

        def noted(*rest: object) -> Tensor:
            used.append(name)
            return way(*rest)

        return noted

    for name in ("in_blocks", "one_by_one"):
        monkeypatch.setattr(dispatch, name, noting(name))
    rows_REP, x_RTD, logits_RTE = layer(2)
    items = 2 * 2 * TOKENS  # of two runs, over twice the experts
    for large in (ROW * items // (2 * EXPERT_COUNT), ROW * items // (2 * EXPERT_COUNT) + 1):
        monkeypatch.setattr(dispatch, "LARGE", large)
        sparse(experts, rows_REP, x_RTD, CASES["top 2"](logits_RTE))
    assert used == ["one_by_one", "in_blocks"]


def test_every_output_is_each_experts_own() -> None:
    rows_REP, x_RTD, _ = layer(2)
    y_RETO = every_output(experts, rows_REP, x_RTD)
    assert y_RETO.shape == (2, EXPERT_COUNT, TOKENS, OUTPUTS)
    alone_TO = experts(rows_REP[1, 4].unsqueeze(0), x_RTD[1].unsqueeze(0)).squeeze(0)
    assert torch.allclose(y_RETO[1, 4], alone_TO, rtol=1e-12, atol=1e-14)


def test_blocks_by_hand() -> None:
    # Even enough: 4 groups as high as the busiest take 20 places for 10 items, so each gets one block (if any item).
    # They start at places 0, 5, 5 and 10, their items are numbers 0.., 3.., 3.. and 8..: they move by 0, 2, 2 and 2.
    height, group_B, shift_G = blocks(torch.tensor([3, 0, 5, 2]), 10)
    assert (height, group_B.tolist(), shift_G.tolist()) == (5, [0, 2, 3], [0, 2, 2, 2])
    # Uneven: blocks of 32, 4 + 0 + 1 + 1 of them, from places 0, 128, 128 and 160; items from numbers 0, 100, 100, 103.
    height, group_B, shift_G = blocks(torch.tensor([100, 0, 3, 1]), 104)
    assert (height, group_B.tolist(), shift_G.tolist()) == (32, [0, 0, 0, 0, 2, 3], [0, 28, 28, 57])
    height, group_B, _ = blocks(torch.tensor([0, 0]), 0)  # every choice was dropped
    assert height > 0 and group_B.tolist() == []


@pytest.mark.parametrize(
    ("name", "device", "num_tokens", "num_experts", "largest_k", "flops", "expected"),
    [
        ("auto", "cpu", 1000, 8, 2, 1000, "sparse"),  # saves 1000 tokens · 6 experts · 1000 FLOPs = 6 million
        ("auto", "cpu", 100, 8, 2, 1000, "dense"),  # saves .6 million: not worth the sorting
        ("auto", "cpu", 1000, 2, 1, 1000, "sparse"),  # exactly a million, and half of the work
        ("auto", "cpu", 999, 2, 1, 1000, "dense"),
        ("auto", "cpu", 10**6, 8, 5, 1000, "dense"),  # a lot, but less than half of the work
        ("auto", "cpu", 10**6, 8, 8, 1000, "dense"),  # nothing to save
        ("auto", "cpu", 10**6, 1, 1, 1000, "dense"),
        ("auto", "cuda", 10**6, 8, 2, 1000, "dense"),  # sparse would wait for the device
        ("auto", "mps", 10**6, 8, 2, 1000, "dense"),
        ("dense", "cpu", 10**6, 8, 2, 1000, "dense"),
        ("sparse", "cpu", 1, 8, 8, 1, "sparse"),
        ("sparse", "cuda", 1, 8, 2, 1, "sparse"),
    ],
)
def test_auto_is_decided_by_configs_and_device(
    name: str, device: str, num_tokens: int, num_experts: int, largest_k: int, flops: int, expected: str
) -> None:
    assert resolve(name, torch.device(device), num_tokens, num_experts, largest_k, flops) == expected


def test_a_gradient_with_room_for_the_gate_is_not_copied_and_any_other_is() -> None:
    rows_REP = random(2, 3, 5, seed=0).requires_grad_()
    _, others_REP = Divide.apply(rows_REP, 2)
    roomy_GP = like_rows(others_REP.flatten(0, 1)).fill_(7)
    assert roomy_GP.shape == (6, 3) and roomy_GP.stride() == (5, 1)
    weight_REP = random(2, 3, 2, seed=1)
    for gradient_REP, kept in ((roomy_GP.view(2, 3, 3), True), (roomy_GP.clone().view(2, 3, 3), False)):
        outputs = Divide.apply(rows_REP, 2)
        (whole_REP,) = torch.autograd.grad(outputs, rows_REP, (weight_REP, gradient_REP))
        assert torch.equal(whole_REP, torch.cat([weight_REP, torch.full((2, 3, 3), 7.0, dtype=torch.float64)], -1))
        assert (whole_REP.data_ptr() == roomy_GP.untyped_storage().data_ptr()) is kept
