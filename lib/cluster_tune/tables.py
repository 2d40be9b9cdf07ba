"""From the tidy frame of runs to the paper's tables, ready to be read: every cell is rounded text.

A combination without runs shows as an en dash. Frames that mix encoders, clusterings or versions of a data set are
refused, never averaged. Nothing here computes a statistic (`stats` does) or draws (`figures` does).
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from itertools import pairwise, product

import pandas as pd

from cluster_tune import stats
from cluster_tune.errors import InputError

TITLES = {"base": "plain", "clust": "IT:CLUST", "mlm": "IT:MLM", "mlm+clust": "IT:MLM+CLUST"}
REFERENCE = {"nb_bow": "NB, BOW", "nb_glove": "NB, GloVe", "svm_bow": "SVM, BOW", "svm_glove": "SVM, GloVe",
             "cluster_sib": "nearest cluster"}
CLUSTERINGS = {"sib": "sIB", "kmeans": "k-means", "hartigan": "Hartigan's k-means"}
OTHERS = ("kmeans", "hartigan")  # what Figure 6 compares sIB with
RECIPES = {"paper": "the paper's recipe", "trained": "the trained recipe"}
CROSSED = "paper-then-trained"  # inter-trained by the paper's recipe, fine-tuned by the trained one
WAYS = {"authors": "a Trainer like the authors'", "tuned": "a Trainer, tuned", "ours": "this package",
        "side_by_side": "this package, five models side by side"}
SIDE_BY_SIDE = {"side_by_side": ", five models side by side"}
SEPARATION = {"neighbours": "nearest neighbours", "silhouette": "silhouettes"}  # how far classes come apart in a picture
MISSING = "–"
NOT_BELOW = "≥ .05"  # a p that the paper's Table 3 does not print
FEW = 3  # below three repetitions an interval says nothing
READ = 100  # words of a text that an encoder reads at most: about 128 word pieces


# --- Numbers as text -----------------------------------------------------------------------------------------------


def number(value: float, decimals: int = 1) -> str:
    """Fixed decimals, a half rounded up as by hand, and a true minus; an en dash for NaN; never a negative zero."""
    if pd.isna(value):
        return MISSING
    if not math.isfinite(value):
        return f"{float(value)}".replace("-", "−")
    exact = Decimal(repr(round(float(value), decimals + 9)))  # without the error of binary fractions
    return f"{float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)) + 0.0:.{decimals}f}".replace("-", "−")


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
    some data sets (the paper shows 20 newsgroups at 128). Each mean is over all repetitions of its setting, gain and
    error reduction over those that both have.
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
    both = stats.pairs(runs, before, after).mean()
    return row | {"gain": stats.gain(both["before"], both["after"]),
                  "reduction": stats.error_reduction(both["before"], both["after"])}


def _shown(row: Mapping, title: str) -> tuple:
    return (title, MISSING if row["budget"] is None else str(row["budget"]),
            accuracy(row["before"], row["before_sem"]), accuracy(row["after"], row["after_sem"]),
            percent(row["gain"]), percent(row["reduction"]))


# --- The paper's tables beside ours ----------------------------------------------------------------------------------


def of_paper(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The runs that the paper has counterparts of: its data sets (`published`, Table 2), none below the budget there.

    So 20 newsgroups begins at 128 labels, as in Figure 2: samples of 64 miss some of its classes. In Table 2's order.
    """
    if runs.empty:  # whose columns have no types to compare by
        return runs
    least, order = runs["dataset"].map(budgets_of(published)), list(budgets_of(published))
    kept = runs[least.notna() & (runs["budget"] >= least)]
    return kept.sort_values("dataset", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)


def budgets_of(published: pd.DataFrame) -> dict[str, int]:
    """Data set -> its budget in Table 2, in the table's order."""
    printed = published.dropna(subset="budget")
    return dict(zip(printed["dataset"], printed["budget"].astype(int), strict=True))


