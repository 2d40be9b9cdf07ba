"""Frames to figures: one style, and one colour a setting, through the whole book.

Every function returns a matplotlib `Figure` made without pyplot, so that a notebook shows it once: `show(figure)` is a
sharp PNG, the same bytes on every run, with the alternative text that the function wrote. Colours are Okabe and Ito's,
which colour-blind readers tell apart; settings differ in marker and dash as well. The ground is solid white, for dark
pages too. Nothing here computes more than a mean with its SEM, reads a file or trains.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib import font_manager, patheffects, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from cluster_tune import stats, tables
from cluster_tune.errors import InputError

WIDTH = 6.4  # inches; shown 720 pixels wide, so that 11 points are 9 pixels on a phone 360 wide
SHOWN = 720
DPI = 225  # twice the pixels shown

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
GREY, PALE, FAINT = "#5F6368", "#B0B5BA", "#D9DCE0"

# setting -> colour, marker, dashes
SETTINGS = {
    "base": (BLACK, "o", (0, (4, 2))),
    "clust": (VERMILLION, "s", "solid"),
    "mlm": (BLUE, "^", (0, (1, 1.2))),
    "mlm+clust": (GREEN, "D", (0, (5, 1, 1, 1))),
}
# reference method -> the same; the classifier's colour, dotted over GloVe
METHODS = {
    "nb_bow": (SKY, "o", "solid"),
    "nb_glove": (SKY, "o", (0, (1, 1.2))),
    "svm_bow": (PURPLE, "^", "solid"),
    "svm_glove": (PURPLE, "^", (0, (1, 1.2))),
    "cluster_sib": (ORANGE, "D", (0, (5, 1, 1, 1))),
}
CLUSTERINGS = {"sib": VERMILLION, "kmeans": SKY, "hartigan": PURPLE}
DASHES = ("solid", (0, (4, 2)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
# Seven colours that show as small dots on white, and three shapes: twenty-one classes.
CLASS_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
CLASS_MARKERS = ("o", "^", "s")
CLASSES = 20

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 11, "axes.titlesize": 12, "axes.labelsize": 11, "legend.fontsize": 11,
    "xtick.labelsize": 10.5, "ytick.labelsize": 10.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY, "axes.titlelocation": "left",
    "axes.grid": True, "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.6,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "#202124", "ytick.labelcolor": "#202124",
    "lines.linewidth": 1.8, "lines.markersize": 6, "legend.frameon": False, "legend.handlelength": 2.6,
    "figure.facecolor": "white", "savefig.facecolor": "white", "path.sketch": None,
    "figure.constrained_layout.h_pad": 0.08, "figure.constrained_layout.w_pad": 0.08,
}
_styled = style.context(STYLE, after_reset=True)  # a reader's own matplotlibrc changes nothing


# --- Showing -------------------------------------------------------------------------------------------------------


class Picture:
    """A figure as a notebook shows it: a PNG with its width and alternative text in the output's metadata."""

    def __init__(self, figure: Figure, alt: str):
        self.png, self.alt = _png(figure), tables.clip(alt, 2_000)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        data = {"image/png": b64encode(self.png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": SHOWN}}

    @property
    def html(self) -> str:
        """An `<img>` element with the picture inside and the alternative text escaped, for pages made by hand."""
        source = f"data:image/png;base64,{b64encode(self.png).decode()}"
        return f'<img alt="{tables.html(self.alt, 2_000)}" width="{SHOWN}" src="{source}">'


def show(figure: Figure, alt: str | None = None) -> Picture:
    """The figure for display, with its own alternative text unless another is given."""
    return Picture(figure, alt_text(figure) if alt is None else alt)


def alt_text(figure: Figure) -> str:
    """What the figure shows, in words and numbers, for those who do not see it."""
    return getattr(figure, "alt_text", "")


@_styled
def _png(figure: Figure) -> bytes:
    """A palette of 256 colours makes a third of the bytes; no date and no version, so the same bytes every time."""
    from PIL import Image

    drawn, packed = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    image = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(packed, format="png", optimize=True)
    return packed.getvalue()


def _figure(height: float, alt: str = "") -> Figure:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.alt_text = alt
    return figure


def _some(values, what: str):
    if not len(values):
        raise InputError(f"there are no {what} to draw; compute or choose some first")
    return values


def _safe(text, longest: int = 28) -> str:
    """A data set's text as a label: one short line, no formula, no character the font cannot draw."""
    known = _glyphs()
    text = "".join(c if ord(c) in known else "?" for c in tables.clip(str(text), longest))
    return text.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())


# --- Runs ----------------------------------------------------------------------------------------------------------


@_styled
def learning_curves(
    runs: pd.DataFrame, panel: str = "recipe", columns: int = 2, titles: Mapping[str, str] | None = None
) -> Figure:
    """Figure 2: accuracy (%) against labels (log scale), mean ± SEM over repetitions, a line a setting.

    `panel` is the column with one panel a value: 'recipe' for one data set, 'dataset' for several under one recipe.
    `titles` gives names to show. InputError for a frame that mixes what one panel must not.
    """
    stats.single(runs, *({"recipe", "dataset"} - {panel}))
    runs = stats.consistent(_some(runs, "runs"))
    names = list(runs[panel].unique())
    titles = {**{name: text[0].upper() + text[1:] for name, text in tables.RECIPES.items()}, **(titles or {})}
    figure, panels = _panels(len(names), columns, shared=panel == "recipe")
    for axes, name in zip(panels, names):
        _curves(axes, runs[runs[panel] == name], narrow=columns > 2)
        axes.set_title(_safe(titles.get(name, name)))
    figure.supxlabel("labelled texts (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers}
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=len(lines), columnspacing=1.2)
    figure.alt_text = _describe_curves(runs, panel, names, titles)
    return figure


def _panels(n: int, columns: int, shared: bool) -> tuple[Figure, list[Axes]]:
    columns = min(n, columns)
    rows = math.ceil(n / columns)
    figure = _figure(0.9 + (2.9 if columns < 3 else 2.0) * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=shared, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    for axes in grid[max(n - columns, 0) : n]:
        axes.tick_params(labelbottom=True)  # also where the panel below is an empty one
    return figure, list(grid[:n])


def _curves(axes: Axes, runs: pd.DataFrame, narrow: bool) -> None:
    means = stats.summary(runs, ["setting", "budget"]).sort_values("budget")
    looks, names = {**SETTINGS, **METHODS}, {**tables.TITLES, **tables.REFERENCE}
    shown = [setting for setting in looks if setting in set(means["setting"])]
    for i, setting in enumerate(shown):
        colour, marker, dashes = looks[setting]
        line = means[means["setting"] == setting]
        beside = 2 ** (0.05 * (i - (len(shown) - 1) / 2))  # a little apart, so that no bar hides another
        axes.errorbar(line["budget"] * beside, 100 * line["mean"], 100 * line["sem"].fillna(0), color=colour,
                      marker=marker, linestyle=dashes, capsize=2 if narrow else 3, elinewidth=1.2,
                      markersize=4 if narrow else 6, label=names[setting])
    _budget_axis(axes, sorted(runs["budget"].unique()), narrow)


def _budget_axis(axes: Axes, budgets: Sequence[int], narrow: bool) -> None:
    """Log-2 axis with a tick at each budget, and its number wherever there is room for one."""
    axes.set_xscale("log", base=2)
    room = math.log2(budgets[-1] / budgets[0]) / (2.2 if narrow else 5)
    labels, last = [], 0
    for budget in budgets:
        fits = not last or math.log2(budget / last) >= room
        labels.append(str(budget) if fits else "")
        last = budget if fits else last
    axes.xaxis.set_major_locator(FixedLocator(budgets))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_xlim(budgets[0] / 1.25, budgets[-1] * 1.25)


def _describe_curves(runs: pd.DataFrame, panel: str, names: Sequence[str], titles: Mapping[str, str]) -> str:
    parts = ["Learning curves: mean accuracy with standard errors against the number of labelled texts."]
    for name in names:
        means = stats.summary(runs[runs[panel] == name], ["setting", "budget"]).sort_values("budget")
        for setting in (s for s in SETTINGS if s in set(means["setting"])):
            line = means[means["setting"] == setting].iloc[[0, -1]].drop_duplicates()
            ends = [f"{tables.number(100 * mean)} % at {n}" for n, mean in zip(line["budget"], line["mean"])]
            parts.append(f"{titles.get(name, name)}, {tables.TITLES[setting]}: {' to '.join(ends)} labels.")
    return " ".join(parts)


@_styled
def reference_curves(
    reference: pd.DataFrame,
    runs: pd.DataFrame | None = None,
    columns: int = 3,
    topical: Mapping[str, bool] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Figure 5: accuracy (%) of the reference methods against labels, mean ± SEM over repetitions, a panel a data set.

    `runs` adds fine-tuned models of one encoder and one recipe, which must have seen the same texts.
    """
    frame = _some(reference, "results of reference methods").rename(columns={"method": "setting"})
    if runs is not None and len(runs):
        stats.single(runs, "recipe")
        runs = stats.consistent(runs)
        frame = pd.concat([frame, runs[runs["dataset"].isin(frame["dataset"])]])
    for _, group in frame.groupby("dataset"):
        stats.single(group, "data_fingerprint")
    names, titles = tables.by_kind(reference["dataset"].unique(), topical), titles or {}
    figure, panels = _panels(len(names), columns, shared=False)
    for axes, name in zip(panels, names):
        _curves(axes, frame[frame["dataset"] == name], narrow=columns > 2 and len(names) > 2)
        axes.set_title(_safe(titles.get(name, name)))
    figure.supxlabel("labelled texts (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers}
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=math.ceil(len(lines) / 2))
    figure.alt_text = _describe_reference(reference, names, titles)
    return figure


def _describe_reference(reference: pd.DataFrame, names: Sequence[str], titles: Mapping[str, str]) -> str:
    parts = ["Learning curves of methods without a pretrained model: mean accuracy against labelled texts."]
    for name in names:
        means = stats.summary(reference[reference["dataset"] == name], ["method", "budget"])
        last = means[means["budget"] == means["budget"].max()].sort_values("mean", ascending=False).iloc[0]
        best = f"{tables.REFERENCE[last['method']]} with {tables.number(100 * last['mean'])} %"
        parts.append(f"{titles.get(name, name)}: best at {last['budget']} labels is {best}.")
    return " ".join(parts)


@_styled
def agreement(agreement: pd.DataFrame, topical: Mapping[str, bool] | None = None,
              titles: Mapping[str, str] | None = None) -> Figure:
    """NMI of each clustering with the classes: bars with the range over seeds; topical data sets above the others."""
    spans = _some(agreement, "clusterings").groupby(["dataset", "clustering"])["nmi"].agg(["mean", "min", "max"])
    best = agreement[agreement["clustering"] == "sib"].groupby("dataset")["nmi"].mean()
    order = sorted(agreement["dataset"].unique(), key=lambda name: -best.get(name, 0.0))
    order = tables.by_kind(order, topical)
    shown = [key for key in CLUSTERINGS if key in set(agreement["clustering"])]
    figure = _figure(1.0 + 0.5 * len(order))
    axes = figure.subplots()
    for i, key in enumerate(shown):
        _bars(axes, spans, order, key, (i - (len(shown) - 1) / 2) * 0.8 / len(shown), 0.8 / len(shown))
    edge = sum((topical or {}).get(name) is True for name in order)
    if 0 < edge < len(order):
        axes.axhline(edge - 0.5, color=GREY, linewidth=1.0)
        for y, side, text in ((edge - 0.55, "bottom", "topical"), (edge - 0.45, "top", "not topical")):
            axes.annotate(text, (0.99, y), xycoords=("axes fraction", "data"), ha="right", va=side, color=GREY)
    axes.set_yticks(range(len(order)), [_safe((titles or {}).get(name, name)) for name in order])
    axes.set(ylim=(len(order) - 0.5, -0.5), xlabel="NMI with the classes (range over seeds)")
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=len(shown))
    values = [f"{(titles or {}).get(name, name)} {tables.number(best[name], 2)}" for name in order if name in best]
    figure.alt_text = f"Bars: normalised mutual information of clusters with classes. sIB: {', '.join(values)}."
    return figure


def _bars(axes: Axes, spans: pd.DataFrame, order: Sequence[str], key: str, shift: float, width: float) -> None:
    rows = [(i, spans.loc[(name, key)]) for i, name in enumerate(order) if (name, key) in spans.index]
    values = np.array([row["mean"] for _, row in rows])
    ends = np.array([[row["mean"] - row["min"], row["max"] - row["mean"]] for _, row in rows]).T.clip(0)
    axes.barh([i + shift for i, _ in rows], values, height=width, color=CLUSTERINGS[key], xerr=ends,
              error_kw={"elinewidth": 1.2, "ecolor": "#202124"}, label=tables.CLUSTERINGS[key])


# --- The data ------------------------------------------------------------------------------------------------------


@_styled
def class_sizes(labels: Iterable) -> Figure:
    """How many texts each class has, the largest on top; `labels` holds one a text."""
    counts = pd.Series(_some(list(labels), "labels")).value_counts()
    counts = counts.sort_index(ascending=False).sort_values(kind="stable")  # bars are drawn from the bottom up
    figure = _figure(0.9 + 0.27 * len(counts))
    axes = figure.subplots()
    bars = axes.barh(range(len(counts)), counts, color=BLUE, height=0.72)
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4, fontsize=10)
    axes.set_yticks(range(len(counts)), [_safe(name) for name in counts.index])
    axes.set_xlabel("texts")
    axes.set_xlim(0, counts.max() * 1.15)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.alt_text = (f"Bars: texts in each of {len(counts)} classes, from {counts.iloc[-1]:,} ({counts.index[-1]}) "
                       f"down to {counts.iloc[0]:,} ({counts.index[0]}).")
    return figure


@_styled
def text_lengths(words: Iterable[int]) -> Figure:
    """Histogram of the words of a text, cut at the 99th percentile (said on the axis), with the median marked."""
    words = np.array(_some(list(words), "texts"))
    top, median = max(int(np.quantile(words, 0.99)), 1), int(np.median(words))
    figure = _figure(2.9)
    axes = figure.subplots()
    axes.hist(words[words <= top], bins=np.arange(0, top + 2, max(1, math.ceil(top / 40))) - 0.5, color=BLUE)
    axes.axvline(median, color=VERMILLION, linestyle="dashed")
    axes.annotate(f"median {median}", (median, 0.97), (6, 0), xycoords=("data", "axes fraction"),
                  textcoords="offset points", color=VERMILLION, va="top")
    axes.set_xlabel(f"words in a text (1 % of texts are longer than {top})")
    axes.set_ylabel("texts")
    figure.alt_text = (f"Histogram of words a text: half of {len(words):,} texts have {median} words or fewer, "
                       f"99 % no more than {top}.")
    return figure


# --- Clusters and inter-training -----------------------------------------------------------------------------------


@_styled
def cluster_sizes(clusters: Sequence[int], classes: Sequence | None = None) -> Figure:
    """Texts in each cluster, the largest first; with `classes`, the part that its most frequent class makes up."""
    table = pd.DataFrame({"cluster": _some(list(clusters), "clusters")})
    table["class"] = "" if classes is None else list(classes)
    counts = table.groupby("cluster")["class"].agg(size="size", top=lambda part: part.value_counts().iloc[0])
    counts = counts.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)
    figure = _figure(3.1)
    axes = figure.subplots()
    axes.bar(counts.index + 1, counts["size"], width=0.8, color=FAINT if classes is not None else VERMILLION,
             edgecolor=GREY, linewidth=0.4, label="other classes")
    figure.alt_text = (f"Bars: sizes of {len(counts)} clusters, from {counts['size'].iloc[0]:,} "
                       f"to {counts['size'].iloc[-1]:,} texts.")
    if classes is not None:
        axes.bar(counts.index + 1, counts["top"], width=0.8, color=VERMILLION, label="its most frequent class")
        axes.legend(reverse=True, loc="upper right")
        share = 100 * counts["top"].sum() / counts["size"].sum()
        figure.alt_text += f" {share:.0f} % of the texts are in the most frequent class of their cluster."
    axes.set_xlabel("clusters, by size")
    axes.set_ylabel("texts")
    axes.grid(axis="x", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlim(0.2, len(counts) + 0.8)
    return figure


@_styled
def losses(losses: pd.DataFrame, clusters: int | None = None) -> Figure:
    """Inter-training's loss over its updates, smoothed by a running mean whose width the axis states.

    Columns: update, loss, and `setting` and `recipe` where there are several: colour is the setting, dashes the
    recipe. With `clusters`, a line marks ln(clusters), the loss of an even guess.
    """
    frame = _some(losses, "losses")
    frame = frame.assign(setting=frame.get("setting", "clust"), recipe=frame.get("recipe", ""))
    recipes, lines = list(frame["recipe"].unique()), frame.groupby(["setting", "recipe"], sort=False)
    window = max(1, int(lines.size().max()) // 20 // 2 * 2 + 1)
    figure = _figure(3.1, "Loss of inter-training over its updates.")
    axes = figure.subplots()
    for (setting, recipe), line in lines:
        line = line.sort_values("update")
        colour, dashes = SETTINGS[setting][0], DASHES[recipes.index(recipe) % len(DASHES)]
        name = ", ".join(filter(None, (tables.TITLES[setting], tables.RECIPES.get(recipe, recipe))))
        smooth = line["loss"].rolling(window, center=True, min_periods=1).mean()
        axes.plot(line["update"], line["loss"], color=colour, alpha=0.22, linewidth=0.8)
        axes.plot(line["update"], smooth, color=colour, linestyle=dashes, label=name)
        figure.alt_text += f" {name}: from {smooth.iloc[0]:.2f} to {smooth.iloc[-1]:.2f} in {len(line)} updates."
    if clusters:
        axes.axhline(math.log(clusters), color=GREY, linestyle=(0, (1, 2)), linewidth=1.2)
        axes.annotate(f"even guess, ln {clusters}", (0.99, math.log(clusters)), (0, 4), ha="right", color=GREY,
                      xycoords=("axes fraction", "data"), textcoords="offset points")
    axes.set_xlabel("updates")
    axes.set_ylabel("loss" + (f", running mean of {window}" if window > 1 else ""))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(loc="lower left")
    return figure


@_styled
def projections(points: pd.DataFrame, columns: int = 2) -> Figure:
    """Figure 3: embeddings in two dimensions, coloured by class, one panel a value of `panel` (before, after, ...).

    Columns: x, y, label, panel. Classes have a colour, a shape, and a number at their middle that the legend names.
    Beyond twenty classes the rarest share one grey class.
    """
    frame = _some(points, "points").assign(label=_frequent(points["label"].astype(str)))
    names, classes = list(frame["panel"].unique()), set(frame["label"])
    codes = {label: i for i, label in enumerate(sorted(classes - {OTHER}))} | dict.fromkeys(classes & {OTHER}, -1)
    columns = min(columns, len(names))
    rows, lines = math.ceil(len(names) / columns), math.ceil(len(codes) / _legend_columns(codes))
    figure = _figure((WIDTH / columns) * rows + 0.25 + 0.24 * lines)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, names):
        _scatter(axes, frame[frame["panel"] == name], codes)
        axes.set_title(_safe(name))
    for axes in grid[len(names):]:
        axes.set_axis_off()
    figure.legend(handles=[_key(label, code) for label, code in codes.items()], loc="outside lower center",
                  ncols=_legend_columns(codes), columnspacing=1.0, handletextpad=0.3, handlelength=1.2, fontsize=10)
    figure.alt_text = (f"Scatter plots of text embeddings in two dimensions, {len(frame) // len(names):,} texts each, "
                       f"coloured by {len(codes)} classes: {', '.join(map(str, names))}.")
    return figure


OTHER = "other classes"


def _key(label: str, code: int) -> Line2D:
    colour, marker = _look(code)
    name = label if code < 0 else f"{code + 1}  {_safe(label)}"
    return Line2D([], [], color=colour, marker=marker, markersize=7, linestyle="none", label=name)


def _frequent(labels: pd.Series) -> pd.Series:
    counts = labels.value_counts()
    return labels if len(counts) <= CLASSES else labels.where(labels.isin(counts.index[: CLASSES - 1]), OTHER)


def _legend_columns(codes: Mapping) -> int:
    longest = max(len(str(label)) for label in codes)
    return max(1, min(len(codes), 4 if longest <= 13 else 3 if longest <= 20 else 2))


def _scatter(axes: Axes, frame: pd.DataFrame, codes: Mapping[str, int]) -> None:
    size = float(np.clip(6_000 / max(len(frame), 1), 4, 22))
    for part in np.array_split(np.arange(len(frame)), 10):  # in turns, so that no class lies on top of all others
        for (colour, marker), points in frame.iloc[part].groupby(frame["label"].iloc[part].map(codes).map(_look)):
            axes.scatter(points["x"], points["y"], s=size, color=colour, marker=marker, linewidths=0, alpha=0.75)
    for label, code in codes.items():
        part = frame[frame["label"] == label]
        if code >= 0 and len(part):
            text = axes.text(part["x"].median(), part["y"].median(), str(code + 1), fontsize=11, fontweight="bold",
                             ha="center", va="center", color=_look(code)[0])
            text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[["top", "right"]].set_visible(True)
    axes.spines[:].set_color(FAINT)


def _look(code: int) -> tuple[str, str]:
    return (PALE, "o") if code < 0 else (CLASS_COLOURS[code % 7], CLASS_MARKERS[code // 7])


# --- The method ----------------------------------------------------------------------------------------------------

PATHS = (
    ("base", ()),
    ("mlm", ("masked words",)),
    ("clust", ("clusters",)),
    ("mlm+clust", ("masked words", "clusters")),
)
PHASES = (  # left and right end, title, what the model sees in it
    (1.5, 19.5, "Pretraining", "any text"),
    (21.5, 68.5, "Inter-training", "your texts, no labels"),
    (70.5, 98.5, "Fine-tuning", "a few labels"),
)


@_styled
def method() -> Figure:
    """Figure 1, in a design of our own: four lines from a pretrained model, through inter-training, to fine-tuning."""
    figure = _figure(3.9, "Four paths start at one pretrained model and end in fine-tuning on a few labels. Path 1 "
                     "goes there directly. Path 2 first trains on masked words of the texts, path 3 on predicting "
                     "each text's cluster, path 4 on masked words and then on clusters.")
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 100), ylim=(0, 61))
    axes.set_axis_off()
    for left, right, title, below in PHASES:
        axes.add_patch(FancyBboxPatch((left, 1.5), right - left, 58, "round,pad=0,rounding_size=2", color="#F1F3F4"))
        axes.text((left + right) / 2, 55.5, title, ha="center", va="center", fontsize=11, fontweight="bold")
        axes.text((left + right) / 2, 51, below, ha="center", va="center", fontsize=10.5, color=GREY)
    for i, (setting, stops) in enumerate(PATHS):
        _path(axes, 42 - 11.5 * i, i + 1, setting, stops)
    _station(axes, 10.5, 24.75, 13.5, "model", GREY, height=12)
    return figure


def _path(axes: Axes, y: float, number: int, setting: str, stops: Sequence[str]) -> None:
    colour, start = SETTINGS[setting][0], (16, 24.75)
    bend = Path([start, (24, start[1]), (17, y), (26, y), (84, y)], [1, 4, 4, 4, 2])
    axes.add_patch(PathPatch(bend, fill=False, edgecolor=colour, linewidth=3.2, capstyle="round"))
    _station(axes, 26, y, 4, str(number), colour, height=5.5, filled=True)
    for stop in stops:
        x, width = {"masked words": (40.5, 20), "clusters": (59.3, 13.5)}[stop]
        _station(axes, x, y, width, stop, colour)
    _station(axes, 84.5, y, 25, tables.TITLES[setting], colour, filled=True)


def _station(axes: Axes, x: float, y: float, width: float, text: str, colour: str, height: float = 7,
             filled: bool = False) -> None:
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, "round,pad=0,rounding_size=2",
                                  facecolor=colour if filled else "white", edgecolor=colour, linewidth=2))
    axes.text(x, y - 0.1, text, ha="center", va="center", fontsize=10.5, color="white" if filled else "#202124",
              fontweight="bold" if filled else "normal")
