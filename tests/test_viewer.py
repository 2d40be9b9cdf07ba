"""The figure to look into: that it holds the points it was given, in an order that its script can follow, and that
nothing in a text or a label becomes markup (the pages as a whole: test_safety.py)."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from cluster_tune import figures, viewer
from cluster_tune.errors import InputError

STAGES = ("before", "after A", "after B")
NASTY = "</script><img src=x onerror=alert(1)> $x$ & \u202e\x00 \"quoted\""


class Parsed(HTMLParser):
    """Elements with their attributes, the text outside scripts, and what scripts hold."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.scripts, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        (self.scripts if self.inside == "script" else self.texts).append(text)


def points(texts=60, classes=3, stages=STAGES, datasets=("a",)) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for name in datasets:
        labels = [f"class {i % classes}" for i in range(texts)]
        for stage in stages:
            xy = rng.normal(size=(texts, 2))
            parts.append(pd.DataFrame({"dataset": name, "panel": stage, "row": range(0, 2 * texts, 2), "label": labels,
                                       "x": xy[:, 0], "y": xy[:, 1]}))
    return pd.concat(parts, ignore_index=True)


def members(rows, text="a text") -> pd.DataFrame:
    rows = list(rows)
    return pd.DataFrame({"dataset": "a", "row": rows, "cluster": [row % 5 for row in rows],
                         "text": [f"{text} {row}" for row in rows]})


def panels(shown: viewer.Viewer) -> list[dict[str, list[tuple[int, int]]]]:
    """Per panel, per class: the points in the order that the script reads them."""
    found = []
    for figure in re.findall(r"<figure.*?</figure>", shown.html, re.S):
        groups = re.findall(r'data-code="(-?\d+)" color="[^"]*"><path [^>]* d="([^"]*)"', figure)
        found.append({code: [(int(x), int(y)) for x, y in re.findall(r"M(-?\d+) (-?\d+)", d)] for code, d in groups})
    return found


def facts(shown: viewer.Viewer) -> dict:
    (script,) = Parsed(shown.html).scripts
    return json.loads(script)


def test_every_point_is_drawn_in_its_panel_and_class_at_its_place():
    frame = points()
    drawn = panels(viewer.show(frame))
    assert [sum(map(len, panel.values())) for panel in drawn] == [60, 60, 60]
    for stage, panel in zip(STAGES, drawn, strict=True):
        for code in range(3):
            own = frame[(frame["panel"] == stage) & (frame["label"] == f"class {code}")]
            got = np.array(panel[str(code)])
            for axis, column, sign in ((0, "x", 1), (1, "y", -1)):
                assert np.corrcoef(got[:, axis], sign * own[column])[0, 1] > 0.9999
            assert got.min() >= 0 and got.max() <= viewer.SIDE


def test_both_axes_have_one_scale():
    frame = pd.DataFrame({"dataset": "a", "panel": "before", "row": range(3), "label": "c", "x": [0, 10, 10], "y": [0, 0, 5]})
    (panel,) = panels(viewer.show(frame))
    (left, bottom), (right, _), (_, top) = panel["0"]
    assert right - left == viewer.SIDE - 2 * viewer.EDGE and bottom - top == (right - left) / 2


