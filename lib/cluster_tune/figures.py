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
from itertools import product

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
from cluster_tune.errors import InputError, unknown

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
SWEEP = (10, 40, 160, 640)  # ticks of the axis of updates
CLUSTERINGS = {"sib": VERMILLION, "kmeans": SKY, "hartigan": PURPLE}
INTER = {  # inter-training on each clustering: sIB's look is that of IT:CLUST, which it is
    "sib": SETTINGS["clust"],
    "kmeans": (SKY, "v", (0, (1, 1.2))),
    "hartigan": (PURPLE, "P", (0, (5, 1, 1, 1))),
}
DASHES = ("solid", (0, (4, 2)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
# Seven colours that show as small dots on white, and three shapes: twenty-one classes.
CLASS_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
CLASS_MARKERS = ("o", "^", "s")
CLASSES = 20
COMMANDS = {  # what is drawn -> the command that computes it
    "runs": "run", "losses": "run", "points": "run", "clusterings": "reference", "results of reference methods": "reference",
}  # fmt: skip

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
        command = COMMANDS.get(what)
        how = f"compute them with cluster-tune {command} or with compute = True in a notebook, or " if command else ""
        raise InputError(f"there are no {what} to draw; {how}choose others")
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
    runs: pd.DataFrame,
    panel: str = "recipe",
    columns: int = 2,
    titles: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    published: pd.DataFrame | None = None,
) -> Figure:
    """Figure 2: accuracy (%) against labels (log scale), mean ± SEM over repetitions, a line a setting.

    `panel` is the column with one panel a value: 'recipe' for one data set, 'dataset' for several under one recipe.
    `titles` gives names to show; `names` lists the panels, of which those without runs say so. `published`, the
    paper's Table 2, adds its two accuracies a data set as stars. InputError for a frame that mixes what one panel must
    not.
    """
    stats.single(runs, *({"recipe", "dataset"} - {panel}))
    runs = stats.consistent(_some(runs, "runs"))
    names = list(runs[panel].unique()) if names is None else list(names)
    titles = {**{name: text[0].upper() + text[1:] for name, text in tables.RECIPES.items()}, **(titles or {})}
    figure, panels = _panels(len(names), columns, shared=panel == "recipe")
    budgets, marks = sorted(runs["budget"].unique()), {}
    for axes, name in zip(panels, names, strict=True):
        _curves(axes, runs[runs[panel] == name], columns > 2, budgets)
        marks |= {} if published is None else _stars(axes, published[published["dataset"] == name])
        axes.set_title(_safe(titles.get(name, name)))
    figure.supxlabel("labelled texts (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers} | marks
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", columnspacing=1.2,
                  ncols=len(lines) if len(lines) < 4 else math.ceil(len(lines) / 2))
    figure.alt_text = _describe_curves(runs, panel, names, titles)
    return figure


def _stars(axes: Axes, printed: pd.DataFrame) -> dict[str, Line2D]:
    """The paper's two accuracies of a data set, hollow, in the colours of their settings; label -> what was drawn."""
    drawn = {}
    if len(printed):
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))  # also in a panel without runs
    for column, setting, label in (("bert", "base", "BERT, paper"), ("bert_it_clust", "clust", "BERT IT:CLUST, paper")):
        (drawn[label],) = axes.plot(printed["budget"], printed[column], linestyle="none", marker="*", markersize=10,
                                    color=SETTINGS[setting][0], markerfacecolor="white", label=label, zorder=1.5)
    return drawn


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


def _curves(axes: Axes, runs: pd.DataFrame, narrow: bool, budgets: Sequence[int]) -> None:
    """A line a setting; `budgets` are those of all panels, which share one axis."""
    _budget_axis(axes, budgets, narrow)
    if runs.empty:
        _nothing(axes)
        return
    means = stats.summary(runs, ["setting", "budget"]).sort_values("budget")
    looks = {**SETTINGS, **METHODS, **INTER}
    names = {**tables.TITLES, **tables.REFERENCE, **tables.CLUSTERINGS}
    shown = [setting for setting in looks if setting in set(means["setting"])]
    for i, setting in enumerate(shown):
        colour, marker, dashes = looks[setting]
        line = means[means["setting"] == setting]
        beside = 2 ** (0.05 * (i - (len(shown) - 1) / 2))  # a little apart, so that no bar hides another
        axes.errorbar(line["budget"] * beside, 100 * line["mean"], 100 * line["sem"].fillna(0), color=colour,
                      marker=marker, linestyle=dashes, capsize=2 if narrow else 3, elinewidth=1.2,
                      markersize=4 if narrow else 6, label=names[setting], zorder=2.5 if setting in SETTINGS else 2)


