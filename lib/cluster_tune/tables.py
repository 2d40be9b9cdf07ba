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
REFERENCE = {"nb_bow": "NB, BOW", "nb_glove": "NB, GloVe", "svm_bow": "SVM, BOW", "svm_glove": "SVM, GloVe",
             "cluster_sib": "nearest cluster"}
CLUSTERINGS = {"sib": "sIB", "kmeans": "k-means", "hartigan": "Hartigan's k-means"}
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


def beside_published(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Table 2 as printed, and what one encoder of ours obtained: accuracy (%) at the paper's budget, a row a data set.

    `published` has the columns dataset, budget, bert, bert_it_clust. Data sets that the paper does not have come last,
    at 64 labels.
    """
    stats.single(runs, "encoder")
    known = published.set_index("dataset")
    order = [name for name in known.index if name in set(runs["dataset"])]
    rows = [_beside_row(runs, name, known.loc[name] if name in known.index else None, (titles or {}).get(name, name))
            for name in [*order, *sorted(set(runs["dataset"]) - set(order))]]
    columns = ["Data set", "Labels", "BERT, paper", "BERT IT:CLUST, paper", *(
        f"{title}, {recipe} recipe" for recipe in RECIPES for title in (TITLES["base"], TITLES["clust"]))]
    return pd.DataFrame(rows, columns=columns)


def _beside_row(runs: pd.DataFrame, name: str, printed: pd.Series | None, title: str) -> tuple:
    budget = 64 if printed is None else int(printed["budget"])
    ours = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
    means = [_accuracy_row(ours[ours["recipe"] == recipe], name, budget, "base", "clust") for recipe in RECIPES]
    theirs = (MISSING, MISSING) if printed is None else (number(printed["bert"]), number(printed["bert_it_clust"]))
    obtained = [accuracy(row[key], row[f"{key}_sem"]) for row in means for key in ("before", "after")]
    return title, str(budget), *theirs, *obtained


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


def reference_table(
    reference: pd.DataFrame,
    budget: int,
    topical: Mapping[str, bool] | None = None,
    titles: Mapping[str, str] | None = None,
    published: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Appendix B at one budget: accuracy (%, mean ± SEM) of the reference methods, a row a data set.

    With `published`, the paper's Table 2, what it reports for its two main settings at the same budget stands beside.
    """
    shown = reference[reference["budget"] == budget]
    means = stats.summary(shown, ["dataset", "method"]).set_index(["dataset", "method"])
    rows = {}
    for name in by_kind(shown["dataset"].unique(), topical):
        found = {method: means.loc[name, method] for method in REFERENCE if (name, method) in means.index}
        cells = {REFERENCE[method]: accuracy(row["mean"], row["sem"]) for method, row in found.items()}
        title = (titles or {}).get(name, name)
        rows[title] = dict.fromkeys(REFERENCE.values(), MISSING) | cells | _printed(published, name, budget)
    return pd.DataFrame(rows).T.rename_axis("Data set")


def _printed(published: pd.DataFrame | None, name: str, budget: int) -> dict[str, str]:
    """The paper's two accuracies for a data set at a budget, as cells."""
    if published is None:
        return {}
    found = published[(published["dataset"] == name) & (published["budget"] == budget)]
    columns = {"bert": "BERT, paper", "bert_it_clust": "BERT IT:CLUST, paper"}
    return {title: number(found[key].iloc[0]) if len(found) else MISSING for key, title in columns.items()}


def reference_curve_table(reference: pd.DataFrame) -> pd.DataFrame:
    """One data set: accuracy (%, mean ± SEM) of each reference method at each budget, a row a budget."""
    stats.single(reference, "dataset")
    means = stats.summary(reference, ["budget", "method"])
    means["cell"] = [accuracy(row.mean_, row.sem) for row in means.rename(columns={"mean": "mean_"}).itertuples()]
    table = means.pivot(index="budget", columns="method", values="cell").fillna(MISSING)
    present = [method for method in REFERENCE if method in table]
    return table[present].rename(columns=REFERENCE).rename_axis(index="Labels", columns=None)


def by_kind(names: Iterable[str], topical: Mapping[str, bool] | None) -> list[str]:
    """Data sets with the topical ones first, then the others, then those of unknown kind; else in their order."""
    kinds = topical or {}
    return sorted(names, key=lambda name: {True: 0, False: 1}.get(kinds.get(name), 2))


def agreement_table(
    agreement: pd.DataFrame,
    topical: Mapping[str, bool] | None = None,
    titles: Mapping[str, str] | None = None,
    published: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """How far each clustering follows the classes (section 5.4), mean ± standard deviation over seeds.

    A row a data set, the highest NMI of sIB on top: NMI of each clustering, AMI and ARI of sIB, the kind of the data
    set where `topical` says it, and with `published`, the paper's Table 2, its error reduction at 64 labels.
    """
    means = agreement.groupby(["dataset", "clustering"])[["nmi", "ami", "ari"]].agg(["mean", "std"])
    names = agreement["dataset"].unique()
    order = sorted(names, key=lambda name: -_cell(means, name, "sib", "nmi"))
    rows = [
        {"Data set": (titles or {}).get(name, name), "Kind": KINDS.get((topical or {}).get(name), MISSING),
         **{f"NMI, {title}": _spread(means, name, key, "nmi") for key, title in CLUSTERINGS.items()},
         "AMI, sIB": _spread(means, name, "sib", "ami"), "ARI, sIB": _spread(means, name, "sib", "ari")}
        for name in order
    ]  # fmt: skip
    table = pd.DataFrame(rows).set_index("Data set")
    if published is not None:
        gained = published.set_index("dataset")["error_reduction_pct"].reindex(order)
        table["Error reduction in the paper"] = gained.map(percent).to_numpy()
    return table


KINDS = {True: "topical", False: "not topical"}


def _cell(means: pd.DataFrame, name: str, clustering: str, measure: str, which: str = "mean") -> float:
    key = (name, clustering)
    return float(means.loc[key, (measure, which)]) if key in means.index else float("nan")


def _spread(means: pd.DataFrame, name: str, clustering: str, measure: str) -> str:
    mean, deviation = (_cell(means, name, clustering, measure, which) for which in ("mean", "std"))
    return number(mean, 3) + ("" if pd.isna(deviation) else f" ± {number(deviation, 3)}")


def vectors_table(coverage: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """How far the GloVe vectors reach into the training texts: as the words are, and for their stems."""
    wide = coverage.pivot(index="dataset", columns="tokens_are")
    names = [(titles or {}).get(name, name) for name in wide.index]
    cells = {
        "Vectors": wide["vectors", "words"],
        "Words in them": [f"{count:,}" for count in wide["vector_words", "words"]],
        "Words in the texts": [f"{count:,}" for count in wide["tokens", "words"]],
        "with a vector": [percent(100 * share, 1) for share in wide["covered", "words"]],
        "stems with one": [percent(100 * share, 1) for share in wide["covered", "stems"]],
        "texts without any": [f"{count:,}" for count in wide["without", "words"]],
        "as stems": [f"{count:,}" for count in wide["without", "stems"]],
    }
    return pd.DataFrame(cells).set_axis(names).rename_axis("Data set")


def _beside_published(agreement: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Mean NMI of sIB and the published error reduction, one row a data set of both, by falling NMI."""
    nmi = agreement[agreement["clustering"] == "sib"].groupby("dataset")["nmi"].mean().reset_index()
    both = nmi.merge(published[["dataset", "error_reduction_pct"]], on="dataset")
    return both.sort_values("nmi", ascending=False, ignore_index=True)


def stability_table(stability: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """How alike two seeds' partitions are: mean ARI and NMI over all pairs of seeds, a row a data set."""
    means = stability.groupby(["dataset", "clustering"], sort=False)[["ari", "nmi"]].mean()
    rows = {}
    for name in stability["dataset"].unique():
        cells = {(measure, key): means.loc[(name, key), measure] if (name, key) in means.index else float("nan")
                 for measure in ("ari", "nmi") for key in CLUSTERINGS}
        rows[(titles or {}).get(name, name)] = {
            f"{measure.upper()}, {CLUSTERINGS[key]}": number(value, 2) for (measure, key), value in cells.items()}
    return pd.DataFrame(rows).T.rename_axis("Data set")


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
        "before" if row.setting == "base" else f"after {TITLES[row.setting]}, {row.recipe}"
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


def agreement_in_words(
    agreement: pd.DataFrame,
    topical: Mapping[str, bool],
    published: pd.DataFrame,
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Whether the paper's ordering holds: the data sets of lowest NMI are those that are not topical, and NMI goes
    with the gains of Table 2 (`published`)."""
    found = _beside_published(agreement, published)
    if found.empty:
        return Prose("None of the data sets shown is one of the paper's.")
    others = sum(topical.get(name) is False for name in found["dataset"])
    lowest = list(found["dataset"].tail(others))
    odd = [(titles or {}).get(name, name) for name in lowest if topical.get(name)]
    named = _listed([(titles or {}).get(name, name) for name in lowest])
    those = "one data set of lowest NMI (sIB) is" if others == 1 else f"{others} data sets of lowest NMI (sIB) are"
    verb = "is" if len(odd or lowest) == 1 else "are"
    what = f"which {verb} not topical, as in the paper"
    if odd:
        what = f"and {_listed(odd)} {verb} topical, otherwise than in the paper"
    rank = number(stats.rank_correlation(found["nmi"], found["error_reduction_pct"]), 2)
    return Prose(
        f"The {those} {named}, {what}. Over the {len(found)} data sets of the paper, the rank correlation of NMI here "
        f"with the error reduction that the paper reports at 64 labels is {rank}."
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def findings(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> Prose:
    """The verdicts of one data set on every recipe and budget present, as a Markdown list."""
    cells = runs[["recipe", "budget"]].drop_duplicates()
    lines = [f"- {verdict(runs, budget, recipe, before, after)}"
             for recipe in cells["recipe"].unique()
             for budget in sorted(cells.loc[cells["recipe"] == recipe, "budget"])]
    return Prose("\n".join(lines))


def verdicts(runs: pd.DataFrame, budget: int, titles: Mapping[str, str] | None = None) -> Prose:
    """The verdicts of several data sets at one budget, a recipe a list, as Markdown."""
    lines = [f"- {(titles or {}).get(name, name)}: {verdict(runs[runs['dataset'] == name], budget, recipe)}"
             for recipe in RECIPES for name in runs["dataset"].unique()]
    return Prose("\n".join(lines))


# --- Showing -------------------------------------------------------------------------------------------------------


class Shown:
    """A frame as a notebook shows it: escaped HTML, no row numbers, no formulas made of a text's dollar signs."""

    def __init__(self, frame: pd.DataFrame, longest: int):
        self.frame = frame.map(lambda cell: clip(cell, longest))

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            table = self.frame.to_html(index=False, escape=True, border=0, na_rep=MISSING)
        for apart in (" ± ", " %"):  # a number stays in one line, also in a narrow column
            table = table.replace(apart, apart.replace(" ", "\u00a0"))
        # Both classes keep MathJax out, in the book and in a notebook: "$5 ... $6" is a text's own business.
        return f'<div class="tex2jax_ignore mathjax_ignore" style="overflow-x: auto">{table}</div>'


def markdown(frame: pd.DataFrame) -> str:
    """The frame as a Markdown table, for a document; its cells must hold no text of a data set."""
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def show(frame: pd.DataFrame, longest: int = 300) -> Shown:
    """The frame for display; texts are cut after `longest` characters. A named index becomes a column; row numbers go."""
    named = any(name is not None for name in frame.index.names)
    return Shown(frame.reset_index() if named else frame, longest)


def clip(cell, longest: int = 300):
    """Text on one line, without control characters, cut with an ellipsis; anything else as it is."""
    if not isinstance(cell, str):
        return cell
    text = " ".join("".join(c if c.isprintable() else " " for c in cell).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def html(text: str, longest: int = 300) -> str:
    """A data set's text, safe inside HTML, attributes included."""
    return escape(clip(str(text), longest), quote=True)