def test_texts_and_clusters_stand_in_the_order_of_the_points():
    frame = points().sample(frac=1, random_state=1)  # whatever the order of the table
    shown = viewer.show(frame, members(range(0, 120, 4)), pd.DataFrame({"dataset": "a", "cluster": [0], "terms": ["x, y"]}))
    told, rows = facts(shown), list(range(0, 120, 4))
    for code in range(3):
        own = [row for row in rows if (row // 2) % 3 == code]
        assert told["texts"][str(code)] == [f"a text {row}" for row in own]
        assert told["clusters"][str(code)] == [row % 5 for row in own]
        assert [len(panel[str(code)]) for panel in panels(shown)] == [len(own)] * 3
    assert told["terms"] == {"0": "x, y"} and told["classes"] == {str(i): f"class {i}" for i in range(3)}


def test_texts_that_must_not_be_shown_are_nowhere():
    told = facts(viewer.show(points(), members(range(0, 120, 2)).assign(text=""), notes={"a": "Not shown: licence."}))
    assert "texts" not in told and set(told["clusters"]["0"]) == set(range(5))


def test_without_a_table_of_members_some_points_stand_for_all():
    shown = viewer.show(points(texts=2_500))
    assert {sum(map(len, panel.values())) for panel in panels(shown)} == {834}
    assert set(facts(shown)["clusters"]["0"]) == {-1}


def test_only_points_of_every_panel_are_linked():
    frame = points()
    frame = frame[(frame["panel"] != "after A") | (frame["row"] < 60)]
    assert [sum(map(len, panel.values())) for panel in panels(viewer.show(frame))] == [30, 30, 30]
    with pytest.raises(InputError, match="no point is in every panel"):
        viewer.show(frame[(frame["panel"] != "before") | (frame["row"] >= 60)])
    with pytest.raises(InputError, match="no points to draw; compute them with cluster-tune run"):
        viewer.show(frame[:0])


def test_more_classes_than_looks_share_one_and_keep_their_names():
    told = facts(viewer.show(points(texts=600, classes=30)))
    assert len(told["classes"]) == figures.CLASSES and told["classes"]["-1"] == figures.OTHER
    assert set(told["others"]) <= {f"class {i}" for i in range(30)} and len(told["others"]) == len(told["clusters"]["-1"])


def test_data_sets_stand_in_the_order_of_their_titles():
    shown = viewer.show(points(datasets=("a", "b", "c")), titles={"c": "Set C", "a": "Set A"})
    assert re.findall(r'class="projection-title">([^<]*)', shown.html) == ["Set C", "Set A", "b"]


def test_nothing_of_a_text_becomes_markup():
    frame = points().assign(label=NASTY)
    shown = viewer.show(frame, members(range(0, 120, 2), NASTY), pd.DataFrame({"dataset": "a", "cluster": [0], "terms": [NASTY]}),
                        {"a": NASTY}, {"a": NASTY})
    parsed = Parsed(shown.html)
    assert {tag for tag, _ in parsed.elements} == set(
        "div section p figure figcaption svg g path text ul li span b bdi script".split())
    assert not [name for _, given in parsed.elements for name in given if name.startswith("on") or name in ("src", "href")]
    (script,) = parsed.scripts
    assert not set("<>&") & set(script) and json.loads(script)["texts"]["0"][0].startswith("</script><img src=x")
    assert "\u202e" not in shown.html and "\x00" not in shown.html


def test_long_words_are_cut_and_the_bytes_are_the_same_each_time():
    frame = points().assign(label="w" * 10_000)
    shown = viewer.show(frame, members(range(0, 120, 2), "w" * 10_000), titles={"a": "t" * 10_000})
    assert len(shown.html) < 20_000 and shown.html == viewer.show(frame, members(range(0, 120, 2), "w" * 10_000),
                                                                  titles={"a": "t" * 10_000}).html


def test_a_notebook_gets_the_html_its_words_and_a_picture_where_there_is_one():
    picture = figures.show(figures.projections(points()))
    data, metadata = viewer.show(points(), picture=picture)._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"} and metadata["image/png"]["alt"] == picture.alt
    assert 'class="projections tex2jax_ignore mathjax_ignore"' in data["text/html"]
    assert set(viewer.show(points())._repr_mimebundle_()[0]) == {"text/html", "text/plain"}


def test_every_panel_says_in_words_what_it_shows():
    for tag, given in Parsed(viewer.show(points(), titles={"a": "Set A"}).html).elements:
        if tag == "svg" and "aria-hidden" not in given:
            assert given["role"] == "img" and re.match(r"Set A, .*60 texts .*3 classes", given["aria-label"])