def _nothing(axes: Axes) -> None:
    """Say in a panel that there is nothing to draw yet, so that a gap shows as one."""
    axes.yaxis.set_major_locator(NullLocator())
    axes.text(0.5, 0.5, "no runs yet", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _budget_axis(axes: Axes, budgets: Sequence[int], narrow: bool, numbers: float = 0) -> None:
    """Log-2 axis with a tick at each budget, and its number wherever there is room for one (`numbers` of them)."""
    axes.set_xscale("log", base=2)
    room = math.log2(budgets[-1] / budgets[0]) / (numbers or (2.2 if narrow else 5))
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
        if means.empty:
            parts.append(f"{titles.get(name, name)}: no runs yet.")
        for setting in (s for s in SETTINGS if s in set(means["setting"])):
            line = means[means["setting"] == setting].iloc[[0, -1]].drop_duplicates()
            ends = [f"{tables.number(100 * mean)} % at {n}" for n, mean in zip(line["budget"], line["mean"], strict=True)]
            parts.append(f"{titles.get(name, name)}, {tables.TITLES[setting]}: {' to '.join(ends)} labels.")
    return " ".join(parts)


@_styled
def recipes(
    runs: pd.DataFrame, budgets: Mapping[str, int], titles: Mapping[str, str] | None = None
) -> Figure:
    """What training for longer does: a data set a row, each setting an arrow from the paper's recipe to `trained`.

    `budgets` (data set -> labels) lists the rows, of which those without runs say so. Hollow: the paper's recipe.
    """
    means = stats.consistent(runs).groupby(["dataset", "budget", "setting", "recipe"])["accuracy"].mean()
    figure = _figure(1.1 + 0.52 * len(budgets), "Accuracy under the paper's recipe and under the trained one.")
    axes = figure.subplots()
    for row, (name, budget) in enumerate(budgets.items()):
        drawn = [_shift(axes, means, (name, budget), setting, row + shift)
                 for setting, shift in (("base", -0.17), ("clust", 0.17))]
        title = (titles or {}).get(name, name)
        if not any(drawn):
            axes.annotate("no runs yet", (0.5, row), xycoords=("axes fraction", "data"), ha="center", va="center", color=GREY)
        figure.alt_text += f" {title}: {', '.join(filter(None, drawn)) or 'no runs yet'}."
    axes.set_yticks(range(len(budgets)), [_safe((titles or {}).get(name, name)) for name in budgets])
    axes.set(ylim=(len(budgets) - 0.5, -0.5), xlabel="accuracy, %")
    axes.grid(axis="y", visible=False)
    figure.legend(handles=[_recipe_key(setting, recipe) for recipe in ("paper", "trained") for setting in ("base", "clust")],
                  loc="outside upper center", ncols=2, columnspacing=1.2)
    return figure


def _shift(axes: Axes, means: pd.Series, key: tuple, setting: str, y: float) -> str:
    """One arrow, or the one end that there is; returns it in words, '' for none."""
    colour, marker, _ = SETTINGS[setting]
    ends = [100 * means.get((*key, setting, recipe), float("nan")) for recipe in ("paper", "trained")]
    if not np.isnan(ends).any():
        axes.plot(ends, [y, y], color=colour, linewidth=1.2, zorder=1.5)
    for x, face in zip(ends, ("white", colour), strict=True):
        axes.plot(x, y, marker=marker, color=colour, markerfacecolor=face, markersize=7, linestyle="none")
    if np.isnan(ends).all():
        return ""
    return f"{tables.TITLES[setting]} from {tables.percent(ends[0], 1)} to {tables.percent(ends[1], 1)}"


def _recipe_key(setting: str, recipe: str) -> Line2D:
    colour, marker, _ = SETTINGS[setting]
    face = "white" if recipe == "paper" else colour
    return Line2D([], [], color=colour, marker=marker, markerfacecolor=face, markersize=7, linestyle="none",
                  label=f"{tables.TITLES[setting]}, {tables.RECIPES[recipe]}")


@_styled
def updates_curves(
    runs: pd.DataFrame, names: Sequence[str], budgets: Sequence[int], titles: Mapping[str, str] | None = None
) -> Figure:
    """Accuracy (%, mean ± SEM) against the number of updates (log scale), a row of panels a data set, a column a budget.

    Lines: runs that differ in nothing but their updates (`stats.by_updates`). Hollow marks: the paper's recipe, whose
    rate and batch are others. Panels without runs say so.
    """
    runs = stats.consistent(runs)
    figure, panels = _panels(len(names) * len(budgets), len(budgets), shared=False)
    shown = runs[runs["dataset"].isin(names) & runs["budget"].isin(budgets) & ~runs["recipe"].isin(tables.RECIPES)]
    ticks = sorted({*SWEEP, *shown["updates"]})
    figure.alt_text = "Accuracy against the number of updates."
    for axes, (name, budget) in zip(panels, product(names, budgets), strict=True):
        part = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
        title = f"{(titles or {}).get(name, name)}, {budget} labels"
        axes.set_title(_safe(title), fontsize=11)
        _budget_axis(axes, ticks, narrow=True, numbers=3.5)
        figure.alt_text += f" {title}: {_swept(axes, part) or 'no runs yet'}."
    figure.supxlabel("updates (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers}
    keys = [_recipe_key(setting, "paper") for setting in ("base", "clust")]
    figure.legend(handles=[*lines.values(), *keys], loc="outside upper center", ncols=2, columnspacing=1.2)
    return figure


def _swept(axes: Axes, runs: pd.DataFrame) -> str:
    """The lines and marks of one panel; returns them in words, '' for none."""
    if runs.empty:
        _nothing(axes)
        return ""
    told = []
    for setting in ("base", "clust"):
        colour, marker, dashes = SETTINGS[setting]
        line = stats.summary(stats.by_updates(runs[runs["setting"] == setting]), ["updates"]).sort_values("updates")
        if len(line):
            axes.errorbar(line["updates"], 100 * line["mean"], 100 * line["sem"].fillna(0), color=colour, marker=marker,
                          linestyle=dashes, markersize=4, capsize=2, elinewidth=1.2, label=tables.TITLES[setting])
            ends = [f"{tables.number(100 * row['mean'])} % after {row['updates']:.0f}" for _, row in line.iloc[[0, -1]].iterrows()]
            told.append(f"{tables.TITLES[setting]} {' and '.join(dict.fromkeys(ends))}")
        paper = runs[(runs["recipe"] == "paper") & (runs["setting"] == setting)]
        axes.plot(paper["updates"].unique(), 100 * paper.groupby("updates", sort=False)["accuracy"].mean(), color=colour,
                  marker=marker, markerfacecolor="white", markersize=7, linestyle="none")
    return ", ".join(told)


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
    for axes, name in zip(panels, names, strict=True):
        _curves(axes, frame[frame["dataset"] == name], columns > 2 and len(names) > 2, sorted(frame["budget"].unique()))
        axes.set_title(_safe(titles.get(name, name)))
    figure.supxlabel("labelled texts (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers}
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=min(3, math.ceil(len(lines) / 2)))
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
def nmi_gain(
    effects: pd.DataFrame, topical: Mapping[str, bool] | None = None, titles: Mapping[str, str] | None = None
) -> Figure:
    """Figure 4: error reduction (%) against NMI, a point a data set, with the fitted line and its 95 % interval.

    `effects` is `tables.nmi_effects` of one source. Without three data sets there is no line.
    """
    stats.single(effects, "source")
    figure = _figure(3.6, "Error reduction against normalised mutual information of clusters and classes.")
    axes = figure.subplots()
    axes.set(xlabel="NMI of sIB's clusters with the classes", ylabel="error reduction, %")
    if effects.empty:
        _nothing(axes)
        return figure
    top = 1.08 * effects["nmi"].max()
    line = stats.fit_line(effects["nmi"], effects["error_reduction"])
    if line is not None:
        x = np.linspace(0, top, 100)
        height, low, high = line.at(x)
        axes.fill_between(x, low, high, color=FAINT, alpha=0.6, linewidth=0, label="95 % interval of the line")
        axes.plot(x, height, color=GREY, label="fitted line")
    for kind, marker, face in ((True, "o", BLACK), (False, "^", "white"), (None, "s", GREY)):
        part = effects[[(topical or {}).get(name) is kind for name in effects["dataset"]]]
        if len(part):
            axes.plot(part["nmi"], part["error_reduction"], marker, color=BLACK, markerfacecolor=face, markersize=7,
                      label=tables.KINDS.get(kind, "kind unknown"), zorder=3)
    values = effects["error_reduction"]
    room = 0.12 * (values.max() - values.min() or 1)
    axes.set(xlim=(0, top), ylim=(min(0, values.min()) - room, values.max() + 1.5 * room))
    axes.axhline(0, color=GREY, linewidth=0.8)
    _named_points(axes, effects, titles or {})
    figure.legend(loc="outside upper center", ncols=4, columnspacing=1.0, handlelength=1.6, fontsize=10)
    told = [f"{(titles or {}).get(row.dataset, row.dataset)} {tables.percent(row.error_reduction)} at "
            f"{tables.number(row.nmi, 2)}" for row in effects.sort_values("nmi").itertuples()]
    figure.alt_text += f" {', '.join(told)}."
    return figure


def _named_points(axes: Axes, effects: pd.DataFrame, titles: Mapping[str, str]) -> None:
    """A name beside each point, moved up where it would cover the one below it."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    placed: list[tuple[float, float]] = []
    for row in effects.sort_values("error_reduction").itertuples():
        x, y = (row.nmi - left) / (right - left), (row.error_reduction - bottom) / (top - bottom)
        near = [other for at, other in placed if abs(at - x) < 0.25 and other > y - 0.065]
        y = max([y, *(other + 0.065 for other in near)])
        placed.append((x, y))
        text = axes.annotate(_safe(titles.get(row.dataset, row.dataset)), (x, y), (-9 if x > 0.8 else 9, 0), fontsize=10,
                             xycoords="axes fraction", textcoords="offset points", va="center",
                             ha="right" if x > 0.8 else "left")
        text.set_path_effects([patheffects.withStroke(linewidth=2.5, foreground="white")])


@_styled
def clustering_curves(
    runs: pd.DataFrame, names: Sequence[str], columns: int = 3, titles: Mapping[str, str] | None = None
) -> Figure:
    """Figure 6: accuracy (%) after inter-training on each clustering, and without, against labels; a panel a data set.

    Runs of one recipe. Mean ± SEM over repetitions; data sets without runs say so, a clustering without runs has no
    line.
    """
    stats.single(_some(runs, "runs"), "recipe")
    frame = runs[runs["setting"].isin(["base", "clust"])]
    frame = frame.assign(setting=frame["setting"].where(frame["setting"] == "base", frame["clustering"]))
    figure, panels = _panels(len(names), columns, shared=False)
    budgets = sorted(frame["budget"].unique())
    figure.alt_text = "Learning curves by the clustering of inter-training: mean accuracy against labelled texts."
    for axes, name in zip(panels, names, strict=True):
        part, title = frame[frame["dataset"] == name], (titles or {}).get(name, name)
        _curves(axes, part, columns > 2, budgets)
        axes.set_title(_safe(title))
        there = [text for key, text in tables.CLUSTERINGS.items() if key in set(part["setting"])]
        figure.alt_text += f" {title}: {', '.join(there) or 'no runs yet'}."
    figure.supxlabel("labelled texts (log scale)", fontsize=STYLE["axes.labelsize"])
    figure.supylabel("accuracy, %", fontsize=STYLE["axes.labelsize"])
    lines = {line.get_label(): line for axes in panels for line in axes.containers}
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=max(len(lines), 1), columnspacing=1.2)
    return figure


@_styled
def agreement(agreement: pd.DataFrame, topical: Mapping[str, bool] | None = None,
              titles: Mapping[str, str] | None = None) -> Figure:
    """NMI of each clustering with the classes: bars with the range over seeds; topical data sets above the others."""
    spans = _some(agreement, "clusterings").groupby(["dataset", "clustering"])["nmi"].agg(["mean", "min", "max"])
    best = stats.sib_nmi(agreement)
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


# package -> title, colour, marker, dashes
PACKAGES = {
    "cluster-tune": ("sIB here", VERMILLION, "s", "solid"),
    "sib-clustering": ("sib-clustering", BLACK, "o", (0, (4, 2))),
}


@_styled
def growth(scaling: pd.DataFrame) -> Figure:
    """How long sIB takes with more documents, terms, clusters and cores, here and in sib-clustering: a panel each.

    `scaling` (`benchmarks/sib_scaling.csv`): varied, value, package, seconds. Both axes of a panel are logarithmic.
    """
    names = list(dict.fromkeys(_some(scaling, "times")["varied"]))
    rows = math.ceil(len(names) / 2)
    figure = _figure(0.9 + 2.9 * rows)
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        part = scaling[scaling["varied"] == name]
        for package, (title, colour, marker, dashes) in PACKAGES.items():
            line = part[part["package"] == package].sort_values("value")
            axes.plot(line["value"], line["seconds"], color=colour, marker=marker, linestyle=dashes, label=title)
        axes.set(title=name, yscale="log", ylabel="seconds" if name in names[::2] else "")
        axes.yaxis.set_major_formatter("{x:g}")
        _size_axis(axes, sorted(part["value"].unique()))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.alt_text = _describe_growth(scaling, names)
    return figure


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """A logarithmic axis with ticks at the first, the last and at most two other sizes."""
    axes.set_xscale("log")
    ticks = sizes if len(sizes) < 4 else [sizes[round(i * (len(sizes) - 1) / 3)] for i in range(4)]
    short = [f"{size // 1000}K" if size >= 1000 and size % 1000 == 0 else str(size) for size in ticks]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter(short))
    axes.xaxis.set_minor_locator(NullLocator())


def _describe_growth(scaling: pd.DataFrame, names: Sequence[str]) -> str:
    parts = ["Lines on logarithmic axes: seconds that sIB takes."]
    for name in names:
        for package, (title, *_) in PACKAGES.items():
            line = scaling[(scaling["varied"] == name) & (scaling["package"] == package)].sort_values("value")
            if len(line):
                ends = line.iloc[[0, -1]].drop_duplicates()
                said = [f"{tables.number(row.seconds, 2)} s with {row.value:,}" for row in ends.itertuples()]
                parts.append(f"{name.capitalize()}, {title}: {' to '.join(said)}.")
    return " ".join(parts)


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
def class_shares(
    data: pd.DataFrame, names: Sequence[str], titles: Mapping[str, str] | None = None, split: str = "train"
) -> Figure:
    """How even the classes are: a row a data set, a dot a class at its share (%) of the texts, a bar at an even share.

    `data` counts texts by dataset, split and label. Data sets without counts say so.
    """
    figure = _figure(0.8 + 0.4 * len(names), "Share of each class in the training texts.")
    axes = figure.subplots()
    for row, name in enumerate(names):
        title, part = (titles or {}).get(name, name), data[(data["dataset"] == name) & (data["split"] == split)]
        shares = 100 * part["count"].to_numpy(float) / max(part["count"].sum(), 1)
        if not len(shares):
            axes.annotate("not counted yet", (0.5, row), xycoords=("axes fraction", "data"), ha="center", va="center",
                          color=GREY)
            figure.alt_text += f" {title}: not counted yet."
            continue
        axes.plot([100 / len(shares)] * 2, [row - 0.3, row + 0.3], color=GREY, linewidth=2.5)
        axes.plot(shares, [row] * len(shares), "o", color=BLUE, alpha=0.6, markersize=6)
        figure.alt_text += (f" {title}: {len(shares)} classes from {tables.number(shares.min())} to "
                            f"{tables.number(shares.max())} %.")
    axes.set_yticks(range(len(names)), [_safe((titles or {}).get(name, name)) for name in names])
    axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="share of the training texts, %")
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    keys = [Line2D([], [], color=BLUE, marker="o", linestyle="none", label="a class"),
            Line2D([], [], color=GREY, marker="|", markersize=12, markeredgewidth=2.5, linestyle="none",
                   label="even share")]
    figure.legend(handles=keys, loc="outside upper center", ncols=2)
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
    longer = (words > top).mean()
    axes.set_xlabel(f"words in a text ({tables.percent(100 * longer, 1)} of texts are longer than {top})")
    axes.set_ylabel("texts")
    figure.alt_text = (f"Histogram of words a text: half of {len(words):,} texts have {median} words or fewer, "
                       f"{tables.percent(100 * (1 - longer), 1)} no more than {top}.")
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
    recipe. With `clusters`, a line marks ln(clusters), the loss of an even guess. Losses over masked words, of another
    scale, have a panel of their own.
    """
    frame = _some(losses, "losses")
    frame = frame.assign(setting=frame.get("setting", "clust"), recipe=frame.get("recipe", ""))
    words, recipes = frame["setting"] == "mlm", list(frame["recipe"].unique())
    kinds = [(part, count) for part, count in ((frame[~words], clusters), (frame[words], None)) if len(part)]
    figure = _figure(3.1 * len(kinds), "Loss of inter-training over its updates.")
    for axes, (part, count) in zip(figure.subplots(len(kinds), squeeze=False).ravel(), kinds, strict=True):
        _losses(figure, axes, part, recipes, count)
        if words.any():
            axes.set_title(_predicted(part))
    return figure


def _predicted(losses: pd.DataFrame) -> str:
    """What was learned while these were the losses; for masked words also in how many passes over the texts."""
    if losses["setting"].iloc[0] != "mlm":
        return "predicting clusters"
    passes = losses["mlm_epochs"].iloc[0] if "mlm_epochs" in losses else 0
    return "predicting masked words" + (f", {passes:.0f} pass{'' if passes == 1 else 'es'}" if passes else "")


def _losses(figure: Figure, axes, frame: pd.DataFrame, recipes: list[str], clusters: int | None) -> None:
    lines = frame.groupby(["setting", "recipe"], sort=False)
    window = max(1, int(lines.size().max()) // 20 // 2 * 2 + 1)
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


@_styled
def projections(points: pd.DataFrame, columns: int = 2) -> Figure:
    """Figure 3: embeddings in two dimensions, coloured by class, one panel a value of `panel` (before, after, ...).

    Columns: x, y, label, panel. Classes have a colour, a shape, and a number at their middle that the legend names.
    Beyond twenty classes the rarest share one grey class.
    """
    frame = _some(points, "points").assign(label=frequent(points["label"].astype(str)))
    names, codes = list(frame["panel"].unique()), class_codes(frame["label"])
    columns = min(columns, len(names))
    rows, lines = math.ceil(len(names) / columns), math.ceil(len(codes) / _legend_columns(codes))
    figure = _figure((WIDTH / columns) * rows + 0.25 + 0.24 * lines)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        _scatter(axes, frame[frame["panel"] == name], codes)
        axes.set_title(_safe(name, 40))
    for axes in grid[len(names):]:
        axes.set_axis_off()
    figure.legend(handles=[_key(label, code) for label, code in codes.items()], loc="outside lower center",
                  ncols=_legend_columns(codes), columnspacing=1.0, handletextpad=0.3, handlelength=1.2, fontsize=10)
    figure.alt_text = (f"Scatter plots of text embeddings in two dimensions, {len(frame) // len(names):,} texts each, "
                       f"coloured by {len(codes)} classes: {', '.join(map(str, names))}.")
    return figure


@_styled
def before_and_after(points: pd.DataFrame, titles: Mapping[str, str], after: str) -> Figure:
    """Figure 3 at a glance: a pair of small panels for each of `titles`, coloured by class; an empty one where no
    points are. Columns of `points`: dataset, panel ('before' or `after`), x, y, label. Colours are a data set's own.
    InputError where no point of any has the panel `after`."""
    if after not in set(points["panel"]):
        raise unknown("panel", after, sorted(set(points["panel"])))
    names = list(titles)
    rows = math.ceil(len(names) / 2)
    figure = _figure(1.95 * rows)
    grid = figure.subplots(rows, 4, squeeze=False).ravel()
    for axes, (name, panel) in zip(grid, [(name, panel) for name in names for panel in ("before", after)], strict=False):
        part = points[(points["dataset"] == name) & (points["panel"] == panel)]
        _small(axes, part)
        axes.set_title(_safe(titles[name], 18) if panel == "before" else "after", fontsize=10)
    for axes in grid[2 * len(names):]:
        axes.set_axis_off()
    there = [titles[name] for name in names if {"before", after} <= set(points.loc[points["dataset"] == name, "panel"])]
    figure.alt_text = (f"Pairs of scatter plots of text embeddings in two dimensions, before and {after}, coloured by "
                       f"class, for {len(there)} of {len(names)} data sets: {', '.join(there)}.")
    return figure


def _small(axes: Axes, points: pd.DataFrame) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=FAINT)
    if points.empty:
        axes.text(0.5, 0.5, "not there yet", transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=10)
        return
    labels = frequent(points["label"].astype(str))
    codes = class_codes(labels)
    for part in np.array_split(np.arange(len(points)), 10):
        for (colour, marker), some in points.iloc[part].groupby(labels.iloc[part].map(codes).map(look)):
            axes.scatter(some["x"], some["y"], s=3.5, color=colour, marker=marker, linewidths=0, alpha=0.75)


OTHER = "other classes"


def _key(label: str, code: int) -> Line2D:
    colour, marker = look(code)
    name = label if code < 0 else f"{code + 1}  {_safe(label)}"
    return Line2D([], [], color=colour, marker=marker, markersize=7, linestyle="none", label=name)


def class_codes(labels: Iterable[str]) -> dict[str, int]:
    """Class -> its number in pictures, from 0 in alphabetical order; OTHER is -1 and comes last."""
    classes = set(labels)
    return {label: i for i, label in enumerate(sorted(classes - {OTHER}))} | dict.fromkeys(classes & {OTHER}, -1)


def frequent(labels: pd.Series) -> pd.Series:
    """The labels, with OTHER in place of the rarest where there are more classes than looks."""
    counts = labels.value_counts()
    return labels if len(counts) <= CLASSES else labels.where(labels.isin(counts.index[: CLASSES - 1]), OTHER)


def _legend_columns(codes: Mapping) -> int:
    longest = max(len(str(label)) for label in codes)
    return max(1, min(len(codes), 4 if longest <= 13 else 3 if longest <= 20 else 2))


def _scatter(axes: Axes, frame: pd.DataFrame, codes: Mapping[str, int]) -> None:
    size = float(np.clip(6_000 / max(len(frame), 1), 4, 22))
    for part in np.array_split(np.arange(len(frame)), 10):  # in turns, so that no class lies on top of all others
        for (colour, marker), points in frame.iloc[part].groupby(frame["label"].iloc[part].map(codes).map(look)):
            axes.scatter(points["x"], points["y"], s=size, color=colour, marker=marker, linewidths=0, alpha=0.75)
    for label, code in codes.items():
        part = frame[frame["label"] == label]
        if code >= 0 and len(part):
            text = axes.text(part["x"].median(), part["y"].median(), str(code + 1), fontsize=11, fontweight="bold",
                             ha="center", va="center", color=look(code)[0])
            text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[["top", "right"]].set_visible(True)
    axes.spines[:].set_color(FAINT)


def look(code: int) -> tuple[str, str]:
    """Colour and marker of a class by its number."""
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
