"""Pages: small templates executed for real, in a folder that looks like a checkout."""

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from papermill.exceptions import PapermillExecutionError

from cluster_tune import pages, provenance
from cluster_tune.errors import InputError

DEFAULTS = "dataset = 'docstrings-small'\nrate = 1e-4\nbudgets = (64, 128)\ncompute = False\nlimit = None"


def template(folder, *cells, name="dataset"):
    """Write `notebooks/<name>.ipynb` with a title, the parameters and the given code."""
    notebook = new_notebook(cells=[new_markdown_cell("# A template\n\nWhat it is about."), new_code_cell(DEFAULTS)])
    notebook.cells[1].metadata.tags = ["parameters"]
    notebook.cells += [new_code_cell(cell) for cell in cells]
    (folder / "notebooks").mkdir(exist_ok=True)
    nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("root: book/a\n")
    for variable in ("ROOT", "BOOK", "RESULTS"):
        monkeypatch.delenv(f"CLUSTER_TUNE_{variable}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name="isear", **options):
    return pages.make(name, title="Mine", progress=False, **options)


def test_a_page_is_made_and_a_second_run_is_the_same_to_the_byte(checkout):
    template(checkout, "import os\nprint(dataset, rate)\nprint(budgets)", "os.environ['TQDM_DISABLE']")
    page = make(parameters={"rate": "3e-5", "budgets": "64, 256"})
    first = page.read_bytes()
    assert page == checkout / "book" / "datasets" / "isear.ipynb"
    notebook = nbformat.read(page, as_version=4)
    assert notebook.cells[0].source == "# Mine\n\nWhat it is about."
    assert [c.metadata.get("tags") for c in notebook.cells] == [
        None, ["hide-cell", "parameters"], ["injected-parameters"], None, None]
    assert notebook.cells[2].source == '# Parameters\ndataset = "isear"\nrate = 3e-05\nbudgets = [64, 256]\n'
    assert notebook.cells[3].outputs[0].text == "isear 3e-05\n[64, 256]\n"
    assert set(notebook.metadata) == {"kernelspec", "language_info", "cluster_tune"}
    assert "TQDM_DISABLE" not in os.environ
    page.unlink()
    assert make(parameters={"rate": 3e-5, "budgets": [64, 256]}).read_bytes() == first
    assert [f.name for f in page.parent.iterdir()] == ["isear.ipynb"]


def test_only_a_page_that_computes_keeps_outputs_that_are_not_compared(checkout):
    template(checkout, "1 + 1")
    file = checkout / "notebooks" / "dataset.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[2].metadata.tags = ["nbval-ignore-output"]
    nbformat.write(notebook, file)
    for compute, tags in ((True, ["nbval-ignore-output"]), (False, None)):
        page = nbformat.read(make(parameters={"compute": compute}), as_version=4)
        assert page.cells[-1].metadata.get("tags") == tags


def test_a_page_that_reads_the_same_is_not_written_again(checkout):
    template(checkout, "1 + 1")
    before = make().stat().st_mtime_ns
    assert make().stat().st_mtime_ns == before


@pytest.mark.parametrize("cell, message", [
    ("from cluster_tune.errors import InputError\nraise InputError('no such set; choose another')",
     "^no such set; choose another$"),
    ("import sys\nsys.stderr.write('careful\\n');", "was not written: cell 3 writes to stderr: careful"),
    ("object()", "cell 3 shows a memory address"),
    ("from cluster_tune import paths\nstr(paths.root())", "cell 3 shows a path of this machine"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "died, most likely for want of memory"),
])
def test_a_page_that_cannot_stand_leaves_the_earlier_one(checkout, cell, message):
    (earlier := checkout / "book" / "datasets" / "isear.ipynb").parent.mkdir(parents=True)
    earlier.write_text("the earlier page")
    template(checkout, cell)
    with pytest.raises(InputError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert earlier.read_text() == "the earlier page"
    assert [f.name for f in earlier.parent.iterdir()] == ["isear.ipynb"]


def test_a_defect_keeps_its_traceback(checkout):
    template(checkout, "1 / 0")
    with pytest.raises(PapermillExecutionError, match="(?s)ZeroDivisionError.*1 / 0"):
        make()


@pytest.mark.parametrize("parameters, message", [
    ({"budget": 64}, "unknown parameter 'budget'; did you mean 'budgets'"),
    ({"budgets": "64,many"}, r"parameter 'budgets' takes values like \(64, 128\), not '64,many'"),
    ({"budgets": 64}, "parameter 'budgets' takes values like"),
    ({"rate": "fast"}, "parameter 'rate' takes a number, not 'fast'"),
    ({"compute": "maybe"}, "parameter 'compute' takes true or false, not 'maybe'"),
    ({"compute": 1}, "parameter 'compute' takes true or false"),
    ({"dataset": 3}, "parameter 'dataset' takes text"),
])
def test_a_parameter_that_does_not_fit_is_refused_before_anything_runs(checkout, parameters, message):
    template(checkout, "1 / 0")
    with pytest.raises(InputError, match=message):
        make(parameters=parameters)


def test_an_unknown_template_names_the_nearest(checkout):
    template(checkout)
    with pytest.raises(InputError, match="unknown template 'datasets'; did you mean 'dataset'"):
        make(template="datasets")


@pytest.mark.parametrize("text, default, value", [
    ("3e-5", 1e-4, 3e-5), ("3", 1.0, 3.0), ("12", 5, 12), ("no", True, False), ("TRUE", False, True),
    ("64,128", (64,), [64, 128]), ("[64]", [1], [64]), ("paper", ("a",), ["paper"]), ("('a', 'b')", ("a",), ["a", "b"]),
    ("", (64,), []), ("3e-5", "text", "3e-5"), ("x", None, "x"), (7, 1.0, 7.0), ((1, 2), [0], [1, 2]),
    ("{'a': 1}", {}, {"a": 1}), ("64, -1,0.5", [], [64, -1, 0.5]), ("01,1e3,1_0,x", [], ["01", "1e3", "1_0", "x"]),
])
def test_text_is_read_as_the_type_of_the_default(text, default, value):
    converted = pages.convert("key", text, default)
    assert converted == value and type(converted) is type(value)


def test_a_file_of_the_users_own_makes_a_page_under_its_name_outside_the_book(checkout):
    template(checkout, "from pathlib import Path\nPath(dataset).name")
    page = pages.make("texts/my_mail.csv", progress=False)
    assert page == checkout / "results" / "pages" / "my_mail.ipynb" and not (checkout / "book").exists()
    assert nbformat.read(page, as_version=4).cells[0].source.startswith(r"# my\_mail")


@pytest.mark.parametrize("given", ["./my_mail", "texts/my_mail", "texts/my_mail/", "{here}/my_mail"])
def test_a_folder_of_the_users_own_makes_a_page_under_its_name(checkout, given):
    template(checkout, "from pathlib import Path\nPath(dataset).is_absolute(), Path(dataset).name")
    page = pages.make(given.format(here=checkout), progress=False)
    notebook = nbformat.read(page, as_version=4)
    assert page == checkout / "results" / "pages" / "my_mail.ipynb" and notebook.cells[0].source.startswith(r"# my\_mail")
    assert notebook.cells[3].outputs[0].data["text/plain"] == "(True, 'my_mail')"


def test_a_file_named_like_a_known_set_leaves_the_page_of_that_set(checkout):
    template(checkout, "1 + 1")
    known, before = make("ag_news"), (checkout / "book" / "datasets" / "ag_news.ipynb").read_bytes()
    assert pages.make("ag_news.csv", progress=False) == checkout / "results" / "pages" / "ag_news_file.ipynb"
    assert known.read_bytes() == before


def test_a_data_set_of_ones_own_has_its_name_for_a_title(checkout, monkeypatch):
    monkeypatch.setenv("CLUSTER_TUNE_DATA", str(checkout / "own"))
    (checkout / "own" / "mine").mkdir(parents=True)
    (checkout / "own" / "mine" / "all.csv").write_text("text,label\n")
    template(checkout, "dataset")
    page = pages.make("mine", progress=False)
    assert page == checkout / "results" / "pages" / "mine.ipynb"
    assert nbformat.read(page, as_version=4).cells[0].source.startswith("# mine\n")
    with pytest.raises(InputError, match="unknown data set 'mime'"):
        pages.make("mime", progress=False)


@pytest.mark.parametrize("parameter, default, shown", [("texts", "'x'", "'{}'"), ("names", "['x']", "['{}']")])
def test_every_template_is_told_which_file_it_is_about(checkout, parameter, default, shown):
    template(checkout, parameter, name="explore")
    file = checkout / "notebooks" / "explore.ipynb"
    file.write_text(file.read_text().replace("dataset = 'docstrings-small'", f"{parameter} = {default}"))
    assert pages.arguments(file, "introduction", {}) == {}
    assert str(pages.arguments(file, "mail.csv", {})[parameter]) == shown.strip("'").format(checkout / "mail.csv")
    page = pages.make("mail.csv", template="explore", progress=False, parameters={parameter: "b.csv"})
    assert page == checkout / "results" / "pages" / "mail-explore.ipynb"
    assert nbformat.read(page, as_version=4).cells[-1].outputs[0].data["text/plain"] == shown.format("b.csv")


@pytest.mark.parametrize("parameter, default, shown", [("texts", "'x'", "'{}'"), ("names", "['x']", "['{}']")])
def test_every_template_is_told_which_data_set_it_is_about(checkout, monkeypatch, parameter, default, shown):
    """One that the registry has or one of the user's own; but a page that is called as its template is a chapter."""
    monkeypatch.setenv("CLUSTER_TUNE_DATA", str(checkout / "own"))
    for name in ("mine", "explore"):
        (checkout / "own" / name).mkdir(parents=True)
        (checkout / "own" / name / "all.csv").write_text("text,label\n")
    template(checkout, parameter, name="explore")
    file = checkout / "notebooks" / "explore.ipynb"
    file.write_text(file.read_text().replace("dataset = 'docstrings-small'", f"{parameter} = {default}"))
    chapter = pages.make("explore", template="explore", progress=False)
    assert chapter == checkout / "book" / "explore.ipynb"
    for name in ("isear", "mine"):
        page = pages.make(name, template="explore", progress=False)
        assert page == checkout / "results" / "pages" / f"{name}-explore.ipynb"
        assert nbformat.read(page, as_version=4).cells[-1].outputs[0].data["text/plain"] == shown.format(name)
    file.write_text(file.read_text().replace(f"{parameter} =", "other ="))
    for name in ("isear", "mine", "mail.csv"):
        with pytest.raises(InputError, match=f"template 'explore' takes no data set such as '{name}'; choose another"):
            pages.make(name, template="explore", progress=False)


def test_a_template_without_a_data_set_makes_a_chapter(checkout):
    notebook = new_notebook(cells=[new_markdown_cell("# The chapter"), new_code_cell("1 + 1")])
    template(checkout)
    nbformat.write(notebook, checkout / "notebooks" / "introduction.ipynb")
    page = pages.make("introduction", template="introduction", progress=False)
    assert page == checkout / "book" / "introduction.ipynb"
    assert nbformat.read(page, as_version=4).cells[0].source == "# The chapter"


def test_a_chapter_of_another_encoder_lies_beside_its_results(checkout):
    chapter = new_notebook(cells=[
        new_markdown_cell("# The chapter"), new_code_cell('encoder = "minilm"'), new_code_cell("encoder")])
    chapter.cells[1].metadata.tags = ["parameters"]
    template(checkout)
    (checkout / "book").mkdir()
    for name, cells in (("results", chapter.cells), ("speed", chapter.cells[:1])):
        nbformat.write(new_notebook(cells=cells), checkout / "book" / f"{name}.ipynb")
    before = (checkout / "book" / "results.ipynb").read_bytes()
    assert pages.chapters() == ["results"]
    page = pages.make("results", template="results", progress=False, parameters={"encoder": "org/bert"})
    assert page == checkout / "results" / "pages" / "org-bert" / "results.ipynb"
    assert nbformat.read(page, as_version=4).cells[-1].outputs[0].data["text/plain"] == "'org/bert'"
    assert (checkout / "book" / "results.ipynb").read_bytes() == before
    assert provenance.stale(page) == []
    with pytest.raises(InputError, match="unknown template 'speed'"):
        pages.make("speed", template="speed", progress=False)
    with pytest.raises(InputError, match="is the book's own; cluster-tune refresh renews it"):
        pages.make("results", template="results", progress=False)
    escaping = pages.make("results", template="results", progress=False, parameters={"encoder": ".."})
    assert escaping.parent.parent == checkout / "results" / "pages" and escaping.resolve() == escaping


def test_parameters_must_be_plain_literals(checkout):
    template(checkout)
    file = checkout / "notebooks" / "dataset.ipynb"
    file.write_text(file.read_text().replace("rate = 1e-4", "rate = float(3)"))
    with pytest.raises(InputError, match="must be plain literals"):
        pages.defaults(file)
    file.write_text("{")
    with pytest.raises(InputError, match="cannot read notebook"):
        pages.defaults(file)


def test_a_page_that_cannot_be_written(checkout):
    template(checkout, "1")
    (checkout / "book").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot write to"):
        make()


# --- clean and check by hand

def stream(name, text):
    return new_output("stream", name=name, text=text)


def test_clean_drops_what_differs_between_two_runs():
    cell = new_code_cell("x", execution_count=7, metadata={"papermill": {"duration": 1.2}, "execution": {}, "tags": []})
    cell.outputs = [
        stream("stdout", "a\n"), stream("stdout", "b\n"),
        new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "f00"}}),
        new_output("execute_result", data={"text/plain": "1"}, execution_count=7),
    ]
    notebook = new_notebook(cells=[cell], metadata={"papermill": {}, "widgets": {}, "kernel_version": "3.11.7"})
    cleaned = json.dumps(pages.clean(notebook))
    for noise in ("papermill", "duration", "widget", "3.11.7", "f00", '"execution"'):
        assert noise not in cleaned
    assert notebook.cells[0].outputs[0].text == "a\nb\n"
    assert [notebook.cells[0].execution_count, notebook.cells[0].outputs[1].execution_count] == [1, 1]
    assert json.dumps(pages.clean(notebook)) == cleaned


