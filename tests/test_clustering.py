"""sIB against its definition, a case by hand, a plain numpy version and the published package; key terms by hand."""

import ctypes
import hashlib
import os
import pickle
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import pytest
import sib
from scipy.sparse import csr_array, csr_matrix
from scipy.stats import hypergeom
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from cluster_tune import _loops, paths
from cluster_tune.clustering import SIB, _distributions, _parts, key_terms

LOW, HIGH, OWN_HIGH, BEND_ERROR, WORD_ERROR = map(float, _loops.constants("limits", 5))
KINDS = {  # documents, words, topics, words a document
    "short": (400, 300, 6, 8),
    "long": (150, 200, 5, 120),
    "dense": (200, 12, 4, 40),
    "twins": (120, 9, 3, 2),
}


def counts(kind: str, seed: int = 0) -> csr_matrix:
    """A mixture of topics; some documents are empty."""
    n, v, topics, length = KINDS[kind]
    rng = np.random.default_rng(seed)
    words = rng.dirichlet(np.full(v, 0.1), size=topics)
    lengths = rng.poisson(length, size=n)
    return csr_matrix(np.array([rng.multinomial(m, words[rng.integers(topics)]) for m in lengths]))


def conditional(X) -> np.ndarray:
    """p(y|x) of the documents with words, (m, v)."""
    X = X.toarray().astype(float)
    return X[X.any(axis=1)] / X[X.any(axis=1)].sum(axis=1, keepdims=True)


def mutual_information(joint: np.ndarray) -> float:
    """I of a joint distribution by its definition, in bits."""
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float((joint[joint > 0] * np.log2(joint[joint > 0] / outer[joint > 0])).sum())


def kept(X, labels) -> float:
    """I(T;Y) of a partition by its definition."""
    p, labels = conditional(X), labels[np.diff(X.indptr) > 0]
    return mutual_information(np.array([p[labels == t].sum(axis=0) for t in np.unique(labels)]) / len(p))


def divergence(p, q, share) -> float:
    """Jensen-Shannon divergence of p and q in bits, p with weight `share`."""
    mean = share * p + (1 - share) * q
    return sum(w * (r[r > 0] * np.log2(r[r > 0] / mean[r > 0])).sum() for w, r in ((share, p), (1 - share, q)))


def merge_cost(x, members, n) -> float:
    """d(x, t) by its definition; x and members are rows of p(y|x), each of the prior 1/n."""
    share = 1 / (1 + len(members))
    return (1 + len(members)) / n * divergence(x, members.mean(axis=0), share) if len(members) else 0.0


# ---- information and costs


@pytest.mark.parametrize("kind", KINDS)
def test_information_is_that_of_the_definition(kind):
    X = counts(kind)
    found = SIB(7, n_init=2, random_state=1).fit(X)
    assert found.mutual_information_ == pytest.approx(kept(X, found.labels_), abs=1e-9)
    assert found.trace_[-1] == pytest.approx(found.mutual_information_, abs=1e-9)
    joint = conditional(X) / len(conditional(X))
    assert found.input_information_ == pytest.approx(mutual_information(joint), abs=1e-9)
    assert 0 < found.mutual_information_ < found.input_information_


