"""Texts to bags of words: the stems against NLTK's, the counts against scikit-learn's, the rules by hand."""

from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
import sklearn.datasets
from nltk.stem.snowball import SnowballStemmer
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from cluster_tune.errors import InputError
from cluster_tune.text import STOP_WORDS, bag_of_words, shortened, stems, tokens

# Words at which Snowball 3 changed its mind, which NLTK, older, does not share; the last rows are NLTK's own slips.
CHANGED = """
    organization organizations organized organize organic organism organisms organizer organizing organically
    university universities universal universally universalism universality international internationally
    internationals internal internally internment interval intervals interstate intercity interfering interfered
    intergration internic interes interment emergency emergencies emergence emergent lateral laterality paste pasted
    pasting pastes added adding egged egging erred erring offed offing ebbed epping inning innings inned odd add
    evening evenings vying bying dying lying tying trying biologist biologists apologist apologists psychologist
    anthropologists technologist logistic
    quantization quantizations quantizer quantizers realization realizations realizer ionization metrization
    lionization irrationality irrationally relationally sensationalism relational rational rationally irrational
    national nationally vocational rotational sensational specialization specializations
""".split()
EDGE = """
    a an is as us be by sky skis skies news howe atlas cosmos bias andes gently ugly early only singly idly yes y yy
    yyy say cry by youth boyish generate general generically commune community communism arsenal arsenic luxuriated
    hopping hoping fitted bed shed sing singing need agreed agreedly succeed proceeding exceeded herring earring
    canning outing conditional conditionally conformably radically differently vilely analogously vietnamization
    predication operator feudalism decisiveness hopefulness callousness formality sensitivity sensibility triplicate
    formative formalize electricity electrical hopeful goodness adoption rate probate roll controll falling hissing
    2000 3d 1990s u2 sp2 h2o naïve café über façade straße ångström
""".split()


def corpus() -> list[str]:
    """English texts that every installation has: Python's own help, and scikit-learn's notes on its data sets."""
    notes = Path(sklearn.datasets.__file__).parent / "descr"
    return [*topics.values(), *(note.read_text(encoding="utf-8") for note in sorted(notes.glob("*.rst")))]


def test_tokens_follow_the_rules():
    texts = ["Don't  stop: the RED-ish cars (3 of 42)!", "a_b is No_more; it was", "", "“Ünïcode” — naïve… €5 x²"]
    assert tokens(texts) == [["don", "stop", "red", "ish", "cars", "42"], ["no"], [], ["ünïcode", "naïve", "x²"]]


def test_stop_words_are_function_words_and_no_negations():
    assert 140 <= len(STOP_WORDS) <= 155
    assert {"all", "one", "also", "us", "the", "which"} <= STOP_WORDS
    assert not {"no", "not", "nor", "never", "nothing", "without", "good", "new"} & STOP_WORDS
    assert all((word == word.lower() and len(word) > 1) or word in {"a", "i"} for word in STOP_WORDS)


@pytest.mark.parametrize("words", [CHANGED, EDGE], ids=["changed", "edge"])
def test_stems_of_hard_words_are_those_of_nltk(words):
    nltk, ours = SnowballStemmer("english"), stems([" ".join(words)])[0]
    assert ours == [nltk.stem(w) for w in words if len(w) > 1 and w not in STOP_WORDS]


def test_stems_of_real_words_are_those_of_nltk():
    sources = sorted(Path(sklearn.__file__).parent.glob("*/*.py"))
    texts = corpus() + [source.read_text(encoding="utf-8") for source in sources]
    words = sorted({word for words in tokens(texts) for word in words})
    nltk = SnowballStemmer("english")
    assert len(words) > 8_000
    assert stems([" ".join(words)])[0] == [nltk.stem(word) for word in words]


def test_counts_are_those_of_scikit_learn():
    counts, terms = bag_of_words(texts := corpus(), size=10**6)
    peer = CountVectorizer(analyzer=lambda text: stems([text])[0])
    expected = peer.fit_transform(texts)
    assert sorted(terms) == sorted(peer.get_feature_names_out())
    assert (counts != expected[:, [peer.vocabulary_[term] for term in terms]]).nnz == 0


def test_vocabulary_is_the_commonest_terms_ties_in_alphabetical_order():
    counts, terms = bag_of_words(["pear apple pear", "fig pear kiwi", "kiwi date"], size=3)
    assert terms == ["pear", "kiwi", "appl"]
    assert counts.toarray().tolist() == [[2, 0, 1], [1, 1, 0], [0, 1, 0]]


def test_vocabulary_does_not_depend_on_the_order_of_texts():
    texts = corpus()
    assert bag_of_words(texts, size=500)[1] == bag_of_words(texts[::-1], size=500)[1]


def test_new_texts_are_counted_with_a_given_vocabulary():
    counts, terms = bag_of_words(["Cars! A plum?", "nothing known", ""], vocabulary=["plum", "car", "absent"])
    assert terms == ["plum", "car", "absent"]
    assert counts.toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_counts_are_a_clean_csr_matrix():
    counts, _ = bag_of_words(corpus()[:50])
    assert isinstance(counts, csr_matrix) and counts.dtype == np.int32
    assert counts.has_canonical_format and counts.data.min() > 0


def test_words_end_at_any_white_space_and_at_half_a_character():
    counts, terms = bag_of_words(["", "cat\x1cdog\u2003owl\nelk\x0bcat", "  cat \ud800owl\xa0", "\u00e9clair"])
    assert terms == ["cat", "owl", "dog", "elk", "\u00e9clair"]
    assert counts.toarray().tolist() == [[0] * 5, [2, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]]


def test_any_iterable_of_strings_will_do():
    texts = ["red cars", "blue cars"]
    for same in (tuple(texts), iter(texts), np.array(texts), np.array(texts, dtype=object)):
        assert bag_of_words(same)[1] == ["car", "blue", "red"]


@pytest.mark.parametrize(
    "texts, message",
    [
        ("one string", "single string"),
        (["fine", None], "text 1 is None"),
        (["fine", float("nan")], "text 1 is nan"),
        ([], "no words"),
        (["", "   ", "the of a I !?"], "no words"),
    ],
)
def test_bad_texts_are_refused_in_one_line(texts, message):
    with pytest.raises(InputError, match=message) as caught:
        bag_of_words(texts)
    assert "\n" not in str(caught.value)


def test_the_beginning_of_a_text_is_one_printable_line():
    assert shortened("two\n lines\t\x00\u202eand \x1b[31mred", 30) == "two lines and [31mred"
    assert shortened("word " * 10, 11) == "word word…"
    assert len(shortened("w" * 10_000, 120)) == 120 and shortened("\ud800", 5) == ""
