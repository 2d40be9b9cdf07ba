"""What the paper sets its method against: three clusterings, and classifiers without a pretrained model.

`ensure` asks the store and computes what is missing of a data set: the agreement of each clustering with the labels
over the training texts (section 5.4) and with itself over seeds, the key terms of its clusters, and the reference
classifiers of section 5.2 and appendix B on the labelled samples of the fine-tuned models. `cluster` is for texts of
one's own. No torch here; fine-tuning is in `experiment`.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse
from sklearn.cluster import KMeans

from cluster_tune import baselines, claims, datasets, design, glove, paths, results, sampling, stats, text
from cluster_tune.clustering import SIB, HartiganKMeans, key_terms
from cluster_tune.errors import InputError, unknown
from cluster_tune.progress import Report, silent

SEEDS = (0, 1, 2, 3, 4)
CLUSTERS = "cluster_sib"  # the classifier of section 5.4, over sIB with the first seed
METHODS = (*baselines.METHODS, CLUSTERS)
PARTS = ("train", "test")
SHOWN = 1000  # texts that the figures of embeddings say something about
EXCERPT = 120  # characters of each
FORESEEN = 5_000  # texts whose bags of words take a second, so that they can be looked at before all else


class Texts:
    """A data set as reference methods see it. Each view is made when it is first asked for."""

    def __init__(self, data: datasets.Dataset):
        self.data = data

    @cached_property
    def gold(self) -> dict[str, np.ndarray]:
        """The classes of each part as int codes."""
        return {part: self.data.codes(part) for part in PARTS}

    @cached_property
    def bags(self) -> dict[str, csr_matrix]:
        """Bags of stemmed words over the vocabulary of the training texts."""
        return {"train": self._counted[0], "test": text.bag_of_words(self.data.test["text"], self.terms)[0]}

    @property
    def terms(self) -> list[str]:
        """The vocabulary of the bags."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[csr_matrix, list[str]]:
        return text.bag_of_words(self.data.train["text"])

    @cached_property
    def averages(self) -> dict[str, np.ndarray]:
        """GloVe averages of the unstemmed words."""
        return {part: glove.average(tokens, self.vectors) for part, tokens in self._tokens.items()}

    @cached_property
    def vectors(self) -> glove.Vectors:
        """The GloVe vectors of the data set's words."""
        return glove.read(_words(tokens for part in self._tokens.values() for tokens in part))

    @cached_property
    def _tokens(self) -> dict[str, list[list[str]]]:
        return {part: text.tokens(getattr(self.data, part)["text"]) for part in PARTS}

    def features(self, what: str) -> dict[str, csr_matrix] | dict[str, np.ndarray]:
        """What a method or a clustering of that name works on."""
        return self.averages if needs_glove(what) else self.bags

    def coverage(self) -> pd.DataFrame:
        """How many tokens of the training texts have a vector, as they are and stemmed."""
        stems = text.stems(self.data.train["text"])
        found = {
            "words": glove.coverage(self._tokens["train"], self.vectors),
            "stems": glove.coverage(stems, glove.read(_words(stems))),
        }
        source = {"vectors": self.vectors.name, "vector_words": self.vectors.size}
        return pd.DataFrame([{"tokens_are": form, **source, **row} for form, row in found.items()])


def _words(tokens: Iterable[Sequence[str]]) -> set[str]:
    return {word for words in tokens for word in words}


def needs_glove(what: str) -> bool:
    """Whether the method or clustering of that name works on GloVe averages."""
    return what.endswith("glove") or what in ("kmeans", "hartigan")


# --- Clusterings ---------------------------------------------------------------------------------------------------


def clustering(name: str, seed: int = 0, n_clusters: int = design.N_CLUSTERS):
    """The estimator of a clustering: sIB (section 3.2), Lloyd's k-means or Hartigan's (appendix C); 10 restarts."""
    if name == "sib":
        return SIB(n_clusters, random_state=seed)
    if name == "kmeans":
        return KMeans(n_clusters, n_init=10, random_state=seed)
    if name == "hartigan":
        return HartiganKMeans(n_clusters, random_state=seed)
    raise unknown("clustering", name, design.CLUSTERINGS)