def test_four_documents_by_hand():
    X = [[2, 0], [5, 0], [0, 1], [0, 3]]
    found = SIB(2, random_state=0).fit(X)
    assert found.labels_[0] == found.labels_[1] != found.labels_[2] == found.labels_[3]
    assert found.mutual_information_ == pytest.approx(1) and found.input_information_ == pytest.approx(1)
    assert found.cluster_centers_[found.labels_[0]].tolist() == [1, 0]
    # A fifth document (1, 0) is free in its own cluster. In the other, of twice its share, it costs
    # (1/4 + 2/4) JS, and JS with weights 1/3 and 2/3 is H(1/3) = .9183 bits: .6887.
    own, other = found.labels_[0], found.labels_[2]
    cost = found.transform([[1, 0]])[0]
    assert cost[own] == pytest.approx(0, abs=1e-9)
    assert cost[other] == pytest.approx(0.75 * 0.9182958340544896)
    assert found.score([[1, 0], [0, 1]]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_costs_are_those_of_the_definition(kind):
    X, new = counts(kind), counts(kind, seed=5)[:20]
    found = SIB(5, n_init=1, random_state=0).fit(X)
    p, labels, n = conditional(X), found.labels_[np.diff(X.indptr) > 0], (np.diff(X.indptr) > 0).sum()
    full = np.diff(new.indptr) > 0
    expected = [[merge_cost(x, p[labels == t], n) for t in range(5)] for x in conditional(new)]
    np.testing.assert_allclose(found.transform(new)[full], expected, atol=1e-9)
    assert (found.predict(new)[full] == np.argmin(expected, axis=1)).all()
    assert found.score(new) == pytest.approx(-np.min(expected, axis=1).sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [3, 16, 37])
def test_single_precision_errs_less_than_its_bound(kind, k):
    indptr, words, weights = parts = _parts(_distributions(counts(kind).astype(float)))
    labels = np.random.default_rng(0).integers(k, size=len(indptr) - 1).astype(np.int32)
    table, size = _loops.tabulate(*parts, labels, k, counts(kind).shape[1])
    logs, (log_p, p) = _loops.logarithms(table), _loops.singles(weights)
    steps = np.full(logs.shape[1], 1e30, np.float32)
    steps[:k] = [_loops.step(s) for s in size]
    for x in np.flatnonzero(np.diff(indptr)):
        here, own = slice(indptr[x], indptr[x + 1]), labels[x]
        mine = steps.copy()
        mine[own] = _loops.step(size[own] - 1)
        costs = _loops.fast_costs(words[here], log_p[here], p[here], own, mine, logs)
        exact = [_loops.exact_cost(words[here], weights[here], t, own, table, size) for t in range(k)]
        alone = (weights[here] * _loops.UNIT) @ np.log2(weights[here] * _loops.UNIT)
        off = np.abs(costs[:k] - alone - np.array(exact))
        assert off.max() < BEND_ERROR + len(words[here]) * WORD_ERROR
        assert costs[k:].min(initial=1e30) > 1e29


def test_polynomials_keep_to_their_error():
    d = np.concatenate([[-200], np.linspace(-40, 40, 400_001)])
    u = 2.0**d
    exact = np.log2(1 + u) + u * np.log1p(1 / u) / np.log(2)
    c = d.clip(LOW, HIGH)
    close = np.polynomial.polynomial.polyval(c, _loops.constants("bend", 5)) + np.maximum(d, LOW) - c
    assert np.abs(close - exact).max() < BEND_ERROR
    e = np.log2(1 + u)  # so that d = log(2^e - 1)
    c, (*own, root) = e.clip(0, OWN_HIGH), _loops.constants("own", 6)
    close = np.polynomial.polynomial.polyval(c, own) + root * np.sqrt(c) + e - c
    assert np.abs(close - exact).max() < BEND_ERROR


@pytest.mark.parametrize("bits", [0.0, 1e-12, 0.02, 0.5, np.sqrt(0.5), 1.0, 1.5, 3.0, 1e6])
def test_logarithms(bits):
    expected = bits * np.log2(bits) if bits else 0.0
    assert _loops.L(bits) == pytest.approx(expected, rel=4e-16, abs=4e-16)


# ---- the passes


def plain_pass(p, order, labels, k) -> np.ndarray:
    """One pass of sIB straight from the definition of d(x,t); the old cluster wins ties."""
    labels, n = labels.copy(), len(p)
    for x in order:
        rest = np.arange(n) != x
        costs = np.array([merge_cost(p[x], p[rest & (labels == t)], n) for t in range(k)])
        if costs.min() < costs[labels[x]] - 1e-12:
            labels[x] = costs.argmin()
    return labels


@pytest.mark.parametrize("kind, k", [("short", 4), ("long", 18), ("dense", 3)])
def test_passes_are_those_of_plain_numpy(kind, k):
    X = counts(kind)[:90]
    X = X[np.diff(X.indptr) > 0]
    rng = np.random.default_rng(3)
    labels = expected = rng.integers(k, size=X.shape[0]).astype(np.int32)
    parts = _parts(_distributions(X.astype(float)))
    table, size = _loops.tabulate(*parts, labels, k, X.shape[1])
    tables, singles = (table, size, _loops.logarithms(table)), _loops.singles(parts[2])
    for _ in range(3):
        order, before = rng.permutation(X.shape[0]), labels.copy()
        expected = plain_pass(conditional(X), order, expected, k)
        moved, _ = _loops.sweep(*parts, *singles, order, labels := labels.copy(), *tables)
        assert (labels == expected).all()
        assert moved == (labels != before).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [3, 20])
