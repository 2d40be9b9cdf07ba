"""What else to do with a few hundred real labels: the answers of a question-and-answer page, each made to work.

The page asks how to train a small model when annotated open data is plentiful and real data is scarce. Its answers
freeze the encoder, penalise, stop early, augment, label what is unlabelled, and start from open data. `ensure` runs
each on the labelled samples of the fine-tuned models, so that all are compared on the very same texts. Nothing is
tuned: a cold start has nothing to tune on. Left out: answers that need another model or more
real labels. torch is reached only for embeddings and for what fine-tunes.
"""

import math
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from cluster_tune import (
    claims, datasets, design, encoders, glove, paths, reference, results, sampling, sentences, stats, tables, text,
)  # fmt: skip
from cluster_tune.errors import InputError, unknown
from cluster_tune.progress import Report, silent

BUDGETS = (64, 256, 1024)
UNLABELLED = 5_000  # texts that a semi-supervised method sees at most
HELD_OUT = 0.2  # of the labelled texts, where training stops early
ROUNDS = 5  # of self-training; each takes up a tenth of the unlabelled texts, the surest ones
SHARE = 0.1  # of the words of a text that augmentation changes
NEAR = 0.7  # cosine of two words' vectors from which one may stand for the other
OPEN_TEXTS = 2_048  # of the open data that a model is fine-tuned on first
PENALTIES = (1e-3, 1e-2, 1e-1, 1, 10, 100)  # scikit-learn's C: the smaller, the stronger
AUXILIARY = 4  # texts of the second task for each labelled one
UNKNOWN = -1  # the label of an unlabelled text, as scikit-learn has it


@dataclass(frozen=True)
class Answer:
    """One way to go on: `against` is the method it is measured against, '' for a starting point, 'plain' for the
    fine-tuned baseline; `advice` is what the page says, in our words."""

    title: str
    against: str
    advice: str
    opened: bool = False  # whether it needs open data with labels


METHODS = {
    "tfidf": Answer("TF-IDF", "", "(for comparison) train on the real labels alone, without a pretrained model"),
    "tfidf_noised": Answer("TF-IDF, words swapped and deleted", "tfidf", "augment: random swap and deletion"),
    "tfidf_synonyms": Answer("TF-IDF, synonyms", "tfidf", "augment: replace words by synonyms"),
    "tfidf_pseudo": Answer("TF-IDF, self-training", "tfidf", "pseudo-label the unlabelled texts and train again"),
    "frozen": Answer("frozen", "tfidf", "take a pretrained model, freeze it, train the classifier only"),
    "frozen_free": Answer("frozen, no penalty", "frozen", "regularise: L2 (here: what it is worth)"),
    "frozen_l1": Answer("frozen, L1", "frozen", "regularise: L1"),
    "frozen_sgd": Answer("frozen, by gradient steps", "frozen", "(for comparison) the solver that can stop early, run to its end"),
    "frozen_early": Answer("frozen, early stopping", "frozen_sgd", "regularise: stop early, on a held-out part"),
    "frozen_noised": Answer("frozen, words swapped and deleted", "frozen", "augment: random swap and deletion"),
    "frozen_synonyms": Answer("frozen, synonyms", "frozen", "augment: replace words by synonyms"),
    "frozen_pseudo": Answer("frozen, self-training", "frozen", "pseudo-label the unlabelled texts and train again"),
    "frozen_spread": Answer("frozen, label spreading", "frozen", "use the unlabelled texts: (our variant) spread labels over them"),
    "open_only": Answer("open data only", "frozen", "(for comparison) train on the open data alone", True),
    "open_chosen": Answer("open data, penalty chosen on real", "open_only",
                          "(the asker's idea) train on open data, regularised so that it does well on the real", True),
    "open_and_real": Answer("open and real data at once", "frozen", "(our variant) train on both, each weighing as much", True),
    "open_then_head": Answer("tuned on open data, frozen", "frozen", "open data first, then the classifier", True),
    "open_then_real": Answer("tuned on open data, then real", "plain", "open data first, then all of the model", True),
    "multitask": Answer("two tasks at once, marked", "plain", "a marker for each task, one table of classes", True),
}  # fmt: skip


@dataclass(frozen=True)
class Open:
    """Open data for a data set: where it is, and which of its classes are which of the real ones."""

    dataset: str
    classes: dict[str, str]


OPEN = {
    "ag_news": Open("yahoo_answers", {
        "Politics & Government": "World", "Sports": "Sports", "Business & Finance": "Business",
        "Computers & Internet": "Sci/Tech", "Science & Mathematics": "Sci/Tech",
    }),
}  # fmt: skip


def methods(dataset: str) -> list[str]:
    """The methods that a data set can have: those with open data only where `OPEN` has some for it."""
    return [name for name, answer in METHODS.items() if dataset in OPEN or not answer.opened]


