"""Lines of provenance and stamps: which reads a cell rests on, and pages that go stale when provoked."""

import json
import shutil

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cluster_tune import __main__, design, pages, paths, provenance, results

GRID = [design.Run("birds", "minilm", setting, "paper", 64, number, "sib" * (setting == "clust"))
        for setting in ("base", "clust") for number in (0, 1)]
SHOW = "frame = results.load(dataset='birds')\ntables.show(frame[['setting', 'accuracy']])"


def read(call, cell, line, fingerprint="f"):
    return {"call": "table", "arguments": {"kind": call}, "cell": cell, "line": line, "rows": 1,
            "fingerprint": fingerprint, "data": {}, "encoder": [], "recipe": []}


def kinds(cells, *reads):
    found = provenance.rests_on(list(enumerate(cells, 1)), [read(*one) for one in reads])
    return [[one["arguments"]["kind"] for one in found[number]] for number in sorted(found)]


# --- what a cell rests on, by hand

def test_a_cell_rests_on_what_it_reads_and_on_the_names_it_uses():
    cells = ["a = table('a')\nb = table('b')", "show(a)", "c = f(b)\nshow(c)", "show(c, table('d'))", "show(1)"]
    assert kinds(cells, ("a", 1, 1), ("b", 1, 2), ("d", 4, 1)) == [[], ["a"], ["b"], ["b", "d"], []]


def test_a_name_made_anew_rests_on_what_it_is_now():
    cells = ["a = table('a')", "a = table('b')\nshow(a)", "a += table('c')\nshow(a)", "a['x'] = table('d')\nshow(a)"]
    reads = [("a", 1, 1), ("b", 2, 1), ("c", 3, 1), ("d", 4, 1)]
    assert kinds(cells, *reads) == [[], ["b"], ["b", "c"], ["b", "c", "d"]]


def test_a_statement_over_several_lines_and_a_loop_are_one():
    cells = ["a = f(\n    table('a'),\n    table('b'))", "for x in a:\n    y = g(x)", "show(y)"]
    assert kinds(cells, ("a", 1, 2), ("b", 1, 3))[2] == ["a", "b"]


# --- what a line says

def test_the_line_has_coverage_encoder_recipe_and_both_fingerprints():
    frame = pd.DataFrame([
        {"run_id": str(i), **{key: getattr(run, key) for key in results.KEYS}, "data_fingerprint": "d" * 16}
        for i, run in enumerate(GRID[:3])])
    asked = {"call": "of", "arguments": {}, **provenance.facts(frame, GRID)}
    line = provenance.line([asked], "book/birds.ipynb, cell 3", "cluster-tune refresh book/birds.ipynb")
    digits = results.fingerprint(frame)[:8]
    assert f"<summary>Source · 3 of 4 runs · minilm · paper · data dddddddd · results {digits}</summary>" in line
    assert "<code>book/birds.ipynb, cell 3</code>" in line and "cluster-tune refresh book/birds.ipynb" in line
    assert provenance.facts(frame)["wanted"] == 10  # asked for as a whole: two conditions of five repetitions


def test_the_fingerprint_is_that_of_the_rows():
    one = pd.DataFrame({"a": [1, 2], "b": [0.1, 0.2]})
    assert results.fingerprint(one) == results.fingerprint(one.copy())
    for other in (one[::-1], one[:1], one.assign(b=[0.1, 0.3]), one.rename(columns={"b": "c"})):
        assert results.fingerprint(other) != results.fingerprint(one)


def test_names_from_outside_stay_text_in_the_line():
    hostile = "</summary><script>alert(1)</script>\n\n# $x$ `y` \\(z\\)"
    asked = {**read("facts", 1, 1), "data": {hostile: ["d" * 16]}, "encoder": [hostile], "recipe": [hostile]}
    line = provenance.line([asked], hostile, hostile)
    assert line.count("<script") == 0 and line.count("</summary>") == 1 and "\n\n" not in line
    assert not {"$", "`", "\\"} & set(line)


def test_a_grid_is_noted_by_its_sides_and_any_other_list_run_by_run():
    whole = provenance.as_call("of", {"runs": GRID})["arguments"]
    assert whole["budget"] == [64] and whole["clustering"] == ["", "sib"] and "runs" not in whole
    assert set(provenance._rows(whole)) == {tuple(getattr(run, key) for key in results.KEYS) for run in GRID}
    part = provenance.as_call("of", {"runs": GRID[:3]})["arguments"]
    assert len(part["runs"]) == 3 and json.loads(json.dumps(part)) == part


# --- pages