def test_no_move_loses_information(kind, k):
    X = counts(kind)
    labels = np.random.default_rng(0).integers(k, size=X.shape[0]).astype(np.int32)
    parts = _parts(_distributions(X.astype(float)))
    table, size = _loops.tabulate(*parts, labels, k, X.shape[1])
    tables, singles = (table, size, _loops.logarithms(table)), _loops.singles(parts[2])
    information = _loops.information(table, size)
    for x in np.random.default_rng(1).permutation(X.shape[0]):
        moved, grown = _loops.sweep(*parts, *singles, np.array([x]), labels, *tables)
        after = _loops.information(table, size)
        assert after >= information - 1e-12
        assert grown / size.sum() == pytest.approx(after - information, abs=1e-12) and moved in (0, 1)
        information = after
    again = _loops.tabulate(*parts, labels, k, X.shape[1])
    assert (again[0] == table).all() and (again[1] == size).all()  # sums are exact: nothing has added up


@pytest.mark.parametrize("kind, k", [("short", 6), ("short", 50), ("long", 5), ("dense", 17)])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_pass_ends_where_the_published_package_ends(kind, k, seed):
    X = counts(kind, seed)
    for passes in range(1, 6):
        settings = {"n_init": 1, "max_iter": passes, "tol": 0.0, "random_state": seed}
        ours = SIB(k, **settings).fit(X)
        theirs = sib.SIB(k, n_jobs=1, **settings).fit(X)
        assert (ours.labels_ == theirs.partition_.labels).all()
        assert ours.mutual_information_ == pytest.approx(theirs.score_, abs=1e-9)
        assert ours.n_iter_ == theirs.n_iter_
    assert ours.input_information_ == pytest.approx(theirs.ixy, abs=1e-9)


def test_the_best_restart_is_kept_as_in_the_published_package():
    X = counts("short")
    ours = SIB(12, n_init=6, random_state=3).fit(X)
    theirs = sib.SIB(12, n_init=6, random_state=3, n_jobs=1).fit(X)
    assert (ours.labels_ == theirs.partition_.labels).all()
    assert len(ours.traces_) == 6
    assert ours.mutual_information_ == pytest.approx(max(trace[-1] for trace in ours.traces_))


def test_it_stops_when_few_documents_move():
    X = counts("short")
    loose, strict = (SIB(6, n_init=1, max_iter=50, tol=tol, random_state=0).fit(X) for tol in (0.1, 0.0))
    assert loose.n_iter_ < strict.n_iter_ < 50
    assert (loose.trace_ == strict.trace_[: loose.n_iter_ + 1]).all()
    assert SIB(6, n_init=1, max_iter=2, tol=0, random_state=0).fit(X).n_iter_ == 2


# ---- input in all its forms


def test_the_answer_does_not_depend_on_jobs():
    X = counts("short")
    answers = [SIB(9, n_init=5, random_state=4, n_jobs=jobs).fit(X) for jobs in (None, 1, 2, 3, -1)]
    for answer in answers[1:]:
        assert (answer.labels_ == answers[0].labels_).all()
        assert all((a == b).all() for a, b in zip(answer.traces_, answers[0].traces_, strict=True))


def test_restarts_run_at_the_same_time():
    # Each of two restarts waits for the other after its first pass; one after the other they would wait for ever.
    both = threading.Barrier(2, timeout=20)

    def wait(restart, passes, moved, information):
        if passes == 1:
            both.wait()

    assert len(SIB(5, n_init=2, random_state=0, n_jobs=2, progress=wait).fit(counts("short")).traces_) == 2


def test_the_compiled_loops_do_not_hold_the_lock_of_the_interpreter():
    assert type(_loops._LIBRARY) is ctypes.CDLL  # which lets go of it for each call; a PyDLL does not


def test_more_terms_than_can_be_numbered_are_one_line():
    X = csr_matrix(([1, 1], ([0, 1], [0, 5])), shape=(2, 2**31))
    with pytest.raises(ValueError, match="2147483648 columns, more than the 2,147,483,647 terms"):
        SIB(2).fit(X)


