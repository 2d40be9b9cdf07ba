"""The method on six texts, one step at a time, in sums that a reader can follow with a pencil.

Six docstrings of the embedded corpus, four words, two clusters. Written from the formulas of the chapter on the method
and slow; `clustering` does the same for many texts, and the tests hold one against the other.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cluster_tune import text

TEXTS = (  # as they stand in the corpus, with their class
    ("Functions for finding and evaluating cuts in a graph.", "networkx"),
    ("Functions for computing and verifying matchings in a graph.", "networkx"),
    ("Read graph in adjacency list format from path.", "networkx"),
    ("Set the text of this area as a string.", "matplotlib"),
    ("Set the font properties that control the text.", "matplotlib"),
    ("Set the depth of the axis used by the picker.", "matplotlib"),
)
WORDS = 4  # the vocabulary: the most frequent stems
START = ("A", "A", "B", "A", "B", "B")  # a random start would do as well
LABELLED = (1, 5)  # two texts, counted from 0, whose labels fine-tuning is given


def counts() -> pd.DataFrame:
    """How often each text has each of the four most frequent stems: texts numbered from 1, a column a stem."""
    found, terms = text.bag_of_words([words for words, _ in TEXTS], size=WORDS)
    frame = pd.DataFrame(found.toarray(), columns=terms, index=pd.RangeIndex(1, len(TEXTS) + 1, name="x"))
    return frame[sorted(frame)]


def table() -> pd.DataFrame:
    """The counts beside the texts and the clusters that they start in."""
    return counts().reset_index().assign(Text=[words for words, _ in TEXTS], Start=START).set_index("x")


def distributions(found: pd.DataFrame) -> pd.DataFrame:
    """p(y|x): every row of the counts divided by its sum."""
    return found.div(found.sum(axis=1), axis=0)


def cost(document: int, cluster: str, labels: Sequence[str] = START) -> dict[str, float]:
    """What it costs to put a text, counted from 1, into a cluster that it is not in (or was taken out of): every
    quantity of d(x,t) = (p(x) + p(t)) JS(p(y|x), p(y|t)) on the way, in bits."""
    shares = distributions(counts())
    members = [x for x, label in zip(shares.index, labels, strict=True) if label == cluster and x != document]
    p_x, p_t = 1 / len(shares), len(members) / len(shares)
    of_text, of_cluster = shares.loc[document], shares.loc[members].mean()
    weight = p_x / (p_x + p_t)
    mixed = weight * of_text + (1 - weight) * of_cluster
    far = {"x": _divergence(of_text, mixed), "t": _divergence(of_cluster, mixed)}
    js = weight * far["x"] + (1 - weight) * far["t"]
    return {"members": members, "p_x": p_x, "p_t": p_t, "of_text": of_text, "of_cluster": of_cluster, "mixed": mixed,
            "weight": weight, "far_x": far["x"], "far_t": far["t"], "js": js, "cost": (p_x + p_t) * js}


def _divergence(p: pd.Series, q: pd.Series) -> float:
    """Kullback-Leibler divergence in bits; a word that p does not have adds nothing."""
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def steps(document: int, labels: Sequence[str] = START) -> pd.DataFrame:
    """The sums of `cost` for every cluster, a row a quantity, a column a cluster."""
    columns = {}
    for cluster in sorted(set(labels)):
        found = cost(document, cluster, labels)
        several = {f"{title} of '{word}'": found[key][word] for key, title in
                   (("of_text", "p(y|x)"), ("of_cluster", "p(y|t)"), ("mixed", "mixture")) for word in found[key].index}
        columns[f"cluster {cluster}"] = {
            "its texts, without x": ", ".join(map(str, found["members"])), "p(x)": found["p_x"], "p(t)": found["p_t"],
            "weight of x, p(x) / (p(x) + p(t))": found["weight"], **several,
            "divergence of p(y|x) from the mixture": found["far_x"],
            "divergence of p(y|t) from the mixture": found["far_t"],
            "JS, their weighted mean": found["js"], "cost d(x,t)": found["cost"]}
    shown = pd.DataFrame(columns).map(lambda cell: cell if isinstance(cell, str) else f"{cell:.3f}")
    return shown.rename_axis("quantity")


def information(labels: Sequence[str]) -> float:
    """I(T;Y) of a partition in bits: how much the cluster of a text says about its words."""
    shares = distributions(counts())
    overall, total = shares.mean(), 0.0
    for cluster in set(labels):
        members = [x for x, label in zip(shares.index, labels, strict=True) if label == cluster]
        total += len(members) / len(shares) * _divergence(shares.loc[members].mean(), overall)
    return total


def moves(labels: Sequence[str] = START) -> pd.DataFrame:
    """Text by text, and again until none moves: the cost of each cluster, where the text goes, and I(T;Y) then."""
    labels, rows, moved = list(labels), [], True
    while moved:
        moved = False
        for x in range(1, len(labels) + 1):
            costs = {cluster: cost(x, cluster, labels)["cost"] for cluster in sorted(set(labels))}
            best = min(costs, key=lambda cluster: (costs[cluster], cluster != labels[x - 1]))
            if best != labels[x - 1]:
                labels[x - 1], moved = best, True
                shown = {f"cost of {cluster}": f"{value:.3f}" for cluster, value in costs.items()}
                rows.append({"text": x, **shown, "goes to": best, "clusters of 1 to 6": " ".join(labels),
                             "I(T;Y)": f"{information(labels):.3f}"})
    return pd.DataFrame(rows)


def final(labels: Sequence[str] = START) -> list[str]:
    """The clusters in the end, one a text."""
    found = moves(labels)
    return found["clusters of 1 to 6"].iloc[-1].split() if len(found) else list(labels)


def lessons() -> pd.DataFrame:
    """What each training step is told about each text: inter-training its cluster, fine-tuning a label if it has one."""
    rows = [(number, words, cluster, label if number - 1 in LABELLED else "")
            for number, ((words, label), cluster) in enumerate(zip(TEXTS, final(), strict=True), 1)]
    return pd.DataFrame(rows, columns=["x", "Text", "Inter-training predicts", "Fine-tuning predicts"])