def test_a_picture_s_words_reach_the_builder():
    picture = new_output("display_data", data={"image/png": ""}, metadata={"image/png": {"alt": "Two lines.", "width": 9}})
    notebook = new_notebook(cells=[new_code_cell("x", execution_count=1, outputs=[picture]), new_code_cell("y")])
    pages.clean(pages.clean(notebook))
    assert notebook.cells[0].metadata == {"mystnb": {"image": {"alt": "Two lines."}}}
    assert notebook.cells[0].outputs[0].metadata["image/png"]["width"] == 9
    assert notebook.cells[1].metadata == {}


def test_check_finds_each_fault_and_nothing_in_a_good_cell():
    good = new_code_cell("# " + "\n# ".join("abc") + "\nx = 1\n", execution_count=1)
    notebook = new_notebook(cells=[
        new_markdown_cell("# Title"), good,
        new_code_cell("y = 2"),
        new_code_cell("def f():\n    return 1", execution_count=2),
        new_code_cell("\n".join(f"a = {i}" for i in range(16)), execution_count=3),
        new_code_cell("1/0", execution_count=4, outputs=[new_output("error", ename="ZeroDivisionError", evalue="no")]),
        new_code_cell("z", execution_count=5, outputs=[stream("stderr", "warning\nmore")]),
        new_code_cell("%matplotlib inline\nx", execution_count=6),
    ])
    assert pages.check(notebook) == [
        "cell 2 was not executed",
        "cell 3 defines a function or a class, which belongs in the library",
        "cell 4 has 16 lines of code, more than 15",
        "cell 5 fails: ZeroDivisionError: no",
        "cell 6 writes to stderr: warning",
    ]