@pytest.mark.parametrize("spoilt", [np.int32, np.float64])
def test_the_compiled_loops_take_no_other_type(spoilt):
    indptr, words, weights = _parts(_distributions(counts("dense").astype(float)))
    with pytest.raises(ctypes.ArgumentError, match="must have data type int64"):
        _loops.tabulate(indptr, words, weights.astype(spoilt), np.zeros(len(indptr) - 1, np.int32), 2, 12)


def test_the_answer_does_not_depend_on_the_form_of_the_input():
    X = counts("dense")
    halves = np.stack([X.data - 1, np.ones_like(X.data)], axis=1).ravel()
    doubled = csr_matrix((halves, np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)  # and some stored zeros
    unsorted = csr_matrix((X.data[::-1], X.indices[::-1], (X.nnz - X.indptr)[::-1]), shape=X.shape)[::-1]
    dense = X.toarray()
    expected = SIB(4, random_state=0).fit(X)
    forms = [csr_array(X), X.tocsc(), X.tocoo(), unsorted, doubled, dense, dense.tolist(), np.asfortranarray(dense)]
    forms += [X.astype(kind) for kind in ("int8", "uint16", "int64", "float32", "float64")] + [X * 1e300, X * 1e-300]
    for form in forms:
        found = SIB(4, random_state=0).fit(form)
        assert (found.labels_ == expected.labels_).all()
        np.testing.assert_allclose(found.transform(form), expected.transform(X), rtol=1e-9)


def test_the_input_is_left_as_it_was():
    X = csr_matrix(([3, 0, 2, 1, 1], [1, 0, 1, 0, 0], [0, 3, 4, 5]), shape=(3, 2))
    parts = X.data.copy(), X.indices.copy(), X.indptr.copy()
    SIB(2).fit(X).predict(X)
    assert all((a == b).all() for a, b in zip(parts, (X.data, X.indices, X.indptr), strict=True))


def test_documents_without_words_keep_their_random_cluster_and_count_nowhere():
    X = counts("short").toarray()
    X[::9] = 0
    start = np.random.RandomState(np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=1)[0])
    start = start.permutation(np.linspace(0, 6, len(X), endpoint=False).astype(np.int32))
    found = SIB(6, n_init=1, random_state=0).fit(X)
    empty = ~X.any(axis=1)
    assert (found.labels_[empty] == start[empty]).all()
    assert found.cluster_sizes_.sum() == (~empty).sum()
    assert (found.transform(X)[empty] == 0).all()
    assert (found.predict(X)[empty] == found.cluster_sizes_.argmax()).all()


def test_texts_all_alike_tell_nothing():
    found = SIB(3, random_state=0).fit(np.tile([1, 2, 0], (12, 1)))
    assert found.mutual_information_ == pytest.approx(0, abs=1e-9) == found.input_information_
    assert np.isfinite(found.cluster_centers_).all()


def test_fewer_documents_with_words_than_clusters():
    X = np.zeros((6, 4))
    X[0, 0] = X[3, 1] = 1
    found = SIB(5, random_state=0).fit(X)
    assert found.labels_[0] != found.labels_[3] and found.cluster_sizes_.sum() == 2
    assert found.predict([[1, 0, 0, 0]]) == found.labels_[0]
    assert np.isfinite(found.cluster_centers_).all() and np.isfinite(found.transform(X)).all()


@pytest.mark.parametrize(
    "settings, X, message",
    [
        ({}, [[1, -1], [0, 1], [2, 0]], "Negative values"),
        ({}, csr_matrix([[1, -1], [0, 1], [2, 0]]), "Negative values"),
        ({}, [[1, np.nan], [0, 1], [2, 0]], "NaN"),
        ({}, csr_matrix([[1, np.inf], [0, 1], [2, 0]]), "infinity"),
        ({"n_clusters": 1}, np.eye(3), "n_clusters=1 must be from 2"),
        ({"n_clusters": 4}, np.eye(3), "n_clusters=4 must be from 2 to .* n_samples=3"),
        ({"n_init": 0}, np.eye(3), "at least 1"),
        ({"max_iter": 0}, np.eye(3), "at least 1"),
        ({}, np.zeros((3, 2)), "no document has a term"),
        ({}, csr_matrix((3, 2)), "no document has a term"),
        ({}, [["a"], ["b"], ["c"]], "compatible with arrays of bytes/strings"),
    ],
)
def test_bad_input_is_a_clear_error(settings, X, message):
    with pytest.raises(ValueError, match=message):
        SIB(**{"n_clusters": 2, **settings}).fit(X)


