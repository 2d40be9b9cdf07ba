"""Texts come from the world: a data set that attacks its page leaves it inert. Here the built page is read by a parser;
in a browser, see `in_browser.py`."""

import json
from html.parser import HTMLParser

import hostile
import pytest

VOID = set("area base br col embed hr img input link meta source track wbr".split())
ALLOWED = {"alt", "aria-label", "content", "title", "id", "href"}  # read out; names of places within the page
IGNORED = {"tex2jax_ignore", "mathjax_ignore"}  # MathJax stays out of these
MADE = set("script style textarea strong em code blockquote h2 h3 h4 h5 math mark aside".split())  # not for texts


class Where(HTMLParser):
    """Every place in which the mark stands: (kind, detail, the open elements)."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.data, self.tags = [], [], [], []
        self.feed(text)

    def note(self, kind, detail):
        if hostile.MARK in str(detail).lower():
            self.found.append((kind, detail, list(self.open)))

    def handle_starttag(self, tag, attributes):
        self.note("tag", tag)
        self.tags.append((tag, dict(attributes)))
        for name, value in attributes:
            self.note("attribute's name", name)
            self.note(f"attribute {name}", value)
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if any(tag == name for name, _ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if self.open and self.open[-1] == ("script", {"type": "application/json"}):
            self.data.append(data)
        else:
            self.note("text", data)

    def handle_comment(self, data):
        self.note("comment", data)


@pytest.fixture(scope="module")
def page(tmp_path_factory, tiny_folder):
    """The text of the built page."""
    return hostile.made(tmp_path_factory.mktemp("hostile"), tiny_folder).read_text("utf-8")


def test_the_mark_stands_only_where_text_stands(page):
    found = Where(page).found
    assert {kind for kind, *_ in found} <= {"text", *(f"attribute {name}" for name in ALLOWED)}
    assert all(detail.startswith("#") for kind, detail, _ in found if kind == "attribute href")
    texts = [(detail, {tag for tag, _ in parents}) for kind, detail, parents in found if kind == "text"]
    assert len(texts) > 12
    assert not [detail for detail, parents in texts if parents & MADE or ("a" in parents and "nav" not in parents)]


def test_no_formula_is_made_of_a_text(page):
    """Outside the title, whatever has a dollar sign or a backslash stands where MathJax does not look."""
    for kind, detail, parents in Where(page).found:
        classes = {name for _, given in parents for name in (given.get("class") or "").split()}
        assert "math" not in classes
        title = {"h1", "title", "nav"} & {tag for tag, _ in parents}
        if kind == "text" and not title and set("$\\") & set(detail):
            assert IGNORED & classes, detail


def test_nothing_runs_that_the_theme_does_not_bring(page):
    for tag, given in Where(page).tags:
        assert tag not in {"iframe", "object", "embed"}
        assert not [name for name in given if name.startswith("on") and hostile.MARK in str(given[name])]
        assert not (given.get("href") or "").startswith("javascript:") and given.get("src") != "x"


def test_the_interactive_figure_holds_the_texts_as_data(page):
    (facts,) = map(json.loads, Where(page).data)
    texts = [text for part in facts["texts"].values() for text in part]
    assert len(texts) > 100 and any(text.startswith("</script><script>") for text in texts)
    assert max(map(len, texts)) <= 120 and max(map(len, facts["classes"].values())) <= 60
    assert all(character.isprintable() for text in (*texts, *facts["classes"].values()) for character in text)


def test_nothing_invisible_or_endless_is_left(page):
    for character in "\x00\x07\x08\x1b\u202e\u2066\u200b\u2028\u2029\ufeff":
        assert character not in page, hex(ord(character))
    assert "w" * 2_100 not in page and len(page) < 3_000_000
