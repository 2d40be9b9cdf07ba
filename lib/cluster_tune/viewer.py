"""Embeddings to look into: Figure 3 as HTML, in which each point can be asked for its text, class and cluster.

What is written here is whole by itself: panels drawn as inline SVG, a legend and alternative text, the same bytes each
time. `book/_static/viewer.js` adds the rest where scripts run: hover, tap and arrow keys, classes to switch off, a
choice of data set. Texts are data, never markup: they go through `tables.html`, or stand as JSON without a `<`.
Nothing here trains, reads a file or draws a picture of pixels (`figures` does).
"""

import json
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from cluster_tune import figures, tables
from cluster_tune.errors import InputError

SIDE = 1000  # of a panel, in its own units
EDGE = 30
MOST = 1000  # points a panel, where no table says which texts are shown
LONGEST = 120  # characters of a text
LABEL = 60  # characters of a class or a data set's name


class Viewer:
    """Panels of one or more data sets as a notebook shows them: HTML, and `picture` where that cannot be shown."""

    def __init__(self, sections: Iterable[str], alt: str, picture: figures.Picture | None = None):
        # Both classes keep MathJax out: a text's dollar signs are its own business.
        body = "\n".join(sections)
        self.html = f'<div class="projections tex2jax_ignore mathjax_ignore">\n{body}\n</div>'
        self.alt, self.picture = tables.clip(alt, 2_000), picture

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        data, metadata = self.picture._repr_mimebundle_() if self.picture else ({}, {})
        return {**data, "text/html": self.html, "text/plain": self.alt}, metadata


def show(
    points: pd.DataFrame,
    members: pd.DataFrame | None = None,
    terms: pd.DataFrame | None = None,
    titles: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    picture: figures.Picture | None = None,
) -> Viewer:
    """Figure 3 to look into, a section a data set.

    `points`: dataset, panel (before, after, ...), row, label, x, y. `members`: dataset, row, cluster, text ('' for one
    that is not to be shown), for the rows to draw; without it every n-th point is drawn. `terms`: dataset, cluster,
    terms. `notes`: name -> a sentence on the data set's texts.
    """
    if points.empty:
        raise InputError("there are no points to draw; compute them with cluster-tune run")
    titles, sections = titles or {}, []
    names = sorted(points["dataset"].unique(), key=lambda name: list(titles).index(name) if name in titles else len(titles))
    for name in names:
        own = [part[part["dataset"] == name] if part is not None else pd.DataFrame() for part in (points, members, terms)]
        sections.append(_section(*own, str(titles.get(name, name)), (notes or {}).get(name, "")))
    listed = ", ".join(str(titles.get(name, name)) for name in names)
    return Viewer(sections, f"Text embeddings in two dimensions, before and after inter-training: {listed}.", picture)


def _section(points: pd.DataFrame, members: pd.DataFrame, terms: pd.DataFrame, title: str, note: str) -> str:
    shown = _merged(points, members)
    shown["group"] = figures.frequent(shown["label"].astype(str)).to_numpy()
    codes = figures.class_codes(shown["group"])
    panels = [_panel(shown[shown["panel"] == name], codes, name, title) for name in shown["panel"].unique()]
    first = shown[shown["panel"] == shown["panel"].iloc[0]]
    legend = [_key(label, code, int((first["group"] == label).sum())) for label, code in codes.items()]
    return "\n".join([
        f'<section class="projection" aria-label="{_text(title)}">',
        f'<p class="projection-title">{_text(title)}</p>',
        '<div class="projection-panels">', *panels, "</div>",
        '<ul class="projection-legend">', *legend, "</ul>",
        *([f'<p class="projection-note">{tables.html(note, 600)}</p>'] if note else []),
        f'<script type="application/json">{_json(_facts(first, codes, terms))}</script>', "</section>",
    ])  # fmt: skip


