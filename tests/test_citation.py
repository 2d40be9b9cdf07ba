"""Citations, out of a small CITATION.cff."""

import pytest

from cluster_tune import citation
from cluster_tune.errors import InputError

FILE = """
cff-version: 1.2.0
message: Cite.
title: A book & more
type: software
version: 1.0.0
authors: [{name: The authors}]
references:
  - type: conference-paper
    title: "Some paper: on things"
    authors: [{family-names: Doe, given-names: Jo}, {family-names: Roe, given-names: Al}]
    collection-title: Proceedings
    year: 2020
    start: 1
    end: 9
    doi: 10.1000/x
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTER_TUNE_ROOT", str(tmp_path))
    (tmp_path / "CITATION.cff").write_text(FILE)
    return tmp_path


def test_a_paper_by_hand(root):
    assert citation.bibtex(citation.read()["references"][0]) == (
        "@inproceedings{doe2020some,\n  title = {Some paper: on things},\n  author = {Doe, Jo and Roe, Al},\n"
        "  booktitle = {Proceedings},\n  year = {2020},\n  pages = {1--9},\n  doi = {10.1000/x},\n}")
    assert "Jo Doe, Al Roe (2020). Some paper: on things. *Proceedings*, pages 1–9. <https://doi.org/10.1000/x>" in citation.page()


def test_a_group_stays_whole_and_an_ampersand_is_no_command(root):
    entry = citation.bibtex(citation.read())
    assert entry.startswith("@software{") and "author = {{The authors}}" in entry and r"title = {A book \& more}" in entry


@pytest.mark.parametrize("content, says", [
    (b"", "has no cff-version, message, title, authors, version, references; restore it"),
    (FILE.replace("type: software", "type: [").encode(), r"line \d+ of '.*CITATION.cff' is not YAML; mend it, or restore"),
    (FILE.encode() + b"date-released: 2024-13-45\n", "CITATION.cff' is not YAML; mend it, or restore the file"),
    (FILE.replace("Doe", "Do\xe9").encode("latin-1"), "CITATION.cff' is not YAML; mend it, or restore the file"),
    (b"- Cite.\n", "has no lines of the form 'name: value'; restore it from the repository"),
], ids=["empty", "a bracket", "a date that is none", "no UTF-8", "a list"])
def test_a_damaged_file_is_one_line(root, content, says):
    (root / "CITATION.cff").write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        citation.read()
    assert "\n" not in str(error.value)


def test_a_file_without_what_is_needed_is_one_line(root):
    (root / "CITATION.cff").write_text(FILE.replace("message: Cite.", "").replace("version: 1.0.0", ""))
    with pytest.raises(InputError, match="has no message, version; restore"):
        citation.read()
