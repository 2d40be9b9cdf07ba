"""The bag of words beside reading the texts, beside NLTK's stemmer and beside scikit-learn's counter, in seconds.

    python benchmarks/text.py    # -> benchmarks/text.csv, half a minute

All on one core, in one process, on the 15,000 train texts of AG News; each the least of some times. NLTK's stemmer gets
the same words, each distinct one once, and must come to the same vocabulary and counts, or the benchmark stops.
scikit-learn's `CountVectorizer` counts words as they are, without stems, so that it does less. AG News must be at hand,
see `cluster-tune data`.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from scipy.sparse import csr_matrix

HERE = Path(__file__).resolve().parent
SIZE = 10_000


def least(work: Callable, times: int) -> tuple[float, object]:
    """The least seconds of some calls, and what the last one returned."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


def with_nltk(texts: list[str]) -> tuple[csr_matrix, list[str]]:
    """The bag of words with NLTK's stemmer in place of the compiled one; the words are found by the same code."""
    from nltk.stem import SnowballStemmer

    from cluster_tune import text

    lists, stem = text.tokens(texts), SnowballStemmer("english").stem
    known = {word: stem(word) for word in {word for words in lists for word in words}}
    counters = [Counter(known[word] for word in words) for words in lists]
    totals = Counter(known[word] for words in lists for word in words)
    terms = sorted(totals, key=lambda term: (-totals[term], term))[:SIZE]
    place = {term: column for column, term in enumerate(terms)}
    cells = [(row, place[term], n) for row, found in enumerate(counters) for term, n in found.items() if term in place]
    rows, columns, numbers = zip(*cells, strict=True)
    return csr_matrix((numbers, (rows, columns)), shape=(len(texts), len(terms))), terms


def measure(dataset: str, times: int) -> pd.DataFrame:
    """One row a way: what was done, by whom, in how many seconds, and how many terms came out."""
    from sklearn.feature_extraction.text import CountVectorizer

    from cluster_tune import datasets, text

    train = datasets.load(dataset).train
    texts = list(train["text"])
    with tempfile.TemporaryDirectory() as folder:
        table, parquet = Path(folder) / "texts.csv", Path(folder) / "texts.parquet"
        train.to_csv(table, index=False)
        train.to_parquet(parquet)
        plain = CountVectorizer(max_features=SIZE, stop_words=sorted(text.STOP_WORDS))
        ways = {
            "read a CSV file": ("pandas", lambda: pd.read_csv(table), times),
            "read a Parquet file": ("pandas", lambda: pd.read_parquet(parquet), times),
            "read, check and split the data set": ("cluster-tune", lambda: datasets.load(dataset), times),
            "stem and count": ("cluster-tune", lambda: text.bag_of_words(texts, size=SIZE), times),
            "count without stems": ("scikit-learn", lambda: plain.fit_transform(texts), times),
            "stem and count, NLTK": ("nltk", lambda: with_nltk(texts), 1),
        }
        found = {what: (package, *least(work, n)) for what, (package, work, n) in ways.items()}
    same(found["stem and count"][2], found["stem and count, NLTK"][2])
    rows = [(what, package, round(seconds, 4)) for what, (package, seconds, _) in found.items()]
    frame = pd.DataFrame(rows, columns=["what", "package", "seconds"]).assign(dataset=dataset, texts=len(texts))
    frame["megabytes"] = round(sum(len(one.encode()) for one in texts) / 1e6, 2)
    frame["words"] = sum(map(len, text.tokens(texts)))
    return frame.assign(version=frame["package"].map(version), cores=os.cpu_count(), date=date.today().isoformat())


def same(ours: tuple, theirs: tuple) -> None:
    """Stop unless both are the same vocabulary and the same counts."""
    if ours[1] != theirs[1] or (ours[0] != theirs[0]).nnz:
        raise SystemExit("the bag of words is not the one that NLTK's stems give")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ag_news")
    parser.add_argument("--times", type=int, default=7)
    found = measure(**vars(parser.parse_args()))
    found.to_csv(HERE / "text.csv", index=False)
    print(found.to_string(index=False))


if __name__ == "__main__":
    main()
