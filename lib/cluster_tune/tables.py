"""From the tidy frame of runs to the paper's tables, ready to be read: every cell is rounded text.

A combination without runs shows as an en dash. Frames that mix encoders, clusterings or versions of a data set are
refused, never averaged. Nothing here computes a statistic (`stats` does) or draws (`figures` does).
"""

from collections.abc import Iterable, Mapping
from html import escape

import pandas as pd

from cluster_tune import stats
from cluster_tune.errors import InputError

TITLES = {"base": "plain", "clust": "IT:CLUST", "mlm": "IT:MLM", "mlm+clust": "IT:MLM+CLUST"}
RECIPES = {"paper": "the paper's recipe", "trained": "the trained recipe"}
MISSING = "–"
FEW = 3  # below three repetitions an interval says nothing


# --- Numbers as text -----------------------------------------------------------------------------------------------


def number(value: float, decimals: int = 1) -> str:
    """Fixed decimals and a true minus; an en dash for NaN; never a negative zero."""
    if pd.isna(value):
        return MISSING
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}".replace("-", "−")


def percent(value: float, decimals: int = 0) -> str:
    """A percentage, already in [0, 100], with its sign of per cent."""
    return MISSING if pd.isna(value) else f"{number(value, decimals)} %"


def accuracy(mean: float, error: float = float("nan")) -> str:
    """An accuracy in [0, 1] as a percentage with one decimal, with its SEM where there is one."""
    return number(100 * mean) + ("" if pd.isna(mean) or pd.isna(error) else f" ± {number(100 * error)}")


# --- Tables --------------------------------------------------------------------------------------------------------


