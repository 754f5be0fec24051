"""Expert kinds against the layers of torch.nn, and their cost counted by hand and by torch."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import Conv2d, Flatten, Linear, MultiheadAttention, Parameter, ReLU, RMSNorm, Sequential, Unflatten
from torch.utils.flop_counter import FlopCounterMode

from moeviz.config import EXPERT_NAMES
from moeviz.config.task_facts import WHOLE
from moeviz.models.experts import EXPERTS, unpack
from moeviz.tensors.rng import stream

GROUPS, TOKENS, WIDTH, HIDDEN = 3, 5, 4, 6
PLACES = 9  # of an input, for experts that compute it whole: a map of 3 × 3, or a sequence


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


Own = dict[str, Tensor]


def dense(w_DO: Tensor, b_O: Tensor) -> Linear:
    """It keeps its matrix as output by input."""
    made = Linear(*w_DO.shape)
    made.weight.data, made.bias.data = w_DO.T.clone(), b_O.clone()
    return made


def network(own: Own) -> Sequential:
    return Sequential(dense(own["w_in"], own["b_in"]), ReLU(), dense(own["w_out"], own["b_out"]))


def convolutions(own: Own) -> Sequential:
    """They want channels first, on a map with rows and columns, and keep an output's numbers together."""
    (_, inputs, hidden), outputs = own["w_in"].shape, len(own["b_out"])
    square, point = Conv2d(inputs, hidden, 3, padding=1), Conv2d(hidden, outputs, 1)
    square.weight.data, square.bias = own["w_in"].view(3, 3, inputs, hidden).permute(3, 2, 0, 1), Parameter(own["b_in"])
    point.weight.data, point.bias = own["w_out"].T.reshape(outputs, hidden, 1, 1), Parameter(own["b_out"])
    return Sequential(Unflatten(2, (3, 3)), square, ReLU(), point, Flatten(2))


def encoder_layer(own: Own) -> Callable[[Tensor], Tensor]:
    """Attention and an MLP, each behind a norm and with a residual around it; less what it was given."""
    norm = RMSNorm(WIDTH, eps=1e-6, elementwise_affine=False)
    attention = MultiheadAttention(WIDTH, num_heads=1, bias=False, batch_first=True)
    attention.in_proj_weight.data = torch.cat([own[name].T for name in ("w_query", "w_key", "w_value")])
    attention.out_proj.weight.data = own["w_gathered"].T.clone()

    def added(x_CWD: Tensor) -> Tensor:
        after_CWD = x_CWD + attention(*[norm(x_CWD)] * 3, need_weights=False)[0]
        return after_CWD + network(own)(norm(after_CWD)) - x_CWD

    return added


NETWORKS: dict[str, Callable[[Own], Callable[[Tensor], Tensor]]] = {
    "mlp": network,
    "linear": lambda own: dense(own["w_out"], own["b_out"]),
    "conv": lambda own: lambda x_CWD: convolutions(own)(x_CWD.mT).mT,
    "transformer": encoder_layer,
}


def given(name: str) -> Tensor:
    """Tokens, or inputs of several tokens, of three groups."""
    return random(GROUPS, TOKENS, *([PLACES] if EXPERTS[name].whole else []), WIDTH, seed=1)


def test_the_registry_is_the_config_list() -> None:
    assert tuple(EXPERTS) == EXPERT_NAMES
    assert tuple(name for name, kind in EXPERTS.items() if kind.whole) == WHOLE


@pytest.mark.parametrize("outputs", [WIDTH, 2])
@pytest.mark.parametrize("name", EXPERT_NAMES)
def test_each_group_is_a_network_of_torch_layers(name: str, outputs: int) -> None:
    kind = EXPERTS[name]
    if name == "transformer" and outputs != WIDTH:
        with pytest.raises(ValueError, match="must give back what it takes: got input width 4, output width 2"):
            kind.shapes(WIDTH, HIDDEN, outputs)
        return
    parameters = unpack(
        random(GROUPS, kind.num_parameters(WIDTH, HIDDEN, outputs)), kind.shapes(WIDTH, HIDDEN, outputs)
    )
    x = given(name)
    y = kind.apply(parameters, x)
    for group in range(GROUPS):
        expected = NETWORKS[name]({name: value[group] for name, value in parameters.items()})(x[group])
        assert expected.shape == y[group].shape == (*x.shape[1:-1], outputs)
        assert torch.allclose(y[group], expected, rtol=1e-12, atol=1e-12)


