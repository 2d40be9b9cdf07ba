"""Clustering of texts: sequential information bottleneck (sIB), as an estimator of scikit-learn's shape.

sIB (Slonim, Friedman and Tishby 2002) looks for the partition T of the documents X that keeps most information about
the words Y: it draws one document at a time out of its cluster and puts it where the merge costs least. Section 3.2
of the paper has the settings. The compiled loops are in `_loops`; k-means is scikit-learn's own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from scipy.sparse import csr_matrix, issparse
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from cluster_tune import _loops

MOST_DOCUMENTS = 2**22  # a word in all of them adds up to 2^62 in the fixed point of `_loops`
MOST_TERMS = 2**31 - 1  # they are numbered by 32 bits there


class SIB(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Sequential information bottleneck.

    Every document weighs the same, p(x) = 1/n, and p(y|x) is its row of counts divided by its sum. Document x, drawn
    out of its cluster, is put into the cluster t of least cost d(x,t) = (p(x) + p(t)) JS(p(y|x), p(y|t)), the
    Jensen-Shannon divergence weighted by the two shares: what I(T;Y) loses by the merge. All information is in bits.

    A document with no term has no distribution: it keeps the cluster of its random start and counts nowhere; `predict`
    gives a new one to the largest cluster, `transform` gives it zeros. Of equal costs the old cluster wins.

    Parameters
    ----------
    n_clusters : number of clusters, from 2 to the number of documents.
    n_init : restarts from random partitions into equal parts; the one with the highest I(T;Y) is kept.
    max_iter : passes over the documents, each in a new random order, at most.
    tol : stop when at most this share of the documents moved in a pass.
    random_state : seed or RandomState. The same seed gives the same starts and orders as in sib-clustering 0.2.7.
    n_jobs : restarts run at once, in threads; -1 for all cores. The result does not depend on it.
    verbose : 1 prints a line a pass.
    progress : called as progress(restart, passes, moved, information) after each pass, `moved` a share of the
        documents, from whichever thread made the pass.

    Attributes
    ----------
    labels_ : (n,) int32, the cluster of each document.
    cluster_centers_ : (k, v), p(y|t).
    cluster_sizes_ : (k,), documents with terms in each cluster.
    mutual_information_ : I(T;Y) of the partition.
    input_information_ : I(X;Y), the most that any partition could keep.
    trace_ : I(T;Y) of the random start and after each pass of the restart that was kept.
    traces_ : the same of every restart.
    n_iter_ : passes of the restart that was kept.
    """

    def __init__(
        self,
        n_clusters: int = 50,
        *,
        n_init: int = 10,
        max_iter: int = 15,
        tol: float = 0.02,
        random_state=None,
        n_jobs: int | None = None,
        verbose: int = 0,
        progress: Callable | None = None,
    ):
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.progress = progress

    def fit(self, X, y=None):
        """Cluster the rows of X (n, v): counts, dense or sparse, not negative. `y` is ignored."""
        documents = self._documents(X, reset=True)
        self._check(documents)
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=self.n_init)
        shared = documents.shape, _parts(documents), _loops.singles(documents.data)
        with ThreadPoolExecutor(min(effective_n_jobs(self.n_jobs), self.n_init)) as pool:
            restarts = list(pool.map(lambda job: self._restart(*shared, *job), enumerate(seeds)))
        labels, trace = max(restarts, key=lambda restart: restart[1][-1])
        self._keep(documents, labels, trace)
        self.traces_ = [np.array(trace) for _, trace in restarts]
        return self

    def fit_predict(self, X, y=None):
        """Cluster the rows of X and return `labels_`."""
        return self.fit(X).labels_

    def transform(self, X) -> np.ndarray:
        """The cost d(x,t) in bits of putting each row of X (m, v), as one more document, into each cluster: (m, k)."""
        check_is_fitted(self)
        return self._costs(self._documents(X, reset=False))

    def predict(self, X) -> np.ndarray:
        """The cluster of least cost for each row of X (m, v): (m,) int32."""
        check_is_fitted(self)
        documents = self._documents(X, reset=False)
        labels = self._costs(documents).argmin(axis=1).astype(np.int32)
        labels[np.diff(documents.indptr) == 0] = self.cluster_sizes_.argmax()
        return labels

    def score(self, X, y=None) -> float:
        """Minus the summed cost of putting each row of X into its nearest cluster: higher is better."""
        return -float(self.transform(X).min(axis=1, initial=np.inf).sum())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags

    def _documents(self, X, reset: bool) -> csr_matrix:
        """X checked, as csr with sorted rows of fixed-point p(y|x) and no zeros."""
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=reset)
        if X.shape[1] > MOST_TERMS:
            raise ValueError(f"X has {X.shape[1]} columns, more than the {MOST_TERMS:,} terms that can be numbered")
        if (X.data if issparse(X) else X).min(initial=0) < 0:
            raise ValueError("Negative values in data passed to SIB; counts cannot be negative")
        return _distributions(csr_matrix(X, dtype=np.float64, copy=True))

    def _check(self, documents: csr_matrix) -> None:
        n = documents.shape[0]
        if not 2 <= self.n_clusters <= n:
            raise ValueError(f"n_clusters={self.n_clusters} must be from 2 to the number of documents, n_samples={n}")
        if self.n_init < 1 or self.max_iter < 1:
            raise ValueError(f"n_init={self.n_init} and max_iter={self.max_iter} must be at least 1")
        if not documents.nnz:
            raise ValueError("no document has a term: all rows of X are zero")
        if n > MOST_DOCUMENTS:
            raise ValueError(f"n_samples={n} is more than the {MOST_DOCUMENTS:,} documents whose sums are sure to fit")

    def _restart(self, shape, parts, singles, restart: int, seed: int) -> tuple[np.ndarray, list[float]]:
        """One random start, improved until few documents move: the labels and the trace of I(T;Y)."""
        (n, v), k, rng = shape, self.n_clusters, np.random.RandomState(seed)
        labels = rng.permutation(np.linspace(0, k, n, endpoint=False).astype(np.int32))
        table, size = _loops.tabulate(*parts, labels, k, v)
        logs = _loops.logarithms(table)
        trace = [_loops.information(table, size)]
        for _ in range(self.max_iter):
            moved, grown = _loops.sweep(*parts, *singles, rng.permutation(n), labels, table, size, logs)
            trace.append(trace[-1] + grown / size.sum())
            self._report(restart, len(trace) - 1, moved / n, trace[-1])
            if moved <= self.tol * n:
                break
        return labels, trace

    def _report(self, restart: int, passes: int, moved: float, information: float) -> None:
        if self.verbose:
            print(f"restart {restart + 1}, pass {passes}: {moved:.1%} moved, I(T;Y) = {information:.4f}")
        if self.progress is not None:
            self.progress(restart, passes, moved, information)

    def _keep(self, documents: csr_matrix, labels: np.ndarray, trace: list[float]) -> None:
        table, self.cluster_sizes_ = _loops.tabulate(*_parts(documents), labels, self.n_clusters, documents.shape[1])
        totals = np.maximum(table.sum(axis=0), 1)
        self.cluster_centers_ = table.T / totals[:, None]
        self.labels_ = labels
        self.trace_ = np.array(trace)
        self.n_iter_ = len(trace) - 1
        self.mutual_information_ = _loops.information(table, self.cluster_sizes_)
        self.input_information_ = _input_information(documents)
        self._n_features_out = self.n_clusters

    def _costs(self, documents: csr_matrix) -> np.ndarray:
        table = np.rint(self.cluster_centers_.T * self.cluster_sizes_ * 2.0**_loops.SHIFT).astype(np.int64)
        return _loops.all_costs(*_parts(documents), table, self.cluster_sizes_) / self.cluster_sizes_.sum()