def test_progress_is_told(capsys):
    X, told = counts("dense"), []
    found = SIB(4, n_init=2, random_state=0, verbose=1, progress=lambda *now: told.append(now)).fit(X)
    assert [(restart, passes) for restart, passes, *_ in told] == [
        (restart, passes + 1) for restart, trace in enumerate(found.traces_) for passes in range(len(trace) - 1)
    ]
    assert all(0 <= moved <= 1 for _, _, moved, _ in told)
    assert [now[3] for now in told] == [i for trace in found.traces_ for i in trace[1:]]
    assert len(capsys.readouterr().out.splitlines()) == len(told)


def test_it_pickles():
    X = counts("dense")
    found = SIB(4, random_state=0).fit(X)
    assert (pickle.loads(pickle.dumps(found)).transform(X) == found.transform(X)).all()


@pytest.mark.parametrize("flags", [[], ["-march=native"]])
def test_the_answer_does_not_depend_on_the_processor(flags, tmp_path):
    # The loops once more, compiled for the oldest processor of this family and for just the one that is there.
    flags = [*runpy.run_path(str(paths.root() / "setup.py"))["FLAGS"], *flags, "-DCLONES="]
    digest = hashlib.sha256(Path(_loops.__file__).with_suffix(".c").read_bytes()).hexdigest()[:16]
    package = tmp_path / "cluster_tune"
    shutil.copytree(Path(_loops.__file__).parent, package, ignore=shutil.ignore_patterns("*.so"))
    library = package / f"_compiled{EXTENSION_SUFFIXES[0]}"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    subprocess.run([*compiler, *flags, f'-DDIGEST="{digest}"', "-shared", "-fPIC", package / "_loops.c", "-o", library], check=True)
    inputs = {kind: counts(kind).toarray() for kind in KINDS}
    ties = np.random.default_rng(0)  # texts of three words each, so that many costs are equal
    inputs |= {f"ties{i}": ties.permuted(np.tile(np.repeat([1, 0], [3, 5]), (40, 1)), axis=1) for i in range(60)}
    for name, array in inputs.items():
        np.savez(tmp_path / f"{name}.npz", array)
    program = (
        "import sys, numpy as np; from cluster_tune.clustering import SIB\n"
        "for kind in sys.argv[1:]:\n"
        "    print(SIB(7, n_init=3, random_state=1).fit(np.load(kind)['arr_0']).labels_.tolist())"
    )
    files = [str(tmp_path / f"{name}.npz") for name in inputs]
    run = subprocess.run([sys.executable, "-c", program, *files], env=os.environ | {"PYTHONPATH": str(tmp_path)},
                         capture_output=True, text=True, check=True)  # fmt: skip
    expected = [SIB(7, n_init=3, random_state=1).fit(array).labels_.tolist() for array in inputs.values()]
    assert run.stdout.splitlines() == [str(labels) for labels in expected]


def test_without_the_compiled_library_it_says_what_to_do(tmp_path):
    package = tmp_path / "cluster_tune"
    package.mkdir()
    for name in ("__init__.py", "_loops.py"):
        (package / name).write_text((Path(_loops.__file__).parent / name).read_text())
    command = [sys.executable, "-c", "from cluster_tune import _loops"]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert "are not compiled; install cluster_tune with pip, which compiles them" in run.stderr.splitlines()[-1]


def test_a_library_older_than_its_source_is_not_used(tmp_path):
    package = tmp_path / "cluster_tune"
    shutil.copytree(Path(_loops.__file__).parent, package)
    with (package / "_loops.c").open("a") as source:
        source.write("/* changed */")
    command = [sys.executable, "-c", "from cluster_tune import _loops"]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert "older than their source; install cluster_tune with pip" in run.stderr.splitlines()[-1]


def test_arrays_that_cannot_be_written_to_are_refused():
    points, labels = np.eye(3), np.zeros(3, np.int32)
    labels.flags.writeable = False
    with pytest.raises(ctypes.ArgumentError, match="WRITEABLE"):
        _loops.hartigan_sweep(points, np.arange(3), labels, np.zeros((2, 3)), np.array([3, 0]))


