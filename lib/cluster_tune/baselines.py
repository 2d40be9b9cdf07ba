"""Classifiers without a pretrained model: naive Bayes and a linear SVM (section 5.2), and the clusters (5.4).

The first two learn from the labelled samples of `sampling`, over bags of words or GloVe averages. The third spends its
budget on the clusters: a few members of each are labelled, and a text gets the commonest label of its nearest cluster.
All labels are int codes. Nothing is tuned: there is no development set in a cold start.
"""

import numpy as np
from scipy.sparse import spmatrix
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC

from cluster_tune.errors import InputError, unknown

METHODS = ("nb_bow", "nb_glove", "svm_bow", "svm_glove")
NOBODY = -1  # the label of a cluster that has none


def fit(method: str, features: np.ndarray | spmatrix, labels: np.ndarray) -> ClassifierMixin:
    """The method's classifier, trained on `features` (n, d) and `labels` (n,).

    Multinomial naive Bayes with add-one smoothing; it takes no negative input, so GloVe averages are scaled to [0, 1],
    feature by feature, on the training sample, and new texts are cut to that range. The SVM is scikit-learn's
    LinearSVC as it comes: C = 1, squared hinge, one class against the rest, features as they are. Where all labels
    are alike, that label is the answer to everything.
    """
    if method not in METHODS:
        raise unknown("reference method", method, METHODS)
    if len(np.unique(labels)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(features, labels)
    return _classifier(method).fit(features, labels)


def _classifier(method: str) -> ClassifierMixin:
    if method.startswith("svm"):
        return LinearSVC(random_state=0, max_iter=10_000)  # the seed orders the passes of its solver
    return MultinomialNB() if method == "nb_bow" else make_pipeline(MinMaxScaler(clip=True), MultinomialNB())


# --- The nearest cluster's label -----------------------------------------------------------------------------------


def shares(sizes: np.ndarray, budget: int) -> np.ndarray:
    """How many members of each cluster to label, (k,): in proportion to `sizes` (k,), but at least one.

    They add up to the budget. After one each, every further label goes to the cluster that is furthest below its part
    of the budget and has members left; of equal ones to the larger, then to the first. A cluster without members gets
    none. InputError for a budget below the number of clusters with members, or above that of the members.
    """
    sizes = np.asarray(sizes)
    given = (sizes > 0).astype(int)
    if budget < given.sum():
        what = f"a budget of {budget} labels is below the {given.sum()} clusters, each of which needs one"
        raise InputError(f"{what}; give at least {given.sum()}, or make fewer clusters")
    if budget > sizes.sum():
        raise InputError(f"a budget of {budget} labels is above the {sizes.sum()} texts; give at most {sizes.sum()}")
    for _ in range(budget - given.sum()):
        missing = np.where(given < sizes, budget * sizes / sizes.sum() - given, -np.inf)
        given[np.lexsort((-sizes, -missing))[0]] += 1
    return given


def labelled_members(clusters: np.ndarray, budget: int, repetition: int) -> np.ndarray:
    """Rows of the texts to label, (budget,), in order: a random sample of each cluster; `clusters` int (n,)."""
    order = np.random.default_rng(repetition).permutation(len(clusters))
    counts = shares(np.bincount(clusters), budget)
    rows = [order[clusters[order] == cluster][:count] for cluster, count in enumerate(counts)]
    return np.sort(np.concatenate(rows))


def dominant_labels(clusters: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """The commonest label among the labelled members of each cluster, (k,); `NOBODY` for a cluster without any.

    `clusters` and `labels`, int (budget,), are those of the labelled members. Of labels as common as each other, the
    one that is commoner among all of them wins, then the first.
    """
    votes = np.zeros((n_clusters, labels.max() + 1))
    np.add.at(votes, (clusters, labels), 1)
    overall = votes.sum(axis=0)
    votes += overall / (overall.sum() + 1)  # below one vote: it decides nothing but ties
    return np.where(np.bincount(clusters, minlength=n_clusters) > 0, votes.argmax(axis=1), NOBODY)


def nearest_label(costs: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The label of the nearest cluster that has one, (m,).

    `costs` (m, k) are a clustering's own for new texts (`SIB.transform`), `names` (k,) from `dominant_labels`. A class
    that is dominant in no cluster is never predicted.
    """
    return names[np.where(names == NOBODY, np.inf, costs).argmin(axis=1)]