# --- Augmentation --------------------------------------------------------------------------------------------------


def swapped(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words with a tenth of them, but at least one pair, exchanged at random."""
    words = list(words)
    for _ in range(max(1, round(SHARE * len(words)))) if len(words) > 1 else ():
        a, b = rng.choice(len(words), 2, replace=False)
        words[a], words[b] = words[b], words[a]
    return words


def thinned(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words without about a tenth of them; never none."""
    kept = [word for word in words if rng.random() >= SHARE]
    return kept or [words[rng.integers(len(words))]]


def replaced(words: Sequence[str], rng: np.random.Generator, near: dict[str, str]) -> list[str]:
    """The words with a tenth of them, of those that have a near one and at least one, replaced by it."""
    places = [i for i, word in enumerate(words) if word.lower() in near]
    words = list(words)
    if places:
        for i in rng.choice(places, min(len(places), max(1, round(SHARE * len(words)))), replace=False):
            words[i] = near[words[i].lower()]
    return words


def nearest_words(vectors: glove.Vectors) -> dict[str, str]:
    """For each word the one of the nearest vector by cosine, where that is at least `NEAR`: a stand-in for a synonym,
    which antonyms and names of a kind can be as well."""
    words = np.array(list(vectors.rows))
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True).clip(1e-9)
    found = {}
    for part in np.array_split(np.arange(len(words)), max(1, len(words) // 1000)):
        likeness = unit[part] @ unit.T
        likeness[np.arange(len(part)), part] = -1
        best = likeness.argmax(axis=1)
        close = likeness[np.arange(len(part)), best] >= NEAR
        found |= dict(zip(words[part[close]], words[best[close]], strict=True))
    return found


# --- Classifiers ---------------------------------------------------------------------------------------------------


def classifier(method: str) -> ClassifierMixin:
    """The linear classifier of a method: logistic regression with an L2 penalty, unless its name says otherwise.

    C = 1, scikit-learn's own, over embeddings; 10 over TF-IDF, whose rows are of length 1, a third of an embedding's:
    the same penalty would weigh ten times as much there.
    """
    base, _, kind = method.partition("_")
    if base == "tfidf":
        return LogisticRegression(C=10, max_iter=2000)
    if kind == "free":
        return LogisticRegression(C=np.inf, max_iter=2000)
    if kind == "l1":
        return LogisticRegression(l1_ratio=1, solver="saga", tol=1e-3, max_iter=500, random_state=0)
    if kind in ("sgd", "early"):
        return SGDClassifier("log_loss", early_stopping=kind == "early", validation_fraction=HELD_OUT, random_state=0)
    return LogisticRegression(max_iter=2000)


def fit(method: str, features, labels: np.ndarray) -> ClassifierMixin:
    """The method's classifier on labelled features (n, d); one class only is the answer to everything. Early stopping
    holds out a fifth, in which each class must have a text: where that cannot be, it trains to the end."""
    if len(np.unique(labels)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(features, labels)
    model = classifier(method)
    counts = np.unique(labels, return_counts=True)[1]
    if method.endswith("_early") and (counts.min() < 2 or math.ceil(HELD_OUT * len(labels)) < len(counts)):
        model.set_params(early_stopping=False)
    with _quiet():
        return model.fit(features, labels)


def self_train(features, labels: np.ndarray, method: str = "frozen") -> ClassifierMixin:
    """Pseudo-labels: logistic regression, `ROUNDS` times fitted anew with the unlabelled texts it is surest of.

    `labels` (n,) are codes, `UNKNOWN` for the unlabelled.
    """
    if not (labels == UNKNOWN).any():
        return fit(method, features, labels)
    each = max(1, int((labels == UNKNOWN).sum()) // 10)
    if len(np.unique(labels[labels != UNKNOWN])) == 1:
        return fit(method, features[np.flatnonzero(labels != UNKNOWN)], labels[labels != UNKNOWN])
    model = SelfTrainingClassifier(classifier(method), criterion="k_best", k_best=each, max_iter=ROUNDS)
    return model.fit(features, labels)


def spread(features: np.ndarray, labels: np.ndarray) -> ClassifierMixin:
    """Label spreading over the likeness of unit vectors, at most a hundred rounds; `labels` as in `self_train`."""
    with _quiet():
        return make_pipeline(Normalizer(), LabelSpreading(max_iter=100)).fit(features, labels)


@contextmanager
def _quiet() -> Iterator[None]:
    """A solver that stops at its last round is taken as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def unlabelled(n: int, rows: np.ndarray, repetition: int) -> np.ndarray:
    """Rows of the unlabelled texts that a method sees, (m,): at most `UNLABELLED`, none of the labelled `rows`."""
    order = np.random.default_rng(repetition).permutation(n)
    return order[~np.isin(order, rows)][:UNLABELLED]


# --- Views of a data set -------------------------------------------------------------------------------------------


class Views:
    """A data set as these methods see it. Each view is made when it is first asked for; embeddings are kept under the
    folder of prepared data, by the fingerprints of texts and weights."""

    def __init__(self, data: datasets.Dataset, encoder: encoders.Encoder, device: str = "auto"):
        self.data, self.encoder, self.device, self.copies = data, encoder, device, {}
        self.gold = reference.Texts(data).gold

    @cached_property
    def tfidf(self) -> dict:
        """TF-IDF over the words of all training texts, whose labels are not needed for it."""
        counts = self.vectorizer
        return {"train": counts.transform(self.data.train["text"]), "test": counts.transform(self.data.test["text"])}

    @cached_property
    def vectorizer(self) -> TfidfVectorizer:
        """What turns a text into its row of `tfidf`."""
        return TfidfVectorizer(sublinear_tf=True, min_df=2).fit(self.data.train["text"])

    @cached_property
    def frozen(self) -> dict[str, np.ndarray]:
        """Embeddings of the pretrained encoder, float32 (n, width) a part."""
        return {part: self.embedded(part, getattr(self.data, part)["text"]) for part in ("train", "test")}

    def embedded(self, what: str, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of some texts, read where they were made before; `what` must name these texts and no others."""
        name = f"{self.data.fingerprint}-{self.weights}-{self.encoder.pooling}-{self.bits}-{what}.npy"
        path = paths.data() / "embeddings" / name
        if path.is_file():
            return np.load(path, allow_pickle=False)
        found = self._embed(self.model, texts)
        paths.writable(path.parent)
        with paths.replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, found, allow_pickle=False)
        return found

    def _embed(self, model, texts: Sequence[str]) -> np.ndarray:
        from cluster_tune import training

        return training.embed(model, self.encoder.pooling, self.tokens(texts), bits=self.bits)

    def tokens(self, texts: Sequence[str]):
        """The word pieces of some texts, cut as the recipes have it."""
        from cluster_tune import training

        return training.tokenise(self.tokenizer, texts, design.RECIPES["trained"].max_length)

    @cached_property
    def tokenizer(self):
        """The encoder's tokenizer."""
        return encoders.tokenizer(self.encoder)

    @cached_property
    def model(self):
        """The pretrained encoder, which stays as it is: what fine-tunes takes a `fresh` one."""
        return self.fresh()

    def fresh(self):
        """The pretrained encoder, newly loaded."""
        from cluster_tune import training

        return training.suit(encoders.model(self.encoder).to(training.device(self.device)))

    @cached_property
    def other(self) -> "Views":
        """Those of the open data of this data set."""
        return Views(datasets.load(OPEN[self.data.name].dataset), self.encoder, self.device)

    @cached_property
    def penalised(self) -> list[ClassifierMixin]:
        """Classifiers of the open data, one a penalty."""
        other, there, codes = opened(self)
        features = other.frozen["train"][there]
        return [LogisticRegression(C=penalty, max_iter=2000).fit(features, codes) for penalty in PENALTIES]

    @cached_property
    def tuned(self) -> dict:
        """The encoder's weights after two epochs over a sample of the open data."""
        from cluster_tune import finetuning, training

        other, there, codes = opened(self)
        order = np.random.default_rng(0).permutation(len(there))[:OPEN_TEXTS]
        model, recipe = self.fresh(), replace(_recipe(self), epochs=2)
        tokens = other.tokens(other.data.train["text"].iloc[there[order]])
        classes, how = len(self.data.classes), {"seed": 0, "bits": self.bits}
        finetuning.fine_tune(model, self.encoder.pooling, tokens, codes[order], classes, recipe, **how)
        return training.copy_of(model.state_dict())

    @cached_property
    def tuned_test(self) -> np.ndarray:
        """Embeddings of the test texts by these weights."""
        return self._embed(_tuned_on_open(self), self.data.test["text"])

    @cached_property
    def weights(self) -> str:
        """The fingerprint of the encoder's files."""
        return encoders.fingerprint(self.encoder)

    @cached_property
    def bits(self) -> str:
        """The precision of arithmetic on this device."""
        from cluster_tune import training

        return training.precision(training.device(self.device), "auto")

    @cached_property
    def near(self) -> dict[str, str]:
        """Near words of those of the training texts."""
        return nearest_words(glove.read({word for words in text.tokens(self.data.train["text"]) for word in words}))

    def altered(self, kind: str, rows: np.ndarray) -> list[str]:
        """Altered copies of training texts: two of each for 'noised' (swapped, thinned), one for 'synonyms'. They
        are the same in every sample."""
        found = []
        for row in rows:
            words, rng = self.data.train["text"].iloc[row].split() or [""], np.random.default_rng(row)
            if kind == "noised":
                found += [" ".join(swapped(words, rng)), " ".join(thinned(words, rng))]
            else:
                found.append(" ".join(replaced(words, rng, self.near)))
        return found

    def prepare(self, kind: str, rows: np.ndarray) -> None:
        """Embed the copies of all texts that any sample will need, in one go."""
        rows, copies = np.unique(rows), 2 if kind == "noised" else 1
        vectors = glove.other() if kind == "synonyms" else ""
        made = self.embedded(f"{kind}{vectors}-{sampling.fingerprint(rows, self.data.fingerprint)}", self.altered(kind, rows))
        self.copies[kind] = {row: made[i * copies : (i + 1) * copies] for i, row in enumerate(rows)}

    def augmented(self, base: str, kind: str, rows: np.ndarray):
        """Features of the labelled texts with their altered copies below, and how often each label is repeated."""
        if base == "tfidf":
            more = self.vectorizer.transform(self.altered(kind, rows))
            return sparse.vstack([self.tfidf["train"][rows], more]).tocsr(), more.shape[0] // len(rows)
        more = np.concatenate([self.copies[kind][row] for row in rows])
        return np.concatenate([self.frozen["train"][rows], more]), len(more) // len(rows)


# --- The store -----------------------------------------------------------------------------------------------------


def ensure(
    names: Iterable[str],
    *,
    encoder: str = "minilm",
    wanted: Iterable[str] | None = None,
    budgets: Iterable[int] = BUDGETS,
    repetitions: Iterable[int] = design.REPETITIONS,
    vectors: bool = True,
    text_column: str = "text",
    label_column: str = "label",
    device: str = "auto",
    report: Report = silent,
) -> None:
    """Compute for each data set what the store lacks of the methods at the budgets and repetitions.

    Without `vectors`, what works on GloVe vectors is left out. An interruption loses at most the run in
    hand. `wanted` are methods, all that fit the data set by default. InputError for one that it cannot have, where
    nothing is asked for, and, before anything is computed, where GloVe vectors are needed and not here.
    `report(event, facts)` hears of the plan, of stages, of what is done and of where it is stored.
    """
    budgets, repetitions = design.numbers("budgets", budgets, 1), design.numbers("repetitions", repetitions, 0)
    if not budgets or not repetitions:
        raise InputError("there is nothing to compute; give at least one budget and one repetition")
    loaded: dict[str, datasets.Dataset] = {}
    for name in design.several("names", names):
        data = loaded[name] = datasets.load(name, text_column=text_column, label_column=label_column)
        datasets.check_names(loaded)
        chosen = _chosen(data.name, wanted, vectors)
        cells = list(product(chosen, budgets))
        views = Views(data, encoders.resolve(encoder), device)
        if any(METHODS[method].opened for method in chosen):
            _check_open(views)
        for budget in dict.fromkeys(budget for _, budget in cells):
            sampling.check_budget(budget, len(data.classes))
            sampling.check_size(data.labelled, budget)
        _compute(views, cells, repetitions, report)


def _chosen(dataset: str, wanted: Iterable[str] | None, vectors: bool) -> list[str]:
    possible = methods(dataset)
    for name in (wanted := list(possible if wanted is None else wanted)):
        if name not in METHODS:
            raise unknown("method", name, METHODS)
        if name not in possible:
            raise InputError(f"there is no open data for '{dataset}'; leave out '{name}'")
    return [name for name in wanted if vectors or not _needs_glove(name)]


def _check_open(views: Views) -> None:
    """InputError where a data set lacks the classes that its open data have, as one of one's own may, or the open data are
    not there: before anything is computed."""
    data = views.data
    if lacking := set(OPEN[data.name].classes.values()) - set(data.classes):
        raise InputError(f"'{data.name}' has no class {' or '.join(map(repr, sorted(lacking)))}, which the methods with open data "
                         "need; choose others with --methods")
    views.other  # noqa: B018 (loads them)


def _needs_glove(method: str) -> bool:
    return method.endswith("synonyms")


def _stored(views: Views) -> pd.DataFrame:
    """The rows of this data set and encoder that were made of these texts by these weights; older rows, which do not name
    their weights, count as made by these."""
    try:
        frame = results.table("few_labels", dataset=views.data.name, encoder=views.encoder.name)
    except InputError:
        return pd.DataFrame(columns=["method", "budget", "repetition"])
    frame = frame[frame["data_fingerprint"] == views.data.fingerprint]
    return frame[frame["encoder_fingerprint"].isin(["", views.weights])] if "encoder_fingerprint" in frame else frame


def _with_vectors_here(found: pd.DataFrame) -> pd.DataFrame:
    """The rows that owe nothing to other word vectors than those at hand; all, where none are."""
    if "vectors" not in found or not glove.here():
        return found
    return found[(found["vectors"] == glove.other()) | ~found["method"].map(_needs_glove).astype(bool)]


def _compute(views: Views, cells: list[tuple[str, int]], repetitions: list[int], report: Report) -> None:
    found = _with_vectors_here(_stored(views))
    have = set(zip(found["method"], found["budget"], found["repetition"], strict=True))
    missing = {cell: [r for r in repetitions if (*cell, r) not in have] for cell in cells}
    count = sum(map(len, missing.values()))
    report("plan", {"dataset": views.data.name, "wanted": len(cells) * len(repetitions), "missing": count})
    if any(left and _needs_glove(method) for (method, _), left in missing.items()):
        glove.find(optional=True)
    for (method, budget), left in missing.items():
        if left:
            report("stage", {"what": f"{method}, {budget} labels"})
            rows = []
            for repetition in left:
                rows.append(_run(views, method, budget, repetition, repetitions))
                _add(views, rows[-1:])
            what = f"{views.data.name} {method} {budget}: mean accuracy {np.mean([row['accuracy'] for row in rows]):.3f}"
            report("done", {"what": what, "count": len(left)})
    report("said", {"what": f"{views.data.name}: every accuracy is in '{results.place('few_labels', _keys(views))}'"})


def _keys(views: Views) -> dict[str, str]:
    return {"dataset": views.data.name, "encoder": views.encoder.name}


def _add(views: Views, rows: list[dict]) -> None:
    by, keys = ["method", "budget", "repetition"], _keys(views)
    with claims.waiting(".".join(("few_labels", *keys.values()))):  # another process may be adding its own
        old, new = _stored(views), pd.DataFrame(rows)
        frame = pd.concat([old.drop(columns=list(keys)), new]) if len(old) else new
        frame = frame.drop_duplicates(by, keep="last").sort_values(by)
        results.write_table("few_labels", keys, frame.fillna({"vectors": "", "encoder_fingerprint": ""}))


def _run(views: Views, method: str, budget: int, repetition: int, repetitions: Sequence[int]) -> dict:
    """One method on one labelled sample; the row."""
    rows = sampling.labelled_sample(views.data.labelled, budget, repetition)
    if method.startswith("frozen_") and method.endswith(("noised", "synonyms")):
        views.prepare(method.partition("_")[2], _needed(views, budget, repetitions))
    began = time.monotonic()
    codes = predict(views, method, rows, repetition)
    others = {"vectors": glove.other()} if _needs_glove(method) and glove.other() else {}
    return {
        "method": method, "budget": budget, "repetition": repetition,
        **stats.score(views.gold["test"], codes, len(views.data.classes)),
        "seconds": round(time.monotonic() - began, 2),
        "sample_fingerprint": sampling.fingerprint(rows, views.data.fingerprint),
        "data_fingerprint": views.data.fingerprint,
        "encoder_fingerprint": views.weights,
        **others,
    }  # fmt: skip


def _needed(views: Views, budget: int, repetitions: Sequence[int]) -> np.ndarray:
    return np.concatenate([sampling.labelled_sample(views.data.labelled, budget, r) for r in repetitions])


def predict(views: Views, method: str, rows: np.ndarray, seed: int) -> np.ndarray:
    """The codes of the test texts, from the labels of the training texts `rows`."""
    if METHODS[method].opened:
        return _OPENED[method](views, rows, seed)
    base, _, kind = method.partition("_")
    features, labels = getattr(views, base), views.gold["train"][rows]
    if kind in ("noised", "synonyms"):
        more, copies = views.augmented(base, kind, rows)
        return fit(method, more, np.concatenate([labels, np.repeat(labels, copies)])).predict(features["test"])
    if kind in ("pseudo", "spread"):
        others = unlabelled(len(views.data.train), rows, seed)
        known = np.concatenate([labels, np.full(len(others), UNKNOWN)])
        train = features["train"][np.concatenate([rows, others])]
        model = self_train(train, known, method) if kind == "pseudo" else spread(train, known)
        return model.predict(features["test"])
    return fit(method, features["train"][rows], labels).predict(features["test"])


# --- With open data ------------------------------------------------------------------------------------------------


def opened(views: Views) -> tuple[Views, np.ndarray, np.ndarray]:
    """The open data of a data set: its views, the rows of its training texts that have a real class, and their codes
    among the real classes."""
    where = OPEN[views.data.name]
    other = views.other
    codes = {name: views.data.classes.index(real) for name, real in where.classes.items()}
    named = other.data.train["label"].map(codes)
    rows = np.flatnonzero(named.notna())
    return other, rows, named.to_numpy()[rows].astype(np.int64)


def _open_only(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    other, there, codes = opened(views)
    return fit("frozen", other.frozen["train"][there], codes).predict(views.frozen["test"])


def _open_chosen(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    """Of classifiers of the open data under several penalties, the one that names most of the labelled real texts rightly;
    of two alike the one of the stronger penalty."""
    known, labels = views.frozen["train"][rows], views.gold["train"][rows]
    return max(views.penalised, key=lambda model: (model.predict(known) == labels).mean()).predict(views.frozen["test"])


def _open_and_real(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    other, there, codes = opened(views)
    features = np.concatenate([other.frozen["train"][there], views.frozen["train"][rows]])
    weights = np.concatenate([np.full(len(there), len(rows) / len(there)), np.ones(len(rows))])
    labels = np.concatenate([codes, views.gold["train"][rows]])
    return classifier("frozen").fit(features, labels, sample_weight=weights).predict(views.frozen["test"])


def _tuned_on_open(views: Views):
    """A model with the weights that were fine-tuned on open data."""
    model = views.fresh()
    model.load_state_dict(views.tuned)
    return model


def _recipe(views: Views) -> design.Recipe:
    return design.suited("trained", views.encoder.rates)


def _open_then_head(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    model = _tuned_on_open(views)
    labelled = views._embed(model, views.data.train["text"].iloc[rows])
    return fit("frozen", labelled, views.gold["train"][rows]).predict(views.tuned_test)


def _open_then_real(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    texts, labels = views.data.train["text"].iloc[rows], views.gold["train"][rows]
    model, classes = _tuned_on_open(views), len(views.data.classes)
    return _fine_tuned(views, model, texts, labels, classes, views.data.test["text"], seed)


def _multitask(views: Views, rows: np.ndarray, seed: int) -> np.ndarray:
    """The real task and that of the open data, with all its own classes, in one model; each text says which it is of.

    Classes have numbers of their own in one table; at prediction those of the other task are out of the question.
    """
    other, *_ = opened(views)
    drawn = np.random.default_rng(seed).permutation(len(other.data.train))[: AUXILIARY * len(rows)]
    real = len(views.data.classes)
    texts = [*marked(views.data.train["text"].iloc[rows], 1), *marked(other.data.train["text"].iloc[drawn], 2)]
    labels = np.concatenate([views.gold["train"][rows], real + other.gold["train"][drawn]])
    test = marked(views.data.test["text"], 1)
    return _fine_tuned(views, views.fresh(), texts, labels, real + len(other.data.classes), test, seed, first=real)


def marked(texts: Iterable[str], task: int) -> list[str]:
    """Texts with the name of their task in front, in plain words."""
    return [f"task {task}: {one}" for one in texts]


def _fine_tuned(
    views: Views, model, texts, labels, classes: int, test, seed: int, first: int | None = None
) -> np.ndarray:
    """Fine-tune by the trained recipe and predict among the `first` classes, or all."""
    from cluster_tune import finetuning, training

    tuned = finetuning.fine_tune(model, views.encoder.pooling, views.tokens(texts), labels, classes, _recipe(views),
                                 seed=seed, bits=views.bits)
    return training.predict(tuned, views.tokens(test), bits=views.bits)[:, :first].argmax(1)


_OPENED = {"open_only": _open_only, "open_chosen": _open_chosen, "open_and_real": _open_and_real, "open_then_head": _open_then_head,
           "open_then_real": _open_then_real, "multitask": _multitask}


# --- Beside each other ---------------------------------------------------------------------------------------------

TUNED = {"base": "plain", "clust": "inter-trained"}  # fine-tuned models among the methods, by their setting
TITLES = {name: answer.title for name, answer in METHODS.items()} | {
    "plain": "fine-tuned, plain", "inter-trained": "fine-tuned after IT:CLUST",
    **{name: tables.REFERENCE[name] for name in ("nb_bow", "svm_glove")},
}  # fmt: skip
AGAINST = {name: answer.against for name, answer in METHODS.items() if answer.against} | {
    "plain": "frozen", "inter-trained": "plain"
}  # fmt: skip


def coverage(scores: pd.DataFrame) -> pd.DataFrame:
    """How many runs of how many methods there are, a row a data set and budget."""
    own = scores[scores["method"].isin(list(METHODS))]
    counts = own.groupby(["dataset", "budget"])["method"].agg(methods="nunique", runs="size").reset_index()
    counts["possible"] = [len(methods(name)) for name in counts["dataset"]]
    counts["dataset"] = counts["dataset"].map(lambda name: datasets.titles().get(name, name))
    cells = [f"{row.methods} of {row.possible}" for row in counts.itertuples()]
    return pd.DataFrame({"Data set": counts["dataset"], "Labels": counts["budget"], "Methods": cells,
                         "Runs": counts["runs"]})


def with_runs(
    scores: pd.DataFrame, runs: pd.DataFrame, reference: pd.DataFrame | None = None, recipe: str = "trained"
) -> pd.DataFrame:
    """The methods' scores, and on the same samples those of fine-tuned models under one recipe and of two of the
    paper's reference methods, as methods of their own.

    Rows of other data sets, budgets, repetitions or texts are left out. InputError where a sample is not the same.
    """
    tuned = runs[(runs["recipe"] == recipe) & runs["clustering"].isin(["", "sib"]) & runs["setting"].isin(list(TUNED))]
    parts = [scores, _same_samples(scores, tuned.assign(method=tuned["setting"].map(TUNED)))]
    if reference is not None:
        parts.append(_same_samples(scores, reference[reference["method"].isin(list(TITLES))]))
    found = pd.concat(parts, ignore_index=True)
    if len(twice := found[found.duplicated(["dataset", "budget", "repetition", "method"])]):
        what = " ".join(map(str, twice.iloc[0][["dataset", "method", "budget"]]))
        raise InputError(f"runs of {what} labels are there in several versions; keep one of each in '{paths.results()}'")
    return found


def _same_samples(scores: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    keys = ["dataset", "budget", "repetition"]
    samples = scores[[*keys, "sample_fingerprint", "data_fingerprint"]].drop_duplicates(keys)
    both = others.merge(samples, on=keys, suffixes=("", "_here"))
    both = both[both["data_fingerprint"] == both["data_fingerprint_here"]]
    if (both["sample_fingerprint"] != both["sample_fingerprint_here"]).any():
        raise InputError("other methods saw other labelled samples than these; run both again")
    return both[[column for column in scores if column in both]]


def table(scores: pd.DataFrame, budget: int) -> pd.DataFrame:
    """Accuracy (%, mean ± SEM) at a budget: a row a method, a column a data set."""
    shown = scores[scores["budget"] == budget]
    means = stats.summary(shown, ["method", "dataset"])
    means["cell"] = [tables.accuracy(mean, sem) for mean, sem in zip(means["mean"], means["sem"], strict=True)]
    wide = means.pivot(index="method", columns="dataset", values="cell").fillna(tables.MISSING)
    titles = datasets.titles()
    order = tables.by_kind([name for name in titles if name in wide], datasets.kinds())
    order += [name for name in wide if name not in order]
    wide = wide.loc[[name for name in TITLES if name in wide.index], order]
    return wide.rename(index=TITLES, columns=titles).rename_axis(index="Method", columns=None)


def effects(scores: pd.DataFrame) -> pd.DataFrame:
    """What each method is worth against the one it builds on, at each budget, in points of accuracy.

    Columns: method, against, budget, datasets (how many), better (on how many of them by the mean), only (its name where it
    is one), difference, low, high, p: a 95 % interval and a test by Student's t, over the means of the data sets, over
    repetitions where there is one data set. Only samples that both have count. Where all differences are the same there is no
    spread to go by, as of two models that no sample changes: neither interval nor p.
    """
    wide = 100 * scores.pivot(index=["budget", "dataset", "repetition"], columns="method", values="accuracy")
    rows = []
    for method, against in AGAINST.items():
        if method in wide and against in wide:
            for budget, part in (wide[method] - wide[against]).dropna().groupby("budget"):
                sets = {name: group.to_numpy() for name, group in part.groupby("dataset")}
                first, alone = next(iter(sets)), len(sets) == 1
                means = [group.mean() for group in sets.values()]
                found = sets[first] if alone else np.array(means)
                span = stats.t_interval(found)
                told = ((span.low, span.high, stats.paired_t(np.zeros(len(found)), found).p)
                        if np.ptp(found) > SAME else (np.nan,) * 3)
                better = sum(mean > 0 for mean in means)
                rows.append((method, against, budget, len(sets), better, first if alone else "", span.estimate, *told))
    columns = ["method", "against", "budget", "datasets", "better", "only", "difference", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def effects_table(scores: pd.DataFrame) -> pd.DataFrame:
    """`effects` to be read: a row a method and budget, with a verdict by the interval."""
    rows = [
        {"Method": TITLES[row.method], "Against": TITLES[row.against], "Labels": row.budget,
         "Better on": f"{row.better} of {row.datasets}",
         "Difference, points": tables.number(row.difference),
         "95 % interval": tables.MISSING if np.isnan(row.low) else f"{tables.end(row.low)} to {tables.end(row.high)}",
         "Verdict": _verdict(row)}
        for row in effects(scores).itertuples()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _verdict(row) -> str:
    if row.low > 0 or row.high < 0:
        return "helps" if row.low > 0 else "hurts"
    return "cannot be told"


def in_words(scores: pd.DataFrame) -> sentences.Prose:
    """What helps, what hurts and what cannot be told, a list a budget; and what of it is left when all are corrected together."""
    found = effects(scores)
    lines = []
    for budget, part in found.groupby("budget"):
        verdicts = part.assign(verdict=[_verdict(row) for row in part.itertuples()])
        named = {word: [_worth(row) for row in group.itertuples()] for word, group in verdicts.groupby("verdict")}
        said = [f"  - {word}: {'; '.join(named[word])}." for word in WORDS if word in named]
        lines += [f"- With {budget} labels, in points of accuracy:", *said]
    return sentences.Prose("\n".join([*lines, *_left(found[found["p"].notna()])]))


def _left(found: pd.DataFrame) -> list[str]:
    """What helps and hurts when all tests are corrected together, as a line; none without tests."""
    if found.empty:
        return []
    sure = found[stats.holm(found["p"]) < 0.05]
    sides = {word: [f"{TITLES[row.method]} at {row.budget}" for row in sure.itertuples() if (row.difference > 0) == up]
             for word, up in (("helps", True), ("hurts", False))}
    return [f"- With all tests here corrected together (Holm, {len(found)} of them), what still helps is "
            f"{sentences.listed(sides['helps']) or 'nothing'}; what still hurts is "
            f"{sentences.listed(sides['hurts']) or 'nothing'}."]


WORDS = ("helps", "hurts", "cannot be told")
SAME = 1e-9  # points of accuracy; the differences of equal fractions part by less


def _worth(row) -> str:
    alone = f", {datasets.titles().get(row.only, row.only)} alone" if row.only else ""
    return f"{TITLES[row.method]} ({tables.number(row.difference)} against {TITLES[row.against]}{alone})"


def best_in_words(scores: pd.DataFrame) -> sentences.Prose:
    """The most accurate method of each data set and budget, by the mean over repetitions, and where fine-tuned models were
    not there to compete; a line a budget."""
    means = stats.summary(scores, ["budget", "dataset", "method"])
    titles, lines = datasets.titles(), []
    for budget, part in means.groupby("budget"):
        best = part.sort_values("mean", ascending=False).drop_duplicates("dataset").set_index("dataset")
        best = best.loc[tables.by_kind(best.index.sort_values(), datasets.kinds())]
        tuned = set(part.loc[part["method"].isin(["plain", "inter-trained"]), "dataset"])
        said = [f"{titles.get(name, name)}: {TITLES[row['method']]} ({tables.accuracy(row['mean'])}"
                f"{'' if name in tuned else ', with no fine-tuned models to compare'})" for name, row in best.iterrows()]
        lines.append(f"- {budget} labels: {'; '.join(said)}.")
    return sentences.Prose("\n".join(lines))


def stored_as(encoder: str) -> str:
    """The name that the store has for an encoder, which may be given as a folder."""
    return encoders.name_of(encoder)


def chosen_by_others() -> pd.DataFrame:
    """The PATRON paper's accuracies (%) of fine-tuned models, by how the texts to label were chosen."""
    frame, titles = results.published("peer_patron"), datasets.titles()
    return pd.DataFrame({
        "Data set": frame["dataset"].map(titles), "Labels": frame["budget"],
        "Drawn at random": [f"{tables.number(mean)} ± {tables.number(sd)}"
                            for mean, sd in zip(frame["ft_random"], frame["ft_random_sd"], strict=True)],
        "By k-means clusters": frame["ft_bert_km"].map(tables.number), "By PATRON": frame["ft_patron"].map(tables.number)})


USB = {"fully_supervised": "fully supervised", "supervised_only": "supervised only", "pseudolabel": "pseudo-labels",
       "meanteacher": "Mean Teacher", "vat": "VAT", "adamatch": "AdaMatch", "uda": "UDA", "fixmatch": "FixMatch",
       "flexmatch": "FlexMatch", "crmatch": "CRMatch", "comatch": "CoMatch", "simmatch": "SimMatch", "freematch": "FreeMatch",
       "softmatch": "SoftMatch", "remixmatch": "ReMixMatch"}  # fmt: skip


def semi_supervised_by_others() -> pd.DataFrame:
    """The USB benchmark's error rates (%) of semi-supervised algorithms on two of the data sets."""
    frame, titles = results.published("peer_usb"), datasets.titles()
    named = {"ag_news": titles["ag_news"], "yahoo": titles["yahoo_answers"]}
    columns = {column: f"{named[column.rpartition('_')[0]]}, {int(column.rpartition('_')[2]):,} labels"
               for column in frame.columns[1:]}
    return pd.DataFrame({"Algorithm": frame["algorithm"].map(USB)} | {
        title: frame[column].map(lambda rate: tables.number(rate, 2)) for column, title in columns.items()})


def advice() -> pd.DataFrame:
    """What the page advises, and the method here that does it."""
    rows = [(answer.advice, answer.title) for answer in METHODS.values()]
    return pd.DataFrame(rows, columns=["Advice", "Here"])