def test_a_linear_expert_by_hand() -> None:
    # w = (2, -1), b = 1: the token (3, 4) gives 2 * 3 - 1 * 4 + 1 = 3
    parameters = unpack(torch.tensor([[2.0, -1.0, 1.0]]), EXPERTS["linear"].shapes(2, 9, 1))
    assert EXPERTS["linear"].apply(parameters, torch.tensor([[[3.0, 4.0]]])).tolist() == [[[3.0]]]


def test_an_mlp_expert_by_hand() -> None:
    # one input, two hidden units: relu(x + 1) and relu(-x), summed with weights 10 and 100, plus .5
    # x = 2: 10 * 3 + 100 * 0 + .5 = 30.5; x = -3: 10 * 0 + 100 * 3 + .5 = 300.5
    row_P = torch.tensor([[1.0, -1.0, 1.0, 0.0, 10.0, 100.0, 0.5]])
    parameters = unpack(row_P, EXPERTS["mlp"].shapes(1, 2, 1))
    assert EXPERTS["mlp"].apply(parameters, torch.tensor([[[2.0], [-3.0]]])).tolist() == [[[30.5], [300.5]]]


def test_a_convolution_by_hand() -> None:
    # one channel, one hidden unit: relu(above - 2 · left + 3), times 10, plus .5; outside the map all is 0. On 1 to 9:
    #  0 - 0 + 3 = 3   0 - 2 + 3 = 1    0 - 4 + 3 < 0
    #  1 - 0 + 3 = 4   2 - 8 + 3 < 0    3 - 10 + 3 < 0
    #  4 - 0 + 3 = 7   5 - 14 + 3 < 0   6 - 16 + 3 < 0
    row_P = torch.tensor([[0.0, 1, 0, -2, 0, 0, 0, 0, 0, 3, 10, 0.5]])
    parameters = unpack(row_P, EXPERTS["conv"].shapes(1, 1, 1))
    y = EXPERTS["conv"].apply(parameters, torch.arange(1.0, 10.0).view(1, 1, 9, 1))
    assert y.flatten().tolist() == [30.5, 10.5, 0.5, 40.5, 0.5, 0.5, 70.5, 0.5, 0.5]


def test_a_transformer_layer_by_hand() -> None:
    # The sequence (3, -5), normed (1, -1). Query and value 1, key ln 3 / 2: scores of the first token ln 3 / 2 and its
    # negative, so shares 3/4 and 1/4, and it gathers 3/4 - 1/4 = 1/2, times 2; the second gathers -1.
    # Then (4, -6), normed (1, -1): relu gives 1 and 0, times 10, plus .5. All that is added: 1 + 10.5 and -1 + .5.
    row_P = torch.tensor([[1.0, math.log(3) / 2, 1.0, 2.0, 1.0, 0.0, 10.0, 0.5]], dtype=torch.float64)
    parameters = unpack(row_P, EXPERTS["transformer"].shapes(1, 1, 1))
    y = EXPERTS["transformer"].apply(parameters, torch.tensor([3.0, -5.0], dtype=torch.float64).view(1, 1, 2, 1))
    assert y.flatten().tolist() == pytest.approx([11.5, -0.5], rel=1e-6)  # the norm adds 1e-6 to the mean square