def by_clustering(runs: pd.DataFrame, published: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """Mean accuracy of IT:CLUST at the budget of Table 2 over the samples that all three clusterings have: a row a data
    set of the paper, a column a clustering."""
    budgets = runs["dataset"].map(budgets_of(published))
    chosen = runs[(runs["setting"] == "clust") & (runs["recipe"] == recipe) & (runs["budget"] == budgets)]
    wide = chosen.set_index(["dataset", "repetition", "clustering"])["accuracy"].unstack().reindex(columns=list(CLUSTERINGS))
    means = wide.dropna().groupby("dataset").mean()
    return means.reindex([name for name in budgets_of(published) if name in means.index])


def printed_effects(published: pd.DataFrame) -> pd.DataFrame:
    """Table 2 as printed in the shape of `stats.effects`; gains and reductions are worked out from its accuracies."""
    printed = published.dropna(subset="budget")
    return stats.with_ratios(pd.DataFrame({
        "dataset": printed["dataset"], "budget": printed["budget"].astype(int),
        "before": printed["bert"] / 100, "after": printed["bert_it_clust"] / 100}).reset_index(drop=True))


def gains_beside_published(
    runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Table 2's two measures, as printed and as obtained under each recipe; a row a data set of the paper."""
    found = {recipe: _effects(runs, recipe, published).set_index("dataset") for recipe in RECIPES}
    known = published.set_index("dataset")
    rows = {}
    for name, budget in budgets_of(published).items():
        cells = {"Labels": str(budget)}
        for measure, title in MEASURES.items():
            cells[f"{title}, paper"] = percent(known.loc[name, f"{measure}_pct"])
            for recipe, effects in found.items():
                value = effects.loc[name, measure] if name in effects.index else float("nan")
                cells[f"{title}, {recipe} recipe"] = percent(value)
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


MEASURES = {"gain": "Gain", "error_reduction": "Error reduction"}


def _effects(runs: pd.DataFrame, recipe: str, published: pd.DataFrame) -> pd.DataFrame:
    return stats.effects(runs[runs["recipe"] == recipe], budgets_of(published))


def averages_table(runs: pd.DataFrame, published: pd.DataFrame, topical: Mapping[str, bool]) -> pd.DataFrame:
    """Table 2's averages by kind of data set, read both ways: mean of ratios (as printed) and ratio of means.

    The paper's own numbers stand first, over all its data sets and, where ours are fewer, over those with runs here,
    so that like is compared with like.
    """
    printed = printed_effects(published)
    rows = []
    for kind, title in KINDS.items():
        theirs = printed[printed["dataset"].map(topical) == kind]
        rows.append((title, "the paper", theirs))
        for recipe, words in RECIPES.items():
            ours = _effects(runs, recipe, published)
            ours = ours[ours["dataset"].map(topical) == kind]
            same = theirs[theirs["dataset"].isin(ours["dataset"])]
            if len(same) and not any(same.equals(shown) for *_, shown in rows):
                rows.append((title, f"the paper, on {len(same)} of them", same))
            rows.append((title, f"here, {words}", ours))
    cells = [(kind, source, *_averaged(effects)) for kind, source, effects in rows]
    columns = ["Data sets", "Numbers of", "Sets", "plain", "IT:CLUST", "Gain, mean of ratios", "Gain, ratio of means",
               "Error reduction, mean of ratios", "Error reduction, ratio of means"]
    return pd.DataFrame(cells, columns=columns)


def _averaged(effects: pd.DataFrame) -> tuple:
    if effects.empty:
        return "0", *[MISSING] * 6
    found = stats.averages(effects)
    accuracies = [number(100 * found[key]) for key in ("before", "after")]
    ratios = [percent(found[key]) for key in ("mean_of_gains", "gain_of_means", "mean_of_reductions", "reduction_of_means")]
    return str(found["n"]), *accuracies, *ratios


def coverage_grid(runs: pd.DataFrame, expected: Iterable, published: pd.DataFrame | None = None) -> pd.DataFrame:
    """How much of a design is there: a row a setting and recipe, a column a budget, "40/45" runs in a cell.

    `expected` holds the design's runs (`design.Run`), with `published` only those that the paper shows (`of_paper`);
    runs beyond the design do not count.
    """
    expected = pd.DataFrame(expected) if published is None else of_paper(pd.DataFrame(expected), published)
    keys = [key for key in stats.KEYS if key in expected and key in runs]
    done = set(map(tuple, runs[keys].fillna("").itertuples(index=False)))
    expected["done"] = [tuple(row) in done for row in expected[keys].itertuples(index=False)]
    expected["Setting"], expected["Recipe"] = expected["setting"].map(TITLES), expected["recipe"]
    counts = expected.groupby(["Recipe", "Setting", "budget"])["done"].agg(["sum", "size"])
    cells = counts.apply(lambda row: f"{row['sum']}/{row['size']}" if row["sum"] else MISSING, axis=1).unstack()
    order = [(recipe, title) for recipe in expected["Recipe"].unique() for title in expected["Setting"].unique()]
    return cells.loc[[row for row in order if row in cells.index]].rename_axis(columns=None)


def learning_table(runs: pd.DataFrame, seconds: bool = True) -> pd.DataFrame:
    """One data set, everything: recipe x labels x setting with accuracy and macro-F1 (%, mean ± SEM), runs, updates.

    A row for each of these that has runs; what is missing, `coverage` says. `seconds` adds the mean time of a run, which
    no two machines share.
    """
    stats.single(runs, "dataset")
    runs = stats.consistent(runs)
    orders = {"setting": list(TITLES), "recipe": runs["recipe"].unique()}
    runs = runs.assign(**{key: pd.Categorical(runs[key], order) for key, order in orders.items()})
    rows = [(recipe, int(budget), TITLES[setting], *_learned(chosen))
            for (recipe, budget, setting), chosen in runs.groupby(["recipe", "budget", "setting"], observed=True)]
    columns = ["Recipe", "Labels", "Setting", "Accuracy", "Macro-F1", "Runs", "Updates", "Seconds a run"]
    return pd.DataFrame(rows, columns=columns)[columns if seconds else columns[:-1]]


def _learned(runs: pd.DataFrame) -> tuple:
    scores = [accuracy(runs[column].mean(), stats.sem(runs[column])) for column in ("accuracy", "macro_f1")]
    updates = "/".join(str(int(count)) for count in sorted(runs["updates"].unique()))
    return *scores, len(runs), updates, number(runs["seconds"].mean(), 0)


def coverage(runs: pd.DataFrame, expected: Iterable) -> pd.DataFrame:
    """How much of a design is there: one row a data set, one column a setting, recipe and further clustering, "20 of
    20 runs" in a cell.

    `expected` holds the design's runs (`design.Run`, mappings, or a frame); runs beyond the design do not count.
    """
    expected = pd.DataFrame(expected)
    keys = [key for key in stats.KEYS if key in expected and key in runs]
    if expected.empty or not {"dataset", "setting", "recipe"} <= set(keys):
        raise InputError("coverage needs the design's runs with dataset, setting and recipe; pass design.grid(...)")
    done = set(map(tuple, runs[keys].fillna("").itertuples(index=False)))
    expected = expected.assign(done=[tuple(row) in done for row in expected[keys].itertuples(index=False)])
    expected["column"] = [_part_of_a_design(row) for row in expected.to_dict("records")]
    counts = expected.groupby(["dataset", "column"], sort=False)["done"].agg(["sum", "size"])
    cells = counts.apply(lambda row: f"{row['sum']} of {row['size']} runs", axis=1)
    table = cells.unstack().reindex(index=expected["dataset"].unique(), columns=expected["column"].unique())
    return table.fillna(MISSING).rename_axis(index="Data set", columns=None)


def _part_of_a_design(run: Mapping) -> str:
    further = CLUSTERINGS.get(run.get("clustering"), "") if run.get("clustering") != "sib" else ""
    return ", ".join(filter(None, (TITLES[run["setting"]], further, run["recipe"])))


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
        "texts without any, as stems": [f"{count:,}" for count in wide["without", "stems"]],
    }
    return pd.DataFrame(cells).set_axis(names).rename_axis("Data set")


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


def speed_table(both: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """sIB here and in sib-clustering: time and I(T;Y), one row a data set and number of cores.

    `both` is what `stats.side_by_side` makes of the benchmark.
    """
    return pd.DataFrame({
        "Data set": both["dataset"].replace(dict(titles or {})), "Cores": both["cores"].astype(str),
        "Seconds, here": both["seconds_ours"].map(lambda s: number(s, 2)),
        "Seconds, sib-clustering": both["seconds_theirs"].map(number),
        "Times as fast": both["times"].map(number), "at least": both["least_times"].map(number),
        "I(T;Y), here": both["information_ours"].map(lambda i: number(i, 4)),
        "I(T;Y), sib-clustering": both["information_theirs"].map(lambda i: number(i, 4)),
        "Seeds": both["seeds"].astype(str),
    })


def memory_table(both: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The same for memory in megabytes: what both import, what a package adds to it, what the fit adds, and in all."""
    parts = {"common_mb": "Imported by both", "package_mb": "The package", "fit_mb": "The fit", "peak_mb": "In all"}
    rows = [{"Data set": (titles or {}).get(row["dataset"], row["dataset"]), "Cores": str(row["cores"]), "sIB of": of,
             **{title: number(max(0, row[f"{part}_{who}"]), 0) for part, title in parts.items()}}
            for row in both.to_dict("records") for who, of in (("ours", "this package"), ("theirs", "sib-clustering"))]
    return pd.DataFrame(rows)


def growth_table(scaling: pd.DataFrame) -> pd.DataFrame:
    """How sIB's time grows: the exponent b of time ~ size^b (`stats.growth`), and the time at the largest size."""
    fits = stats.growth(scaling)
    ours, theirs = (fits[fits["package"] == name].set_index("varied") for name in ("cluster-tune", "sib-clustering"))
    rows = [{"Varied": varied, "from": f"{row['from_value']:,}", "to": f"{row['to_value']:,}",
             "Exponent, here": number(row["exponent"], 2), "Exponent, sib-clustering": _at(theirs, varied, "exponent"),
             "Seconds at the most, here": number(row["seconds"], 2),
             "Seconds, sib-clustering": _at(theirs, varied, "seconds")}
            for varied, row in ours.iterrows()]
    return pd.DataFrame(rows)


def _at(frame: pd.DataFrame, row: str, column: str) -> str:
    return number(frame[column].get(row, float("nan")), 2)


def measured_on(runs: pd.DataFrame) -> pd.DataFrame:
    """What the fits of a benchmark ran on and beside what, as (fact, value) rows."""
    facts = {"machine": "; ".join(runs["machine"].unique()), "dates": ", ".join(sorted(runs["date"].unique()))}
    if "package" in runs:
        versions = runs[["package", "version"]].drop_duplicates().itertuples(index=False)
        share = 100 * runs["waited"] / (runs["waited"] + runs["cpu_seconds"])
        facts["packages"] = ", ".join(f"{package} {version}" for package, version in sorted(versions))
        facts["waiting for a core"] = f"{percent(share.mean(), 1)} of the time on average, {percent(share.max(), 1)} at most"
    else:
        together = runs[["torch", "transformers"]].drop_duplicates().itertuples(index=False)
        facts["packages"] = "; ".join(f"torch {torch}, transformers {transformers}" for torch, transformers in together)
    return pd.DataFrame(list(facts.items()), columns=["Fact", "Value"])


def recipes_table(recipes: Iterable) -> pd.DataFrame:
    """What recipes say, a column each, in words and with units; `recipes` are `design.Recipe` records."""
    return pd.DataFrame({recipe.name: [str(getattr(recipe, field)) for field in FIELDS] for recipe in recipes},
                        index=pd.Index(FIELDS.values(), name="What the recipe sets"))


FIELDS = {
    "learning_rate": "fine-tuning: learning rate", "batch_size": "texts in a batch", "epochs": "passes over the sample",
    "min_updates": "updates at least", "schedule": "learning rate over time", "max_length": "word pieces of a text at most",
    "inter_learning_rate": "training on clusters: learning rate", "inter_batch_size": "texts in its batches",
    "inter_epochs": "its passes over the training texts", "mlm_learning_rate": "training on masked words: learning rate",
    "mlm_epochs": "its passes over the training texts", "mlm_duplicates": "maskings of each text",
}  # fmt: skip


def training_table(measured: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The ways to train and to predict, a row each for each machine: texts a second, and how many times as many they are with
    one model at a time here.

    `measured` (`benchmarks/training.csv`): way, dataset, machine, precision, the two rates, their ratios, matrix_share, peak_mb.
    """
    return pd.DataFrame({
        "On": measured["dataset"].replace(dict(titles or {})) + "; " + measured["machine"],
        "Way": measured["way"].map(WAYS) + ", " + measured["precision"],
        "Trained, texts a second": measured["train_texts_a_second"].map(lambda rate: number(rate, 0)),
        "Training here, times as fast": measured["ours_is_train_times"].map(number),
        "Predicted, texts a second": measured["predict_texts_a_second"].map(lambda rate: number(rate, 0)),
        "Prediction here, times as fast": measured["ours_is_predict_times"].map(number),
        "Share of the matrix rate": measured["matrix_share"].map(lambda share: percent(100 * share, int(share < 0.01))),
        "Memory, MB": measured["peak_mb"].map(lambda mb: number(mb, 0)),
    })


def cost_table(
    plans: Mapping[str, tuple[int, Mapping[str, tuple[int, int]]]], measured: pd.DataFrame, lengths: pd.DataFrame
) -> pd.DataFrame:
    """About how long each profile takes on the machines that the benchmark ran on, a row for each of both.

    `plans`: name -> how many runs it has, and for each data set the texts it trains on and predicts (`design.texts_read`).
    A text of another data set is taken to cost what one of the benchmark's costs, times the ratio of their mean lengths in
    words, of which at most `READ` of a text count. Rates are those of the benchmark's `ours`, and of `side_by_side` where it
    was measured.
    """
    mean, rows = words_read(lengths), []
    here = measured[measured["way"].isin(["ours", "side_by_side"])]
    for (name, (runs, plan)), (_, ours) in product(plans.items(), here.iterrows()):
        weighted = [[texts * mean[dataset] / mean[ours["dataset"]] for texts in both] for dataset, both in plan.items()]
        hours = [sum(part) / ours[f"{what}_texts_a_second"] / 3600
                 for part, what in zip(zip(*weighted, strict=True), ("train", "predict"), strict=True)]
        texts = [f"{number(sum(part) / 1e6)} million" for part in zip(*plan.values(), strict=True)]
        rows.append({"Profile": name, "On": ours["machine"] + SIDE_BY_SIDE.get(ours["way"], ""), "Runs": f"{runs:,}",
                     "Texts to train on": texts[0], "Texts to predict": texts[1], "Hours of training": _hours(hours[0]),
                     "Hours of prediction": _hours(hours[1]), "Hours in all": _hours(sum(hours))})
    return pd.DataFrame(rows)


def _hours(value: float) -> str:
    return number(value, 2 if value < 1 else 1)


def words_read(lengths: pd.DataFrame) -> pd.Series:
    """Data set -> the mean number of words of a text that are read. `lengths`: dataset, words, count."""
    read = lengths["words"].clip(upper=READ) * lengths["count"]
    return read.groupby(lengths["dataset"]).sum() / lengths.groupby("dataset")["count"].sum()


def parts_table(parts: pd.DataFrame) -> pd.DataFrame:
    """What a profile is made of on a GPU (`benchmarks/training_parts.csv`): how long a part takes, by the mean over how many,
    how many there are, and the minutes of them all."""
    return pd.DataFrame({
        "Encoder": parts["encoder"], "On": parts["machine"], "What": parts["what"],
        "Measured over": parts["updates"].astype(str), "Milliseconds": (1000 * parts["seconds"]).map(number),
        "As many in the profile": parts["number"].map(lambda n: number(n, 0)),
        "Minutes": (parts["seconds"] * parts["number"] / 60).map(number),
    })


def fixed_table(fixed: pd.DataFrame) -> pd.DataFrame:
    """Seconds that training does not see: once a data set, or once a run (`benchmarks/training_fixed.csv`)."""
    return pd.DataFrame({"On": fixed["machine"], "What": fixed["what"], "Once a": fixed["every"],
                         "Seconds": fixed["seconds"].map(lambda s: number(s, 4 if s < 0.01 else 3 if s < 0.1 else 2))})


def together_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Several processes at once, a row a number of them: texts a second of all together, and times as many as with one
    (`benchmarks/training_together.csv`)."""
    rates = {"Trained": measured["train_texts_a_second"], "Predicted": measured["predict_texts_a_second"]}
    columns = {"Processes": measured["processes"].astype(str), "Threads of each": measured["threads"].astype(str)}
    for what, rate in rates.items():
        columns[f"{what}, texts a second"] = rate.map(lambda value: number(value, 0))
        columns[f"{what}, times one process"] = (rate / rate.iloc[0]).map(lambda value: number(value, 2))
    return pd.DataFrame({**columns, "Memory of all, MB": measured["peak_mb"].map(lambda mb: number(mb, 0))})


def plain_loop_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of a plain loop and of this package, one model at a time and side by side, a row a machine and repetition
    (`benchmarks/training_accuracy.csv`)."""
    ways = scores.pivot(index=["machine", "repetition"], columns="way", values="accuracy")
    ways = ways.reindex(scores["machine"].unique(), level="machine").reindex(columns=["plain loop", "ours", "side_by_side"])
    columns = {"On": ways.index.get_level_values("machine"), "Repetition": ways.index.get_level_values("repetition").astype(str),
               "A plain loop": ways["plain loop"].map(accuracy)}  # fmt: skip
    for way, name in {"ours": "Here", "side_by_side": "Here, side by side"}.items():
        columns |= {name: ways[way].map(accuracy), f"{name}: difference, points": (ways[way] - ways["plain loop"]).map(signed)}
    return pd.DataFrame({name: list(column) for name, column in columns.items()})


def texts_table(bags: pd.DataFrame) -> pd.DataFrame:
    """What becomes of texts before they are clustered: seconds of each step, fastest first."""
    bags = bags.sort_values("seconds")
    return pd.DataFrame({"What": bags["what"], "With": bags["package"].replace({"cluster-tune": "this package"}),
                         "Seconds": bags["seconds"].map(lambda s: number(s, 3 if s < 0.1 else 2))})


def comparison_table(
    runs: pd.DataFrame,
    before: str = "base",
    after: str = "clust",
    tests: int = 8,
    published: Mapping[int, float] | None = None,
) -> pd.DataFrame:
    """Table 3 with more beside it: one row a budget; differences in points, as the mean over pairs that the tests are
    about and as the mean over data sets with its interval; the corrected p as the paper prints it.

    That p is not given where it is not below .05, nor any of ours and the interval where one data
    set alone has runs. The plain p, Wilcoxon's, that of one mean a data set and the 95 %
    interval stand beside it, and the paper's own p where `published` has it (budget -> p).
    """
    rows = [
        (int(row.budget), f"{row.n} ({row.datasets})", number(100 * row.difference),
         *_of_several(row))
        for row in stats.comparison(runs, before, after, tests).itertuples()
    ]
    columns = ["Labels", "Pairs (data sets)", "Mean of pairs, points", "Mean over data sets, 95 % interval", "p, paired t",
               f"p, corrected for {tests}", "p, Wilcoxon", "p, by set"]
    table = pd.DataFrame(rows, columns=columns)
    return table if published is None else table.assign(**{"p, paper": [p_value(published.get(n)) for n in table["Labels"]]})


def _of_several(row) -> list[str]:
    """The cells of `comparison_table` that speak of data sets in general: dashes where one alone has runs."""
    if row.datasets < 2:
        return [MISSING] * 5
    return [interval(stats.Interval(row.mean, row.low, row.high), 1, 100), p_value(row.p),
            p_value(row.p_bonferroni) if row.p_bonferroni < 0.05 else NOT_BELOW, p_value(row.p_wilcoxon), p_value(row.p_datasets)]


def published_p(table_3: pd.DataFrame, against: str = "bert") -> dict[int, float]:
    """Table 3 as printed, budget -> p; NaN where the paper found nothing. `against` is 'bert' or 'bert_it_mlm'."""
    sizes = pd.to_numeric(table_3["train_size"], errors="coerce")
    printed = zip(sizes[sizes.notna()].astype(int), table_3.loc[sizes.notna(), f"p_vs_{against}"], strict=True)
    return {budget: float(p) for budget, p in printed}


def p_value(p: float) -> str:
    """Two significant digits; powers of ten below .001, as in Table 3, with a minus sign: lines break after a hyphen."""
    if pd.isna(p):
        return MISSING
    if p >= 0.001 or p == 0:
        return f"{p:.2g}" if p else "< 1e−300"
    return f"{p:.0e}".replace("e-0", "e-").replace("-", "−")


def stage(frame: pd.DataFrame) -> list[str]:
    """The stage of each row of a table of embeddings, in words: before inter-training, or after which."""
    return [
        "before" if row.setting == "base" else f"after {TITLES[row.setting]}{_unusual(row)}, {row.recipe} recipe"
        for row in frame.itertuples()
    ]


def _unusual(row) -> str:
    """The clustering in brackets where it is not the paper's."""
    clustering = getattr(row, "clustering", "")
    return "" if clustering in ("", "sib") else f" ({CLUSTERINGS[clustering]})"


def dispersion_table(distances: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Section 5.3: ED, its mean over permuted labels, NED and the permutation test's p; one row a stage.

    With `titles`, name -> title, each row says its data set, and they stand in that order.
    """
    columns = {"ed": ("ED", 2), "permuted": ("ED, labels permuted", 2), "ned": ("NED", 3)}
    table = pd.DataFrame({"Embeddings": stage(distances), "Texts": distances["texts"].map(whole)}, index=distances.index)
    for column, (title, decimals) in columns.items():
        table[title] = distances[column].map(lambda value, decimals=decimals: number(value, decimals))
    table["p"] = distances["p"].map(lambda p: "< .001" if p < 0.001 else p_value(p))  # shuffles bound how small it can be
    if titles is None:
        return table
    table.insert(0, "Data set", [titles[name] for name in distances["dataset"]])
    order = {name: i for i, name in enumerate(titles)}
    return table.iloc[distances["dataset"].map(order).argsort(kind="stable")].set_index("Data set")


def besides_table(distances: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """What section 5.3 and its footnote 8 say without a figure, before→after inter-training under the paper's recipe: the
    norm of the vectors beside ED with labels permuted, and NED in its three ways; a row for each of `titles`."""
    columns = {"norm": ("Norm", 2), "permuted": ("ED, labels permuted", 2), "ned": ("NED", 3),
               "ned_macro": ("NED, classes alike", 3), "ned_cosine": ("NED, cosine", 3)}
    wide = stats.before_and_after(distances, "paper", list(columns)).reindex(list(titles))
    table = {title: [f"{number(before, decimals)}→{number(after, decimals)}" if before == before else MISSING
                     for before, after in wide[measure].itertuples(index=False)] for measure, (title, decimals) in columns.items()}
    return pd.DataFrame(table, index=pd.Index(titles.values(), name="Data set"))


def stages_table(
    frame: pd.DataFrame,
    column: str,
    titles: Mapping[str, str],
    topical: Mapping[str, bool] | None = None,
    shown: Callable[[float], str] = lambda value: number(value, 3),
) -> pd.DataFrame:
    """One number a data set and stage of its embeddings: a row for each of `titles`, en dashes where nothing is."""
    found = frame.assign(stage=stage(frame)).pivot(index="dataset", columns="stage", values=column)
    found = found.reindex(index=list(titles), columns=dict.fromkeys(stage(frame))).map(shown)
    found.insert(0, "Kind", [KINDS.get((topical or {}).get(name), MISSING) for name in titles])
    return found.set_axis(list(titles.values())).rename_axis(index="Data set", columns=None)


def provenance(runs: pd.DataFrame) -> pd.DataFrame:
    """What the runs of one data set were made of and with: fingerprints, devices and versions, as (fact, value) rows;
    where some were inter-trained on masked words, for how many epochs."""
    stats.single(runs, "dataset")
    columns = {"encoder": "encoder", "encoder_fingerprint": "its weights", "data_fingerprint": "the data",
               "device": "device", "precision": "precision", "cluster_tune": "cluster_tune", "torch": "torch",
               "transformers": "transformers"}
    facts = [(title, ", ".join(sorted(set(runs[column].astype(str))))) for column, title in columns.items()]
    facts += [("epochs on masked words", words)] if (words := _word_epochs(runs)) else []
    return pd.DataFrame([("runs", str(len(runs))), *facts], columns=["Fact", "Value"])


PAPERS_WORD_EPOCHS = 30  # section 3.2


def _word_epochs(runs: pd.DataFrame) -> str:
    """Epochs on masked words by setting, beside the paper's; '' where there were none."""
    masked = runs[runs["mlm_epochs"] > 0] if "mlm_epochs" in runs else runs[:0]
    if masked.empty:
        return ""
    counts = masked.groupby("setting")["mlm_epochs"].unique()
    ours = [f"{' or '.join(map(str, sorted(found)))} ({TITLES[setting]})" for setting, found in counts.items()]
    return f"{', '.join(ours)}; the paper: {PAPERS_WORD_EPOCHS}"


def difference(runs: pd.DataFrame, name: str, recipe: str, published: pd.DataFrame) -> stats.Interval | None:
    """IT:CLUST less plain on one data set at its budget in Table 2; None where there are too few repetitions."""
    budget = budgets_of(published)[name]
    chosen = (runs["dataset"] == name) & (runs["recipe"] == recipe) & (runs["budget"] == budget)
    both = stats.pairs(runs[chosen])
    return stats.differences(both) if len(both) >= FEW else None


def of_recipes(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the plain encoder and of the two recipes with the paper's clustering, without variants of either."""
    kept = frame["recipe"].isin(["", *RECIPES]) & frame["clustering"].isin(["", "sib"])
    return frame[kept].reset_index(drop=True)


# --- Was the baseline trained? --------------------------------------------------------------------------------------


def baseline_table(
    runs: pd.DataFrame,
    published: pd.DataFrame,
    titles: Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Both recipes side by side at the budget of Table 2, a row a data set: accuracies (%), and what inter-training
    adds under each, in points with its 95 % interval over the samples of labels.

    `chance` adds the accuracy (in [0, 1]) of always answering the most frequent class.
    """
    rows = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
        cells = {} if chance is None else {"largest class": number(100 * chance.get(name, float("nan")))}
        for recipe in RECIPES:
            row = _accuracy_row(chosen[chosen["recipe"] == recipe], name, budget, "base", "clust")
            cells |= {f"{TITLES[setting]}, {recipe} recipe": accuracy(row[key], row[f"{key}_sem"])
                      for key, setting in (("before", "base"), ("after", "clust"))}
        for recipe in RECIPES:
            cells[f"Difference, {recipe} recipe"] = points(difference(runs, name, recipe, published))
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


def points(interval: stats.Interval | None) -> str:
    """A difference of accuracies in points with its interval, such as "+1.2 [−0.3, 2.7]"; an en dash for none."""
    if interval is None or pd.isna(interval.estimate):
        return MISSING
    ends = "" if pd.isna(interval.low) else f" [{end(100 * interval.low)}, {end(100 * interval.high)}]"
    return signed(interval.estimate) + ends


def signed(difference: float) -> str:
    """A difference of accuracies in points, with its sign."""
    text = number(100 * difference)
    return text if text in ("0.0", MISSING) or text.startswith("−") else f"+{text}"


def most_frequent(data: pd.DataFrame) -> dict[str, float]:
    """Data set -> share of its most frequent class in the test part, which is the accuracy of always answering it."""
    return _class_shares(data).groupby("dataset").max().to_dict()


def _class_shares(data: pd.DataFrame) -> pd.Series:
    """The share of each class in its data set's test part, by (dataset, label)."""
    counts = data[data["split"] == "test"].groupby(["dataset", "label"])["count"].sum()
    return counts / counts.groupby("dataset").transform("sum")


# The kinds of verdict, in the order in which they are told; `judged` has the rule.
UNTRAINED, PARTLY, REMAINS, ONLY, HURTS, UNCLEAR, NONE, FEWER = (
    "untrained", "partly", "remains", "only", "hurts", "unclear", "none", "fewer")


def beyond_half(runs: pd.DataFrame, name: str, published: pd.DataFrame, after: str = "trained") -> stats.Interval | None:
    """What inter-training adds under the trained recipe less half of what it adds under the paper's, on one data set at
    its budget in Table 2, over the samples that both have; None where these are too few. `after` is the recipe of IT:CLUST
    under the trained one: `CROSSED` for a model that was inter-trained by the paper's."""
    chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budgets_of(published)[name])]
    paper, plain = (stats.pairs(chosen[chosen["recipe"] == "paper"]),
                    chosen[(chosen["recipe"] == "trained") & (chosen["setting"] == "base")])
    trained = stats.matched(plain, chosen[(chosen["recipe"] == after) & (chosen["setting"] == "clust")])
    left = (trained.eval("after - before") - paper.eval("after - before") / 2).dropna()
    return stats.t_interval(left) if len(left) >= FEW else None


def judged(first: stats.Interval | None, kept: stats.Interval | None, half: stats.Interval | None) -> str:
    """The kind of verdict on one data set, from what inter-training adds under the paper's and the trained recipe, and
    from what is left of it beyond half (`beyond_half`).

    Clear is an interval without 0. Hurts: clearly below 0 under `trained`. Partly: clearly above 0 under both, and
    clearly less than half as large under `trained`; remains: not clearly less. Untrained: clearly above 0 under the
    paper's recipe, no longer clear under `trained`, and clearly less than half as large; unclear: not clearly less.
    """
    if first is None or kept is None or half is None:
        return FEWER
    gained, most = first.estimate > 0 and not first.includes_zero, half.high < 0
    if not kept.includes_zero:
        return HURTS if kept.estimate < 0 else ONLY if not gained else PARTLY if most else REMAINS
    return NONE if not gained else UNTRAINED if most else UNCLEAR


def crossed(runs: pd.DataFrame, name: str, published: pd.DataFrame) -> tuple[stats.Interval, stats.Interval] | None:
    """What each stage's recipe does on one data set at its budget in Table 2, all fine-tuned by the trained recipe: IT:CLUST
    at the paper's rate of inter-training less plain, and IT:CLUST at the trained recipe's rate less that at the paper's.
    None where either has too few samples."""
    chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budgets_of(published)[name])]
    plain, paper, own = (chosen[(chosen["recipe"] == recipe) & (chosen["setting"] == setting)]
                         for recipe, setting in (("trained", "base"), (CROSSED, "clust"), ("trained", "clust")))
    both = stats.matched(plain, paper), stats.matched(paper, own)
    return tuple(map(stats.differences, both)) if min(map(len, both)) >= FEW else None


def crossed_table(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """`crossed` for each data set of the paper: accuracies (%, mean ± SEM) and both differences in points."""
    columns = {"plain": ("trained", "base"), "IT:CLUST, paper's rate": (CROSSED, "clust"),
               "IT:CLUST, trained rate": ("trained", "clust")}
    rows = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
        parts = {title: chosen.loc[(chosen["recipe"] == recipe) & (chosen["setting"] == setting), "accuracy"]
                 for title, (recipe, setting) in columns.items()}
        told = crossed(runs, name, published) or (None, None)
        rows[(titles or {}).get(name, name)] = {
            title: accuracy(values.mean(), stats.sem(values)) for title, values in parts.items()
        } | {"paper's rate minus plain": points(told[0]), "trained rate minus paper's": points(told[1])}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def settings_table(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """All settings at the budget of Table 2, accuracy (%, mean ± SEM), for data sets that have runs with masked words;
    `runs` are of one recipe."""
    stats.single(runs, "recipe")
    rows = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget)].groupby("setting")["accuracy"]
        means, errors = chosen.mean(), chosen.agg(stats.sem)
        if any(setting.startswith("mlm") for setting in means.index):
            rows[(titles or {}).get(name, name)] = {"Labels": str(budget)} | {
                title: accuracy(means.get(setting, float("nan")), errors.get(setting, float("nan")))
                for setting, title in TITLES.items()}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def passes_table(runs: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Accuracy (%, mean ± SEM) by the number of passes over masked words, alone and with clusters after them; none are the plain
    model and IT:CLUST. For data sets and budgets with several numbers of passes; `runs` are of one recipe."""
    rows = []
    for (name, budget), part in _several_passes(runs):
        for epochs, found in part.groupby("mlm_epochs"):
            scores = found.groupby(found["setting"].str.endswith("clust"))["accuracy"]
            means, errors = scores.mean(), scores.agg(stats.sem)
            cells = [accuracy(means.get(after, float("nan")), errors.get(after, float("nan"))) for after in (False, True)]
            rows.append(((titles or {}).get(name, name), str(budget), str(epochs), *cells))
    return pd.DataFrame(rows, columns=["Data set", "Labels", "Passes over masked words", "and no more", "and then the clusters"])


def further_passes(runs: pd.DataFrame) -> Iterator[tuple[str, int, str, int, int, pd.DataFrame]]:
    """What more passes change: data set, budget, setting, the fewer and the more passes, and the accuracies of both on the same
    samples, as `stats.matched`; for each two neighbouring numbers of passes above 0."""
    for (name, budget), part in _several_passes(runs):
        for setting, found in part[part["mlm_epochs"] > 0].groupby("setting", sort=False):
            by = dict(tuple(found.groupby("mlm_epochs")))
            for fewer, more in pairwise(sorted(by)):
                yield name, budget, setting, fewer, more, stats.matched(by[fewer], by[more])


def _several_passes(runs: pd.DataFrame) -> Iterator[tuple[tuple[str, int], pd.DataFrame]]:
    """The runs of each data set and budget that have several numbers of passes over masked words."""
    stats.single(runs, "recipe")
    for key, part in runs.groupby(["dataset", "budget"], sort=False):
        if part.loc[part["mlm_epochs"] > 0, "mlm_epochs"].nunique() > 1:
            yield key, part


def sweep_table(runs: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Accuracy (%) of plain and IT:CLUST at each number of updates, all else alike, and their difference in points."""
    rows = [
        ((titles or {}).get(row.dataset, row.dataset), row.budget, row.updates, number(100 * row.before),
         number(100 * row.after), points(stats.Interval(row.difference, row.low, row.high)), row.n)
        for row in stats.along_updates(runs).itertuples()
    ]
    columns = ["Data set", "Labels", "Updates", TITLES["base"], TITLES["clust"], "Difference, points", "Pairs"]
    return pd.DataFrame(rows, columns=columns)


def peers_table(
    runs: pd.DataFrame, published: pd.DataFrame, patron: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """What others print for a plain model on as many random labels, beside the paper and ours under `trained`.

    `patron` is the PATRON paper's table: RoBERTa-base, accuracy (%) with its standard deviation.
    """
    rows = {}
    for row in patron.merge(published, on=["dataset", "budget"]).itertuples():
        ours = runs[(runs["dataset"] == row.dataset) & (runs["budget"] == row.budget) & (runs["recipe"] == "trained")]
        ours = ours.loc[ours["setting"] == "base", "accuracy"]
        rows[(titles or {}).get(row.dataset, row.dataset)] = {
            "Labels": str(row.budget), "BERT, paper": number(row.bert), "BERT IT:CLUST, paper": number(row.bert_it_clust),
            "plain RoBERTa, others": f"{number(row.ft_random)} ± {number(row.ft_random_sd)}",
            "plain, ours, trained recipe": accuracy(ours.mean(), ours.std())}
    return pd.DataFrame(rows).T.rename_axis("Data set")


# --- The data -------------------------------------------------------------------------------------------------------


def sizes_table(
    data: pd.DataFrame, printed: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Table 1: texts and classes as the paper prints them (rounded as there) and as obtained here, a row a data set.

    `data` counts texts by dataset, split and label; `printed` is the paper's table. What it lacks comes last.
    """
    counted, known = counted_texts(data), printed.set_index("dataset")
    rows = {}
    for name in [*known.index, *sorted(set(counted.index) - set(known.index))]:
        theirs = known.loc[name] if name in known.index else {}
        ours = counted.loc[name] if name in counted.index else {}
        rows[(titles or {}).get(name, name)] = {
            "Kind": KINDS.get(topical.get(name), MISSING), "Classes, paper": whole(theirs.get("classes")),
            "Classes": whole(ours.get("classes")), "Train, paper": thousands(theirs.get("train")),
            "Train": whole(ours.get("train")), "Dev": whole(ours.get("dev")),
            "Test, paper": thousands(theirs.get("test")), "Test": whole(ours.get("test"))}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def counted_texts(data: pd.DataFrame) -> pd.DataFrame:
    """Texts of each part and the number of classes, a row a data set."""
    parts = data.groupby(["dataset", "split"])["count"].sum().unstack(fill_value=0)
    return parts.assign(classes=data[data["count"] > 0].groupby("dataset")["label"].nunique())


def whole(value) -> str:
    return MISSING if value is None or pd.isna(value) else f"{int(value):,}"


def thousands(value) -> str:
    """As Table 1 rounds: 10.2K."""
    return MISSING if value is None or pd.isna(value) else f"{value / 1000:g}K"


def shape_table(
    data: pd.DataFrame, lengths: pd.DataFrame, names: Iterable[str], titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """How long the training texts are (words) and how even the classes of the test part are, a row a data set."""
    largest, smallest = most_frequent(data), _class_shares(data).groupby("dataset").min()
    rows = {}
    for name in names:
        words = _quantiles(lengths[lengths["dataset"] == name], (0.25, 0.5, 0.75))
        rows[(titles or {}).get(name, name)] = {
            "Words, median": number(words[1], 0),
            "middle half": f"{number(words[0], 0)} to {number(words[2], 0)}" if not pd.isna(words[0]) else MISSING,
            "Largest class": percent(100 * largest.get(name, float("nan")), 1),
            "Smallest class": percent(100 * smallest.get(name, float("nan")), 1)}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def _quantiles(lengths: pd.DataFrame, shares: Sequence[float]) -> list[float]:
    """Quantiles of counted lengths: the smallest length that so many texts do not exceed."""
    ordered = lengths.sort_values("words")
    reached = ordered["count"].cumsum() / max(ordered["count"].sum(), 1)
    return [float(ordered.loc[reached >= share, "words"].min()) for share in shares]


def missing_classes_table(
    samples: pd.DataFrame, budgets: Iterable[int], names: Iterable[str], titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """How many of the labelled samples lack a class, which a model trained on them can never predict.

    `samples` has dataset, budget, repetition and missing_classes, as runs and reference methods do.
    """
    seen = samples.drop_duplicates(["dataset", "budget", "repetition"])
    rows = {}
    for name in names:
        cells = {}
        for budget in budgets:
            part = seen.loc[(seen["dataset"] == name) & (seen["budget"] == budget), "missing_classes"]
            cells[f"{budget} labels"] = f"{(part > 0).sum()} of {len(part)}" if len(part) else MISSING
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


# --- NMI and gain ----------------------------------------------------------------------------------------------------

PAPERS = "the paper's BERT"


def nmi_effects(agreement: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Figure 4 as numbers: `stats.effects` of the paper and of each recipe here (`source`), each with the NMI of sIB.

    `difference` is in points. The paper does not print its NMI, so its gains stand against ours as well.
    """
    nmi = stats.sib_nmi(agreement)
    parts = {PAPERS: printed_effects(published)}
    parts |= {f"Ours, {words}": _effects(runs, recipe, published) for recipe, words in RECIPES.items()}
    frame = pd.concat([part.assign(source=source) for source, part in parts.items()], ignore_index=True)
    frame = frame.assign(nmi=frame["dataset"].map(nmi), difference=100 * (frame["after"] - frame["before"]))
    return frame.dropna(subset="nmi").reset_index(drop=True)


NMI_MEASURES = {"error_reduction": "error reduction, %", "gain": "gain, %", "difference": "difference, points"}


def nmi_table(effects: pd.DataFrame) -> pd.DataFrame:
    """How NMI goes with what inter-training adds, by three measures of it: a row a source and measure."""
    rows = []
    for source, group in effects.groupby("source", sort=False):
        for measure, title in NMI_MEASURES.items():
            line = stats.fit_line(group["nmi"], group[measure])
            rows.append((source, title, str(len(group)), interval(stats.correlation(group["nmi"], group[measure]), 2),
                         number(stats.correlation(group["nmi"], group[measure], ranks=True).estimate, 2),
                         MISSING if line is None else interval(line.slope, 1, 0.1)))
    columns = ["Numbers of", "Measure", "Data sets", "Correlation", "Rank correlation", "Slope, for 0.1 of NMI"]
    return pd.DataFrame(rows, columns=columns)


def interval(found: stats.Interval, decimals: int = 1, scale: float = 1) -> str:
    """An estimate with its interval: "0.57 [−0.12, 0.88]"; the ends are left out where there are none."""
    if pd.isna(found.estimate):
        return MISSING
    ends = "" if pd.isna(found.low) else f" [{end(scale * found.low, decimals)}, {end(scale * found.high, decimals)}]"
    return number(scale * found.estimate, decimals) + ends


def end(value: float, decimals: int = 1) -> str:
    """An end of an interval, with more decimals where rounding would hide on which side of 0 it lies."""
    while value and abs(value) < 0.5 * 10.0**-decimals and decimals < 6:
        decimals += 1
    return number(value, decimals)


# --- Reference methods beside fine-tuned models ----------------------------------------------------------------------

WORDS = ("nb_bow", "nb_glove", "svm_bow", "svm_glove")  # the four of section 5.2


def methods_table(
    reference: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Figure 5 at the budget of Table 2: the best of NB and SVM, the nearest cluster and the fine-tuned models under
    each recipe; accuracy (%, mean ± SEM), a row a data set.

    The best of four is chosen by its result, which flatters it a little.
    """
    rows = {}
    for name, budget in budgets_of(published).items():
        theirs, ours = (frame[(frame["dataset"] == name) & (frame["budget"] == budget)] for frame in (reference, runs))
        means = _by_method(theirs)
        best = means.reindex([method for method in WORDS if method in means.index])
        cells = {"best of NB and SVM": f"{_mean(best.max())} ({REFERENCE[best.idxmax()]})" if len(best) else MISSING,
                 "nearest cluster": _mean(means.get("cluster_sib", float("nan")))}
        for recipe in RECIPES:
            row = _accuracy_row(ours[ours["recipe"] == recipe], name, budget, "base", "clust")
            cells |= {f"{TITLES[setting]}, {recipe}": accuracy(row[key], row[f"{key}_sem"])
                      for key, setting in (("before", "base"), ("after", "clust"))}
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


def _by_method(reference: pd.DataFrame) -> pd.Series:
    return reference.groupby("method")["accuracy"].mean()


def _mean(value: float) -> str:
    return number(100 * value)


# --- The clusterings of inter-training -------------------------------------------------------------------------------


def clustering_coverage(runs: pd.DataFrame, expected: Iterable, published: pd.DataFrame) -> pd.DataFrame:
    """How much of Figure 6 is there: a row a clustering, a column a budget, "40/45" runs in a cell."""
    rows = {title: coverage_grid(runs, [run for run in expected if run.clustering == key], published).iloc[0]
            for key, title in CLUSTERINGS.items()}
    return pd.DataFrame(rows).T.rename_axis("Clustering")


def lead(
    runs: pd.DataFrame, name: str, other: str, recipe: str, published: pd.DataFrame
) -> stats.Interval | None:
    """IT:CLUST on sIB's clusters less that on another clustering's, on one data set at its budget in Table 2 and over
    the samples that both have; None where these are too few."""
    budget = budgets_of(published)[name]
    chosen = runs[(runs["dataset"] == name) & (runs["recipe"] == recipe) & (runs["budget"] == budget)
                  & (runs["setting"] == "clust")]
    both = stats.matched(*(chosen[chosen["clustering"] == key] for key in (other, "sib")))
    return stats.differences(both) if len(both) >= FEW else None


def clusterings_table(
    runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper", titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Figure 6 at the budget of Table 2: accuracy (%, mean ± SEM) without inter-training and after each clustering, and
    by how many points sIB leads each of the others, with the 95 % interval over the samples of labels."""
    rows = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)]
        parts = {TITLES["base"]: chosen.loc[chosen["setting"] == "base", "accuracy"]}
        parts |= {title: chosen.loc[(chosen["setting"] == "clust") & (chosen["clustering"] == key), "accuracy"]
                  for key, title in CLUSTERINGS.items()}
        cells = {title: accuracy(values.mean(), stats.sem(values)) for title, values in parts.items()}
        cells |= {f"sIB minus {CLUSTERINGS[other]}": points(lead(runs, name, other, recipe, published)) for other in OTHERS}
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


# --- Showing -------------------------------------------------------------------------------------------------------


class Shown:
    """A frame as a notebook shows it: escaped HTML, no row numbers, no formulas made of a text's dollar signs. One with more
    than `most` columns beside its first is shown in parts, one below the other, which all begin with that one."""

    def __init__(self, frame: pd.DataFrame, longest: int, most: int | None = None):
        self.frame, self.most = frame.map(lambda cell: clip(cell, longest)), most

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)

    def _repr_html_(self) -> str:
        columns = list(range(self.frame.shape[1]))
        first, others = columns[:1], columns[1:]
        parts = math.ceil(len(others) / (self.most or len(others) or 1)) or 1
        each = math.ceil(len(others) / parts)  # as many in each part, give or take one
        return "\n".join(_as_html(self.frame.iloc[:, [*first, *others[part * each : (part + 1) * each]]]) for part in range(parts))


def _as_html(frame: pd.DataFrame) -> str:
    with pd.option_context("display.max_colwidth", None):
        table = frame.to_html(index=False, escape=True, border=0, na_rep=MISSING)
    for apart in (" ± ", " %", "&lt; "):  # a number stays in one line, also in a narrow column
        table = table.replace(apart, apart.replace(" ", "\u00a0"))
    table = re.sub(r"(\[−?[\d.]+,) (−?[\d.]+\])", "\\1\u00a0\\2", table)  # and so does an interval
    # Both classes keep MathJax out, in the book and in a notebook: "$5 ... $6" is a text's own business.
    return f'<div class="tex2jax_ignore mathjax_ignore" style="overflow-x: auto">{table}</div>'


def markdown(frame: pd.DataFrame) -> str:
    """The frame as a Markdown table, for a document; its cells must hold no text of a data set."""
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def show(frame: pd.DataFrame, longest: int = 300, most: int | None = None) -> Shown:
    """The frame for display; texts are cut after `longest` characters. A named index becomes a column; row numbers go. With
    `most`, a wide frame is shown in parts of at most so many columns beside the first."""
    named = any(name is not None for name in frame.index.names)
    return Shown(frame.reset_index() if named else frame, longest, most)


def clip(cell, longest: int = 300):
    """Text on one line, without control characters, cut with an ellipsis; anything else as it is."""
    if not isinstance(cell, str):
        return cell
    text = " ".join("".join(c if c.isprintable() else " " for c in cell).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def html(text: str, longest: int = 300) -> str:
    """A data set's text, safe inside HTML, attributes included."""
    return escape(clip(str(text), longest), quote=True)
