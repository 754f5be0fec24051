"""Each task against its definition: points computed by hand, and scikit-learn's moons as oracle."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moeviz.tasks import TaskData
from tests.task_tokens import draw, together

SEEDS = st.integers(0, 2**31 - 1)
LAW = settings(deadline=None, derandomize=True, max_examples=10)


def rows(x_TD: Tensor) -> list[tuple[float, ...]]:
    return [tuple(row) for row in x_TD.tolist()]


def coordinates(data: TaskData) -> tuple[Tensor, Tensor, Tensor]:
    """As `together`, with the points of the plane in Playground's coordinates again (inputs are a third of them)."""
    x_TD, target_T, segment_T = together(data)
    return 3 * x_TD, target_T, segment_T


def test_spiral_is_playgrounds() -> None:
    # n = 250 points an arm. Point 125: r = 5/2, angle 1.75 * 2 pi / 2 = 1.75 pi: x = 2.5 sin = -2.5/sqrt 2, y = -x.
    # Point 50: r = 1, angle .35 * 2 pi = 126 degrees: x = sin 126 = cos 36, y = cos 126 = -sin 36.
    # The other arm is opposite; the segment counts the quarters: 50/250 in the first, 125/250 begins the third.
    place_TD, arm_T, segment_T = coordinates(draw("spiral"))
    assert len(arm_T) == 500
    assert torch.bincount(arm_T).tolist() == [250, 250]
    assert len(draw("spiral").test.target) == 250
    half, degree = 2.5 / math.sqrt(2), math.pi / 180
    expected = [
        (-half, half, 0, 2),
        (half, -half, 1, 6),
        (math.cos(36 * degree), -math.sin(36 * degree), 0, 0),
        (-math.cos(36 * degree), math.sin(36 * degree), 1, 4),
    ]
    for x, y, arm, segment in expected:
        distance_T = (place_TD - torch.tensor([x, y], dtype=torch.float64)).norm(dim=1)
        nearest = int(distance_T.argmin())
        assert float(distance_T[nearest]) == pytest.approx(0, abs=1e-12)
        assert (int(arm_T[nearest]), int(segment_T[nearest])) == (arm, segment)


def test_spiral_with_four_arms_turns_them_by_a_quarter() -> None:
    # 125 points an arm; point 0 of each is the origin and point 25 has radius 1. Arm c is arm 0 turned by c quarters:
    # with x = r sin, y = r cos a quarter more sends (x, y) to (y, -x).
    data = draw("spiral", num_classes=4)
    place_TD, arm_T, _ = coordinates(data)
    assert torch.bincount(arm_T).tolist() == [125] * 4
    assert data.num_segments == 16
    near = {arm: place_TD[(arm_T == arm) & ((place_TD.norm(dim=1) - 1).abs() < 1e-9)][0] for arm in range(4)}
    for arm in range(3):
        x, y = near[arm].tolist()
        assert near[arm + 1].tolist() == pytest.approx([y, -x])


def test_spiral_noise_is_uniform_and_bounded() -> None:
    shift_TD = coordinates(draw("spiral", noise=1.0))[0] - coordinates(draw("spiral"))[0]
    # uniform(-1, 1) has standard deviation 1/sqrt 3 = .577; 1000 draws put the estimate within .03 (more than 4 sigma)
    assert float(shift_TD.abs().max()) <= 1
    assert float(shift_TD.std()) == pytest.approx(1 / math.sqrt(3), abs=0.03)


@pytest.mark.parametrize(("name", "counts"), [("clusters", [252] * 8), ("clusters_unequal", [1008] + [144] * 7)])
def test_clusters_lie_on_a_ring(name: str, counts: list[int]) -> None:
    # 2016 tokens: 8 * 252, or one half (1008) and sevenths of the other half (144).
    place_TD, _, cluster_T = coordinates(draw(name))
    assert torch.bincount(cluster_T).tolist() == counts
    for cluster in range(8):
        around_TD = place_TD[cluster_T == cluster]
        angle = 2 * math.pi * (cluster + 0.5) / 8
        # mean of >= 144 draws of spread .7: standard error .058, 4.3 of them .25
        assert around_TD.mean(0).tolist() == pytest.approx([4 * math.cos(angle), 4 * math.sin(angle)], abs=0.25)
        assert float(around_TD.std(0).mean()) == pytest.approx(0.7, abs=0.15)


