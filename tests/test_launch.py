"""The first cell of a notebook that is opened away from its repository."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cluster_tune import __main__, launch, pages, paths, provenance
from cluster_tune.errors import InputError

ADDRESS = "https://github.com/someone/a-book"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("ROOT", "BOOK"):
        monkeypatch.delenv(f"CLUSTER_TUNE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").write_text("root: book/a\n")
    (tmp_path / "book").mkdir()
    cells = [new_markdown_cell("# A page"), new_code_cell("1 + 1", execution_count=1)]
    nbformat.write(pages.clean(new_notebook(cells=cells)), tmp_path / "book" / "a.ipynb")
    return tmp_path


def address(folder, url, branch="main"):
    (folder / "_config.yml").write_text(f'repository:\n  url: "{url}"\n  branch: {branch}\n')


def publish(folder):
    """Make the folder a repository whose branch `main` has what the folder holds."""
    git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for step in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "A book"]):
        subprocess.run([*git, *step], check=True)


def run(folder, capsys):
    assert __main__.main(["launch"]) == 0
    return nbformat.read(folder / "book" / "a.ipynb", as_version=4), capsys.readouterr().out


def test_with_an_address_a_page_gets_the_cell_and_without_one_loses_it(checkout, capsys):
    before = (checkout / "book" / "a.ipynb").read_text()
    address(checkout, ADDRESS)
    notebook, said = run(checkout, capsys)
    assert said == f"1 of 1 notebooks changed: they run from {ADDRESS}\n"
    assert [cell.id for cell in notebook.cells] == ["cell-0", "launch", "cell-1"]
    assert ADDRESS in notebook.cells[1].source and notebook.cells[1].metadata.tags == ["launch", "remove-cell"]
    assert [cell.execution_count for cell in notebook.cells[1:]] == [0, 1] and pages.check(notebook) == []
    nbformat.validate(notebook)
    assert run(checkout, capsys)[1].startswith("0 of 1 ")
    address(checkout, "")
    assert run(checkout, capsys)[1] == "1 of 1 notebooks changed: there is no address\n"
    assert (checkout / "book" / "a.ipynb").read_text() == before


def test_the_cell_makes_no_page_stale_and_survives_a_refresh(checkout, capsys):
    page = checkout / "book" / "a.ipynb"
    pages.refresh(page, progress=False)
    address(checkout, ADDRESS)
    run(checkout, capsys)
    assert provenance.stale(page) == []
    first = page.read_bytes()
    pages.refresh(page, progress=False)
    assert page.read_bytes() == first


def test_where_the_package_is_the_cell_does_nothing(capfd):
    exec(launch.SOURCE.format(url=ADDRESS, branch="main", checkout="x"), {})
    assert capfd.readouterr() == ("", "")


def test_elsewhere_it_fetches_the_book_installs_it_and_goes_there(tmp_path, monkeypatch):
    """A real clone of a small repository; of the installation, the command."""
    book = tmp_path / "origin"
    book.mkdir()
    (book / "_toc.yml").write_text("root: book/a\n")
    publish(book)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = []

    class Shell:
        def system(self, command):
            said.append(command)
            if command.startswith("git"):
                subprocess.run(command, shell=True, check=True)

    exec(launch.SOURCE.format(url=f"file://{book}", branch="main", checkout=launch.CHECKOUT), {"get_ipython": Shell})
    assert said[1] == f"pip install --quiet './{launch.CHECKOUT}[embedded]'" and len(said) == 2
    assert (tmp_path / "here" / launch.CHECKOUT / "_toc.yml").samefile("_toc.yml")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A Python with every package but this one, and a `pip` that needs no network: a machine such as Colab's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "python"], check=True)
    (site,) = (tmp_path / "python").glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth, our editable one, is not read
    python, pip = (tmp_path / "python" / "bin" / name for name in ("python", "pip"))
    pip.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@" --no-deps --no-build-isolation --no-index\n')
    pip.chmod(0o755)
    for name in [name for name in os.environ if name.startswith(("CLUSTER_TUNE_", "PYTHON", "PYTEST"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{pip.parent}{os.pathsep}{os.environ['PATH']}")
    return python


def test_a_page_alone_in_a_folder_runs_to_its_end(tmp_path, elsewhere):
    """The cell as Colab meets it: a real clone, a real installation, and then what the page showed before."""
    origin, here = tmp_path / "origin", tmp_path / "here"
    origin.mkdir()
    made = {".git", ".venv", "_build", "data", "models", "logs", ".snakemake"}
    for name in sorted(set(os.listdir(paths.root())) - made):
        whole = paths.root() / name
        if whole.is_dir():
            shutil.copytree(whole, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(whole, origin / name)
    publish(origin)
    stored, notebook = (nbformat.read(origin / "book" / "data.ipynb", as_version=4) for _ in range(2))
    cell = launch.SOURCE.format(url=f"file://{origin}", branch="main", checkout=launch.CHECKOUT)
    notebook.cells.insert(1, new_code_cell(cell))
    here.mkdir()
    nbformat.write(notebook, here / "data.ipynb")
    missing = subprocess.run([elsewhere, "-c", "import cluster_tune"], capture_output=True, text=True)
    assert "No module named 'cluster_tune'" in missing.stderr
    command = [elsewhere, "-m", "papermill", "--no-progress-bar", "-k", "python3", "data.ipynb", "after.ipynb"]
    subprocess.run(command, cwd=here, check=True, capture_output=True, timeout=300)
    after = [cell for cell in nbformat.read(here / "after.ipynb", as_version=4).cells if cell.cell_type == "code"][1:]
    before = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in before) >= 3
    assert [[output.get("data") for output in cell.outputs] for cell in after] == \
        [[output.get("data") for output in cell.outputs] for cell in before]


@pytest.mark.parametrize("url", ["github.com/a/b", "https://a.org/b; rm -rf x", "file:///a", "https://a.org/$(x)"])
def test_what_is_no_web_address_is_one_line(checkout, url):
    address(checkout, url)
    with pytest.raises(InputError, match="is not a web address") as error:
        launch.address()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("branch", ["main; rm -rf x", "--upload-pack=x", "$(x)"])
def test_what_is_no_branch_is_one_line(checkout, branch):
    (checkout / "_config.yml").write_text(json.dumps({"repository": {"url": "https://a.org/b", "branch": branch}}))
    with pytest.raises(InputError, match="is no name of a branch; give one such as main"):
        launch.address()


@pytest.mark.parametrize("content, says", [
    ("title: A book\nrepository: [\n", r"line \d of '.*_config.yml' is not YAML; mend it, or restore"),
    ("repository: https://github.com/a/b\n", "repository is 'https://github.com/a/b' in _config.yml; give it two lines of its own"),
    ("A book\n", "_config.yml' has no lines of the form 'name: value'"),
], ids=["a bracket", "text", "words"])
def test_damaged_settings_are_one_line_and_none_are_no_address(checkout, content, says):
    (checkout / "_config.yml").write_text(content)
    with pytest.raises(InputError, match=says) as error:
        launch.address()
    assert "\n" not in str(error.value)
    (checkout / "_config.yml").write_text("")
    assert launch.address() == ("", "main")
