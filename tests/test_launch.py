"""The first cell of a notebook that is opened away from its repository."""

import importlib.util
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cluster_tune import __main__, launch, pages, provenance
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
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q", book], check=True)
    (book / "_toc.yml").write_text("root: book/a\n")
    subprocess.run([*git, "-C", book, "add", "."], check=True)
    subprocess.run([*git, "-C", book, "commit", "-qm", "A book"], check=True)
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


@pytest.mark.parametrize("url", ["github.com/a/b", "https://a.org/b; rm -rf x", "file:///a", "https://a.org/$(x)"])
def test_what_is_no_web_address_is_one_line(checkout, url):
    address(checkout, url)
    with pytest.raises(InputError, match="is not a web address") as error:
        launch.address()
    assert "\n" not in str(error.value)
