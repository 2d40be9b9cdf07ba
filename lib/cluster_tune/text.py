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

# Function words only. The negations (no, not, nor, never) stay in the texts: they carry sentiment. "cannot" and "can't" do not.
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
    """A table for `str.translate`: punctuation, symbols, white space and halves of characters to blanks.

    It is filled as characters turn up.
    """

    def __missing__(self, code: int) -> int:
        kind = unicodedata.category(chr(code))
        self[code] = 32 if kind[0] in "PS" or kind == "Cs" or chr(code).isspace() else code
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
_PREFIXES = {
    "past": "pest",
    "univers": "anivers",
    "later": "leter",
    "emerg": "imerg",
    "organ": "argan",
    "inter": "enter",
}
# It also has rules of its own for -ogist, for add, egg, err... (not inning), for vying and for evening.
_OGIST = re.compile("(.*ogist)s?$")
_DOUBLED = re.compile("(?!inn)([aeiouy])(bb|dd|ff|gg|mm|nn|pp|rr|tt)(?:ed|edly|ing|ingly)$")
_YING = re.compile("(?![dlt]y)([^aeiouy]y)ing$")
_EVENING = re.compile("(even)ings?$")
# NLTK in turn loses count of the region R2 when it exchanges one of these suffixes, and so keeps a last e.
_EXCHANGED = re.compile("(.*)((?:ization|izer)(?=s?$)|ational(?=ly|ism|ity))(?:s|ly|ism|ity)?$")
_REGION = re.compile("[aeiouy][^aeiouy]")
_ENDINGS = ("ogist", "ogists", "ed", "edly", "ing", "ings", "ingly", "ization", "izations", "izer", "izers")
_ENDINGS += ("ationally", "ationalism", "ationality")  # a word with neither prefix nor ending needs no second look


def _stemmer() -> Callable[[str], str]:
    """A function from a word to its stem, the same as NLTK's."""
    import Stemmer

    compiled, prefixes = Stemmer.Stemmer("english", 0).stemWord, tuple(_PREFIXES)

    def stem(word: str) -> str:
        if word.startswith(prefixes):
            return _under_another_name(word, special)
        return special(word) if word.endswith(_ENDINGS) else compiled(word)

    def special(word: str) -> str:
        if found := _OGIST.match(word) or _YING.match(word) or _EVENING.match(word):
            return found[1]
        if found := _DOUBLED.match(word):
            return found[1] + found[2][0]
        return _keep_e(word, compiled(word))

    return stem


def _under_another_name(word: str, stem: Callable[[str], str]) -> str:
    """The stem of a word that starts with one of the prefixes, taken with the prefix hidden."""
    prefix = next(prefix for prefix in _PREFIXES if word.startswith(prefix))
    found = stem(_PREFIXES[prefix] + word[len(prefix) :])
    return prefix[: len(found)] + found[len(prefix) :]


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
    row, column, found, n = _encode(texts)
    if vocabulary is None:
        vocabulary = _commonest(found, np.bincount(column, minlength=len(found)), size)
    if not len(vocabulary):
        raise InputError("the texts have no words left to count; give texts with English words")
    place = {term: j for j, term in enumerate(vocabulary)}
    column = np.array([place.get(term, -1) for term in found], dtype=np.int32)[column]
    kept = column >= 0
    ones = np.ones(np.count_nonzero(kept), dtype=np.int32)
    counts = csr_matrix((ones, (row[kept], column[kept])), shape=(n, len(vocabulary)))
    counts.sum_duplicates()
    return counts, list(vocabulary)


def _commonest(terms: list[str], totals: np.ndarray, size: int) -> list[str]:
    """The `size` terms with the highest totals, highest first, equal ones in alphabetical order."""
    least = np.partition(totals, -size)[-size] if size < len(totals) else 0
    return [terms[i] for i in sorted(np.flatnonzero(totals >= least), key=lambda i: (-totals[i], terms[i]))[:size]]


def shortened(text: str, width: int) -> str:
    """The beginning of a text on one line of at most `width` characters, all of them printable."""
    beginning = "".join(c if c.isprintable() else " " for c in text[: 20 * width])
    flat = " ".join(beginning.split())
    return flat if len(flat) <= width else flat[: width - 1].rstrip() + "…"


class _Numbers(dict):
    """Words numbered as they turn up."""

    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]


def _encode(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """For each token that counts, its text and its stem as numbers; the stems; and the number of texts."""
    tokens, words, lengths = _words(list(_plain(texts)))
    stem, found = _stemmer(), _Numbers()
    # Each word is looked at once, however often it stands in the texts.
    stemmed = [-1 if len(word) < 2 or word in STOP_WORDS else found[stem(word)] for word in words]
    column = np.array(stemmed, dtype=np.int32)[tokens]
    row = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return row[column >= 0], column[column >= 0], list(found), len(lengths)


def _words(plain: list[str]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """The number of each word in the texts, one after the other; the words numbered; how many each text has.

    pyarrow splits and numbers in half the time that a dictionary takes; nothing is left between two blanks but ''.
    """
    import pyarrow
    from pyarrow import compute

    lists = compute.split_pattern(pyarrow.array(plain, type=pyarrow.large_string()), " ")
    numbered = lists.flatten().dictionary_encode()
    return numbered.indices.to_numpy(), numbered.dictionary.to_pylist(), np.diff(lists.offsets.to_numpy())
