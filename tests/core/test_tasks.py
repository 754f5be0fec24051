"""Laws that hold for every task and seed, and scikit-learn's digits and principal components as oracle."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moeviz.config import TASK_INFO, TASK_NAMES
from moeviz.tasks import TASKS, TaskData
from moeviz.tasks.base import principal_plane
from tests.task_tokens import draw, together

SEEDS = st.integers(0, 2**31 - 1)
LAW = settings(deadline=None, derandomize=True, max_examples=10)
SEGMENTS = {
    "clusters": 8, "clusters_unequal": 8, "spiral": 8, "xor": 4, "circle": 2, "gauss": 2, "moons": 4,
    "checkerboard": 16, "plane": 1, "bumps": 6, "piecewise": 4, "digits": 10, "linear_clusters": 8,
    "digit_rows": 10, "pairs": 6, "languages": 6, "pictures": 3,
}  # fmt: skip
MULTI_CLASS = [(name, classes) for name in TASK_NAMES for classes in range(2, TASK_INFO[name].classes[1] + 1)
               if TASK_INFO[name].classes[0] == 2]  # fmt: skip
every_task = pytest.mark.parametrize("name", TASK_NAMES)
every_cut_task = pytest.mark.parametrize("name", [name for name in TASK_NAMES if not TASK_INFO[name].page])
"""Those whose inputs are dealt to train and test set; windows of text are drawn from two stretches, see test_text, and
pictures have names, see test_pairs."""


def view(data: TaskData) -> Tensor:
    x_TD = together(data)[0]
    return x_TD if data.project_D2 is None or data.mean_D is None else (x_TD - data.mean_D) @ data.project_D2


def rows(x_TD: Tensor) -> list[tuple[float, ...]]:
    return [tuple(row) for row in x_TD.tolist()]


# Laws for every task


def test_every_declared_task_exists() -> None:
    assert tuple(TASKS) == TASK_NAMES


@every_task
@LAW
@given(seed=SEEDS)
def test_shapes_follow_from_the_task_alone(name: str, seed: int) -> None:
    data, other = draw(name, seed=seed), draw(name, seed=seed // 2, noise=0.5)
    for split, twin in ((data.train, other.train), (data.test, other.test)):
        assert split.x_TD.shape == twin.x_TD.shape
        assert split.target.shape == twin.target.shape
        assert split.x_TD.dtype == torch.float64
    width = {"map": 2, "curve": 1}.get(TASK_INFO[name].view, data.train.x_TD.shape[1])
    assert data.train.x_TD.shape[1] == width
    assert data.num_segments == SEGMENTS[name]


@every_cut_task
@LAW
@given(seed=SEEDS)
def test_targets_are_of_the_declared_kind(name: str, seed: int) -> None:
    data = draw(name, seed=seed)
    _, target, _ = together(data)
    if TASK_INFO[name].kind == "classification":
        assert data.num_outputs == TASK_INFO[name].own_classes
        assert set(target.tolist()) == set(range(data.num_outputs))
        assert target.dtype == torch.int64
    else:
        assert target.shape == (len(target), data.num_outputs)
        assert target.dtype == torch.float64


@every_cut_task
@LAW
@given(seed=SEEDS)
def test_every_segment_occurs_and_no_other(name: str, seed: int) -> None:
    data = draw(name, seed=seed)
    assert set(together(data)[2].tolist()) == set(range(data.num_segments))


@pytest.mark.parametrize(("name", "classes"), MULTI_CLASS)
def test_every_class_occurs_in_train_and_test(name: str, classes: int) -> None:
    for seed in range(3):
        data = draw(name, num_classes=classes, seed=seed)
        assert data.num_outputs == classes
        for split in (data.train, data.test):
            assert set(split.target.tolist()) == set(range(classes))
            assert int(split.segment_T.max()) < data.num_segments


@every_cut_task
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_train_set_has_its_share(name: str, share: float) -> None:
    data = draw(name, train_share=share)
    train, test = len(data.train.segment_T), len(data.test.segment_T)
    assert abs(train - share * (train + test)) <= 0.5


@every_cut_task
def test_the_share_moves_tokens_between_the_sets_but_makes_no_new_ones(name: str) -> None:
    few, many = draw(name, train_share=0.2), draw(name, train_share=0.8)
    assert sorted(rows(together(few)[0])) == sorted(rows(together(many)[0]))
    assert rows(few.train.x_TD) == rows(many.train.x_TD)[: len(few.train.x_TD)]


@every_cut_task
@LAW
@given(seed=SEEDS)
def test_no_token_is_in_both_sets(name: str, seed: int) -> None:
    data = draw(name, seed=seed)
    shared = set(rows(data.train.x_TD)) & set(rows(data.test.x_TD))
    # Point 0 of every arm of the spiral is the origin, as in Playground; all other points are distinct.
    assert shared <= ({(0.0, 0.0)} if name == "spiral" else set())


@every_task
@LAW
@given(seed=SEEDS)
def test_a_draw_depends_on_the_seed_and_on_nothing_else(name: str, seed: int) -> None:
    before = torch.get_rng_state()
    first = draw(name, seed=seed)
    again = draw(name, seed=seed, num_experts=4, learning_rate=0.5, hidden_width=3)
    other = draw(name, seed=seed + 1 if seed < 2**31 - 1 else 0)
    assert torch.equal(first.train.x_TD, again.train.x_TD)
    assert torch.equal(first.test.target, again.test.target)
    assert not torch.equal(first.train.x_TD, other.train.x_TD)
    assert torch.equal(torch.get_rng_state(), before)


@every_cut_task
@LAW
@given(seed=SEEDS)
def test_noise_only_displaces(name: str, seed: int) -> None:
    clean, half, full = (draw(name, seed=seed, noise=noise) for noise in (0.0, 0.5, 1.0))
    moved = "target" if TASK_INFO[name].kind == "regression" else "x_TD"
    still = "target" if moved == "x_TD" else "x_TD"
    for set_name in ("train", "test"):
        a, b, c = (getattr(each, set_name) for each in (clean, half, full))
        assert torch.equal(getattr(a, still), getattr(c, still))
        assert torch.equal(a.segment_T, c.segment_T)
        # Twice the noise is twice the displacement, in the same direction.
        shift_b, shift_c = (getattr(each, moved) - getattr(a, moved) for each in (b, c))
        assert torch.allclose(2 * shift_b, shift_c, atol=1e-12)
        assert float(shift_c.abs().max()) > 0.1
    assert clean.extent == full.extent


@every_cut_task
@LAW
@given(seed=SEEDS)
def test_the_picture_holds_every_point_without_much_empty_space(name: str, seed: int) -> None:
    data = draw(name, seed=seed)
    farthest = float(view(data).abs().max())
    assert 0.6 * data.extent < farthest <= data.extent


# Digits and projections


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    oracle = load_digits()
    x_TD, target_T, segment_T = together(draw("digits"))
    ours = sorted(zip(rows(x_TD * 16), target_T.tolist(), strict=True))
    theirs = sorted(zip((tuple(row) for row in oracle.data.tolist()), oracle.target.tolist(), strict=True))
    assert ours == theirs
    assert torch.equal(target_T, segment_T)
    assert len(ours) == 1797


def test_digit_rows_are_the_same_digits() -> None:
    whole, cut = draw("digits", noise=0.3), draw("digit_rows", noise=0.3)
    for one, other in zip(together(whole), together(cut), strict=True):
        assert torch.equal(one, other)
    assert cut.train.x_TD.shape[1] % TASK_INFO["digit_rows"].tokens_per_input == 0


def test_digits_are_read_without_importing_scikit_learn() -> None:
    program = (
        "import sys; from moeviz.config import RunConfig; from moeviz.tasks import TASKS; "
        "TASKS['digits'](RunConfig(task='digits')); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0


def test_missing_scikit_learn_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    from moeviz.tasks.digits import pixels_and_labels

    pixels_and_labels.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"task=digits needs the package scikit-learn: it is not installed; .* another task"
    ):
        draw("digits")


@pytest.mark.parametrize("name", ["digits", "linear_clusters"])
def test_projection_is_scikit_learns_pca_with_a_fixed_sign(name: str) -> None:
    from sklearn.decomposition import PCA

    data = draw(name)
    oracle = PCA(2, svd_solver="full").fit(data.train.x_TD.numpy())
    plane_2D = torch.from_numpy(oracle.components_)
    assert data.project_D2 is not None
    assert data.mean_D is not None
    assert torch.allclose((plane_2D @ data.project_D2).abs(), torch.eye(2, dtype=torch.float64), atol=1e-9)
    assert data.mean_D.tolist() == pytest.approx(oracle.mean_.tolist())
    largest_2 = data.project_D2.gather(0, data.project_D2.abs().argmax(0, keepdim=True))
    assert (largest_2 > 0).all()


@pytest.mark.parametrize("name", ["digits", "linear_clusters"])
def test_the_plane_of_a_projection_stays_put_while_noise_is_turned(name: str) -> None:
    clean, noisy = draw(name), draw(name, noise=0.7)
    for kept, again in ((clean.project_D2, noisy.project_D2), (clean.mean_D, noisy.mean_D)):
        assert kept is not None
        assert again is not None
        assert torch.equal(kept, again)


def test_only_projected_tasks_have_a_plane() -> None:
    for name in TASK_NAMES:
        data = draw(name)
        assert (data.project_D2 is not None) == (data.mean_D is not None) == (TASK_INFO[name].view == "projection")


def test_principal_plane_by_hand() -> None:
    # Widest along (1, 1, 0)/sqrt 2, then along the third axis, nothing across; signs are made positive.
    points = [(3, 3, 5), (-3, -3, 5), (0, 0, 4), (0, 0, 6)]
    plane_D2 = principal_plane(torch.tensor(points, dtype=torch.float64))
    assert plane_D2[:, 0].tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0])
    assert plane_D2[:, 1].tolist() == pytest.approx([0, 0, 1])
