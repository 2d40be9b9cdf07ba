"""The book and the documents around it: the build, the list of pages, the commands and variables they name."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlparse

import nbformat
import pytest
import yaml

from cluster_tune import __main__, __version__, citation, datasets, launch, paths, results

ROOT = paths.root()


def toc():
    """Every page of the book, as `_toc.yml` lists it."""
    listed = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [listed["root"], *(chapter["file"] for part in listed["parts"] for chapter in part["chapters"])]


def sources():
    """Every chapter and page in book/, without its suffix."""
    files = [file for suffix in ("md", "ipynb") for file in (ROOT / "book").rglob(f"*.{suffix}")]
    return [str(file.relative_to(ROOT).with_suffix("")) for file in files]


def prose(page):
    """The Markdown of a chapter or page."""
    if (file := ROOT / f"{page}.md").is_file():
        return file.read_text("utf-8")
    notebook = nbformat.read(ROOT / f"{page}.ipynb", as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


# --- what the documents say

def test_every_page_is_in_the_list_once_and_by_name():
    assert sorted(toc()) == sorted(sources())
    assert "glob" not in (ROOT / "_toc.yml").read_text()


def test_pages_of_data_sets_are_those_the_makefile_renews():
    listed = re.search(r"^PAGES := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert [page.removeprefix("book/datasets/") for page in toc() if "/datasets/" in page] == listed


@pytest.mark.parametrize("page", [page for page in toc() if "/datasets/" in page])
def test_a_data_set_s_page_has_its_title(page):
    assert prose(page).startswith(f"# {datasets.info(Path(page).name).title}")


@pytest.mark.parametrize("document", ["README.md", "book/reproduce.md"])
def test_every_environment_variable_is_explained(document):
    library = "".join(file.read_text() for file in (ROOT / "lib" / "cluster_tune").glob("*.py"))
    named = set(re.findall(r"CLUSTER_TUNE_[A-Z]+", library))
    assert named == set(re.findall(r"CLUSTER_TUNE_[A-Z]+", (ROOT / document).read_text("utf-8")))


def test_every_column_of_the_table_of_runs_is_explained():
    named = re.findall(r"`(\w+)`", (ROOT / "book" / "reproduce.md").read_text("utf-8").partition("| columns |")[2])
    assert set(results.COLUMNS) <= set(named)


def commands():
    actions = __main__.parser()._actions
    return next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices


def test_every_command_is_in_the_readme_and_every_one_named_exists():
    readme, known = (ROOT / "README.md").read_text("utf-8"), commands()
    assert set(re.findall(r"`cluster-tune ([a-z-]+)", readme)) == set(known)
    for document in ("README.md", "book/reproduce.md"):
        used = re.findall(r"^cluster-tune ([a-z-]+)(.*)$", (ROOT / document).read_text("utf-8"), re.M)
        for command, options in used:
            assert set(re.findall(r"--[a-z-]+", options)) <= set(known[command]._option_string_actions)


def test_every_verb_of_make_that_a_document_names_exists():
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in ("README.md", "CONTRIBUTING.md", "book/reproduce.md"):
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / document).read_text("utf-8"), re.M))
        assert named and named <= verbs


def test_every_citation_has_an_entry():
    entries = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.M))
    cited = {key.strip() for page in toc() for keys in re.findall(r"\{cite:[pt]\}`([^`]+)`", prose(page))
             for key in keys.split(",")}
    assert cited and cited <= entries
    assert {info.citation for info in datasets.REGISTRY.values() if info.citation} <= entries


def test_every_entry_of_the_changelog_says_whether_numbers_moved():
    entries = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1:]
    assert entries
    for entry in entries:
        assert re.search(r"^ *Published numbers moved: (yes|no)\b", entry, re.M)


def test_only_the_script_of_the_checks_looks_beside_the_repository():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in tracked.split("\0") if name and Path(name).suffix not in (".png", ".parquet")]
    beside = "../" + "shared"
    assert [str(f.relative_to(ROOT)) for f in files if f.is_file() and beside in f.read_text("utf-8")] == [".ci/run"]


def test_the_citation_file_is_whole_and_of_this_version():
    """What version 1.2.0 of the format asks for, and what reference managers read."""
    given = citation.read()
    assert given["cff-version"] == "1.2.0" and given["type"] == "software" and given["license"] == "Apache-2.0"
    assert given["version"] == __version__
    fields = {"cff-version", "message", "title", "abstract", "type", "version", "license", "authors", "references",
              "repository-code", "url", "doi", "date-released", "keywords"}
    assert set(given) <= fields
    for work in [given, *given["references"]]:
        assert work["title"] and work["type"] in ("software", "conference-paper")
        for author in work["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})
    assert re.fullmatch(r"10\.\d{4,}/\S+", given["references"][0]["doi"])


def test_the_address_of_the_repository_stands_in_one_place_and_every_notebook_follows_it():
    url, _ = launch.address()
    for file in [*(ROOT / "book").rglob("*.ipynb"), *(ROOT / "notebooks").glob("*.ipynb")]:
        cells = [cell for cell in nbformat.read(file, as_version=4).cells if launch.TAG in cell.metadata.get("tags", [])]
        assert len(cells) == bool(url) and all(url in cell.source for cell in cells), file.name


@pytest.mark.parametrize("url, buttons", [("", False), ("https://github.com/someone/a-book", True)])
def test_launch_buttons_appear_once_there_is_an_address(url, buttons, tmp_path):
    """The extension on the book's own settings: without an address the theme could not make a button."""
    settings = (ROOT / "_config.yml").read_text("utf-8")
    assert settings.count('  url: ') == 1
    (tmp_path / "_config.yml").write_text(re.sub(r"(?m)^  url: .*$", f'  url: "{url}"', settings))
    found = {}
    exec((ROOT / "book" / "_ext" / "launch_buttons.py").read_text("utf-8"), found)
    config = SimpleNamespace(html_theme_options={"home_page_in_toc": True})
    found["_with_address"](SimpleNamespace(confdir=tmp_path), config)
    assert ("launch_buttons" in config.html_theme_options) == buttons
    assert config.html_theme_options.get("repository_url", "") == url