@LAW
@given(seed=SEEDS)
def test_each_cluster_is_cut_in_two_by_a_line_through_its_center(seed: int) -> None:
    place_TD, target_T, cluster_T = coordinates(draw("clusters", seed=seed))
    for cluster in range(8):
        angle = 2 * math.pi * (cluster + 0.5) / 8
        center_D = 4 * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
        inside_T = cluster_T == cluster
        turn_T = torch.atan2(*(place_TD[inside_T] - center_D).T.flip(0)) % (2 * math.pi)
        order_T = turn_T.argsort()
        class_T = target_T[inside_T][order_T]
        # Walking once around the center meets exactly two borders, half a turn apart: each class is a half plane.
        borders = (class_T != class_T.roll(1)).nonzero().flatten()
        assert len(borders) == 2
        gap = float((turn_T[order_T[borders[1]]] - turn_T[order_T[borders[0]]]).abs())
        assert min(gap, 2 * math.pi - gap) == pytest.approx(
            math.pi, abs=0.5
        )  # 252 points: the mean gap between points is .025
        # fair coin, 252 tosses: standard deviation of the share .031, 5 of them .16
        assert float(class_T.double().mean()) == pytest.approx(0.5, abs=0.16)


@LAW
@given(seed=SEEDS)
def test_each_cluster_has_its_own_rule(seed: int) -> None:
    # Were all rules alike, the class would follow from the direction around the center alone.
    place_TD, target_T, cluster_T = coordinates(draw("clusters", seed=seed))
    up_share_J = []
    for cluster in range(8):
        above_T = (cluster_T == cluster) & (place_TD[:, 1] > 4 * math.sin(2 * math.pi * (cluster + 0.5) / 8))
        up_share_J.append(float(target_T[above_T].double().mean()))
    assert max(up_share_J) - min(up_share_J) > 0.2


@LAW
@given(seed=SEEDS)
def test_xor_quadrants(seed: int) -> None:
    place_TD, target_T, quadrant_T = coordinates(draw("xor", seed=seed))
    x_T, y_T = place_TD.T
    assert torch.equal(target_T == 0, x_T * y_T > 0)
    assert torch.equal(quadrant_T, torch.where(y_T > 0, torch.where(x_T > 0, 0, 1), torch.where(x_T > 0, 3, 2)))
    assert float(place_TD.abs().min()) >= 0.3
    assert float(place_TD.abs().max()) <= 5.3


