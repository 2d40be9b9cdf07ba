"""Reference classifiers: naive Bayes by its formula, the SVM by its margin, the budget over clusters by hand."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from cluster_tune import baselines
from cluster_tune.clustering import SIB
from cluster_tune.errors import InputError


def topics(n=200, seed=0):
    """Counts of 40 words in texts of four topics, each with ten words of its own, and the topics."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(4, size=n)
    rates = np.full((4, 40), 0.1) + np.kron(np.eye(4), np.full(10, 0.9))
    return csr_matrix(rng.poisson(rates[gold])), gold


def test_naive_bayes_by_its_formula():
    counts, labels = np.array([[2, 0, 1], [1, 1, 0], [0, 3, 1]]), np.array([0, 0, 1])
    new = np.array([[1, 1, 1], [0, 2, 0], [0, 0, 0]])
    words = np.array([counts[labels == c].sum(axis=0) + 1 for c in (0, 1)])
    log_odds = new @ np.log(words / words.sum(axis=1, keepdims=True)).T + np.log([2 / 3, 1 / 3])
    assert np.array_equal(baselines.fit("nb_bow", csr_matrix(counts), labels).predict(new), log_odds.argmax(axis=1))


def test_naive_bayes_over_vectors_scales_on_the_sample_alone():
    points, labels = np.array([[-1.0, 5.0], [0.0, 6.0], [1.0, 9.0]]), np.array([0, 0, 1])
    scaled = np.array([[0, 0], [0.5, 0.25], [1, 1]])
    model, plain = baselines.fit("nb_glove", points, labels), baselines.fit("nb_bow", scaled, labels)
    assert np.allclose(model[-1].feature_log_prob_, plain.feature_log_prob_)
    assert np.array_equal(model.predict([[-99.0, 99.0]]), plain.predict([[0.0, 1.0]]))  # beyond the sample's range


def test_the_svm_by_its_conditions():
    """Two points of either class on a line: the squared hinge's minimum can be had by calculus.

    With w and b for x = -1 (class 0) and x = 1 (class 1), symmetric: b = 0 and w^2 / 2 + 2 (1 - w)^2 is least at .8.
    """
    model = baselines.fit("svm_glove", np.array([[-1.0], [1.0]]), np.array([0, 1]))
    assert model.coef_[0, 0] == pytest.approx(0.8, abs=1e-3) and model.intercept_[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("method", baselines.METHODS)
def test_each_learns_topics_without_a_warning(method):
    (counts, gold), (new, answers) = topics(), topics(seed=1)
    features, unseen = (counts.toarray() - 0.5, new.toarray() - 0.5) if method.endswith("glove") else (counts, new)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = baselines.fit(method, features, gold).predict(unseen)
    assert (predicted == answers).mean() > 0.95


@pytest.mark.parametrize("method", baselines.METHODS)
def test_a_sample_of_one_class_answers_with_it(method):
    counts, _ = topics(20)
    assert set(baselines.fit(method, counts, np.full(20, 3)).predict(counts)) == {3}


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'svm_bow'"):
        baselines.fit("svm-bow", *topics(20))


# Section 5.4


@pytest.mark.parametrize(
    "sizes, budget, wanted",
    [
        ([60, 30, 10], 10, [6, 3, 1]),
        ([96, 2, 2], 10, [8, 1, 1]),  # at least one each, at the cost of the largest
        ([50, 50], 3, [2, 1]),  # equal: the first
        ([10, 5, 5], 6, [3, 2, 1]),  # parts 3, 1.5, 1.5
        ([97, 2, 1], 100, [97, 2, 1]),  # all of them
        ([8, 0, 2], 5, [4, 0, 1]),  # nobody to label in the second
        ([1, 1, 1], 3, [1, 1, 1]),
    ],
)
def test_the_budget_by_hand(sizes, budget, wanted):
    assert baselines.shares(np.array(sizes), budget).tolist() == wanted


@pytest.mark.parametrize("seed", range(20))
def test_the_budget_is_spent_to_the_last_label_and_in_proportion(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 200, size=50)
    budget = int(rng.integers((sizes > 0).sum(), sizes.sum() + 1))
    given = baselines.shares(sizes, budget)
    assert given.sum() == budget and (given <= sizes).all() and (given[sizes > 0] >= 1).all()
    assert (given[given > 1] < budget * sizes[given > 1] / sizes.sum() + 1).all()
    assert (np.diff(given[np.argsort(-sizes, kind="stable")]) <= 0).all()  # no smaller cluster has more


def test_fewer_labels_than_clusters_are_refused():
    with pytest.raises(InputError, match="a budget of 2 labels is below the 3 clusters"):
        baselines.shares(np.array([5, 5, 0, 5]), 2)
    with pytest.raises(InputError, match="above the 15 texts"):
        baselines.shares(np.array([5, 5, 0, 5]), 16)


def test_members_are_drawn_from_each_cluster_by_the_repetition():
    clusters = np.repeat([0, 1, 2], [60, 30, 10])
    rows = baselines.labelled_members(clusters, 20, 0)
    assert np.bincount(clusters[rows]).tolist() == [12, 6, 2] and len(set(rows)) == 20
    assert np.array_equal(rows, baselines.labelled_members(clusters, 20, 0))
    assert not np.array_equal(rows, baselines.labelled_members(clusters, 20, 1))
    assert set(rows) <= set(baselines.labelled_members(clusters, 40, 0))  # whole multiples nest


def test_dominant_labels_by_hand():
    clusters, labels = np.array([0, 0, 0, 1, 1, 3, 3]), np.array([2, 2, 0, 1, 0, 1, 2])
    # cluster 1: a tie of 0 and 1, both twice in all; the first. Cluster 3: 1 (twice in all) against 2 (three times).
    assert baselines.dominant_labels(clusters, labels, 4).tolist() == [2, 0, baselines.NOBODY, 2]


def test_a_text_gets_the_label_of_the_nearest_cluster_that_has_one():
    costs = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [np.inf, 0.2, 0.1]])
    assert baselines.nearest_label(costs, np.array([baselines.NOBODY, 4, 5])).tolist() == [4, 5, 5]


def test_a_class_that_no_cluster_wins_is_never_predicted():
    clusters, labels = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 2, 1, 1, 2])
    names = baselines.dominant_labels(clusters, labels, 2)
    assert set(baselines.nearest_label(np.random.default_rng(0).random((50, 2)), names)) == {0, 1}


def test_clusters_of_topics_classify_new_texts():
    (counts, gold), (new, answers) = topics(), topics(seed=1)
    sib = SIB(8, random_state=0).fit(counts)
    rows = baselines.labelled_members(sib.labels_, 24, 0)
    names = baselines.dominant_labels(sib.labels_[rows], gold[rows], 8)
    assert (baselines.nearest_label(sib.transform(new), names) == answers).mean() > 0.85