def test_without_a_browser_the_pdf_is_one_line():
    """`make pdf` on a machine without Chromium: the recipe's first part alone, with a path that has no browser."""
    recipe = re.search(r"^pdf:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1]
    part = recipe.split("$(BIN)/jupyter-book")[0].lstrip("\t@").rstrip().removesuffix("\\")
    script = part.replace("$(BROWSER)", "").replace("$$", "$").replace("\\\n", " ")
    ran = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, env={"PATH": ""})
    assert ran.returncode == 2 and ran.stderr.startswith("Chromium or Chrome is needed") and ran.stderr.count("\n") == 1


# --- the book, built

class Links(HTMLParser):
    """What a page loads and where it leads."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.leads, self.anchors, self.images = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loads.append(given["src"])
        if tag == "link" and given.get("href") and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(given["href"])
        if tag == "a" and given.get("href"):
            self.leads.append(given["href"])
        if tag == "img":
            self.images.append(given)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The book as `make html` builds it, in a copy, so that neither build sees the other, and without torch."""
    copy = tmp_path_factory.mktemp("book")
    for name in ("torch", "transformers"):
        (copy / "refused" / name).mkdir(parents=True)
        (copy / "refused" / name / "__init__.py").write_text("raise RuntimeError('building the book needs no torch')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy / "refused"), os.environ.get("PYTHONPATH", "")])}
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "book", copy / "book", ignore=shutil.ignore_patterns(".*"))
    build = [Path(sys.executable).with_name("jupyter-book"), "build", copy, "-W", "-n", "--keep-going", "--quiet"]
    ran = subprocess.run(build, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    html = copy / "_build" / "html"
    return {file.relative_to(html).as_posix(): Links(file.read_text("utf-8")) for file in html.rglob("*.html")
            if "_static" not in file.parts}, html


def test_the_book_has_every_page(built):
    assert {f"{page}.html" for page in toc()} <= set(built[0])


def test_no_page_weighs_more_than_3_mb_with_its_pictures(built):
    pages, html = built
    for page, links in pages.items():
        pictures = {(html / page).parent / unquote(urlparse(i["src"]).path) for i in links.images if not urlparse(i["src"]).scheme}
        weight = (html / page).stat().st_size + sum(picture.stat().st_size for picture in pictures)
        assert weight < 3_000_000, (page, weight)


def test_a_page_loads_nothing_from_elsewhere(built):
    for page, links in built[0].items():
        assert [load for load in links.loads if urlparse(load).netloc] == [], page


def test_everything_that_a_page_loads_or_leads_to_is_there(built):
    pages, html = built
    for page, links in pages.items():
        for target in (*links.loads, *links.leads):
            parts = urlparse(target)
            if parts.scheme or parts.netloc:
                continue
            file = (html / page).parent / unquote(parts.path) if parts.path else html / page
            assert file.exists(), f"{page} -> {target}"
            anchors = pages.get(file.resolve().relative_to(html.resolve()).as_posix())
            if parts.fragment and anchors:
                assert unquote(parts.fragment) in anchors.anchors, f"{page} -> {target}"


def test_every_picture_has_words_for_those_who_do_not_see_it(built):
    for page, links in built[0].items():
        assert [i["src"] for i in links.images if i.get("alt", i["src"]) == i["src"] or not i["alt"]] == [], page


def test_the_picture_of_the_readme_is_the_one_drawn(tmp_path):
    from matplotlib.image import imread

    from cluster_tune import figures

    (tmp_path / "drawn.png").write_bytes(figures.show(figures.method()).png)
    drawn, stored = imread(tmp_path / "drawn.png"), imread(ROOT / "book" / "_static" / "method.png")
    assert drawn.shape == stored.shape and abs(drawn - stored).mean() < 0.01


def test_the_readme_has_the_results_as_they_are(capsys):
    """`cluster-tune readme` finds nothing to change."""
    before = (ROOT / "README.md").read_text("utf-8")
    assert __main__.main(["readme"]) == 0
    assert capsys.readouterr().out == (
        "README.md is as the results have it\nbook/cite.md is as CITATION.cff has it\n")
    assert (ROOT / "README.md").read_text("utf-8") == before
