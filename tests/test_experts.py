"""Expert kinds against torch.nn.Linear, and their cost counted by hand."""

import math

import pytest
import torch
from torch import Tensor

from moeviz.config import EXPERT_NAMES
from moeviz.experts import EXPERTS, unpack
from moeviz.rng import stream

GROUPS, TOKENS, WIDTH, HIDDEN, OUTPUTS = 3, 5, 4, 6, 2


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(w_DO: Tensor, b_O: Tensor) -> torch.nn.Linear:
    """torch's own layer with these numbers (it keeps its matrix as output by input)."""
    made = torch.nn.Linear(w_DO.shape[0], w_DO.shape[1], dtype=torch.float64)
    made.weight.data, made.bias.data = w_DO.T.clone(), b_O.clone()
    return made


def test_the_registry_is_the_config_list() -> None:
    assert tuple(EXPERTS) == EXPERT_NAMES


@pytest.mark.parametrize("name", EXPERT_NAMES)
def test_each_group_is_a_network_of_torch_linears(name: str) -> None:
    kind = EXPERTS[name]
    rows_GP = random(GROUPS, kind.num_parameters(WIDTH, HIDDEN, OUTPUTS))
    x_GCD = random(GROUPS, TOKENS, WIDTH, seed=1)
    parameters = unpack(rows_GP, kind.shapes(WIDTH, HIDDEN, OUTPUTS))
    y_GCO = kind.apply(parameters, x_GCD)
    for group in range(GROUPS):
        own = {name: value[group] for name, value in parameters.items()}
        output = layer(own["w_out"], own["b_out"])
        network: torch.nn.Module = output
        if name == "mlp":
            network = torch.nn.Sequential(layer(own["w_in"], own["b_in"]), torch.nn.ReLU(), output)
        assert torch.allclose(y_GCO[group], network(x_GCD[group]), rtol=1e-12, atol=1e-14)


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


def test_cost_by_hand() -> None:
    # D = 3, H = 5, O = 2. mlp: matrices 3 * 5 + 5 * 2 = 25 multiply-adds = 50 operations, and 25 + 5 + 2 numbers.
    # linear: 3 * 2 = 6 multiply-adds = 12 operations, and 6 + 2 numbers; the hidden width plays no part.
    assert EXPERTS["mlp"].flops(3, 5, 2, 1) == 50
    assert EXPERTS["mlp"].num_parameters(3, 5, 2) == 32
    assert EXPERTS["linear"].flops(3, 5, 2, 1) == 12
    assert EXPERTS["linear"].num_parameters(3, 5, 2) == 8


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