# ---- scikit-learn's checks

EXEMPT = {
    # They set n_clusters=1, which is no clustering and is refused; below they are done with 2 clusters.
    "check_dont_overwrite_parameters",
    "check_methods_subset_invariance",
    "check_fit2d_1feature",
    "check_fit2d_predict1d",
    # It gives negative numbers, though the tags ask for positive ones; below it is done with positive ones.
    "check_clustering",
    # It is for estimators that take other arrays than numpy's, and skips itself.
    "check_array_api_input",
}


def checks():
    """scikit-learn's checks for SIB but for those exempted."""
    for estimator, check in estimator_checks_generator(SIB(2, n_init=2)):
        if check.func.__name__ not in EXEMPT:
            yield pytest.param(estimator, check, id=check.func.__name__)


@pytest.mark.parametrize("estimator, check", list(checks()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_exempted_checks_with_two_clusters():
    X = counts("dense").toarray()
    found = SIB(2, random_state=0)
    parameters = dict(vars(found))
    assert {name: value for name, value in vars(found.fit(X)).items() if name in parameters} == parameters
    assert all(name.endswith("_") or name.startswith("_") for name in set(vars(found)) - set(parameters))
    for method in (found.predict, found.transform):
        np.testing.assert_allclose(method(X), np.concatenate([method(X[i : i + 1]) for i in range(len(X))]))
        with pytest.raises(ValueError, match="Reshape your data"):
            method(X[0])
    assert (SIB(2, random_state=0).fit(X[:, :1] + 1).labels_ < 2).all()


def test_exempted_check_of_clusters_with_positive_numbers():
    directions = 10 + 60 * np.eye(3)
    X, y = make_blobs(n_samples=50, centers=directions, cluster_std=3, random_state=1)
    found = SIB(3, random_state=0).fit(np.abs(X))
    assert adjusted_rand_score(y, found.labels_) > 0.9
    assert found.labels_.dtype == np.int32 and set(found.labels_) == {0, 1, 2}
    assert (found.fit_predict(np.abs(X)) == found.labels_).all()


# ---- key terms


def test_key_terms_are_those_of_the_test():
    X, labels = counts("short"), np.arange(400) % 3
    labels[X.toarray()[:, 5] > 0] = 0
    terms = [f"w{j:03d}" for j in range(300)]
    table = key_terms(X, labels, terms, top=4).set_index("cluster")
    present = X.toarray() > 0
    for t, row in table.iterrows():
        inside, size, everywhere = present[labels == t].sum(axis=0), (labels == t).sum(), present.sum(axis=0)
        p = 900 * np.array([hypergeom.sf(inside[j] - 1, 400, everywhere[j], size) for j in range(300)])
        order = sorted(range(300), key=lambda j: (round(np.log(p[j]), 9), -inside[j], terms[j]))
        expected = [j for j in order[:4] if p[j] < 0.05]
        assert row["terms"] == ", ".join(terms[j] for j in expected)
        assert row["size"] == size and row["share"] == size / 400
        assert row["p"] == pytest.approx(p[expected[-1]], rel=1e-6) if expected else np.isnan(row["p"])
    assert table.loc[0, "terms"].startswith("w005")


def test_key_terms_by_hand():
    # Of 20 documents, 'only' is in all 10 of cluster a and no other: 1 / C(20, 10) = 1 / 184756, times 2 clusters x
    # 3 terms. 'both' is everywhere, 'once' in one document of b, which is no evidence.
    X = np.zeros((20, 3), int)
    X[:10, 0], X[:, 1], X[19, 2] = 7, 1, 1
    table = key_terms(X, ["a"] * 10 + ["b"] * 10, ["only", "both", "once"])
    assert table["cluster"].tolist() == ["a", "b"] and table["size"].tolist() == [10, 10]
    assert table["terms"].tolist() == ["only", ""]
    assert table["p"][0] == pytest.approx(6 / 184756) and np.isnan(table["p"][1])


def test_key_terms_start_with_the_largest_cluster():
    table = key_terms(counts("short"), np.array([1] * 100 + [0] * 250 + [2] * 50), [str(j) for j in range(300)])
    assert table["cluster"].tolist() == [0, 1, 2] and table["share"].sum() == pytest.approx(1)
