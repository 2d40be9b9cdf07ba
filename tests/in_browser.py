"""The book in a real browser, for `make browser`: nothing runs that a text brought along, no page scrolls sideways, the
interactive figure does what it says. Not part of `make test`, which needs no browser; without one this fails."""

import json
import re

import browser
import hostile
import pytest

from cluster_tune import paths

WIDTHS = (390, 1280)
OF_THE_THEME = "THEBE_JS_URL"  # it loads one of its scripts twice


@pytest.fixture(scope="module")
def tab():
    program = browser.find()
    assert program, "no Chromium was found: install one, or name it with CLUSTER_TUNE_BROWSER"
    with browser.page(program) as opened:
        yield opened


@pytest.fixture(scope="module")
def attacked(tmp_path_factory, tiny_folder):
    """The page of the hostile data set."""
    return hostile.made(tmp_path_factory.mktemp("hostile"), tiny_folder)


def sideways(tab) -> int:
    """By how many pixels the page is wider than the window."""
    return tab.ask("document.documentElement.scrollWidth - window.innerWidth")


def settled(tab) -> None:
    """Wait until fonts and formulas are done."""
    tab.ask("Promise.all([document.fonts.ready, window.MathJax?.startup?.promise]).then(() => 0)")


def texts_told(tab) -> dict:
    return json.loads(tab.ask("document.querySelector('.projection script').textContent"))


def about(tab) -> str:
    return tab.ask("document.querySelector('.projection-about').textContent")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
def test_hostile_texts_do_nothing(tab, attacked, width, dark):
    tab.forget()
    tab.open(attacked.as_uri(), width, dark=dark)
    settled(tab)
    assert tab.ask(f"typeof window.__{hostile.MARK}") == "undefined"
    assert tab.dialogs == [] and [error for error in tab.errors if OF_THE_THEME not in error] == []
    assert [request for request in tab.requests if not request.startswith(("file:", "data:"))] == []
    assert not [request for request in tab.requests if re.search(r"/x$|pwned", request)]
    assert sideways(tab) <= 0
    assert tab.ask("[...document.querySelectorAll('mjx-container')].length") == 0
    assert tab.ask("document.querySelectorAll('.bd-article :is(script:not([type]), iframe, [onerror])').length") <= 2


def test_hostile_texts_are_read_out_as_they_are(tab, attacked):
    tab.open(attacked.as_uri())
    told = texts_told(tab)
    everything = [text for part in told["texts"].values() for text in part]
    tab.ask("document.querySelector('.projection-panel svg').focus()")
    seen = set()
    for key in sorted(("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown") * 8):
        tab.press(key)
        seen.add(tab.ask("document.querySelector('.projection-text').textContent"))
        assert any(about(tab).startswith(label) for label in told["classes"].values())
    assert len(seen) > 5 and seen <= set(everything)
    assert tab.ask(f"typeof window.__{hostile.MARK}") == "undefined" and tab.dialogs == []


def test_a_reader_without_scripts_sees_every_panel_and_class(tab, attacked):
    tab.open(attacked.as_uri(), scripts=False)
    shown = "[...document.querySelectorAll('.projection-panel')].filter(p => p.getBoundingClientRect().height > 100).length"
    assert tab.ask(shown) == 3
    assert tab.ask("document.querySelectorAll('.projection-legend li').length") == len(hostile.LABELS)


def test_classes_switch_off_and_texts_are_marked_on_both_sides(tab, attacked):
    tab.open(attacked.as_uri())
    visible = "[...document.querySelectorAll('.projection-panel:not([hidden]) .projection-class')]" \
              ".filter(g => g.getBoundingClientRect().width > 0).length"
    assert tab.ask(visible) == 2 * len(hostile.LABELS)
    tab.point(".projection-legend li:nth-child(2) button", 0.5, 0.5, click=True)
    assert tab.ask(visible) == 2 * (len(hostile.LABELS) - 1)
    assert tab.ask("document.querySelector('.projection-legend li:nth-child(2) button').ariaPressed") == "false"
    tab.ask("document.querySelector('.projection-panel svg').focus()")
    for _ in range(5):
        tab.press("ArrowRight")
        assert not about(tab).startswith(texts_told(tab)["classes"]["1"])
    rings = "[...document.querySelectorAll('.projection-panel:not([hidden]) .projection-ring')].length"
    assert tab.ask(rings) == 2
    tab.press("Escape")
    assert tab.ask(rings) == 0


def test_pointing_shows_the_nearest_text(tab, attacked):
    tab.open(attacked.as_uri())
    first = tab.ask("document.querySelector('.projection-class path').getAttribute('d').match(/M(\\d+) (\\d+)/).slice(1)")
    tab.point(".projection-panel svg", int(first[0]) / 1000, int(first[1]) / 1000)
    assert "cluster" in about(tab)
    ring = tab.ask("['cx', 'cy'].map(n => document.querySelector('.projection-ring').getAttribute(n))")
    assert ring == first


def test_the_right_panel_is_a_choice(tab, attacked):
    tab.open(attacked.as_uri())
    shown = "[...document.querySelectorAll('.projection-panel')].map(panel => panel.hidden)"
    assert tab.ask(shown) == [False, False, True]
    tab.point(".projection-stages button:last-child", 0.5, 0.5, click=True)
    assert tab.ask(shown) == [False, True, False]


# --- the book as `make html` left it

PAGES = sorted((paths.root() / "_build" / "html" / "book").rglob("*.html"))


def test_the_book_was_built():
    assert PAGES, "there is no book yet: make html"


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_of_the_book_fits_and_needs_nothing_from_elsewhere(tab, file, width):
    tab.forget()
    tab.open(file.as_uri(), width)
    settled(tab)
    assert sideways(tab) <= 0
    assert [error for error in tab.errors if OF_THE_THEME not in error] == []
    assert [request for request in tab.requests if not request.startswith(("file:", "data:"))] == []
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert tab.ask(broken) == []
