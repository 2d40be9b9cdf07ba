"""Which code a page reaches, on a package of three modules written for the purpose."""

import pytest

from cluster_tune import reach

NUMBERS = '''
"""Numbers."""
SCALE = 2
TABLE = {"a": 1}
TABLE.update(b=2)


def double(x):
    """Twice x."""
    return SCALE * x


def unused(x):
    return x
'''
WORDS = '''
from cluster_tune import numbers as n
from cluster_tune.numbers import TABLE


class Word(str):
    def twice(self):
        return n.double(self)


def shown(x):
    from cluster_tune import late
    return late.last(TABLE, x)
'''
CELLS = ["from cluster_tune import words", "words.Word('a').twice()", "if compute:\n    words.shown(1)"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules; a function that says what the cells reach, with files as they are at the time."""
    (tmp_path / "numbers.py").write_text(NUMBERS)
    (tmp_path / "words.py").write_text(WORDS)
    (tmp_path / "late.py").write_text("def last(*things):\n    return things\n")
    monkeypatch.setattr(reach, "FOLDER", tmp_path)

    def digests(cells=CELLS, compute=False):
        reach.module_of.cache_clear()
        return reach.digests(cells, {"compute": compute})

    yield tmp_path, digests
    reach.module_of.cache_clear()


def test_the_c_code_of_a_module_counts_but_for_its_comments(package):
    folder, digests = package
    (folder / "numbers.c").write_text("int twice(int x) { return 2 * x; } /* twice\n x */\n")
    before = digests()
    change(folder / "numbers.c", "/* twice\n x */", "/* other\n words */   ")
    assert digests() == before
    change(folder / "numbers.c", "2 * x", "3 * x")
    after = digests()
    assert after["numbers"] != before["numbers"] and after["words"] == before["words"]


def change(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_what_a_method_a_constant_and_a_late_import_lead_to_is_reached(package):
    _, digests = package
    assert set(digests()) == {"words", "numbers"}
    assert set(digests(compute=True)) == {"words", "numbers", "late"}
    assert digests(["x = 1"]) == {}


@pytest.mark.parametrize("before, after", [
    ("SCALE = 2", "SCALE = 3"), ("return SCALE * x", "return SCALE + x"), ("def double(x)", "def double(x, y=1)")])
def test_a_change_in_what_is_reached_changes_the_digest_of_its_module(package, before, after):
    folder, digests = package
    first = digests()
    change(folder / "numbers.py", before, after)
    assert digests()["numbers"] != first["numbers"] and digests()["words"] == first["words"]


@pytest.mark.parametrize("before, after", [
    ('"""Twice x."""', '"""Two times x."""'), ("SCALE * x", "(SCALE\n        * x)  # why"), ("    return x\n", "    return 2\n"),
    ("b=2", "c=2")])
def test_words_about_it_its_layout_and_what_is_not_reached_make_no_difference(package, before, after):
    folder, digests = package
    first = digests()
    change(folder / "numbers.py", before, after)
    assert digests() == first


def test_a_constant_that_is_changed_in_place_counts_with_the_change(package):
    folder, digests = package
    first = digests(compute=True)
    change(folder / "numbers.py", "b=2", "c=2")
    assert digests(compute=True)["numbers"] != first["numbers"]


def test_lines_that_are_not_python_are_passed_over():
    assert reach.digests(["%matplotlib inline\n!ls", "from cluster_tune import tables\ntables.show"]).keys() == {"tables"}


def test_statistics_are_behind_the_tables_and_how_rows_are_served_is_not():
    cells = ["from cluster_tune import results, tables", "tables.show(tables.gains(results.load()))"]
    assert set(reach.digests(cells)) == {"tables", "stats"}