@pytest.mark.parametrize("rings", [2, 3, 8])
def test_circle_rings_do_not_touch(rings: int) -> None:
    # Ring c of C spans 5 (c + 0 .. .7) / (C - .3): for two classes 0 to 2.06 and 2.94 to 5.
    place_TD, target_T, segment_T = coordinates(draw("circle", num_classes=rings))
    radius_T = place_TD.norm(dim=1)
    for ring in range(rings):
        inside_T = radius_T[target_T == ring]
        assert float(inside_T.min()) >= 5 * ring / (rings - 0.3) - 1e-9
        assert float(inside_T.max()) <= 5 * (ring + 0.7) / (rings - 0.3) + 1e-9
    assert torch.equal(target_T, segment_T)
    assert torch.bincount(target_T).tolist() == [500 // rings] * rings


def test_gauss_centers() -> None:
    # radius sqrt 8 at 45 and 225 degrees: (2, 2) and (-2, -2); mean of 250 draws of spread .7: standard error .044
    place_TD, target_T, _ = coordinates(draw("gauss"))
    assert place_TD[target_T == 0].mean(0).tolist() == pytest.approx([2, 2], abs=0.2)
    assert place_TD[target_T == 1].mean(0).tolist() == pytest.approx([-2, -2], abs=0.2)


def test_moons_are_scikit_learns() -> None:
    from sklearn.datasets import make_moons

    # ours are shifted by (.5, .25), the middle of the picture, and stretched by 10/3 to reach from -5 to 5
    oracle_TD, oracle_T = make_moons(1000, shuffle=False)
    place_TD, target_T, segment_T = coordinates(draw("moons"))
    ours = sorted(
        (round(x * 0.3 + 0.5, 9), round(y * 0.3 + 0.25, 9), c)
        for (x, y), c in zip(rows(place_TD), target_T.tolist(), strict=True)
    )
    theirs = sorted(
        (round(float(x), 9), round(float(y), 9), int(c)) for (x, y), c in zip(oracle_TD, oracle_T, strict=True)
    )
    assert [each[2] for each in ours] == [each[2] for each in theirs]
    assert torch.allclose(torch.tensor(ours), torch.tensor(theirs), atol=1e-6)
    assert torch.equal(segment_T // 2, target_T)
    assert torch.bincount(segment_T).tolist() == [250] * 4


@pytest.mark.parametrize("classes", range(2, 9))
def test_neighboring_squares_of_the_board_differ(classes: int) -> None:
    place_TD, target_T, square_T = coordinates(draw("checkerboard", num_classes=classes))
    column_T, row_T = ((place_TD + 5) / 2.5).floor().long().T
    assert torch.equal(square_T, 4 * row_T + column_T)
    assert torch.bincount(square_T).tolist() == [100] * 16
    class_of = {int(square): int(target) for square, target in zip(square_T, target_T, strict=True)}
    for square in range(16):
        assert (target_T[square_T == square] == class_of[square]).all()
        assert square % 4 == 3 or class_of[square] != class_of[square + 1]
        assert square >= 12 or class_of[square] != class_of[square + 4]


def test_plane_is_the_mean_of_the_coordinates() -> None:
    x_TD, target_TO, _ = together(draw("plane"))
    assert torch.allclose(target_TO[:, 0], x_TD.mean(1))


@LAW
@given(seed=SEEDS)
def test_bumps_are_three_hills_and_three_valleys(seed: int) -> None:
    x_TD, target_TO, bump_T = together(draw("bumps", seed=seed))
    hill_T = bump_T % 2 == 0
    assert (target_TO[hill_T] > 0).all()  # by symmetry the border between a hill and a valley is at height 0
    assert (target_TO[~hill_T] < 0).all()
    # At a summit the five others add at most e^-(1.3/.5)^2 + ... < .08, and one of 2000 points lies near it.
    assert float(target_TO.max()) == pytest.approx(1, abs=0.15)
    assert float(target_TO.min()) == pytest.approx(-1, abs=0.15)
    assert torch.equal(bump_T < 3, x_TD[:, 1] > 0)


@LAW
@given(seed=SEEDS)
def test_piecewise_is_a_w_of_four_straight_lines(seed: int) -> None:
    x_TD, target_TO, piece_T = together(draw("piecewise", seed=seed))
    x_T, y_T = x_TD[:, 0], target_TO[:, 0]
    # knots (-2, 1) (-1, -1) (0, 1) (1, -1) (2, 1): down, up, down, up with slope 2
    lines = [(-2, -3), (2, 1), (-2, 1), (2, -3)]
    for piece, (slope, height) in enumerate(lines):
        inside_T = piece_T == piece
        assert torch.allclose(y_T[inside_T], slope * x_T[inside_T] + height)
        assert float(x_T[inside_T].min()) >= piece - 2
        assert float(x_T[inside_T].max()) <= piece - 1


def test_linear_clusters_are_solved_by_one_linear_map_each() -> None:
    data = draw("linear_clusters")
    x_TD, target_TO, cluster_T = together(data)
    assert len(data.train.segment_T) == 8192
    assert x_TD.shape[1] == target_TO.shape[1] == data.num_outputs == 16
    maps = []
    for cluster in range(8):
        inside_T = cluster_T == cluster
        fit = torch.linalg.lstsq(x_TD[inside_T], target_TO[inside_T]).solution
        assert torch.allclose(x_TD[inside_T] @ fit, target_TO[inside_T], atol=1e-9)
        assert float((x_TD[inside_T] - x_TD[inside_T].mean(0)).std()) == pytest.approx(
            1, abs=0.03
        )  # unit noise, 32,768 draws
        maps.append(fit)
    # 8 * 256 entries N(0, 1)/4: standard error of the spread .25/sqrt(2 * 2048) = .004, 5 of them .02
    assert float(torch.stack(maps).std()) == pytest.approx(0.25, abs=0.02)
    # 8 * 16 center coordinates 1.5 N(0, 1): standard error 1.5/sqrt(256) = .094, 4 of them .375
    center_JD = torch.stack([x_TD[cluster_T == cluster].mean(0) for cluster in range(8)])
    assert float(center_JD.std()) == pytest.approx(1.5, abs=0.375)