def _merged(points: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """The points to draw, each with its cluster and text if they are known; each panel in the same order of rows."""
    common = set.intersection(*(set(part["row"]) for _, part in points.groupby("panel")))
    if len(members):
        shown = points.merge(members[["row", "cluster", "text"]], on="row")
    else:
        kept = sorted(common)[:: -(-len(common) // MOST)] if common else []
        shown = points[points["row"].isin(kept)].assign(cluster=-1, text="")
    shown = shown[shown["row"].isin(common)]
    if shown.empty:
        raise InputError("no point is in every panel; compute the projections of one data set again")
    order = {name: i for i, name in enumerate(points["panel"].unique())}
    return shown.sort_values(["panel", "row"], key=lambda c: c.map(order) if c.name == "panel" else c).reset_index(drop=True)


# --- Panels --------------------------------------------------------------------------------------------------------


def _panel(points: pd.DataFrame, codes: Mapping[str, int], name: str, title: str) -> str:
    places, size = _places(points), float(np.clip(220 / np.sqrt(len(points)), 6, 16))
    groups = points["group"].to_numpy()
    rarest_last = sorted(codes, key=lambda label: -(groups == label).sum())  # so that no class hides a smaller one
    drawn = [_class(places[groups == label], codes[label], size) for label in rarest_last]
    numbers = [_number(places[groups == label], code) for label, code in codes.items() if code >= 0]
    what = f"{title}, {name}: {len(points):,} texts in two dimensions (t-SNE), coloured by {len(codes)} classes"
    svg = f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{tables.html(what)}">'
    caption = f"<figcaption>{_text(name)}</figcaption>"
    return "\n".join([f'<figure class="projection-panel">{caption}{svg}', *drawn, *numbers, "</svg></figure>"])


def _places(points: pd.DataFrame) -> np.ndarray:
    """Whole numbers within the panel, shape (n, 2), y downwards; both axes at one scale."""
    xy = points[["x", "y"]].to_numpy(float) * (1, -1)
    low, high = xy.min(axis=0), xy.max(axis=0)
    scale = (SIDE - 2 * EDGE) / max(float((high - low).max()), 1e-9)
    return np.rint((xy - (low + high) / 2) * scale + SIDE / 2).astype(int)


def _class(places: np.ndarray, code: int, size: float) -> str:
    """The points of one class as one path: dots and squares are caps of lines without length."""
    colour, marker = figures.look(code)
    r = round(size * 1.15)
    glyph = {"o": "h0", "s": "h0", "^": f"m0-{r}l{r} {2 * r - 2}h-{2 * r}z"}[marker]
    path = "".join(f"M{x} {y}{glyph}" for x, y in places)
    look = 'fill="currentColor"' if marker == "^" else (
        f'fill="none" stroke="currentColor" stroke-width="{round(2 * size)}" '
        f'stroke-linecap="{"round" if marker == "o" else "square"}"')
    return f'<g class="projection-class" data-code="{code}" color="{colour}"><path {look} opacity=".8" d="{path}"/></g>'


def _number(places: np.ndarray, code: int) -> str:
    if not len(places):  # a class of which no text is in the picture
        return ""
    x, y = np.rint(np.median(places, axis=0)).astype(int)
    return (f'<text class="projection-number" data-code="{code}" x="{x}" y="{y}" text-anchor="middle" dy=".35em" '
            f'font-size="46" font-weight="bold" color="{figures.look(code)[0]}" fill="currentColor" stroke="white" '
            f'stroke-width="12" paint-order="stroke">{code + 1}</text>')


def _key(label: str, code: int, count: int) -> str:
    mark = _class(np.array([[50, 50]]), code, 26)
    number = "" if code < 0 else f"<b>{code + 1}</b> "
    return (f'<li data-code="{code}"><svg viewBox="0 0 100 100" width="14" height="14" aria-hidden="true">{mark}</svg> '
            f'<span>{number}<bdi>{_text(label)}</bdi> ({count:,})</span></li>')


# --- What the script reads -----------------------------------------------------------------------------------------


def _facts(points: pd.DataFrame, codes: Mapping[str, int], terms: pd.DataFrame) -> dict:
    """Class by class, in the order of the panels' points: clusters and texts; names of classes and terms of clusters."""
    named = {str(row.cluster): row.terms for row in terms.itertuples()} if len(terms) else {}
    rows = {code: points[points["group"] == label] for label, code in codes.items()}
    facts = {
        "classes": {str(code): tables.clip(label, LABEL) for label, code in codes.items()},
        "clusters": {str(code): part["cluster"].tolist() for code, part in rows.items()},
        "texts": {str(code): [tables.clip(text, LONGEST) for text in part["text"]] for code, part in rows.items()},
        "terms": {key: tables.clip(str(words), LONGEST) for key, words in named.items()},
    }
    if not points["text"].astype(bool).any():
        del facts["texts"]
    if -1 in rows:
        facts["others"] = [tables.clip(str(label), LABEL) for label in rows[-1]["label"]]
    return facts


def _json(facts: dict) -> str:
    """JSON that holds no character with a meaning in HTML, so that nothing in it can end the element it stands in."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _text(name: str) -> str:
    return tables.html(str(name), LABEL)