def test_cost_by_hand() -> None:
    # D = 3, H = 5, O = 2. mlp: matrices 3 * 5 + 5 * 2 = 25 multiply-adds = 50 operations, and 25 + 5 + 2 numbers.
    # linear: 3 * 2 = 6 multiply-adds = 12 operations, and 6 + 2 numbers; the hidden width plays no part.
    # conv: 9 * 3 * 5 + 5 * 2 = 145 multiply-adds at each place, whatever their number, and 145 + 5 + 2 numbers.
    costs = {"mlp": (50, 32), "linear": (12, 8), "conv": (290, 152)}
    for name, (flops, numbers) in costs.items():
        assert EXPERTS[name].flops(3, 5, 2, 1) == EXPERTS[name].flops(3, 5, 2, 49) == flops
        assert EXPERTS[name].num_parameters(3, 5, 2) == numbers
    # transformer, O = 3: four matrices of 3 * 3 and an MLP of 30; each of 7 tokens scores 7 others, 3 numbers each, and
    # adds as many up: 36 + 30 + 2 * 7 * 3 = 108 multiply-adds a token. Numbers: 36 + 30 + 5 + 3.
    assert EXPERTS["transformer"].flops(3, 5, 3, 7) == 216
    assert EXPERTS["transformer"].num_parameters(3, 5, 3) == 74


@pytest.mark.parametrize("name", EXPERT_NAMES)
def test_torch_counts_the_same_cost(name: str) -> None:
    kind, x = EXPERTS[name], given(name)
    shapes = kind.shapes(WIDTH, HIDDEN, WIDTH)
    parameters = unpack(random(GROUPS, kind.num_parameters(WIDTH, HIDDEN, WIDTH)), shapes)
    with FlopCounterMode(display=False) as counter:
        kind.apply(parameters, x)
    assert counter.get_total_flops() == x.shape[:-1].numel() * kind.flops(WIDTH, HIDDEN, WIDTH, PLACES)


def test_an_expert_that_computes_whole_inputs_never_looks_into_another() -> None:
    for name in WHOLE:
        kind, x = EXPERTS[name], given(name)
        parameters = unpack(
            random(GROUPS, kind.num_parameters(WIDTH, HIDDEN, WIDTH)), kind.shapes(WIDTH, HIDDEN, WIDTH)
        )
        other = x.clone()
        other[1, 2, 4] += 1  # the middle of one map: its neighbors are all other places
        moved = (kind.apply(parameters, x) != kind.apply(parameters, other)).any(-1)
        assert moved[1, 2].all() and moved.sum() == PLACES


def test_unpack_gives_views_and_leaves_padding_alone() -> None:
    row_P = torch.arange(10.0)
    parts = unpack(row_P, {"matrix": (2, 3), "number": (), "list": (2,)})  # the last place is padding
    assert parts["matrix"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert parts["number"].item() == 6
    assert parts["list"].tolist() == [7, 8]
    assert set(parts) == {"matrix", "number", "list"}
    row_P += 100
    assert parts["matrix"][1, 2].item() == 105
    assert parts["number"].item() == 106


def test_unpack_keeps_leading_axes() -> None:
    parts = unpack(torch.arange(24.0).reshape(2, 3, 4), {"a": (), "b": (3,)})
    assert parts["a"].tolist() == [[0, 4, 8], [12, 16, 20]]
    assert parts["b"].shape == (2, 3, 3)
    assert parts["b"][1, 2].tolist() == [21, 22, 23]


@pytest.mark.parametrize("name", EXPERT_NAMES)
def test_an_expert_starts_as_a_torch_linear_does(name: str) -> None:
    # torch.nn.Linear draws weights and biases uniformly within 1/sqrt(inputs of the layer): deviation bound/sqrt 3
    kind = EXPERTS[name]
    shapes = kind.shapes(25, 100, 25)
    parameters = kind.initialize(shapes, stream(0, "test"))
    fan_in = dict.fromkeys(shapes, 25)
    if name == "conv":  # each of nine places has 25 channels
        fan_in |= {"w_in": 225, "b_in": 225}
    if name != "linear":
        fan_in |= {"w_out": 100, "b_out": 100}
    assert {each: tuple(value.shape) for each, value in parameters.items()} == shapes
    for each, value in parameters.items():
        bound = 1 / math.sqrt(fan_in[each])
        assert value.abs().max() <= bound
        assert value.abs().max() > 0.9 * bound  # of 100 draws or more
        assert value.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
    again = kind.initialize(shapes, stream(0, "test"))
    assert all(torch.equal(parameters[each], again[each]) for each in shapes)
