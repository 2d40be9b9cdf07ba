"""Hartigan's k-means: brute force, a case by hand, scikit-learn from the same start."""

from itertools import product

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.utils.estimator_checks import check_estimator

from cluster_tune import _loops
from cluster_tune.clustering import HartiganKMeans


def inertia(points, labels):
    return sum(((points[labels == t] - points[labels == t].mean(axis=0)) ** 2).sum() for t in np.unique(labels))


def blobs(seed=0, n=300, k=6, d=4, spread=4.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + spread * rng.normal(size=(k, d))[rng.integers(k, size=n)]


def converged(points, k, seed=0, **options):
    return HartiganKMeans(k, tol=0, max_iter=1000, random_state=seed, **options).fit(points)


def test_scikit_learn_s_own_checks():
    checks = check_estimator(HartiganKMeans(n_clusters=3, n_init=2), on_fail=None, on_skip=None)
    assert len(checks) > 40 and [check for check in checks if check["status"] == "failed"] == []


def test_a_case_by_hand():
    """Out of {0, 4} the 4 takes 2/1 * 2^2 = 8, into {5, 6} it brings 2/3 * 1.5^2 = 1.5: from 8.5 down to 2."""
    points, labels = np.array([[0.0], [4.0], [5.0], [6.0]]), np.array([0, 0, 1, 1], np.int32)
    centers, sizes = np.array([[2.0], [5.5]]), np.array([2, 2])
    assert _loops.hartigan_sweep(points, np.array([1]), labels, centers, sizes) == (1, 6.5)
    assert labels.tolist() == [0, 1, 1, 1] and sizes.tolist() == [1, 3]
    assert np.allclose(centers, [[0.0], [5.0]])


def test_it_leaves_a_partition_at_which_lloyd_s_algorithm_stays():
    """Centres 0 and 2.2, of two points and one: 1 is nearer to 0, yet beside the single point the inertia is less."""
    points = np.array([[-1.0], [1.0], [2.2]])
    start = np.array([[0.0], [2.2]])
    lloyd = KMeans(2, init=start, n_init=1, tol=0).fit(points)
    ours = HartiganKMeans(2, init=start, tol=0, random_state=0).fit(points)
    assert lloyd.labels_.tolist() == [0, 0, 1] and ours.labels_.tolist() == [0, 1, 1]
    assert ours.inertia_ == pytest.approx(0.72) and lloyd.inertia_ == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_move_costs_is_the_change_of_the_inertia(seed):
    points = blobs(seed, n=40)
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=40).astype(np.int32)
    for i in range(40):
        before = inertia(points, labels)
        by_hand = [inertia(points, np.where(np.arange(40) == i, t, labels)) for t in range(4)]
        centers = np.array([points[labels == t].mean(axis=0) for t in range(4)])
        _, fallen = _loops.hartigan_sweep(points, np.array([i]), labels, centers, np.bincount(labels, minlength=4))
        assert labels[i] == np.argmin(by_hand) and fallen == pytest.approx(before - min(by_hand), abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_best_of_all_partitions_of_a_few_points(seed):
    points = np.random.default_rng(seed).normal(size=(8, 2))
    best = min(inertia(points, np.array(labels)) for labels in product(range(3), repeat=8) if len(set(labels)) == 3)
    assert converged(points, 3, n_init=30).inertia_ == pytest.approx(best)


@pytest.mark.parametrize("seed", range(4))
def test_from_where_scikit_learn_stops_it_only_gets_better(seed):
    points = blobs(seed, spread=1.0)
    lloyd = KMeans(6, n_init=1, tol=0, random_state=seed).fit(points)
    ours = converged(points, 6, init=lloyd.cluster_centers_)
    assert ours.trace_[0] == pytest.approx(lloyd.inertia_)
    assert ours.inertia_ <= lloyd.inertia_ * (1 + 1e-12)
    again = KMeans(6, init=ours.cluster_centers_, n_init=1, tol=0).fit(points)
    assert np.array_equal(again.labels_, ours.labels_)  # Lloyd's algorithm has nothing to add


def test_on_clear_clusters_it_agrees_with_scikit_learn_from_the_same_start():
    points, start = blobs(spread=30.0), blobs(spread=30.0)[:6]
    ours = HartiganKMeans(6, init=start, random_state=0).fit(points)
    lloyd = KMeans(6, init=ours.cluster_centers_, n_init=1).fit(points)
    assert np.array_equal(ours.labels_, lloyd.labels_) and np.allclose(ours.cluster_centers_, lloyd.cluster_centers_)
    assert ours.inertia_ == pytest.approx(lloyd.inertia_)


def test_the_inertia_never_rises_and_is_what_it_says():
    points = blobs(spread=0.5)
    fitted = converged(points, 8)
    assert (np.diff(fitted.trace_) <= 1e-9).all()
    assert fitted.inertia_ == pytest.approx(fitted.trace_[-1]) == pytest.approx(inertia(points, fitted.labels_))
    assert fitted.n_iter_ == len(fitted.trace_) - 1


def test_new_points_go_where_they_cost_least():
    points, new = blobs(1), blobs(2, n=50)
    fitted = converged(points, 6)
    costs = fitted.transform(new)
    for x, row, predicted in zip(new, costs, fitted.predict(new), strict=True):
        extended = np.vstack([points, x])
        by_hand = [inertia(extended, np.append(fitted.labels_, t)) - fitted.inertia_ for t in range(6)]
        assert np.allclose(row, by_hand) and predicted == np.argmin(by_hand)
    assert fitted.score(new) == pytest.approx(-costs.min(axis=1).sum())


def test_a_new_point_may_belong_to_a_smaller_cluster_than_the_nearest_centre_s():
    points = np.array([[0.0]] * 9 + [[2.0]])
    fitted = converged(points, 2)
    assert fitted.predict([[0.9]]) == fitted.predict([[2.0]])  # 9/10 * .81 = .73 against 1/2 * 1.21 = .61


def test_the_points_themselves_are_predicted_where_they_are():
    fitted = converged(blobs(spread=1.0), 8)
    assert np.array_equal(fitted.predict(blobs(spread=1.0)), fitted.labels_)


def test_seeds_and_threads():
    points = blobs(spread=0.5)
    first = HartiganKMeans(6, random_state=3).fit(points)
    assert np.array_equal(first.labels_, HartiganKMeans(6, random_state=3, n_jobs=4).fit(points).labels_)
    assert not np.array_equal(first.labels_, HartiganKMeans(6, random_state=4).fit(points).labels_)


def test_points_all_alike_stay_where_they_start():
    fitted = HartiganKMeans(3, random_state=0).fit(np.ones((9, 2)))
    assert fitted.inertia_ == 0 and fitted.cluster_sizes_.tolist() == [3, 3, 3] and fitted.n_iter_ == 1


def test_a_cluster_that_starts_empty_is_filled():
    fitted = HartiganKMeans(3, init=np.array([[0.0], [1.0], [99.0]]), tol=0, random_state=0).fit([[0.0], [1.0], [3.0]])
    assert sorted(fitted.labels_) == [0, 1, 2] and fitted.inertia_ == 0


@pytest.mark.parametrize(
    "options, said",
    [
        ({"n_clusters": 0}, "n_clusters=0 must be from 1"),
        ({"n_clusters": 31}, "to the number of points, n_samples=30"),
        ({"n_clusters": 3, "init": "k-means++"}, "give 'random' or an array"),
        ({"n_clusters": 3, "init": np.zeros((2, 4))}, "3 centres of 4 numbers"),
        ({"n_clusters": 3, "n_init": 0}, "at least 1"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        HartiganKMeans(**options).fit(blobs(n=30))


def test_bad_points():
    for points in (np.full((30, 2), np.nan), np.full((30, 2), np.inf)):
        with pytest.raises(ValueError, match="NaN|infinity"):
            HartiganKMeans(3).fit(points)