def accuracy_table(
    runs: pd.DataFrame,
    recipe: str,
    budget: int,
    before: str = "base",
    after: str = "clust",
    topical: Mapping[str, bool] | None = None,
    titles: Mapping[str, str] | None = None,
    stand_in: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Table 2: one row a data set with the accuracy (%) of two settings, gain and error reduction.

    `topical` says which data sets are topical: each kind with two complete rows gets a row of averages, which are
    means of the data sets' own ratios, as in the paper. `titles` gives names to show, `stand_in` another budget for
    some data sets (the paper shows 20 newsgroups at 128). Each mean is over all repetitions of its setting.
    """
    topical = {name: None if kind is None else bool(kind) for name, kind in (topical or {}).items()}
    titles, stand_in = titles or {}, stand_in or {}
    runs = stats.consistent(runs[runs["recipe"] == recipe])
    rows = [_accuracy_row(group, name, stand_in.get(name, budget), before, after)
            for name, group in runs.groupby("dataset", sort=False)]
    rows.sort(key=lambda row: not topical.get(row["dataset"], True))  # stable: topical ones first, as in Table 2
    shown = []
    for kind in (True, False, None):
        part = [row for row in rows if topical.get(row["dataset"]) is kind]
        shown += [_shown(row, titles.get(row["dataset"], row["dataset"])) for row in part]
        complete = [row for row in part if row["before"] == row["before"] and row["after"] == row["after"]]
        if kind is not None and len(complete) > 1:
            name = f"average of {len(complete)} {'' if kind else 'non-'}topical"
            means = pd.DataFrame(complete)[["before", "after", "gain", "reduction"]].mean()
            shown.append(_shown({**means, "budget": None, "before_sem": None, "after_sem": None}, name))
    columns = ["Data set", "Labels", TITLES[before], TITLES[after], "Gain", "Error reduction"]
    return pd.DataFrame(shown, columns=columns).set_index("Data set")


def gains(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> pd.DataFrame:
    """Table 2's columns for one data set: a row for every recipe and budget present."""
    stats.single(runs, "dataset")
    cells = runs[["recipe", "budget"]].drop_duplicates().sort_values(["recipe", "budget"])
    parts = [accuracy_table(runs, row.recipe, row.budget, before, after).assign(Recipe=row.recipe)
             for row in cells.itertuples()]
    table = pd.concat(parts, ignore_index=True)
    return table[["Recipe", *table.columns[:-1]]]


def _accuracy_row(runs: pd.DataFrame, name: str, budget: int, before: str, after: str) -> dict:
    runs = runs[runs["budget"] == budget]
    row = {"dataset": name, "budget": budget}
    for key, setting in (("before", before), ("after", after)):
        values = runs.loc[runs["setting"] == setting, "accuracy"]
        row |= {key: values.mean(), f"{key}_sem": stats.sem(values)}
    return row | {"gain": stats.gain(row["before"], row["after"]),
                  "reduction": stats.error_reduction(row["before"], row["after"])}


def _shown(row: Mapping, title: str) -> tuple:
    return (title, MISSING if row["budget"] is None else str(row["budget"]),
            accuracy(row["before"], row["before_sem"]), accuracy(row["after"], row["after_sem"]),
            percent(row["gain"]), percent(row["reduction"]))


def learning_table(runs: pd.DataFrame, seconds: bool = True) -> pd.DataFrame:
    """One data set, everything: recipe x labels x setting with accuracy and macro-F1 (%, mean ± SEM), runs, updates.

    Every combination of the recipes, budgets and settings present has a row, so that a gap shows. `seconds` adds the
    mean time of a run, which no two machines share.
    """
    stats.single(runs, "dataset")
    runs = stats.consistent(runs)
    settings = [setting for setting in TITLES if setting in set(runs["setting"])]
    rows = []
    for recipe in runs["recipe"].unique():
        for budget in sorted(runs["budget"].unique()):
            for setting in settings:
                chosen = (runs["recipe"] == recipe) & (runs["budget"] == budget) & (runs["setting"] == setting)
                rows.append((recipe, int(budget), TITLES[setting], *_learned(runs[chosen])))
    columns = ["Recipe", "Labels", "Setting", "Accuracy", "Macro-F1", "Runs", "Updates", "Seconds a run"]
    return pd.DataFrame(rows, columns=columns)[columns if seconds else columns[:-1]]


def _learned(runs: pd.DataFrame) -> tuple:
    if runs.empty:
        return MISSING, MISSING, 0, MISSING, MISSING
    scores = [accuracy(runs[column].mean(), stats.sem(runs[column])) for column in ("accuracy", "macro_f1")]
    updates = "/".join(str(int(count)) for count in sorted(runs["updates"].unique()))
    return *scores, len(runs), updates, number(runs["seconds"].mean(), 0)


def coverage(runs: pd.DataFrame, expected: Iterable) -> pd.DataFrame:
    """How much of a design is there: one row a data set, one column a setting and recipe, "20 of 20 runs" in a cell.

    `expected` holds the design's runs (`design.Run`, mappings, or a frame); runs beyond the design do not count.
    """
    expected = pd.DataFrame(expected)
    keys = [key for key in stats.KEYS if key in expected and key in runs]
    if expected.empty or not {"dataset", "setting", "recipe"} <= set(keys):
        raise InputError("coverage needs the design's runs with dataset, setting and recipe; pass design.runs(...)")
    done = set(map(tuple, runs[keys].fillna("").itertuples(index=False)))
    expected = expected.assign(done=[tuple(row) in done for row in expected[keys].itertuples(index=False)])
    expected["column"] = [f"{TITLES[row.setting]}, {row.recipe}" for row in expected.itertuples()]
    counts = expected.groupby(["dataset", "column"], sort=False)["done"].agg(["sum", "size"])
    cells = counts.apply(lambda row: f"{row['sum']} of {row['size']} runs", axis=1)
    table = cells.unstack().reindex(index=expected["dataset"].unique(), columns=expected["column"].unique())
    return table.fillna(MISSING).rename_axis(index="Data set", columns=None)


def comparison_table(runs: pd.DataFrame, before: str = "base", after: str = "clust", tests: int = 8) -> pd.DataFrame:
    """Table 3 with more beside it: one row a budget; differences in points; the corrected p as the paper prints it.

    That p is an en dash where it is not below .05. The plain p, Wilcoxon's and the 95 % interval stand beside it.
    """
    rows = [
        (int(row.budget), f"{row.n} ({row.datasets})", number(100 * row.difference),
         f"{number(100 * row.low)} to {number(100 * row.high)}", p_value(row.p),
         p_value(row.p_bonferroni) if row.p_bonferroni < 0.05 else MISSING, p_value(row.p_wilcoxon))
        for row in stats.comparison(runs, before, after, tests).itertuples()
    ]
    columns = ["Labels", "Pairs (data sets)", "Difference, points", "95 % interval", "p, paired t",
               f"p, after Bonferroni ({tests})", "p, Wilcoxon"]
    return pd.DataFrame(rows, columns=columns)


def p_value(p: float) -> str:
    """Two significant digits; powers of ten below .001, as in Table 3."""
    if pd.isna(p):
        return MISSING
    if p >= 0.001 or p == 0:
        return f"{p:.2g}" if p else "< 1e-300"
    return f"{p:.0e}".replace("e-0", "e-")


def stage(frame: pd.DataFrame) -> list[str]:
    """The stage of each row of a table of embeddings, in words: before inter-training, or after which."""
    return [
        "before" if row.setting == "base" else f"after {TITLES[row.setting]}, {row.recipe} recipe"
        for row in frame.itertuples()
    ]


def dispersion_table(distances: pd.DataFrame) -> pd.DataFrame:
    """Section 5.3: ED, its mean over permuted labels, NED and the permutation test's p; one row a stage."""
    columns = {"ed": "ED", "permuted": "ED, labels permuted", "ned": "NED"}
    table = distances.assign(Embeddings=stage(distances))[["Embeddings", "texts", *columns]].rename(columns=columns)
    return table.round(3).assign(p=distances["p"].map(p_value))


def provenance(runs: pd.DataFrame) -> pd.DataFrame:
    """What the runs of one data set were made of and with: fingerprints, devices and versions, as (fact, value) rows."""
    stats.single(runs, "dataset")
    columns = {"encoder": "encoder", "encoder_fingerprint": "its weights", "data_fingerprint": "the data",
               "device": "device", "precision": "precision", "cluster_tune": "cluster_tune", "torch": "torch",
               "transformers": "transformers"}
    facts = [(title, ", ".join(sorted(set(runs[column].astype(str))))) for column, title in columns.items()]
    return pd.DataFrame([("runs", str(len(runs))), *facts], columns=["Fact", "Value"])


# --- Sentences -----------------------------------------------------------------------------------------------------


class Prose(str):
    """Text that a notebook shows as Markdown; made of our own words and numbers, never of a data set's text."""

    def _repr_markdown_(self) -> str:
        return str(self)


def verdict(runs: pd.DataFrame, budget: int, recipe: str, before: str = "base", after: str = "clust") -> str:
    """One sentence on one data set: the difference in points with its 95 % interval, hedged by it.

    Over matched repetitions only (`stats.pairs`). The interval is Student's t, for a handful of repetitions.
    """
    stats.single(runs, "dataset")
    matched = stats.pairs(runs[(runs["budget"] == budget) & (runs["recipe"] == recipe)], before, after)
    differences = 100 * (matched["after"] - matched["before"])
    n, where = len(differences), f"At {budget} labels under {RECIPES.get(recipe, recipe)}"
    if not n:
        return f"{where} there are no matched runs of {TITLES[after]} and {TITLES[before]}."
    interval = stats.t_interval(differences)
    finding = f"{where} {TITLES[after]} is {_beside(interval.estimate)} {TITLES[before]}"
    if n < FEW:
        return f"{finding} over {n} repetition{'s' * (n > 1)}, too few for an interval: no conclusion follows."
    span = f"95 % interval {number(interval.low)} to {number(interval.high)} over {n} repetitions"
    if interval.includes_zero:
        return f"{finding}, but the interval includes 0 ({span}): these runs do not tell the two apart."
    return f"{finding} ({span})."


def _beside(points: float) -> str:
    text = number(abs(points))
    if text == "0.0":
        return "level with"
    return f"{text} point{'s' * (text != '1.0')} {'above' if points > 0 else 'below'}"


def findings(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> Prose:
    """The verdicts of one data set on every recipe and budget present, as a Markdown list."""
    cells = runs[["recipe", "budget"]].drop_duplicates()
    lines = [f"- {verdict(runs, budget, recipe, before, after)}"
             for recipe in cells["recipe"].unique()
             for budget in sorted(cells.loc[cells["recipe"] == recipe, "budget"])]
    return Prose("\n".join(lines))


# --- Showing -------------------------------------------------------------------------------------------------------


class Shown:
    """A frame as a notebook shows it: escaped HTML, no row numbers, no formulas made of a text's dollar signs."""

    def __init__(self, frame: pd.DataFrame, longest: int, index: bool):
        self.frame, self.index = frame.map(lambda cell: clip(cell, longest)), index

    def __repr__(self) -> str:
        return self.frame.to_string(index=self.index)

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            table = self.frame.to_html(index=self.index, escape=True, border=0, na_rep=MISSING)
        # Both classes keep MathJax out, in the book and in a notebook: "$5 ... $6" is a text's own business.
        return f'<div class="tex2jax_ignore mathjax_ignore" style="overflow-x: auto">{table}</div>'


def show(frame: pd.DataFrame, longest: int = 300) -> Shown:
    """The frame for display; texts are cut after `longest` characters. A named index is shown, row numbers are not."""
    return Shown(frame, longest, index=any(name is not None for name in frame.index.names))


def clip(cell, longest: int = 300):
    """Text on one line, without control characters, cut with an ellipsis; anything else as it is."""
    if not isinstance(cell, str):
        return cell
    text = " ".join("".join(c if c.isprintable() else " " for c in cell).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def html(text: str, longest: int = 300) -> str:
    """A data set's text, safe inside HTML, attributes included."""
    return escape(clip(str(text), longest), quote=True)