def fit(texts: Texts, name: str, seed: int = 0):
    """The clustering, fitted to the training texts; its agreement with the classes is stored, and for seed 0 also its
    partition and key terms, and of sIB where some of the texts are."""
    estimator, features = clustering(name, seed), texts.features(name)["train"]
    enough(features, estimator.n_clusters)
    began = time.monotonic()
    estimator.fit(features)
    seconds = round(time.monotonic() - began, 2)
    row = {"seed": seed, "n_clusters": estimator.n_clusters, **_agreement(*_known_classes(texts, estimator.labels_))}
    row |= {"vectors": _vectors_of(texts, name), "seconds": seconds}
    _add("agreement", texts, {"clustering": name}, [row], by=["seed", "n_clusters"])
    if seed == 0:
        _describe(texts, name, estimator.labels_)
    return estimator


def labels(texts: Texts, name: str, seed: int, n_clusters: int) -> np.ndarray:
    """The partition of the training texts into a number of clusters of one's own, (n,); nothing is stored."""
    features = texts.features(name)["train"]
    enough(features, n_clusters)
    return clustering(name, seed, n_clusters).fit(features).labels_


def _known_classes(texts: Texts, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes and the clusters of the training texts that have a label."""
    return texts.gold["train"][: texts.data.labelled], clusters[: texts.data.labelled]


def _agreement(classes: Sequence, clusters: Sequence) -> dict[str, float]:
    return {
        "nmi": stats.nmi(classes, clusters),
        "ami": stats.ami(classes, clusters),
        "ari": stats.ari(classes, clusters),
        "bits": stats.mutual_information(classes, clusters),
    }


def _describe(texts: Texts, name: str, labels: np.ndarray) -> None:
    """Store how many texts of each class are in each cluster, and the key terms of the clusters over all texts."""
    keys = {"dataset": texts.data.name, "clustering": name}
    n = texts.data.labelled
    found = pd.DataFrame({"cluster": labels[:n], "label": texts.data.train["label"].iloc[:n]})
    counts = found.value_counts().sort_index().rename("count").reset_index()
    terms = key_terms(texts.bags["train"], labels, texts.terms).drop(columns="p")
    for kind, frame in (("partition", counts), ("clusters", terms)):
        results.write_table(kind, keys, frame.assign(data_fingerprint=texts.data.fingerprint))
    if name == "sib":
        _show_members(texts, labels)


def _show_members(texts: Texts, labels: np.ndarray) -> None:
    """Store the cluster of some training texts, and how each begins where the data set's licence allows that."""
    train = texts.data.train
    rows = sampling.drawn(texts.data.labelled, SHOWN)  # of which a map is made
    allowed = datasets.excerpts_allowed(texts.data.name)
    begun = [text.shortened(train["text"].iloc[row], EXCERPT) if allowed else "" for row in rows]
    frame = pd.DataFrame({"row": rows, "cluster": labels[rows], "text": begun})
    results.write_table("members", {"dataset": texts.data.name}, frame.assign(data_fingerprint=texts.data.fingerprint))


def _vectors_of(texts: Texts, what: str) -> str:
    return texts.vectors.name if needs_glove(what) else ""


def enough(features: csr_matrix | np.ndarray, n_clusters: int) -> None:
    """InputError where there are fewer different texts than clusters."""
    _refuse_too_few(features.shape[0], _different(features), n_clusters)


def foresee(train: pd.Series, clustering: str, n_clusters: int) -> None:
    """The error of `enough` before anything is computed, as far as it can be known at once: for sIB over up to
    `FORESEEN` texts; else, since equal texts have equal features, where fewer texts than clusters differ at all."""
    if not needs_glove(clustering) and len(train) <= FORESEEN:
        enough(text.bag_of_words(train)[0], n_clusters)
    _refuse_too_few(len(train), train.nunique(), n_clusters)


def _refuse_too_few(texts: int, different: int, n_clusters: int) -> None:
    if different < n_clusters:
        what = f"the {texts} texts have only {different} different set{'s' * (different != 1)} of words"
        how = f"at most {different} clusters, or more texts" if different > 1 else "texts that are not all alike"
        raise InputError(f"{what}, too few for {n_clusters} clusters; give {how}")


def _different(features: csr_matrix | np.ndarray) -> int:
    """How many different rows there are, those of zeros only left out."""
    if not issparse(features):
        return len({row.tobytes() for row in features if row.any()})
    ends = zip(features.indptr[:-1], features.indptr[1:], strict=True)
    return len({(features.indices[a:b].tobytes(), features.data[a:b].tobytes()) for a, b in ends if a < b})


# --- The store -----------------------------------------------------------------------------------------------------


def ensure(
    names: Iterable[str],
    *,
    methods: Iterable[str] = METHODS,
    clusterings: Iterable[str] = design.CLUSTERINGS,
    budgets: Iterable[int] = design.BUDGETS,
    repetitions: Iterable[int] = design.REPETITIONS,
    seeds: Iterable[int] = SEEDS,
    vectors: bool = True,
    text_column: str = "text",
    label_column: str = "label",
    report: Report = silent,
) -> None:
    """Compute for each data set what the store lacks of the clusterings over the seeds, and of the methods at the
    budgets and repetitions. An interruption loses at most the clustering or the method in hand.

    Without `vectors`, what works on GloVe averages is left out; so are the clusters as a classifier where a budget has
    fewer labels than there are clusters, unless nothing else is asked for, and where texts have no label, since a cluster
    may hold none that has. `report(event, facts)` hears of the plan, of what is left out so, of stages and of what is done.
    """
    methods = _known("reference method", methods, METHODS, vectors)
    clusterings = _known("clustering", clusterings, design.CLUSTERINGS, vectors)
    budgets, seeds = design.numbers("budgets", budgets, 1), design.numbers("seeds", seeds, 0)
    asked = list(product(methods, budgets, design.numbers("repetitions", repetitions, 0)))
    if (methods and not asked) or (clusterings and not seeds):
        raise InputError("there is nothing to compute; give at least one budget, one repetition and one seed")
    asked, too_few = _with_a_label_each(asked)
    loaded: dict[str, datasets.Dataset] = {}
    for name in design.several("names", names):
        loaded[name] = datasets.load(name, text_column=text_column, label_column=label_column)
        datasets.check_names(loaded)
        texts = Texts(loaded[name])
        whole = texts.data.labelled == len(texts.data.train)
        cells = [cell for cell in asked if whole or cell[0] != CLUSTERS]
        _check(texts, cells)
        partitions = [clustering for clustering in clusterings if _lacks_clustering(texts, clustering, seeds)]
        missing = _missing(texts, cells)
        wanted = {"wanted": len(cells) + len(clusterings), "missing": len(missing) + len(partitions)}
        report("plan", {"dataset": texts.data.name, **wanted})
        if too_few:
            why = f"left out with {', '.join(map(str, too_few))} labels, fewer than its {design.N_CLUSTERS} clusters"
            report("said", {"what": f"{texts.data.name} {CLUSTERS}: {why}"})
        if any(map(needs_glove, [*partitions, *(method for method, *_ in missing)])):
            glove.find(optional=True)
        _Study(texts, report).compute(partitions, missing, seeds)
        if "sib" in clusterings and not len(_stored("members", texts)):
            _show_members(texts, clustering("sib").fit(texts.bags["train"]).labels_)


def ensure_beside(runs: Iterable[design.Run], **options) -> None:
    """`ensure`, without word vectors and with one seed, for the data set, budgets and repetitions of some runs."""
    runs = list(runs)
    ensure(
        dict.fromkeys(run.dataset for run in runs),
        budgets=sorted({run.budget for run in runs}),
        repetitions=sorted({run.repetition for run in runs}),
        seeds=SEEDS[:1],
        vectors=False,
        **options,
    )


def _with_a_label_each(cells: list[tuple[str, int, int]]) -> tuple[list[tuple[str, int, int]], list[int]]:
    """The cells without those of the clusters that have not a label for each, and the budgets of these; all of the cells
    where no other is asked for, which is then an error."""
    few = [cell for cell in cells if cell[0] == CLUSTERS and cell[1] < design.N_CLUSTERS]
    if len(few) == len(cells):
        return cells, []
    return [cell for cell in cells if cell not in few], sorted({budget for _, budget, _ in few})


def _known(kind: str, names: Iterable[str], known: Sequence[str], vectors: bool) -> list[str]:
    for name in (names := list(names)):
        if name not in known:
            raise unknown(kind, name, known)
    return [name for name in names if vectors or not needs_glove(name)]


def _check(texts: Texts, cells: Iterable[tuple[str, int, int]]) -> None:
    """InputError for a budget that no sample of this data set can have."""
    for method, budget, _ in cells:
        sampling.check_budget(budget, len(texts.data.classes))
        sampling.check_size(texts.data.labelled, budget)
        if method == CLUSTERS:
            baselines.shares(np.ones(design.N_CLUSTERS, int) * len(texts.data.train), budget)


def _stored(kind: str, texts: Texts, **keys: str) -> pd.DataFrame:
    """The rows of a table that were made of these texts with these vectors; empty if there are none."""
    try:
        frame = results.table(kind, dataset=texts.data.name, **keys)
    except InputError:
        return pd.DataFrame()
    frame = frame[frame["data_fingerprint"].astype(str) == texts.data.fingerprint]
    here = _name_here()
    return frame[frame["vectors"].isin(["", here])] if here and "vectors" in frame else frame


def _name_here() -> str:
    """The name of the vectors at hand; '' if there are none, and what was made with any is then as good."""
    try:
        return glove.find().name
    except InputError:
        return ""


def _add(kind: str, texts: Texts, keys: dict[str, str], rows: list[dict], by: list[str]) -> None:
    """Add rows to the data set's part of a table, in place of those with the same values of `by`. One that was there with
    the same outcome stays, whatever it took this time: a table that changes makes pages stale."""
    new = pd.DataFrame(rows).assign(data_fingerprint=texts.data.fingerprint)
    with claims.waiting(".".join((kind, texts.data.name, *keys.values()))):  # another process may be adding its own
        old = _stored(kind, texts, **keys)
        if len(old):
            new = new[~_outcomes(new, new).isin(set(_outcomes(old, new)))]
        if new.empty:
            return
        frame = pd.concat([old.drop(columns=["dataset", *keys]), new]) if len(old) else new
        frame = frame.drop_duplicates(by, keep="last").sort_values(by)
        results.write_table(kind, {"dataset": texts.data.name, **keys}, frame)


def _outcomes(frame: pd.DataFrame, like: pd.DataFrame) -> pd.Series:
    """A text for each row that says all that the table would hold of it but its seconds; columns as those of `like`."""
    known = [name for name in like if name != "seconds" and name in frame]
    return frame[known].map(lambda value: f"{value:.6g}" if isinstance(value, float) else str(value)).agg("|".join, axis=1)


def _lacks_clustering(texts: Texts, name: str, seeds: Iterable[int]) -> bool:
    """Whether a clustering is to be fitted (anew): all seeds, since stability compares each with each."""
    found = _stored("agreement", texts, clustering=name)
    pairs = _stored("stability", texts, clustering=name)
    have = set(found.loc[found["n_clusters"] == design.N_CLUSTERS, "seed"]) if len(found) else set()
    compared = set(zip(pairs["seed"], pairs["other"], strict=True)) if len(pairs) else set()
    return not (set(seeds) <= have and set(combinations(seeds, 2)) <= compared)


def _missing(texts: Texts, cells: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    found = _stored("reference", texts)
    have = set(zip(found["method"], found["budget"], found["repetition"], strict=True)) if len(found) else set()
    return [cell for cell in cells if cell not in have]


class _Study:
    """One data set: its clusterings, and then its classifiers."""

    def __init__(self, texts: Texts, report: Report):
        self.texts, self.report, self.fitted = texts, report, {}

    def compute(self, clusterings: list[str], cells: list[tuple[str, int, int]], seeds: list[int]) -> None:
        for name in clusterings:
            self.clusterings(name, seeds)
        for method in dict.fromkeys(method for method, *_ in cells):
            self.method(method, [cell[1:] for cell in cells if cell[0] == method])
        if any(map(needs_glove, [*clusterings, *(method for method, *_ in cells)])):
            frame = self.texts.coverage().assign(data_fingerprint=self.texts.data.fingerprint)
            results.write_table("coverage", {"dataset": self.texts.data.name}, frame)

    def clusterings(self, name: str, seeds: list[int]) -> None:
        """One clustering under every seed, and how far the partitions agree."""
        labels = {}
        for seed in seeds:
            self.report("stage", {"what": f"{name}, seed {seed}"})
            estimator = fit(self.texts, name, seed)
            labels[seed] = estimator.labels_
            if (name, seed) == ("sib", 0):
                self.fitted[name] = estimator
        rows = [
            {"seed": a, "other": b, "nmi": stats.nmi(labels[a], labels[b]), "ami": stats.ami(labels[a], labels[b]),
             "ari": stats.ari(labels[a], labels[b]), "vectors": _vectors_of(self.texts, name)}
            for a, b in combinations(seeds, 2)
        ]  # fmt: skip
        if rows:
            _add("stability", self.texts, {"clustering": name}, rows, by=["seed", "other"])
        self.report("done", {"what": f"{self.texts.data.name} {name}", "count": 1})

    def method(self, method: str, cells: list[tuple[int, int]]) -> None:
        """One reference classifier at all its budgets and repetitions."""
        self.report("stage", {"what": method})
        rows = [
            {"method": method, "budget": budget, "repetition": repetition, **self.run(method, budget, repetition)}
            for budget, repetition in cells
        ]
        _add("reference", self.texts, {}, rows, by=["method", "budget", "repetition"])
        mean = np.mean([row["accuracy"] for row in rows])
        self.report("done", {"what": f"{self.texts.data.name} {method}: mean accuracy {mean:.3f}", "count": len(rows)})

    def run(self, method: str, budget: int, repetition: int) -> dict:
        """Score of one classifier on one labelled sample."""
        began, gold, classes = time.monotonic(), self.texts.gold, len(self.texts.data.classes)
        if method == CLUSTERS:
            rows, predicted, named = self.by_clusters(budget, repetition)
        else:
            features = self.texts.features(method)
            rows = sampling.labelled_sample(self.texts.data.labelled, budget, repetition)
            named = gold["train"][rows]
            predicted = baselines.fit(method, features["train"][rows], named).predict(features["test"])
        return {
            **stats.score(gold["test"], predicted, classes),
            "missing_classes": classes - len(np.unique(gold["train"][rows])),
            "unpredictable_classes": classes - len(np.unique(named)),
            "vectors": _vectors_of(self.texts, method),
            "seconds": round(time.monotonic() - began, 3),
            "sample_fingerprint": sampling.fingerprint(rows, self.texts.data.fingerprint),
        }

    def by_clusters(self, budget: int, repetition: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Section 5.4: the labelled rows, the predicted classes of the test texts, the classes that clusters stand for."""
        labels, costs = self.clustered
        rows = baselines.labelled_members(labels, budget, repetition)
        names = baselines.dominant_labels(labels[rows], self.texts.gold["train"][rows], design.N_CLUSTERS)
        return rows, baselines.nearest_label(costs, names), names[names != baselines.NOBODY]

    @cached_property
    def clustered(self) -> tuple[np.ndarray, np.ndarray]:
        """sIB's clusters of the training texts, and the costs of the test texts in each of them."""
        sib = self.fitted.get("sib") or fit(self.texts, "sib")
        return sib.labels_, sib.transform(self.texts.bags["test"])


# --- Texts of one's own --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Clustered:
    """Clusters of some texts: `labels` (n,) int32, -1 for a text without a word to count; `terms`, a row a cluster as
    from `key_terms`; `agreement` with labels, empty where none were given; `notes` on what stands out."""

    labels: np.ndarray
    terms: pd.DataFrame
    agreement: dict[str, float]
    notes: tuple[str, ...]


def cluster(
    texts: Sequence[str],
    labels: Sequence | None = None,
    n_clusters: int = design.N_CLUSTERS,
    seed: int = 0,
    n_jobs: int = -1,
    progress: Callable | None = None,
) -> Clustered:
    """Cluster texts by sIB over bags of stemmed words; agreement is over the texts that have words and a label.

    An empty label, '', None or NaN, is none. `progress` is that of `SIB`. InputError for texts without words, and for fewer
    different texts than clusters.
    """
    if n_clusters < 2:
        raise InputError(f"{n_clusters} is too few clusters; give at least 2")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed} is out of range; give one between 0 and 2**32 - 1")
    counts, terms = text.bag_of_words(texts)
    enough(counts, n_clusters)
    sib = SIB(n_clusters, random_state=seed, n_jobs=n_jobs, progress=progress).fit(counts)
    found = np.where(np.diff(counts.indptr) > 0, sib.labels_, -1).astype(np.int32)
    shown = key_terms(counts[found >= 0], found[found >= 0], terms)
    labels = np.array([""] * len(found) if labels is None else labels, dtype=object)
    known = (found >= 0) & ~pd.isna(labels) & (labels != "")
    agreement = _agreement(labels[known], found[known]) if known.any() else {}
    return Clustered(found, shown, agreement, tuple(_notes(found, len(terms), n_clusters)))


def _notes(found: np.ndarray, terms: int, n_clusters: int) -> Iterable[str]:
    if empty := int((found < 0).sum()):
        yield f"{empty:,} of {len(found):,} texts have no word to count and are in no cluster"
    if terms < n_clusters:
        yield f"the texts have only {terms} terms for {n_clusters} clusters; fewer clusters would say as much"


def _marked(clusters: np.ndarray, labels: pd.Series | None, count: int, seed: int) -> np.ndarray:
    """Which texts to label first, bool (n,): `count` of those that have a cluster and no label."""
    free = clusters >= 0 if labels is None else (clusters >= 0) & (labels == "").to_numpy()
    marked = np.zeros(len(clusters), bool)
    if count > free.sum():
        raise InputError(f"{count} texts to label first are more than the {free.sum()} that have a word and no label; give fewer")
    if count:
        marked[np.flatnonzero(free)[baselines.labelled_members(clusters[free], count, seed)]] = True
    return marked


def cluster_file(
    path: str,
    out: str | None = None,
    text_column: str = "text",
    label_column: str | None = None,
    n_clusters: int = design.N_CLUSTERS,
    seed: int = 0,
    progress: Callable | None = None,
    label_first: int = 0,
) -> tuple[Path, Clustered]:
    """Cluster the texts of a file of one's own; the folder written to, and what was found.

    In the folder, `FILE-clusters` where none is given: `clusters.csv`, a row a text in the file's order, with no
    cluster for a text without words; `terms.csv`, a row a cluster, the largest first. With `label_first`, that many texts
    without a label are marked in a column of that name, spread over the clusters as the nearest-cluster classifier has it
    (section 5.4). InputError for too few or too many of them.
    """
    frame = datasets.read(path, text_column, label_column)
    label_first = design.whole("label_first", label_first, 0)
    if label_first and "label" in frame and (frame["label"] != "").all():
        raise InputError("every text has a label, so that there is none to label first; leave --label-first out")
    folder = Path(out or f"{datasets.stem(path)}-clusters")
    paths.spare(path, folder, ("clusters.csv", "terms.csv"))
    new = not folder.exists()
    paths.writable(folder)
    try:
        found = cluster(frame["text"], frame.get("label"), n_clusters, seed, progress=progress)
        marked = _marked(found.labels, frame.get("label"), label_first, seed)
    except BaseException:
        if new:
            folder.rmdir()  # nothing is in it yet
        raise
    ids = pd.array(found.labels, "Int32")  # without an index, so that row meets row
    ids[found.labels < 0] = pd.NA
    first = {"label_first": np.where(marked, "yes", "")} if label_first else {}
    rows = pd.DataFrame({"row": range(1, len(frame) + 1), "cluster": ids, **first, **frame})
    for name, table in (("clusters", rows), ("terms", found.terms)):
        if moved := results.write_beside(folder / f"{name}.csv", results.content(table, float_format="%.6g")):
            found = replace(found, notes=(*found.notes, f"another '{name}.csv' was there, which is '{moved}' now"))
    return folder, found
