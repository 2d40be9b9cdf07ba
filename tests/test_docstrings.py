"""The embedded corpus: what is taken from a docstring, what is masked, and that the same rows come again."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster_tune import docstrings
from cluster_tune.errors import InputError

NAMES = {
    "numpy", "scipy", "sklearn", "pandas", "matplotlib", "torch", "pytorch", "transformers", "sympy", "networkx",
    "sphinx", "np", "pd", "plt", "mpl", "sp", "sk", "nx", "pyplot",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus():
    return docstrings.collect(40)


def test_a_docstring_ends_where_its_sections_begin():
    numpydoc = """Smooth a signal with a window.

    The ends are padded.

    Parameters
    ----------
    x : ndarray
        The signal.
    """
    google = "Loads a table from disk.\n\n    Args:\n        path: where it is.\n"
    sphinx = "Build the index of a project.\n\n:param app: the application.\n"
    transformers = "Turn pictures into batches.\n\nsize (`int`, *optional*):\n    The edge.\n"
    doctest = "Add two numbers.\n\n>>> add(1, 2)\n3\n\nMore about it."
    assert docstrings.opening(numpydoc) == "Smooth a signal with a window. The ends are padded."
    assert docstrings.opening(google) == "Loads a table from disk."
    assert docstrings.opening(sphinx) == "Build the index of a project."
    assert docstrings.opening(transformers) == "Turn pictures into batches."
    assert docstrings.opening(doctest) == "Add two numbers."


def test_titles_go_and_an_explanation_stays():
    module = "==========\nRegression\n==========\n\nModels of a line.\n"
    explained = "Expand a product.\n\nExplanation\n===========\n\nFactors are multiplied.\n\nExamples\n========\n\nx"
    assert docstrings.opening(module) == "Regression Models of a line."
    assert docstrings.opening(explained) == "Expand a product. Factors are multiplied."


def test_at_most_three_paragraphs_and_a_hundred_words():
    assert docstrings.opening("One.\n\nTwo.\n\nThree.\n\nFour.") == "One. Two. Three."
    assert len(docstrings.opening("word " * 300).split()) == 100


def test_lists_and_directives_are_not_prose():
    text = "Draw a line.\n\n.. versionadded:: 1.2\n\n* `x`: one end.\n\nIt may be dashed."
    assert docstrings.opening(text) == "Draw a line. It may be dashed."


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("See :func:`~a.b.c` and ``x = 1``.", "See a.b.c and x = 1."),
        ("Read `the guide <https://example.org>`_ [1]_ now.", "Read the guide now."),
        ("A **bold** and an *odd* word, 2**n and a*b.", "A bold and an odd word, 2**n and a*b."),
        ("[`BertModel`] and [a paper](https://example.org/x).", "BertModel and a paper."),
        ("Add a `.Patch`; two `.Path`\\s.", "Add a Patch; two Paths."),
    ],
)
def test_markup_is_taken_off(marked, plain):
    assert docstrings.clean(marked) == plain


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a NumPy array, np.array or numpy_array", "a library array, library.array or library_array"),
        ("scikit-learn and PyTorch's torch.Tensor", "library and library's library.Tensor"),
        ("speed, spend, skew, snap and spd stay", "speed, spend, skew, snap and spd stay"),
        ("import pandas as pd; plt.show(); nx.Graph", "import library as library; library.show(); library.Graph"),
    ],
)
def test_names_and_aliases_are_masked(text, masked):
    assert docstrings.mask(text) == masked


def test_as_many_texts_of_each_package(corpus):
    assert list(corpus.columns) == ["text", "label"]
    assert corpus["label"].value_counts().to_dict() == dict.fromkeys(docstrings.PACKAGES, 40)


def test_no_text_names_a_package(corpus):
    tokens = {token for text in corpus["text"] for token in re.findall(r"[a-z]+", text.lower())}
    assert not tokens & NAMES


def test_texts_read_as_text(corpus):
    words = corpus["text"].str.split().str.len()
    assert words.min() >= 8 and words.max() <= 100
    assert not corpus["text"].str.contains(r">>>|\n|^Parameters:?$|^Args:|``|\]\(", regex=True).any()
    assert corpus["text"].str.contains(r"[a-z]{3}").all()


def test_no_text_twice_within_or_across_packages(corpus):
    assert corpus["text"].str.lower().is_unique
    assert corpus["text"].map(docstrings._key).is_unique


def test_the_same_seed_gives_the_same_rows_and_another_does_not():
    two = ("networkx", "sphinx")
    first = docstrings.collect(30, 0, two)
    assert first.equals(docstrings.collect(30, 0, two))
    assert not first.equals(docstrings.collect(30, 1, two))


def test_the_smallest_package_sets_the_size(tmp_path, monkeypatch):
    for name, words in (("mypkg_large", "abcdefghi"), ("mypkg_small", "wxyz")):
        (tmp_path / name).mkdir()
        functions = [f'def {w}():\n    """{w * 3} says this and that of {name[6:]} things."""\n' for w in words]
        (tmp_path / name / "__init__.py").write_text("".join(functions) + "raise RuntimeError('must not be run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    frame = docstrings.collect(7, packages=("mypkg_large", "mypkg_small"))
    assert frame["label"].value_counts().to_dict() == {"mypkg_large": 4, "mypkg_small": 4}


def test_near_duplicates_share_a_key():
    one = "Constructs a BertTokenizer from a vocabulary of 300 word pieces and a file of merges."
    other = "constructs a RobertaTokenizer from a vocabulary of 500 word pieces and a file of MERGES!"
    assert docstrings._key(one) == docstrings._key(other)
    assert docstrings._key(one) != docstrings._key("Constructs a parser from a grammar of rules.")


def test_nothing_is_imported():
    code = (
        "import sys; from cluster_tune import docstrings\n"
        "docstrings.collect(5, 0, ('sphinx', 'torch', 'transformers'))\n"
        "print(sorted({'sphinx', 'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_docstrings_are_read_in_files_that_parse_only(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    function = 'async def f(self):\n        r"""Function \\d."""\n'
    good.write_text(f'"""Module."""\nclass A:\n    """Class."""\n    {function}')
    bad.write_text("def f(:\n")
    assert set(docstrings._docstrings(good)) == {"Module.", "Class.", "Function \\d."}
    assert ast.get_docstring(ast.parse(good.read_text())) == "Module."
    assert list(docstrings._docstrings(bad)) == []


def test_statements_are_those_of_ast_walk_in_its_order():
    source = Path(ast.__file__).read_text() + "\nmatch x:\n    case 1:\n        def f(): 'one'\n"
    source += "try:\n    def g(): 'two'\nexcept E:\n    def h(): 'three'\nelse:\n    class K: 'four'\n"
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    expected = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [node for node in docstrings._statements(tree) if isinstance(node, kinds)] == expected
    assert len(expected) > 100


def test_a_missing_package_is_named():
    with pytest.raises(InputError, match=r"needs no_such_package; install with: pip install"):
        docstrings.collect(5, packages=("no_such_package",))