def _distributions(counts: csr_matrix) -> csr_matrix:
    """p(y|x) in fixed point: int64 rows that sum to one unit but for rounding."""
    counts.sum_duplicates()
    counts.eliminate_zeros()
    per_row = np.diff(counts.indptr)
    largest = np.maximum.reduceat(counts.data, counts.indptr[:-1][per_row > 0]) if counts.nnz else counts.data
    counts.data /= np.repeat(largest, per_row[per_row > 0])  # so that no sum overflows
    shares = counts.data  # all in place: this is where a fit needs most memory
    shares /= np.repeat(counts.sum(axis=1).A1, per_row)
    shares *= 2.0**_loops.SHIFT
    np.maximum(np.rint(shares, out=shares), 1, out=shares)
    return csr_matrix((shares.astype(np.int64), counts.indices, counts.indptr), shape=counts.shape)


def _parts(documents: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three arrays of the documents, in the types the compiled loops are compiled for."""
    indptr, indices = documents.indptr.astype(np.int64), documents.indices.astype(np.int32, copy=False)
    return indptr, indices, documents.data


def _input_information(documents: csr_matrix) -> float:
    """I(X;Y) in bits, each document with terms weighing the same."""
    n, (_, indices, weights) = np.count_nonzero(np.diff(documents.indptr)), _parts(documents)
    return _loops.input_information(indices, weights, documents.shape[1], n)


def key_terms(counts, labels: Sequence[int], terms: Sequence[str], top: int = 10, level: float = 0.05) -> pd.DataFrame:
    """The terms most over-represented in each cluster: one row a cluster, largest cluster first.

    A term counts once a document. Its p-value is the hypergeometric chance that a random draw of as many documents as
    the cluster has would show the term in as many of them or more, times the number of (cluster, term) pairs tested
    (Bonferroni's correction). A term stands in the table if that is below `level`, the smallest first.

    `counts` (n, v), `labels` (n,), `terms` (v). Columns: cluster, size (documents), share (of all documents),
    terms (at most `top`, joined by commas), p (the corrected p-value of the last term shown; NaN where there is none).
    """
    present = csr_matrix(counts, copy=True)
    present.eliminate_zeros()
    present.data = np.ones_like(present.data, dtype=np.int64)
    clusters, member, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    log_p, inside = _over_representation(present, member, sizes)
    terms = np.asarray(terms, dtype=object)
    rows = [_best_terms(log_p[c], inside[c], terms, top, np.log(level)) for c in range(len(clusters))]
    frame = pd.DataFrame({"cluster": clusters, "size": sizes, "share": sizes / len(member)})
    frame[["terms", "p"]] = pd.DataFrame(rows)
    return frame.sort_values(["size", "cluster"], ascending=[False, True], ignore_index=True)


def _over_representation(present: csr_matrix, member: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the corrected p-values, and in how many documents of the cluster each term is; both (clusters, v)."""
    n, shape = len(member), (len(sizes), present.shape[1])
    inside = (csr_matrix((np.ones(n, np.int64), (member, np.arange(n))), shape=(len(sizes), n)) @ present).toarray()
    everywhere = np.broadcast_to(inside.sum(axis=0), shape)
    draws = np.broadcast_to(sizes[:, None], shape)
    more = inside * n > everywhere * draws
    log_p = np.zeros(shape)
    # The tail is no smaller than its first addend, which is much quicker to get: leave out what cannot be significant.
    log_p[more] = hypergeom.logpmf(inside[more], n, everywhere[more], draws[more]) + np.log(inside.size)
    few = more & (log_p < 0)
    log_p[few] = hypergeom.logsf(inside[few] - 1, n, everywhere[few], draws[few]) + np.log(inside.size)
    return np.minimum(log_p, 0), inside


def _best_terms(log_p: np.ndarray, inside: np.ndarray, terms: np.ndarray, top: int, limit: float) -> tuple[str, float]:
    """At most `top` terms with log p below `limit`, and the last one's p."""
    order = np.lexsort((terms, -inside, log_p))[:top]
    shown = order[log_p[order] < limit]
    return ", ".join(terms[shown]), float(np.exp(log_p[shown[-1]])) if len(shown) else float("nan")


class HartiganKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Hartigan's k-means (Slonim, Aharony and Crammer 2013): one point moves at a time, with its own weight counted.

    A point, drawn out of its cluster, is put where the inertia, the sum of squared distances from the points' own
    centres, grows least: by n/(n+1) times its squared distance from the centre of n points. Centres follow at once.
    Every partition it stops at is one that Lloyd's algorithm would stop at, too, but not the other way round. The
    cost belongs to the new point as well, so `predict` uses it, where Lloyd's algorithm takes the nearest centre.

    Parameters
    ----------
    n_clusters : number of clusters, from 1 to the number of points.
    init : 'random' for random partitions into equal parts, or (k, d) centres: each point starts at the nearest.
    n_init : restarts from random partitions, the one of least inertia is kept; given centres are started from once.
    max_iter : passes over the points, each in a new random order, at most.
    tol : stop when at most this share of the points moved in a pass.
    random_state : seed or RandomState.
    n_jobs : restarts run at once, in threads; -1 for all cores. The result does not depend on it.
    progress : called as progress(restart, passes, moved, inertia) after each pass, `moved` a share of the points.

    Attributes
    ----------
    labels_ : (n,) int32, the cluster of each point.
    cluster_centers_ : (k, d).
    cluster_sizes_ : (k,), points in each cluster.
    inertia_ : sum of squared distances of the points from their own centres.
    trace_ : the inertia of the start and after each pass of the restart that was kept.
    n_iter_ : passes of the restart that was kept.
    """

    def __init__(
        self,
        n_clusters: int = 50,
        *,
        init="random",
        n_init: int = 10,
        max_iter: int = 15,
        tol: float = 0.02,
        random_state=None,
        n_jobs: int | None = None,
        progress: Callable | None = None,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.progress = progress

    def fit(self, X, y=None):
        """Cluster the rows of X (n, d), dense numbers. `y` is ignored."""
        points = np.require(validate_data(self, X, dtype=np.float64, order="C"), requirements=["C", "A"])
        self._check(points)
        n_init = self.n_init if isinstance(self.init, str) else 1
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=n_init)
        with ThreadPoolExecutor(min(effective_n_jobs(self.n_jobs), n_init)) as pool:
            restarts = list(pool.map(lambda job: self._restart(points, *job), enumerate(seeds)))
        self.labels_, trace = min(restarts, key=lambda restart: restart[1][-1])
        self.cluster_centers_, self.cluster_sizes_ = _centers(points, self.labels_, self.n_clusters)
        self.inertia_ = _inertia(points, self.labels_, self.cluster_centers_)
        self.trace_, self.n_iter_ = np.array(trace), len(trace) - 1
        self._n_features_out = self.n_clusters
        return self

    def fit_predict(self, X, y=None):
        """Cluster the rows of X and return `labels_`."""
        return self.fit(X).labels_

    def transform(self, X) -> np.ndarray:
        """By how much each row of X (m, d), as one more point, would add to the inertia in each cluster: (m, k)."""
        check_is_fitted(self)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        sizes = self.cluster_sizes_
        costs = sizes / (sizes + 1) * cdist(points, self.cluster_centers_, "sqeuclidean")
        costs[:, sizes == 0] = np.inf  # nothing new goes into a cluster without points
        return costs

    def predict(self, X) -> np.ndarray:
        """The cluster of least cost for each row of X (m, d): (m,) int32."""
        return self.transform(X).argmin(axis=1).astype(np.int32)

    def score(self, X, y=None) -> float:
        """Minus the summed cost of putting each row of X into its nearest cluster: higher is better."""
        return -float(self.transform(X).min(axis=1).sum())

    def _check(self, points: np.ndarray) -> None:
        (n, d), k = points.shape, self.n_clusters
        if not 1 <= k <= n:
            raise ValueError(f"n_clusters={k} must be from 1 to the number of points, n_samples={n}")
        if self.n_init < 1 or self.max_iter < 1:
            raise ValueError(f"n_init={self.n_init} and max_iter={self.max_iter} must be at least 1")
        if isinstance(self.init, str) and self.init != "random":
            raise ValueError(f"init='{self.init}' is not known; give 'random' or an array of centres")
        if not isinstance(self.init, str) and np.shape(self.init) != (k, d):
            raise ValueError(f"init has shape {np.shape(self.init)}, but {k} centres of {d} numbers need {(k, d)}")

    def _restart(self, points: np.ndarray, restart: int, seed: int) -> tuple[np.ndarray, list[float]]:
        """One start, improved until few points move: the labels and the trace of the inertia."""
        n, k, rng = len(points), self.n_clusters, np.random.RandomState(seed)
        if isinstance(self.init, str):
            labels = rng.permutation(np.linspace(0, k, n, endpoint=False).astype(np.int32))
        else:
            labels = cdist(points, np.asarray(self.init, float), "sqeuclidean").argmin(axis=1).astype(np.int32)
        trace = [_inertia(points, labels, _centers(points, labels, k)[0])]
        for _ in range(self.max_iter):
            centers, sizes = _centers(points, labels, k)  # anew, so that rounding does not add up over passes
            moved, fallen = _loops.hartigan_sweep(points, rng.permutation(n), labels, centers, sizes)
            trace.append(trace[-1] - fallen)
            if self.progress is not None:
                self.progress(restart, len(trace) - 1, moved / n, trace[-1])
            if moved <= self.tol * n:
                break
        return labels, trace


def _centers(points: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each cluster's points (k, d), zeros for a cluster without any, and their numbers (k,)."""
    n, sizes = len(points), np.bincount(labels, minlength=k)
    members = csr_matrix((np.ones(n), (labels, np.arange(n))), shape=(k, n))
    return (members @ points) / np.maximum(sizes, 1)[:, None], sizes


def _inertia(points: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> float:
    return float(((points - centers[labels]) ** 2).sum())
