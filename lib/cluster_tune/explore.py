"""One try with settings of a reader's own: how many clusters, how many updates, how many labels, which texts.

The stages and the samples are those of the experiment, at one repetition and without its store: nothing is written and
nothing read back, so that a changed number is seen within a minute. What the book reports comes from `experiment`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cluster_tune import datasets, design, encoders, reference, sampling, sentences, stats, tables
from cluster_tune.datasets import PARTS, Dataset
from cluster_tune.errors import InputError, unknown

SHORTEST, LONGEST = 8, 512  # word pieces of a text: fewer are hardly more than the two special ones; BERT reads no more


def texts(name: str, classes: Collection[str] = (), most: int = 1_000, text_column: str = "text",
          label_column: str = "label") -> Dataset:
    """A data set, or a file of one's own, cut down: only `classes`, where given, and at most `most` texts a part.

    Training texts without a label stay, after the others, unless classes are asked for. Up to half of `most` are then
    texts with a label, more where the others are fewer, so that there are some to draw samples from."""
    data = datasets.load(name, text_column=text_column, label_column=label_column)
    for label in (classes := [str(label) for label in design.several("classes", classes)]):  # a label is text, also '1'
        if label not in data.classes:
            raise unknown("class", label, data.classes)
    if len(chosen := tuple(sorted(set(classes))) or data.classes) < 2:
        raise InputError("one class leaves nothing to tell apart; give at least two, or none for all of them")
    parts = {part: _cut(getattr(data, part), chosen, most, not classes) for part in PARTS}
    return replace(data, classes=chosen, **parts)


def _cut(frame: pd.DataFrame, classes: Collection[str], most: int, others: bool) -> pd.DataFrame:
    known, rest = frame[frame["label"].isin(classes)], frame[frame["label"] == ""] if others else frame[:0]
    known = known.iloc[sampling.drawn(len(known), max(most - most // 2, most - len(rest)))]
    rest = rest.iloc[sampling.drawn(len(rest), most - len(known))]
    return pd.concat([known, rest], ignore_index=True)


def cluster(data: Dataset, n_clusters: int, seed: int = 0) -> reference.Clustered:
    """sIB over the training texts as bags of words (Path 3's first step); a text without words gets a cluster, too."""
    n_clusters = design.whole("n_clusters", n_clusters, 2)
    found = reference.cluster(data.train["text"], data.train["label"], n_clusters, seed)
    strays = np.random.default_rng(seed).integers(n_clusters, size=len(found.labels))
    return replace(found, labels=np.where(found.labels < 0, strays, found.labels))


def agreement(found: reference.Clustered) -> pd.DataFrame:
    """How far the clusters follow the classes, one row: NMI, AMI, ARI."""
    return pd.DataFrame([{name.upper(): tables.number(found.agreement[name], 3) for name in ("nmi", "ami", "ari")}])


@dataclass(frozen=True)
class Tried:
    """What came out: `scores`, a row a setting, and `losses`, a row an update of inter-training."""

    scores: pd.DataFrame
    losses: pd.DataFrame


def compare(
    data: Dataset, clusters: np.ndarray, updates: int, budget: int, repetition: int = 0, max_length: int = 64,
    encoder: str = "minilm",
) -> Tried:
    """Fine-tune on one labelled sample twice: from the pretrained model (Path 1), and inter-trained on `clusters` first
    (Path 3). The recipe is `trained` with that many updates, and texts are cut at `max_length` word pieces: half of the
    paper's, which halves the wait."""
    updates, budget = design.whole("updates", updates, 1), design.whole("budget", budget, 1)
    repetition = design.whole("repetition", repetition, 0)
    max_length = design.whole("max_length", max_length, SHORTEST, LONGEST)
    sampling.check_budget(budget, len(data.classes))
    rows = sampling.labelled_sample(data.labelled, budget, repetition)
    from cluster_tune import finetuning, intertraining, training

    known = encoders.resolve(encoder)
    recipe = design.suited("trained", known.rates)
    short = replace(recipe, epochs=0, min_updates=updates)
    where = training.device()
    bits = training.precision(where)
    model = training.suit(encoders.model(known).to(where))
    tokenizer = encoders.tokenizer(known)
    train, test = (training.tokenise(tokenizer, part["text"], max_length) for part in (data.train, data.test))
    gold, truth = data.codes("train"), data.codes("test")
    pretrained, scores, losses = training.copy_of(model.state_dict()), [], []
    for setting in design.MAIN:
        model.load_state_dict(pretrained)
        if setting == "clust":
            losses = intertraining.on_clusters(
                model, known.pooling, train, clusters, learning_rate=recipe.inter_learning_rate,
                batch_size=recipe.inter_batch_size, epochs=recipe.inter_epochs, bits=bits)
        classifier = finetuning.fine_tune(model, known.pooling, train.take(rows), gold[rows], len(data.classes), short,
                                          seed=repetition, bits=bits)
        predicted = training.predict(classifier, test, bits=bits).argmax(1)
        scores.append({"setting": setting, **stats.score(truth, predicted, len(data.classes))})
    return Tried(pd.DataFrame(scores), pd.DataFrame({"update": np.arange(1, len(losses) + 1), "loss": losses}))


def outcome(tried: Tried) -> pd.DataFrame:
    """The scores as a table to show: accuracy and macro-F1 in per cent, a row a setting."""
    return pd.DataFrame({
        "Setting": [tables.TITLES[setting] for setting in tried.scores["setting"]],
        "Accuracy": [tables.accuracy(value) for value in tried.scores["accuracy"]],
        "Macro-F1": [tables.accuracy(value) for value in tried.scores["macro_f1"]],
    })


def in_words(tried: Tried, data: Dataset, budget: int, updates: int) -> sentences.Prose:
    """What the two scores say, and how little: one labelled sample, and an error of counting test texts."""
    before, after = (float(value) for value in tried.scores["accuracy"])
    n = len(data.test)
    spread = 100 * float(np.sqrt(before * (1 - before) / n + after * (1 - after) / n))
    points = 100 * (after - before)
    beside = "level with" if round(abs(points), 1) == 0 else f"{tables.number(abs(points))} points " + (
        "above" if points > 0 else "below")
    return sentences.Prose(
        f"With {budget} labels and {updates} updates {tables.TITLES['clust']} is {beside} {tables.TITLES['base']} on {n} test "
        f"texts. With so few test texts the difference has a standard error of up to {tables.number(spread)} points, and "
        "another labelled sample (`repetition`) may turn its sign.")