def test_refresh_executes_a_notebook_in_place_and_keeps_it_if_that_fails(checkout):
    template(checkout, "rate * 2")
    file = checkout / "notebooks" / "dataset.ipynb"
    pages.refresh(file, progress=False)
    notebook = nbformat.read(file, as_version=4)
    assert pages.check(notebook) == [] and len(notebook.cells) == 3
    assert notebook.cells[2].outputs[0].data["text/plain"] == "0.0002"
    template(checkout, "object()")
    before = file.read_bytes()
    with pytest.raises(InputError, match="was not renewed: cell 2 shows a memory address"):
        pages.refresh(file, progress=False)
    assert file.read_bytes() == before
    with pytest.raises(InputError, match="there is no notebook"):
        pages.refresh("nowhere.ipynb")


def test_filling_a_slot_of_a_document(tmp_path):
    document = tmp_path / "R.md"
    document.write_text("before\n<!-- here -->\nold\n<!-- /here -->\nafter\n")
    assert pages.fill(document, "here", "new")
    assert document.read_text() == "before\n<!-- here -->\nnew\n<!-- /here -->\nafter\n"
    assert not pages.fill(document, "here", "new")
    with pytest.raises(InputError, match="has no lines '<!-- there -->'"):
        pages.fill(document, "there", "new")


def test_a_title_holds_no_markup_of_any_kind():
    notebook = new_notebook(cells=[new_markdown_cell("# Before\n\nText.")])
    pages.retitle(notebook, "<img src=x onerror=a()> $x$ {math}`y` &lt; #\n[a](b)\x1b\u202e " + "w" * 200)
    heading, *rest = notebook.cells[0].source.splitlines()
    assert heading.startswith(r"# ‹img src=x onerror=a()› \$x\$ \{math\}\`y\` \&lt; \# \[a\](b) www") and rest == ["", "Text."]
    assert len(heading.replace("\\", "")) == 122 and heading.isprintable()