@pytest.fixture
def book(tmp_path, monkeypatch):
    """A checkout of its own with a few runs and a page of them, made by `refresh`; the page's file."""
    for name in ("ROOT", "BOOK", "RESULTS"):
        monkeypatch.delenv(f"CLUSTER_TUNE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").write_text("root: book/a\n")
    (tmp_path / "book").mkdir()
    record(0.5)
    (tmp_path / "results" / "facts").mkdir()
    facts = pd.DataFrame({"dataset": ["birds"], "fact": ["title"], "value": ["Birds"], "data_fingerprint": ["d" * 16]})
    facts.to_csv(tmp_path / "results" / "facts" / "birds.csv", index=False)
    page = tmp_path / "book" / "birds.ipynb"
    cells = [new_markdown_cell("# Birds"), new_code_cell("from cluster_tune import results, sentences, tables"),
             new_code_cell(SHOW), new_markdown_cell("And the facts."),
             new_code_cell("tables.show(results.table('facts', dataset='birds')[['fact', 'value']])"),
             new_code_cell("sentences.Prose('Words.')")]
    nbformat.write(new_notebook(cells=cells), page)
    pages.refresh(page, progress=False)
    return page


def record(accuracy, dataset="birds"):
    """Runs of two settings as `results` stores them."""
    empty = dict.fromkeys(results.COLUMNS, "x") | dict.fromkeys(results.NUMBERS, 1) | dict.fromkeys(results.MEASURES, 0.5)
    for setting in ("base", "clust"):
        keys = {"dataset": dataset, "encoder": "minilm", "setting": setting, "clustering": "sib" * (setting == "clust"),
                "recipe": "paper", "budget": 64, "repetition": 0, "data_fingerprint": "d" * 16}
        scores = {"n_clusters": 0, "run_id": dataset + setting, "accuracy": accuracy, "macro_f1": 0.5}
        results.write({**empty, **keys, **scores})


def check(capsys, *arguments):
    code = __main__.main(["check", *map(str, arguments)])
    return code, capsys.readouterr().out.splitlines()


def test_a_page_gets_a_line_under_each_table_and_none_under_prose(book):
    notebook = nbformat.read(book, as_version=4)
    assert [cell.id for cell in notebook.cells] == [
        "cell-0", "cell-1", "cell-2", "cell-2-source", "cell-3", "cell-4", "cell-4-source", "cell-5"]
    digits = results.fingerprint(results.load("birds"))[:8]
    assert f"2 of 10 runs · minilm · paper · data dddddddd · results {digits}" in notebook.cells[3].source
    assert "book/birds.ipynb, cell 2" in notebook.cells[3].source and "facts (1 row)" in notebook.cells[6].source
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4]


def test_a_page_made_again_is_the_same_to_the_byte(book):
    first = book.read_bytes()
    pages.refresh(book, progress=False)
    assert book.read_bytes() == first


def test_a_fresh_page_is_not_stale_and_its_other_rows_do_not_make_it_so(book, capsys):
    record(0.7, "fishes")
    assert check(capsys) == (0, ["1 pages are as results, parameters and code have them"])


def test_another_result_makes_it_stale(book, capsys):
    record(0.6)
    assert check(capsys) == (1, ["book/birds.ipynb is stale: results changed: runs"])


def test_results_that_are_gone_make_it_stale(book, capsys):
    (paths.results() / "facts" / "birds.csv").unlink()
    assert check(capsys) == (1, ["book/birds.ipynb is stale: results changed: facts"])


def test_another_parameter_or_cell_makes_it_stale(book, capsys):
    book.write_text(book.read_text().replace("dataset='birds')\\n", "dataset=['birds'])\\n"))
    assert check(capsys, book) == (1, ["book/birds.ipynb is stale: its cells or parameters changed"])


def test_words_around_the_cells_do_not(book, capsys):
    book.write_text(book.read_text().replace("And the facts.", "And what is known."))
    assert check(capsys)[0] == 0


def test_other_code_makes_it_stale(book, capsys, monkeypatch):
    lines = []
    monkeypatch.setattr(provenance.reach, "digests", lambda *_: lines.append(1) or {"stats": "0" * 8})
    code, said = check(capsys)
    assert code == 1 and lines and said[0].startswith("book/birds.ipynb is stale: code changed in ") and "stats" in said[0]


def test_a_page_without_a_stamp_is_stale(book, capsys):
    notebook = nbformat.read(book, as_version=4)
    del notebook.metadata[provenance.KEY]
    nbformat.write(notebook, book)
    assert check(capsys) == (1, ["book/birds.ipynb is stale: it has no stamp"])


def test_another_template_makes_its_pages_stale(book, capsys):
    (book.parents[1] / "notebooks").mkdir()
    template = book.parents[1] / "notebooks" / "birds.ipynb"
    shutil.copy(book, template)
    pages.make("birds", template="birds", progress=False)
    assert check(capsys)[0] == 0
    template.write_text(template.read_text().replace("And the facts.", "The facts:"))
    assert check(capsys) == (1, ["book/birds.ipynb is stale: its template birds changed"])


def test_a_page_that_is_no_notebook_is_one_line(book, capsys):
    book.write_text("{")
    assert __main__.main(["check"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
