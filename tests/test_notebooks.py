"""The rules of notebooks and pages; that their outputs still come out the same is nbval's part of `make test`."""

import ast
import re

import nbformat
import pytest

from cluster_tune import pages, paths, provenance
from cluster_tune.errors import InputError

TEMPLATES = sorted((paths.root() / "notebooks").glob("*.ipynb"))
PAGES = sorted((paths.root() / "book").rglob("*.ipynb"))
NOTEBOOKS = [*TEMPLATES, *PAGES]
FROM_DATASET = [*sorted((paths.root() / "book" / "datasets").glob("*.ipynb")), paths.root() / "book" / "first_run.ipynb"]
COMPUTED = {*TEMPLATES, *(paths.root() / "book" / f"{name}.ipynb" for name in ("first_run", "explore"))}
# These train; all other pages only read results/.

every = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def read(file):
    return nbformat.read(file, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook, tag="parameters"):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


@every
def test_executed_without_error_or_stderr_in_short_cells(file):
    assert pages.check(read(file)) == []


@pytest.mark.parametrize("file", [*NOTEBOOKS, *(paths.root() / "lib" / "cluster_tune" / f"{name}.py"
                                                for name in ("__main__", "verdicts"))],
                         ids=lambda file: file.name)  # fmt: skip
def test_results_are_asked_for_by_data_set(file):
    """What a user's own texts came to is in the same store, and has no part in the book."""
    sources = [cell.source for cell in code(read(file))] if file.suffix == ".ipynb" else [file.read_text("utf-8")]
    for call in (node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        if called in ("results.load", "results.table", "results.sizes"):
            named = len(call.args) > (called == "results.table") or {"dataset", None} & {word.arg for word in call.keywords}
            assert named, f"{ast.unparse(call)} is of whatever data sets there are"


@every
def test_stored_as_the_cleaner_leaves_it(file):
    assert file.read_text("utf-8") == nbformat.writes(pages.clean(read(file))).rstrip("\n") + "\n"


@every
def test_valid_and_compared_strictly(file):
    """Only what a machine trains itself may differ from what another one stored."""
    notebook = read(file)
    nbformat.validate(notebook)
    for cell in code(notebook):
        lenient = {"nbval-ignore-output", "nbval-skip", "raises-exception"} & set(cell.metadata.get("tags", []))
        assert lenient <= ({"nbval-ignore-output"} if file in COMPUTED else set())
        assert not re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source)


@every
def test_opens_with_a_title_and_has_prose_for_its_code(file):
    notebook = read(file)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert all(cell.source.count("\n# ") == 0 for cell in prose)
    assert 2 * len(prose) >= len(code(notebook))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_every_figure_and_table_says_where_it_comes_from(file):
    """And a cell reads nothing but by way of `results` and `datasets`, or that could not be said."""
    cells = read(file).cells
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cell.cell_type == "code":
            shown = any(provenance.SEEN & set(output.get("data", {})) for output in cell.outputs)
            assert shown == (after is not None and provenance.TAG in after.metadata.get("tags", []))
            assert not re.search(r"\bread_[a-z]+\(|\bopen\(|\.load_|import paths|paths,|, paths", cell.source)


@every
def test_no_cell_is_empty(file):
    assert all(cell.source.strip() for cell in read(file).cells)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_a_template_has_one_cell_of_independent_literals(file):
    assert len(parameters(read(file))) == 1 and pages.defaults(file)


@pytest.mark.parametrize("file", FROM_DATASET, ids=lambda file: file.stem)
def test_a_page_is_its_template_with_other_parameters(file):
    """A template that has changed since leaves pages that say something else than it does."""
    page, template = read(file), read(paths.root() / "notebooks" / "dataset.ipynb")
    own = [cell.source for cell in code(page) if "injected-parameters" not in cell.metadata.get("tags", [])]
    assert own == [cell.source for cell in code(template)]
    injected = parameters(page, "injected-parameters")
    names = {target.id for cell in injected for line in ast.parse(cell.source).body for target in line.targets}
    assert names <= set(pages.defaults(paths.root() / "notebooks" / "dataset.ipynb"))


def run(name, **given):
    """The code of a template with other parameters, cell by cell, without a kernel."""
    names = {}
    for cell in code(read(paths.root() / "notebooks" / f"{name}.ipynb")):
        exec(cell.source, names)  # our own files
        if "parameters" in cell.metadata.get("tags", []):
            names |= given
    return names


@pytest.mark.parametrize("name", ["clusterings", "few_labels"])
def test_a_file_of_ones_own_is_found_in_the_store_by_path_and_by_name(name, store, sea_and_sky, tmp_path):
    own = {"text_column": "body", "label_column": "topic"}
    sea_and_sky.set_axis(own.values(), axis=1).to_csv(tmp_path / "Sea and Sky.csv", index=False)
    given = {"budgets": [64], "repetitions": 2}
    assert run(name, names=[str(tmp_path / "Sea and Sky.csv")], **given, **own)["names"] == ["sea_and_sky"]
    assert set(run(name, names=["sea_and_sky"], compute=False, **given)["scores"]["dataset"]) == {"sea_and_sky"}


@pytest.mark.parametrize(
    "name, given, says",
    [
        ("dataset", {"budgets": 64}, 'budgets is 64, not a list; write it in brackets, to papermill as -y "budgets: [64]"'),
        ("dataset", {"repetitions": "abc"}, "repetitions is 'abc'; give a whole number of at least 0"),
        ("dataset", {"repetitions": 1.5}, "repetitions is 1.5; give a whole number"),
        ("clusterings", {"names": "isear"}, "names is 'isear', not a list"),
        ("clusterings", {"names": []}, "names has 0 entries; give at least 1"),
        ("clusterings", {"budgets": 64}, "budgets is 64, not a list"),
        ("clusterings", {"budgets": []}, "budgets has 0 entries; give at least 1"),
        ("clusterings", {"budgets": ["abc"]}, "one of the budgets is 'abc'; give a whole number of at least 1"),
        ("clusterings", {"seeds": 1}, "seeds is 1; give a whole number of at least 2"),
        ("clusterings", {"repetitions": 0}, "repetitions is 0; give a whole number of at least 1"),
        ("few_labels", {"names": "isear"}, "names is 'isear', not a list"),
        ("few_labels", {"budgets": 64}, "budgets is 64, not a list"),
        ("few_labels", {"repetitions": 1.5}, "repetitions is 1.5; give a whole number"),
        ("explore", {"classes": "numpy"}, "classes is 'numpy', not a list"),
        ("explore", {"n_clusters": 10.5}, "n_clusters is 10.5; give a whole number of at least 2"),
    ],
)
def test_a_parameter_of_another_kind_is_one_line(name, given, says, store):
    with pytest.raises(InputError) as caught:
        run(name, **given)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)
    assert not list(store.rglob("*.csv"))
