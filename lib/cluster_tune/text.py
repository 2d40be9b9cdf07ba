"""Texts as bags of stemmed words: what sIB, naive Bayes and the SVM see.

As in the paper's experiments: lower case, punctuation to blanks, English function words and tokens of one character
out, Snowball stems, the 10,000 commonest terms of the train texts, raw counts. The stems are those of NLTK's
SnowballStemmer("english"), made by a compiled stemmer. No idf, no normalisation, no other language than English.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from cluster_tune.errors import InputError

# Function words only. The negations (no, not, nor, never) stay in the texts: they carry sentiment.
STOP_WORDS = frozenset(
    """
    a about above after again against all also am among an and any are as at away be because been before being below
    between both but by can cannot could did do does doing down during each either else ever every few for from
    further had has have having he her here hers herself him himself his how however i if in into is it its itself
    just ll many may me might more most much must my myself of off on once one only or other our ours ourselves out
    over own re same shall she should since so some still such than that the their theirs them themselves then there
    these they this those through to too under until up upon us ve very was we were what when where which while who
    whom whose why will with within would yet you your yours yourself yourselves
    """.split()
)


class _Blanks(dict):
    """A table for `str.translate`: punctuation and symbols to blanks, filled as characters turn up."""

    def __missing__(self, code: int) -> int:
        self[code] = 32 if unicodedata.category(chr(code))[0] in "PS" else code
        return self[code]


def tokens(texts: Iterable[str]) -> list[list[str]]:
    """The words of each text that count: lower case, at least two characters, no function word; not yet stemmed."""
    return [[w for w in words if len(w) > 1 and w not in STOP_WORDS] for words in map(str.split, _plain(texts))]


def _plain(texts: Iterable[str]) -> Iterable[str]:
    """Lower-case texts with blanks for punctuation; InputError for anything that is not a list of strings."""
    if isinstance(texts, str):
        raise InputError("expected a list of texts but got a single string; put it in a list")
    table = _Blanks()
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {i} is {text!r:.40}, not a string; remove it or give its text")
        yield text.lower().translate(table)


# Snowball 3 stems some words otherwise than NLTK does. It takes certain prefixes as a unit: exchanging the first vowel
# hides them, and all else in the algorithm looks at whether a letter is a vowel, not at which one it is.
_PREFIX = re.compile("(?:past|univers|later|emerg|organ|inter)")
_HIDDEN = {"p": (1, "e"), "u": (0, "a"), "l": (1, "e"), "e": (0, "i"), "o": (0, "a"), "i": (0, "e")}
# It also has rules of its own for -ogist, for add, egg, err... (not inning), for vying and for evening.
_OGIST = re.compile("(.*ogist)s?$")
_DOUBLED = re.compile("([aeiouy])(bb|dd|ff|gg|mm|nn|pp|rr|tt)(?:ed|edly|ing|ingly)$")
_YING = re.compile("([^aeiouy]y)ing$")
# NLTK in turn loses count of the region R2 when it exchanges one of these suffixes, and so keeps a last e.
_EXCHANGED = re.compile("(.*)((?:ization|izer)(?=s?$)|ational(?=ly|ism|ity))")
_REGION = re.compile("[aeiouy][^aeiouy]")


def _stemmer() -> Callable[[str], str]:
    """A function from a word to its stem, the same as NLTK's."""
    import Stemmer

    compiled = Stemmer.Stemmer("english", 0).stemWord

    def stem(word: str) -> str:
        if _PREFIX.match(word):
            at, letter = _HIDDEN[word[0]]
            hidden = stem_plain(word[:at] + letter + word[at + 1 :])
            return hidden[:at] + word[at] + hidden[at + 1 :]
        return stem_plain(word)

    def stem_plain(word: str) -> str:
        if word in ("evening", "evenings"):
            return "even"
        if found := _OGIST.match(word):
            return found[1]
        if (found := _DOUBLED.match(word)) and not word.startswith("inn"):
            return found[1] + found[2][0]
        if (found := _YING.match(word)) and word not in ("dying", "lying", "tying"):
            return found[1]
        return _keep_e(word, compiled(word))

    return stem


def _keep_e(word: str, stem: str) -> str:
    """The stem with the last e that NLTK keeps where R2 is shorter than the suffix that was exchanged."""
    found = _EXCHANGED.match(word)
    if not found or not (first := _REGION.search(word)) or not (second := _REGION.search(word, first.end())):
        return stem
    short = len(found[1]) + len(found[2]) - second.end() < len(found[2])
    return stem + "e" if short and stem.endswith(("iz", "at")) and stem[-3] not in "aeiouy" else stem


def stems(texts: Iterable[str]) -> list[list[str]]:
    """The stems of each text, in order."""
    stem, known = _stemmer(), {}
    for words in (lists := tokens(texts)):
        for i, word in enumerate(words):
            if word not in known:
                known[word] = stem(word)
            words[i] = known[word]
    return lists


def bag_of_words(
    texts: Iterable[str], vocabulary: Sequence[str] | None = None, size: int = 10_000
) -> tuple[csr_matrix, list[str]]:
    """Counts of the vocabulary's terms in each text: (n, v) int32, and the v terms.

    With no vocabulary given, it is the `size` terms with the highest total count over `texts`, commonest first, equal
    counts in alphabetical order. Give the train texts' vocabulary for new texts; what is not in it is not counted.
    InputError if the texts have no term at all.
    """
    rows, ids = _encode(texts)
    if vocabulary is None:
        names = np.array(list(ids), dtype=object)
        totals = np.bincount(np.concatenate(rows or [[]]).astype(int), minlength=len(names))
        order = sorted(range(len(names)), key=lambda i: (-totals[i], names[i]))[:size]
        vocabulary = [names[i] for i in order]
    if not len(vocabulary):
        raise InputError("the texts have no words left to count; give texts with English words")
    return _counts(rows, ids, vocabulary), list(vocabulary)


def _encode(texts: Iterable[str]) -> tuple[list[np.ndarray], dict[str, int]]:
    """Each text as an array of stem numbers, and the number of each stem in the order of appearance."""
    stem, ids, number = _stemmer(), {}, _Numbers()
    number.of = lambda word: -1 if len(word) < 2 or word in STOP_WORDS else ids.setdefault(stem(word), len(ids))
    rows = []
    for plain in _plain(texts):
        row = np.array([number[word] for word in plain.split()], dtype=np.int32)
        rows.append(row[row >= 0])
    return rows, ids


class _Numbers(dict):
    """Word -> number of its stem, each word worked out once."""

    def __missing__(self, word: str) -> int:
        self[word] = self.of(word)
        return self[word]


def _counts(rows: list[np.ndarray], ids: dict[str, int], vocabulary: Sequence[str]) -> csr_matrix:
    """The csr matrix of counts, columns in the vocabulary's order, indices sorted."""
    column = np.full(len(ids) + 1, -1, dtype=np.int32)
    for j, term in enumerate(vocabulary):
        column[ids.get(term, -1)] = j
    column[-1] = -1
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    columns = column[np.concatenate(rows)] if rows else column[:0]
    row = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)[columns >= 0]
    ones = np.ones(len(row), dtype=np.int32)
    counts = csr_matrix((ones, (row, columns[columns >= 0])), shape=(len(rows), len(vocabulary)))
    counts.sum_duplicates()
    return counts
