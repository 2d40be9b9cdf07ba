"""From the tidy frame of runs to the paper's tables, ready to be read: every cell is rounded text.

A combination without runs shows as an en dash. Frames that mix encoders, clusterings or versions of a data set are
refused, never averaged. Nothing here computes a statistic (`stats` does) or draws (`figures` does).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

import pandas as pd

from cluster_tune import stats
from cluster_tune.errors import InputError

TITLES = {"base": "plain", "clust": "IT:CLUST", "mlm": "IT:MLM", "mlm+clust": "IT:MLM+CLUST"}
REFERENCE = {"nb_bow": "NB, BOW", "nb_glove": "NB, GloVe", "svm_bow": "SVM, BOW", "svm_glove": "SVM, GloVe",
             "cluster_sib": "nearest cluster"}
CLUSTERINGS = {"sib": "sIB", "kmeans": "k-means", "hartigan": "Hartigan's k-means"}
RECIPES = {"paper": "the paper's recipe", "trained": "the trained recipe"}
WAYS = {"authors": "a Trainer like the authors'", "tuned": "a Trainer, tuned", "ours": "this package"}
MISSING = "–"
NOT_BELOW = "≥ .05"  # a p that the paper's Table 3 does not print
FEW = 3  # below three repetitions an interval says nothing
READ = 100  # words of a text that an encoder reads at most: about 128 word pieces
MANY = 5  # below five data sets a correlation says nothing


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


# --- The paper's tables beside ours ----------------------------------------------------------------------------------


def of_paper(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The runs that the paper has counterparts of: its data sets (`published`, Table 2), none below the budget there.

    So 20 newsgroups begins at 128 labels, as in Figure 2: samples of 64 miss some of its classes. In Table 2's order.
    """
    least, order = runs["dataset"].map(budgets_of(published)), list(budgets_of(published))
    kept = runs[least.notna() & (runs["budget"] >= least)]
    return kept.sort_values("dataset", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)


def budgets_of(published: pd.DataFrame) -> dict[str, int]:
    """Data set -> its budget in Table 2, in the table's order."""
    printed = published.dropna(subset="budget")
    return dict(zip(printed["dataset"], printed["budget"].astype(int)))


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

    Every budget has a row for each recipe and setting that were run together, so that a gap shows. `seconds` adds the
    mean time of a run, which no two machines share.
    """
    stats.single(runs, "dataset")
    runs = stats.consistent(runs)
    settings = [setting for setting in TITLES if setting in set(runs["setting"])]
    rows = []
    for recipe in runs["recipe"].unique():
        for budget in sorted(runs["budget"].unique()):
            for setting in (setting for setting in settings if setting in set(runs.loc[runs["recipe"] == recipe, "setting"])):
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
    facts = {"machine": ", ".join(runs["machine"].unique()), "dates": ", ".join(sorted(runs["date"].unique()))}
    if "package" in runs:
        versions = runs[["package", "version"]].drop_duplicates().itertuples(index=False)
        share = 100 * runs["waited"] / (runs["waited"] + runs["cpu_seconds"])
        facts["packages"] = ", ".join(f"{package} {version}" for package, version in sorted(versions))
        facts["waiting for a core"] = f"{percent(share.mean(), 1)} of the time on average, {percent(share.max(), 1)} at most"
    else:
        facts["packages"] = ", ".join(f"{package} {runs[package].iloc[0]}" for package in ("torch", "transformers"))
    return pd.DataFrame(list(facts.items()), columns=["Fact", "Value"])


def recipes_table(recipes: Iterable) -> pd.DataFrame:
    """What recipes say, a column each, in words and with units; `recipes` are `design.Recipe` records."""
    return pd.DataFrame({recipe.name: [str(getattr(recipe, field)) for field in FIELDS] for recipe in recipes},
                        index=pd.Index(FIELDS.values(), name="Of a recipe"))


FIELDS = {
    "learning_rate": "fine-tuning: learning rate", "batch_size": "texts in a batch", "epochs": "passes over the sample",
    "min_updates": "updates at least", "schedule": "learning rate over time", "max_length": "word pieces of a text at most",
    "inter_learning_rate": "training on clusters: learning rate", "inter_batch_size": "texts in its batches",
    "inter_epochs": "its passes over the training texts", "mlm_learning_rate": "training on masked words: learning rate",
    "mlm_epochs": "its passes over the training texts", "mlm_duplicates": "maskings of each text",
}  # fmt: skip


def training_table(measured: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Three ways to train and to predict, a row each: texts a second, and how many times as many they are here.

    `measured` (`benchmarks/training.csv`): way, dataset, device, the two rates, their ratios, matrix_share, peak_mb.
    """
    return pd.DataFrame({
        "Data set": measured["dataset"].replace(dict(titles or {})), "Device": measured["device"].str.upper(),
        "Way": measured["way"].map(WAYS),
        "Trained, texts a second": measured["train_texts_a_second"].map(lambda rate: number(rate, 0)),
        "Training here, times as fast": measured["ours_is_train_times"].map(number),
        "Predicted, texts a second": measured["predict_texts_a_second"].map(lambda rate: number(rate, 0)),
        "Prediction here, times as fast": measured["ours_is_predict_times"].map(number),
        "Share of the matrix rate": measured["matrix_share"].map(lambda share: percent(100 * share)),
        "Memory, MB": measured["peak_mb"].map(lambda mb: number(mb, 0)),
    })


def cost_table(
    plans: Mapping[str, tuple[int, Mapping[str, tuple[int, int]]]], measured: pd.DataFrame, lengths: pd.DataFrame
) -> pd.DataFrame:
    """About how long each profile takes on what the benchmark ran on, a row a profile.

    `plans`: name -> how many runs it has, and for each data set the texts it trains on and predicts (`design.texts_read`).
    A text of another data set is taken to cost what one of the benchmark's costs, times the ratio of their mean lengths in
    words, of which at most `READ` of a text count. Rates are those of the benchmark's `ours`.
    """
    read = lengths["words"].clip(upper=READ) * lengths["count"]
    mean = read.groupby(lengths["dataset"]).sum() / lengths.groupby("dataset")["count"].sum()
    ours, rows = measured.set_index("way").loc["ours"], []
    for name, (runs, plan) in plans.items():
        weighted = [[texts * mean[dataset] / mean[ours["dataset"]] for texts in both] for dataset, both in plan.items()]
        hours = [sum(part) / ours[f"{what}_texts_a_second"] / 3600 for part, what in zip(zip(*weighted), ("train", "predict"))]
        texts = [sum(part) for part in zip(*plan.values())]
        rows.append({"Profile": name, "Runs": f"{runs:,}", "Texts to train on": f"{texts[0]:,}",
                     "Texts to predict": f"{texts[1]:,}", "Hours of training": number(hours[0]),
                     "Hours of prediction": number(hours[1]), "Hours in all": number(sum(hours))})
    return pd.DataFrame(rows)


def fixed_table(fixed: pd.DataFrame) -> pd.DataFrame:
    """Seconds that training does not see: once a data set, or once a run (`benchmarks/training_fixed.csv`)."""
    return pd.DataFrame({"What": fixed["what"], "Once a": fixed["every"],
                         "Seconds": fixed["seconds"].map(lambda s: number(s, 3 if s < 0.1 else 2))})


def plain_loop_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of this package and of a plain loop, a row a repetition (`benchmarks/training_accuracy.csv`)."""
    ways = scores.pivot(index="repetition", columns="way", values="accuracy")
    return pd.DataFrame({"Repetition": ways.index.astype(str), "Here": ways["ours"].map(accuracy).to_list(),
                         "A plain loop": ways["plain loop"].map(accuracy).to_list(),
                         "Difference, points": (ways["ours"] - ways["plain loop"]).map(signed).to_list()})


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
    """Table 3 with more beside it: one row a budget; differences in points; the corrected p as the paper prints it.

    That p is not given where it is not below .05. The plain p, Wilcoxon's and the 95 % interval stand beside it, and
    the paper's own p where `published` has it (budget -> p).
    """
    rows = [
        (int(row.budget), f"{row.n} ({row.datasets})", number(100 * row.difference),
         f"{number(100 * row.low)} to {number(100 * row.high)}", p_value(row.p),
         p_value(row.p_bonferroni) if row.p_bonferroni < 0.05 else NOT_BELOW, p_value(row.p_wilcoxon))
        for row in stats.comparison(runs, before, after, tests).itertuples()
    ]
    columns = ["Labels", "Pairs (data sets)", "Difference, points", "95 % interval", "p, paired t, uncorrected",
               f"p, after Bonferroni ({tests})", "p, Wilcoxon, uncorrected"]
    table = pd.DataFrame(rows, columns=columns)
    return table if published is None else table.assign(**{"p, paper": [p_value(published.get(n)) for n in table["Labels"]]})


def published_p(table_3: pd.DataFrame, against: str = "bert") -> dict[int, float]:
    """Table 3 as printed, budget -> p; NaN where the paper found nothing. `against` is 'bert' or 'bert_it_mlm'."""
    sizes = pd.to_numeric(table_3["train_size"], errors="coerce")
    printed = zip(sizes[sizes.notna()].astype(int), table_3.loc[sizes.notna(), f"p_vs_{against}"])
    return {budget: float(p) for budget, p in printed}


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
        "before" if row.setting == "base" else f"after {TITLES[row.setting]}{_unusual(row)}, {row.recipe}"
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
    columns = {"ed": "ED", "permuted": "ED, labels permuted", "ned": "NED"}
    table = distances.assign(Embeddings=stage(distances))[["Embeddings", "texts", *columns]].rename(columns=columns)
    table = table.round(3).assign(p=distances["p"].map(p_value))
    if titles is None:
        return table
    table.insert(0, "Data set", [titles[name] for name in distances["dataset"]])
    order = {name: i for i, name in enumerate(titles)}
    return table.iloc[distances["dataset"].map(order).argsort(kind="stable")].set_index("Data set")


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
    ours = [f"{'/'.join(map(str, sorted(found)))} ({TITLES[setting]})" for setting, found in counts.items()]
    return f"{', '.join(ours)}; the paper: {PAPERS_WORD_EPOCHS}"


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


def speed_in_words(both: pd.DataFrame) -> Prose:
    """What the comparison with sib-clustering comes to: speed, I(T;Y), memory, each with its worst case."""
    if both.empty:
        return Prose("There are no measurements of both packages yet.")
    lost = (both["information_theirs"] - both["information_ours"]).max()
    kept = "no lower" if lost < 1e-6 else f"lower by {number(lost, 4)} bits at worst"  # below: the rounding of sums
    return Prose(
        f"On every data set and number of cores, sIB here is at least {number(both['times'].min())} times as fast as "
        f"sib-clustering, by the median over seeds, and {number(both['least_times'].min())} times with the least "
        f"favourable seed; its mean I(T;Y) is {kept}. {_memory_in_words(both)}"
    )


def _memory_in_words(both: pd.DataFrame) -> str:
    said = []
    for part, what in (("fit_mb", "The fit itself"), ("peak_mb", "The whole process, libraries and compiled code included,")):
        more = both[f"{part}_ours"] - both[f"{part}_theirs"]
        least, most = (number(abs(m), 0) for m in (more.min(), more.max()))
        if more.max() <= 0:
            said.append(f"{what} takes less memory in every row, by at least {most} MB.")
        elif more.min() > 0:
            said.append(f"{what} takes more memory in every row, by up to {most} MB.")
        else:
            cores = sorted(both.loc[more > 0, "cores"].unique())
            said.append(f"{what} takes up to {least} MB less in some rows and up to {most} MB more in others, those on "
                        f"{_listed([str(n) for n in cores])} core{'s' * (cores != [1])}.")
    return " ".join(said)


def word_epochs_in_words(frame: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """How many passes over masked words stand behind rows with them, beside the paper's; nothing where there are none."""
    masked = frame[frame["setting"].str.startswith("mlm")]
    if masked.empty:
        return Prose("No model was trained on masked words here so far.")
    groups = masked.groupby("mlm_epochs")["dataset"].unique().sort_index(ascending=False)
    told = [f"{int(epochs)} {'pass' if epochs == 1 else 'passes'} ({_listed([(titles or {}).get(name, name) for name in names])})"
            for epochs, names in groups.items()]
    return Prose(f"The models of IT:MLM and IT:MLM+CLUST were trained on masked words for {_listed(told)} here, where the paper's "
                 f"were for {PAPERS_WORD_EPOCHS}.")


def training_in_words(measured: pd.DataFrame) -> Prose:
    """How many times as fast as both kinds of Trainer this package trains and predicts, a sentence a device."""
    said = []
    for device, part in measured.groupby("device", sort=True):
        ways = part.set_index("way")
        ours, slow, tuned = (ways.loc[way] for way in ("ours", "authors", "tuned"))
        said.append(
            f"On the {device.upper()}, this package trains on {number(ours['train_texts_a_second'], 0)} texts a second, "
            f"{number(slow['ours_is_train_times'])} times as many as a `Trainer` set up as the authors train and "
            f"{number(tuned['ours_is_train_times'])} times as many as a tuned one. It predicts "
            f"{number(ours['predict_texts_a_second'], 0)} texts a second, {number(slow['ours_is_predict_times'])} and "
            f"{number(tuned['ours_is_predict_times'])} times as many. At most it holds {number(ours['peak_mb'], 0)} MB, where "
            f"they hold {number(slow['peak_mb'], 0)} and {number(tuned['peak_mb'], 0)} MB."
        )
    return Prose(" ".join(said))


def fixed_in_words(fixed: pd.DataFrame, measured: pd.DataFrame, updates: int = 10, batch: int = 64) -> Prose:
    """What a run costs beside its updates, as a share of the shortest run's training."""
    once = fixed.groupby("every")["seconds"].sum()
    rate = measured.set_index("way").loc["ours", "train_texts_a_second"]
    seconds = updates * batch / rate
    return Prose(
        f"All that is done once a data set takes {number(once['data set'])} s. A run then needs {number(once['run'], 2)} s beside "
        f"its updates and its prediction: {percent(100 * once['run'] / seconds, 1)} of the {number(seconds)} s that {updates} updates "
        f"take at the rate above, and there are runs of {updates} to 640."
    )


def plain_loop_in_words(scores: pd.DataFrame) -> Prose:
    """Whether the accuracy here differs from a plain loop's by more than one expects of another seed."""
    ways = scores.pivot(index="repetition", columns="way", values="accuracy")
    difference = stats.t_interval(ways["ours"] - ways["plain loop"])
    means = ways.mean()
    within = difference.low <= 0 <= difference.high
    return Prose(
        f"Over {len(ways)} samples the mean accuracy is {percent(100 * means['ours'], 1)} here and "
        f"{percent(100 * means['plain loop'], 1)} with the plain loop, a difference of {points(difference)} points. "
        + ("The interval includes 0: no loss was found." if within else "The interval excludes 0: the two do differ.")
    )


def texts_in_words(bags: pd.DataFrame) -> Prose:
    """What stemming and counting costs beside reading the texts, and beside NLTK and scikit-learn."""
    seconds = bags.set_index("what")["seconds"]
    ours, about = seconds["stem and count"], bags.iloc[0]
    return Prose(
        f"The {about['texts']:,} texts, {number(about['megabytes'])} MB, have {about['words']:,} words that count. To stem "
        f"and count them takes {number(ours, 2)} s: {number(ours / seconds['read, check and split the data set'])} times "
        f"as long as `datasets.load`, which reads, checks and splits the data set, "
        f"{number(ours / seconds['read a CSV file'], 0)} times as long as pandas takes to read a CSV file without a look "
        f"at the texts, {number(ours / seconds['count without stems'])} times as long as `CountVectorizer` takes without "
        f"stems, and {percent(100 * ours / seconds['stem and count, NLTK'], 1)} of what it takes with NLTK's stemmer, "
        f"which comes to the same vocabulary and counts."
    )


def averages_in_words(published: pd.DataFrame, topical: Mapping[str, bool]) -> Prose:
    """What the paper's average gain is an average of, from its own table."""
    printed = printed_effects(published)
    found = stats.averages(printed[printed["dataset"].map(topical) == True])  # noqa: E712, other values are None
    return Prose(
        f"The paper's average gain over its {found['n']} topical data sets, {percent(found['mean_of_gains'])}, is a mean "
        f"of ratios, to which the data sets with the lowest baselines contribute most. Its mean accuracies, "
        f"{number(100 * found['before'])} and {number(100 * found['after'])}, differ by "
        f"{percent(found['gain_of_means'])}; read so, the error reduction is {percent(found['reduction_of_means'])} "
        f"where the mean of ratios is {percent(found['mean_of_reductions'])}."
    )


def effects_in_words(
    runs: pd.DataFrame,
    published: pd.DataFrame,
    topical: Mapping[str, bool],
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Table 2's finding, obtained or not: on how many data sets of each kind inter-training helps, a recipe a line.

    A data set counts as clearly above or below where the 95 % interval of its matched differences excludes 0.
    """
    lines = []
    for recipe, words in RECIPES.items():
        for kind, title in KINDS.items():
            names = [name for name in budgets_of(published) if topical.get(name) is kind]
            found = [(name, _difference(runs, name, recipe, published)) for name in names]
            found = [(name, interval) for name, interval in found if interval is not None]
            lines.append(f"- {words[0].upper() + words[1:]}, data sets that are {title}: {_counted(found, names, titles)}")
    return Prose("\n".join(lines))


def _difference(runs: pd.DataFrame, name: str, recipe: str, published: pd.DataFrame) -> stats.Interval | None:
    """IT:CLUST less plain on one data set at its budget in Table 2; None where there are too few repetitions."""
    budget = budgets_of(published)[name]
    chosen = (runs["dataset"] == name) & (runs["recipe"] == recipe) & (runs["budget"] == budget)
    both = stats.pairs(runs[chosen])
    return stats.differences(both) if len(both) >= FEW else None


def _counted(found: Sequence[tuple], names: Sequence[str], titles: Mapping[str, str] | None) -> str:
    """How many intervals lie above 0, below 0 and across it, and which data sets have none."""
    if not found:
        return "too few runs yet."
    sides = {"clearly above plain": [], "clearly below plain": [], "not told apart from plain": []}
    for name, interval in found:
        side = "not told apart from plain" if interval.includes_zero else (
            "clearly above plain" if interval.estimate > 0 else "clearly below plain")
        sides[side].append((titles or {}).get(name, name))
    parts = [f"{side} on {len(part)} of {len(found)} ({_listed(part)})" for side, part in sides.items() if part]
    missing = [(titles or {}).get(name, name) for name in names if name not in dict(found)]
    return f"IT:CLUST is {', '.join(parts)}" + (f"; too few runs so far: {_listed(missing)}." if missing else ".")


def comparison_in_words(
    runs: pd.DataFrame, before: str = "base", after: str = "clust", tests: int = 8,
    published: Mapping[int, float] | None = None,
) -> Prose:
    """What changes beside Table 3's t-test: one line a budget says where the tests and the interval part.

    Both tests are corrected for `tests` budgets and called at .05; the interval is one of 95 % over data sets and
    repetitions. InputError for a frame of several recipes.
    """
    stats.single(runs, "recipe")
    rows = stats.comparison(runs, before, after, tests)
    if rows.empty:
        return Prose(f"There are no matched runs of {TITLES[after]} and {TITLES[before]} yet.")
    lines = [f"- {int(row.budget)} labels: {_compared(row, tests, published)}" for row in rows.itertuples()]
    return Prose("\n".join(lines))


def _compared(row, tests: int, published: Mapping[int, float] | None) -> str:
    p, signed = row.p_bonferroni, stats.bonferroni(row.p_wilcoxon, tests)
    interval = stats.Interval(row.difference, row.low, row.high)
    side = "in favour of inter-training" if row.difference > 0 else "against inter-training"
    found = {f"the t-test (corrected p = {p_value(p)})": p < 0.05, f"Wilcoxon's test (corrected p = {p_value(signed)})": signed < 0.05,
             f"the interval ({number(100 * row.low)} to {number(100 * row.high)})": not interval.includes_zero}
    yes, no = ([name for name, says in found.items() if says is answer] for answer in (True, False))
    if not no:
        text = f"{_listed(yes)} agree on a difference {side}"
    elif not yes:
        text = f"{_listed(no)} agree that no difference is shown"
    else:
        text = f"{_listed(yes)} find{'s' * (len(yes) == 1)} a difference {side}, {_listed(no)} do{'es' * (len(no) == 1)} not"
    printed = (published or {}).get(int(row.budget))
    if printed is None:
        return text + "."
    return text + ("; the paper found none." if pd.isna(printed) else f"; the paper's p is {p_value(printed)}.")


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
        f"with the error reduction that the paper reports at 64 labels (20 Newsgroups: 128) is {rank}."
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def stages_in_words(frame: pd.DataFrame, titles: Mapping[str, str]) -> Prose:
    """How many of the data sets have which stages of their embeddings, and which have none yet."""
    counts = frame.assign(stage=stage(frame)).groupby("stage", sort=False)["dataset"].nunique()
    listed = _listed([f"{name}: {count}" for name, count in counts.items()])
    missing = [title for name, title in titles.items() if name not in set(frame["dataset"])]
    gaps = f" Still missing: {_listed(missing)}." if missing else ""
    return Prose(f"Of {len(titles)} data sets there are embeddings {listed}.{gaps}")


def of_recipes(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the plain encoder and of the two recipes with the paper's clustering, without variants of either."""
    kept = frame["recipe"].isin(["", *RECIPES]) & frame["clustering"].isin(["", "sib"])
    return frame[kept].reset_index(drop=True)


OF_FIGURE_3 = "after IT:CLUST, paper"  # the only kind of inter-training whose embeddings the paper reports


def ned_in_words(distances: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str]) -> Prose:
    """Whether the paper's three statements of section 5.3 hold here: NED falls in every data set; classes are tighter
    than chance, before and after; and with labels permuted, ED grows about threefold."""
    ned = distances.assign(stage=stage(distances)).pivot(index="dataset", columns="stage", values="ned")
    lines = [_ned_falls(ned["before"], ned[after], after, topical, titles) for after in _afters(distances)]
    lines += [_by_chance(distances), *filter(None, [_spread_out(distances)])]
    return Prose("\n".join(f"- {line}" for line in lines))


def _afters(distances: pd.DataFrame) -> list[str]:
    return [name for name in dict.fromkeys(stage(distances)) if name != "before"]


def _ned_falls(before: pd.Series, after: pd.Series, what: str, topical: Mapping, titles: Mapping) -> str:
    change = (after - before).dropna()
    if change.empty:
        return f"NED {what}: nothing to compare yet."
    rises = [titles.get(name, name) for name, value in change.items() if value >= 0]
    text = f"NED is smaller {what}, than before in {_by_kind(change < 0, topical)}"
    text += f"; it is not in {_listed(rises)}" if rises else ""
    return f"{text}. The paper found it smaller in all of its data sets." if what == OF_FIGURE_3 else f"{text}."


def _by_kind(holds: pd.Series, topical: Mapping[str, bool]) -> str:
    """In how many data sets of either kind something holds; `holds` has a bool a data set."""
    counts = []
    for kind, title in ((True, "topical"), (False, "other")):
        of_kind = [value for name, value in holds.items() if bool(topical.get(name)) is kind]
        if of_kind:
            counts.append(f"{sum(of_kind)} of {len(of_kind)} {title} data sets")
    return " and ".join(counts)


def separation_in_words(separation: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str]) -> Prose:
    """Whether classes come apart in pictures of topical data sets, as the paper sees them do (section 5.3)."""
    share = separation.assign(stage=stage(separation)).pivot(index="dataset", columns="stage", values="neighbours")
    lines = []
    for after in _afters(separation):
        change = (share[after] - share["before"]).dropna()
        falls = [titles.get(name, name) for name, value in change.items() if topical.get(name) and value <= 0]
        verdict = f"; of the topical ones it is not larger in {_listed(falls)}" if falls else ""
        lines.append(f"- The share is larger {after}, than before in {_by_kind(change > 0, topical)}{verdict}.")
    return Prose("\n".join(lines) or "Nothing to compare yet.")


def _by_chance(distances: pd.DataFrame) -> str:
    sure = int((distances["p"] < 0.001).sum())
    many = "all" if sure == len(distances) else f"{sure} of"
    return (f"ED is smaller than with permuted labels, p < .001, in {many} {len(distances)} embeddings (data sets, before "
            "and after); in the paper, in all.")


def _spread_out(distances: pd.DataFrame) -> str:
    """How ED with permuted labels grows from the plain to the inter-trained encoder; '' where there is no pair."""
    before = distances[distances["setting"] == "base"].set_index("dataset")["permuted"]
    after = distances[distances["setting"] == "clust"]
    ratio = (after["permuted"] / after["dataset"].map(before).to_numpy()).dropna()
    if ratio.empty:
        return ""
    return (f"With labels permuted, ED after {TITLES['clust']} is {number(ratio.min())} to {number(ratio.max())} times "
            f"that before, {number(ratio.median())} in the median; the paper reports about 3 times for its BERT.")


def alignment_in_words(
    measures: Mapping[str, tuple[pd.DataFrame, str]], runs: pd.DataFrame, budget: int, recipe: str
) -> Prose:
    """Whether what inter-training does to embeddings goes with what it does to accuracy (section 5.3).

    For each measure, title -> (frame, column), the rank correlation over data sets of its change with the difference
    in accuracy at one budget and recipe.
    """
    matched = stats.pairs(runs[(runs["recipe"] == recipe) & (runs["budget"] == budget)])
    gained = (matched["after"] - matched["before"]).groupby("dataset").mean()
    lines = [f"- {title}: {_aligned(_change(*of, recipe), gained)}." for title, of in measures.items()]
    return Prose("\n".join(lines))


def _change(frame: pd.DataFrame, column: str, recipe: str) -> pd.Series:
    """What inter-training on clusters does to a measure, a value a data set that has both."""
    kept = frame[frame["recipe"].isin(["", recipe]) & frame["setting"].isin(["base", "clust"])]
    wide = kept.pivot(index="dataset", columns="setting", values=column).reindex(columns=["base", "clust"])
    return (wide["clust"] - wide["base"]).dropna()


def _aligned(change: pd.Series, gained: pd.Series) -> str:
    both = pd.concat([change, gained], axis=1, join="inner")
    if len(both) < MANY:
        return f"{len(both)} data sets have both its change and accuracies, too few for a correlation"
    rank = number(stats.rank_correlation(both.iloc[:, 0], both.iloc[:, 1]), 2)
    return f"over {len(both)} data sets the rank correlation of its change with the difference in accuracy is {rank}"


def findings(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> Prose:
    """The verdicts of one data set on every recipe and budget present, as a Markdown list."""
    cells = runs[["recipe", "budget"]].drop_duplicates()
    lines = [f"- {verdict(runs, budget, recipe, before, after)}"
             for recipe in cells["recipe"].unique()
             for budget in sorted(cells.loc[cells["recipe"] == recipe, "budget"])]
    return Prose("\n".join(lines))


def verdicts(
    runs: pd.DataFrame, budget: int, titles: Mapping[str, str] | None = None, stand_in: Mapping[str, int] | None = None
) -> Prose:
    """The verdicts of several data sets at one budget, or the one that stands in for it, a recipe a list, as Markdown."""
    budgets = {name: (stand_in or {}).get(name, budget) for name in runs["dataset"].unique()}
    lines = [f"- {(titles or {}).get(name, name)}: {verdict(runs[runs['dataset'] == name], budgets[name], recipe)}"
             for recipe in RECIPES for name in budgets]
    return Prose("\n".join(lines))


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
            cells |= {f"{TITLES[setting]}, {recipe}": accuracy(row[key], row[f"{key}_sem"])
                      for key, setting in (("before", "base"), ("after", "clust"))}
        for recipe in RECIPES:
            cells[f"Difference, {recipe}"] = points(_difference(runs, name, recipe, published))
        rows[(titles or {}).get(name, name)] = cells
    return pd.DataFrame(rows).T.rename_axis("Data set")


def points(interval: stats.Interval | None) -> str:
    """A difference of accuracies in points with its interval, such as "+1.2 [−0.3, 2.7]"; an en dash for none."""
    if interval is None or pd.isna(interval.estimate):
        return MISSING
    ends = "" if pd.isna(interval.low) else f" [{number(100 * interval.low)}, {number(100 * interval.high)}]"
    return signed(interval.estimate) + ends


def signed(difference: float) -> str:
    """A difference of accuracies in points, with its sign."""
    text = number(100 * difference)
    return text if text in ("0.0", MISSING) or text.startswith("−") else f"+{text}"


def most_frequent(data: pd.DataFrame) -> dict[str, float]:
    """Data set -> share of its most frequent class in the test part, which is the accuracy of always answering it."""
    counts = data[data["split"] == "test"].groupby(["dataset", "label"])["count"].sum()
    largest, whole = counts.groupby("dataset").max(), counts.groupby("dataset").sum()
    return (largest / whole).to_dict()


# The kinds of verdict, in the order in which they are told; `judged` has the rule.
UNTRAINED, PARTLY, REMAINS, ONLY, HURTS, UNCLEAR, NONE, FEWER = (
    "untrained", "partly", "remains", "only", "hurts", "unclear", "none", "fewer")


def judged(first: stats.Interval | None, kept: stats.Interval | None) -> str:
    """The kind of verdict on one data set, from what inter-training adds under the paper's and the trained recipe.

    Clear is an interval without 0. Hurts: clearly below 0 under `trained`. Remains: clearly above 0 under both, and at
    least half as large under `trained`; partly: less than half. Untrained: clearly above 0 under the paper's recipe,
    no longer clear under `trained`, and less than half as large; unclear: at least half.
    """
    if first is None or kept is None:
        return FEWER
    gained, most = first.estimate > 0 and not first.includes_zero, kept.estimate < first.estimate / 2
    if not kept.includes_zero:
        return HURTS if kept.estimate < 0 else ONLY if not gained else PARTLY if most else REMAINS
    return NONE if not gained else UNTRAINED if most else UNCLEAR


def baseline_verdict(first: stats.Interval | None, kept: stats.Interval | None) -> str:
    """The verdict on one data set in words, with both differences in points and their intervals."""
    was, now = f"{points(first)} points under the paper's recipe", f"{points(kept)} under the trained one"
    return {
        UNTRAINED: f"**most of the gain goes when the baseline is trained**: {was}, {now}, and that may be nothing",
        PARTLY: f"**most of the gain goes when the baseline is trained, a gain remains**: {was}, {now}",
        REMAINS: f"**a gain remains**: {was}, {now}",
        ONLY: f"**a gain, but not with the paper's recipe**: {was}, {now}",
        HURTS: f"**inter-training hurts** the trained model: {was}, {now}",
        UNCLEAR: f"**unclear**: {was}, {now}, at least half as much, but the interval includes 0",
        NONE: f"**no clear gain to explain**: {was}, {now}",
        FEWER: "too few runs for a verdict yet",
    }[judged(first, kept)]


def baseline_verdicts(
    runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """A verdict a data set, in the order of Table 2, as a Markdown list."""
    found = _both_recipes(runs, published)
    return Prose("\n".join(f"- {(titles or {}).get(name, name)}: {baseline_verdict(*both)}." for name, both in found.items()))


def _both_recipes(runs: pd.DataFrame, published: pd.DataFrame) -> dict[str, tuple]:
    return {name: tuple(_difference(runs, name, recipe, published) for recipe in RECIPES)
            for name in budgets_of(published)}


def baseline_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """The answer in short: on how many data sets which verdict falls, and what training does to the plain model."""
    kinds: dict[str, list[str]] = {}
    for name, both in _both_recipes(runs, published).items():
        kinds.setdefault(judged(*both), []).append((titles or {}).get(name, name))
    told = {UNTRAINED: "most of the gain under the paper's recipe goes when the baseline is trained, and nothing clear is left",
            PARTLY: "most of it goes when the baseline is trained, but a gain remains",
            REMAINS: "at least half of the gain remains when the baseline is trained",
            ONLY: "there is a clear gain under the trained recipe only",
            HURTS: "inter-training hurts the trained model", UNCLEAR: "these runs do not decide",
            NONE: "there is no clear gain to explain", FEWER: "there are too few runs yet"}
    total = sum(map(len, kinds.values()))
    lines = [f"- On {len(kinds[kind])} of {total} data sets {words}: {_listed(kinds[kind])}."
             for kind, words in told.items() if kind in kinds]
    return Prose("\n".join([*lines, *_plain_beats(runs, published, titles)]))


def _plain_beats(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None) -> list[str]:
    """Where the plain model, trained, is above the inter-trained one under the paper's recipe; a line or none."""
    found = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
        plain, other = (chosen.loc[(chosen["recipe"] == recipe) & (chosen["setting"] == setting), "accuracy"]
                        for recipe, setting in (("trained", "base"), ("paper", "clust")))
        if len(plain) and len(other):
            found[(titles or {}).get(name, name)] = plain.mean() > other.mean()
    above = [title for title, says in found.items() if says]
    if not found:
        return []
    return [f"- The trained plain model, with no inter-training, is above the paper's recipe with inter-training on "
            f"{len(above)} of {len(found)} data sets{': ' + _listed(above) if above else ''}."]


def chance_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, chance: Mapping[str, float], titles: Mapping[str, str] | None = None
) -> Prose:
    """On which data sets the plain model is no better than always answering the largest class, a recipe a line.

    No better is less than one point above it, as a mean over the samples of labels.
    """
    lines = []
    for recipe, words in RECIPES.items():
        means = {name: runs.loc[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)
                                & (runs["setting"] == "base"), "accuracy"].mean()
                 for name, budget in budgets_of(published).items() if name in chance}
        known = {name: mean for name, mean in means.items() if not pd.isna(mean)}
        low = [f"{(titles or {}).get(name, name)} ({number(100 * mean)} beside {number(100 * chance[name])})"
               for name, mean in known.items() if mean < chance[name] + 0.01]
        where = _listed(low) if low else "none"
        lines.append(f"- Under {words}: {where} of {len(known)} data sets." if not low else
                     f"- Under {words}, {len(low)} of {len(known)} data sets: {where}.")
    return Prose("\n".join(lines))


def sweep_table(runs: pd.DataFrame, titles: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Accuracy (%) of plain and IT:CLUST at each number of updates, all else alike, and their difference in points."""
    rows = [
        ((titles or {}).get(row.dataset, row.dataset), row.budget, row.updates, number(100 * row.before),
         number(100 * row.after), points(stats.Interval(row.difference, row.low, row.high)), row.n)
        for row in stats.along_updates(runs).itertuples()
    ]
    columns = ["Data set", "Labels", "Updates", TITLES["base"], TITLES["clust"], "Difference, points", "Pairs"]
    return pd.DataFrame(rows, columns=columns)


def sweep_in_words(
    runs: pd.DataFrame, names: Iterable[str], budgets: Iterable[int], titles: Mapping[str, str] | None = None
) -> Prose:
    """What becomes of the difference as the model is trained for longer: a line a data set and budget."""
    found = stats.along_updates(runs)
    lines = []
    for name in names:
        for budget in budgets:
            part = found[(found["dataset"] == name) & (found["budget"] == budget)].sort_values("updates")
            lines.append(f"- {(titles or {}).get(name, name)}, {budget} labels: {_swept(part)}")
    return Prose("\n".join(lines))


def _swept(part: pd.DataFrame) -> str:
    if len(part) < 2:
        return "no sweep yet."
    first, last = part.iloc[0], part.iloc[-1]
    ends = [stats.Interval(row["difference"], row["low"], row["high"]) for row in (first, last)]
    text = (f"IT:CLUST beside plain is {points(ends[0])} points after {first['updates']:.0f} updates and "
            f"{points(ends[1])} after {last['updates']:.0f}.")
    reached = part[part["before"] >= first["after"]]
    if first["after"] <= first["before"]:
        return text + " Plain is not behind even at the start."
    if reached.empty:
        return text + f" Plain never reaches the {number(100 * first['after'])} % that IT:CLUST has at the start."
    return text + (f" Plain reaches the {number(100 * first['after'])} % that IT:CLUST has at the start with "
                   f"{reached['updates'].iloc[0]:.0f} updates.")


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
            "plain MiniLM, trained recipe": accuracy(ours.mean(), ours.std())}
    return pd.DataFrame(rows).T.rename_axis("Data set")


# --- The data -------------------------------------------------------------------------------------------------------


def sizes_table(
    data: pd.DataFrame, printed: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Table 1: texts and classes as the paper prints them (rounded as there) and as obtained here, a row a data set.

    `data` counts texts by dataset, split and label; `printed` is the paper's table. What it lacks comes last.
    """
    counted, known = _counted_texts(data), printed.set_index("dataset")
    rows = {}
    for name in [*known.index, *sorted(set(counted.index) - set(known.index))]:
        theirs = known.loc[name] if name in known.index else {}
        ours = counted.loc[name] if name in counted.index else {}
        rows[(titles or {}).get(name, name)] = {
            "Kind": KINDS.get(topical.get(name), MISSING), "Classes, paper": _whole(theirs.get("classes")),
            "Classes": _whole(ours.get("classes")), "Train, paper": _thousands(theirs.get("train")),
            "Train": _whole(ours.get("train")), "Dev": _whole(ours.get("dev")),
            "Test, paper": _thousands(theirs.get("test")), "Test": _whole(ours.get("test"))}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def _counted_texts(data: pd.DataFrame) -> pd.DataFrame:
    """Texts of each part and the number of classes, a row a data set."""
    parts = data.groupby(["dataset", "split"])["count"].sum().unstack(fill_value=0)
    return parts.assign(classes=data[data["count"] > 0].groupby("dataset")["label"].nunique())


def _whole(value) -> str:
    return MISSING if value is None or pd.isna(value) else f"{int(value):,}"


def _thousands(value) -> str:
    """As Table 1 rounds: 10.2K."""
    return MISSING if value is None or pd.isna(value) else f"{value / 1000:g}K"


def sizes_in_words(data: pd.DataFrame, printed: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """Where sizes and classes are those of Table 1, to the hundred that it rounds to, and where they are not."""
    both = _counted_texts(data).join(printed.set_index("dataset").add_suffix("_paper"), how="inner")
    odd = []
    for name, row in both.iterrows():
        parts = [f"{part} {_whole(row[part])} beside {_thousands(row[f'{part}_paper'])}" for part in ("train", "test")
                 if abs(row[part] - row[f"{part}_paper"]) > 50]
        if row["classes"] != row["classes_paper"]:
            parts.append(f"{row['classes']:.0f} classes beside {row['classes_paper']:.0f}")
        odd += [f"{(titles or {}).get(name, name)} ({', '.join(parts)})"] if parts else []
    missing = [(titles or {}).get(name, name) for name in printed["dataset"] if name not in both.index]
    text = f"Of {len(both)} data sets of the paper that were counted here, {len(both) - len(odd)} have the sizes and classes of Table 1"
    text += f"; the exception{'s are' if len(odd) > 1 else ' is'} {_listed(odd)}." if odd else "."
    return Prose(text + (f" Not counted yet: {_listed(missing)}." if missing else ""))


def sources(infos: Iterable) -> Prose:
    """Where each data set comes from, on what terms and how it is split, as a Markdown list; `infos` are entries of
    the registry, whose words are ours."""
    return Prose("\n".join(f"- **{info.title}**: {info.source}. Split: {info.split}. {info.note} Licence: {info.licence}. "
                           f" Source: {_link(info.address)}." for info in infos).replace("  ", " "))


def _link(address: str) -> str:
    return f"<{address}>" if address.startswith("http") else address


def shape_table(
    data: pd.DataFrame, lengths: pd.DataFrame, names: Iterable[str], titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """How long the training texts are (words) and how even the classes of the test part are, a row a data set."""
    largest, smallest = most_frequent(data), _least_frequent(data)
    rows = {}
    for name in names:
        words = _quantiles(lengths[lengths["dataset"] == name], (0.25, 0.5, 0.75))
        rows[(titles or {}).get(name, name)] = {
            "Words, median": number(words[1], 0),
            "middle half": f"{number(words[0], 0)} to {number(words[2], 0)}" if not pd.isna(words[0]) else MISSING,
            "Largest class": percent(100 * largest.get(name, float("nan")), 1),
            "Smallest class": percent(100 * smallest.get(name, float("nan")), 1)}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def _least_frequent(data: pd.DataFrame) -> dict[str, float]:
    counts = data[data["split"] == "test"].groupby(["dataset", "label"])["count"].sum()
    return (counts.groupby("dataset").min() / counts.groupby("dataset").sum()).to_dict()


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


def missing_in_words(
    samples: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Which data sets have samples that lack a class at the smallest budget, shown in the paper or not."""
    seen = samples.drop_duplicates(["dataset", "budget", "repetition"])
    least = int(published["budget"].min())
    lacking = (seen[seen["budget"] == least].assign(lacks=lambda frame: frame["missing_classes"] > 0)
               .groupby("dataset")["lacks"].agg(["sum", "size"]))
    parts = {True: [], False: []}
    for name, budget in budgets_of(published).items():
        if name in lacking.index and lacking.loc[name, "sum"]:
            row = lacking.loc[name]
            parts[budget == least].append(f"{(titles or {}).get(name, name)} ({row['sum']} of {row['size']})")
    left_out = [(titles or {}).get(name, name) for name, budget in budgets_of(published).items() if budget > least]
    text = f"The paper shows no result at {least} labels for {_listed(left_out)}, because its samples lack a class. "
    text += f"So do samples drawn here: {_listed(parts[False])}." if parts[False] else "The samples drawn here do not."
    return Prose(text + (f" But the same holds of data sets that it shows: {_listed(parts[True])}." if parts[True] else ""))


# --- NMI and gain ----------------------------------------------------------------------------------------------------

PAPERS = "the paper's BERT"


def nmi_effects(agreement: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Figure 4 as numbers: `stats.effects` of the paper and of each recipe here (`source`), each with the NMI of sIB.

    `difference` is in points. The paper does not print its NMI, so its gains stand against ours as well.
    """
    nmi = agreement[agreement["clustering"] == "sib"].groupby("dataset")["nmi"].mean()
    parts = {PAPERS: printed_effects(published)}
    parts |= {f"MiniLM, {words}": _effects(runs, recipe, published) for recipe, words in RECIPES.items()}
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
                         number(stats.rank_correlation(group["nmi"], group[measure]), 2),
                         MISSING if line is None else interval(line.slope, 1, 0.1)))
    columns = ["Numbers of", "Measure", "Data sets", "Correlation", "Rank correlation", "Slope, for 0.1 of NMI"]
    return pd.DataFrame(rows, columns=columns)


def interval(found: stats.Interval, decimals: int = 1, scale: float = 1) -> str:
    """An estimate with its interval: "0.57 [−0.12, 0.88]"; the ends are left out where there are none."""
    if pd.isna(found.estimate):
        return MISSING
    ends = "" if pd.isna(found.low) else f" [{number(scale * found.low, decimals)}, {number(scale * found.high, decimals)}]"
    return number(scale * found.estimate, decimals) + ends


def nmi_in_words(
    effects: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether the paper's reading of Figure 4 holds, for the paper's own numbers and for each recipe: a line each."""
    lines = []
    for source, group in effects.groupby("source", sort=False):
        source = source[0].upper() + source[1:]
        found = stats.correlation(group["nmi"], group["error_reduction"])
        if pd.isna(found.low):
            lines.append(f"- {source}: only {len(group)} data sets, too few for an interval.")
            continue
        supported = "supports the paper's reading" if found.low > 0 else (
            "contradicts it" if found.high < 0 else "does not settle it: the interval includes 0")
        lines.append(f"- {source}: the correlation is {interval(found, 2)} over {len(group)} data sets, which {supported}. "
                     f"{_without_one(group, titles)} {_lowest(group, topical, titles)}")
    return Prose("\n".join(lines))


def _without_one(group: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """How far the correlation hangs on a single data set."""
    left = {row.dataset: stats.correlation(*(group.drop(row.Index)[key] for key in ("nmi", "error_reduction"))).estimate
            for row in group.itertuples()}
    low, high = min(left, key=left.get), max(left, key=left.get)
    named = {name: (titles or {}).get(name, name) for name in (low, high)}
    return (f"Leaving out one data set moves it between {number(left[low], 2)} (without {named[low]}) and "
            f"{number(left[high], 2)} (without {named[high]}).")


def _lowest(group: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None) -> str:
    """What the data sets of lowest NMI gain, which the paper says is nothing; and where the largest gain is."""
    others = max(1, sum(topical.get(name) is False for name in group["dataset"]))
    lowest = group.sort_values("nmi").head(others)
    told = [f"{(titles or {}).get(row.dataset, row.dataset)} {percent(row.error_reduction)}" for row in lowest.itertuples()]
    top = group.loc[group["error_reduction"].idxmax()]
    rank = int((group["nmi"] > top["nmi"]).sum()) + 1
    return (f"Error reductions where NMI is lowest: {_listed(told)}. The largest of all, {percent(top['error_reduction'])}, "
            f"is that of {(titles or {}).get(top['dataset'], top['dataset'])}, number {rank} of {len(group)} by NMI.")


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


def methods_in_words(
    reference: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether NB and SVM are inferior to the fine-tuned models, as section 5.2 says of IT:CLUST; a line a comparison."""
    lines = []
    for recipe, words in RECIPES.items():
        for setting in ("clust", "base"):
            chosen = runs[(runs["recipe"] == recipe) & (runs["setting"] == setting)]
            lines.append(f"- {words[0].upper() + words[1:]}, {TITLES[setting]}: "
                         f"{_against(reference, chosen, published, titles)}")
    return Prose("\n".join(lines))


def _against(reference: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """Fine-tuned models of one setting and recipe against the four methods: at Table 2's budget, then at all."""
    ours = runs.groupby(["dataset", "budget"])["accuracy"].mean()
    words = reference[reference["method"].isin(WORDS)]
    theirs = words.groupby(["dataset", "budget", "method"])["accuracy"].mean()
    ahead = [ours[key[:2]] > value for key, value in theirs.items() if key[:2] in ours.index]
    beaten = {}
    for name, budget in budgets_of(published).items():
        if (name, budget) in ours.index and (name, budget) in theirs.index:
            best = theirs[name, budget]
            beaten[name] = (best.idxmax(), best.max() - ours[name, budget])
    if not ahead or not beaten:
        return "no runs to compare yet."
    above = [f"{(titles or {}).get(name, name)} ({REFERENCE[method]} by {number(100 * lead)})"
             for name, (method, lead) in beaten.items() if lead > 0]
    text = f"above all four on {len(beaten) - len(above)} of {len(beaten)} data sets with few labels"
    text += f"; behind the best of them on {_listed(above)}" if above else ""
    return f"{text}. Over all budgets run so far it is ahead in {sum(ahead)} of {len(ahead)} comparisons."


def clusters_in_words(
    reference: pd.DataFrame,
    runs: pd.DataFrame,
    agreement: pd.DataFrame,
    published: pd.DataFrame,
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Section 5.4 on the nearest-cluster classifier: behind IT:CLUST in general, yet good where NMI is high."""
    nmi = agreement[agreement["clustering"] == "sib"].groupby("dataset")["nmi"].mean()
    lines = []
    for recipe, words in RECIPES.items():
        found = {}
        for name, budget in budgets_of(published).items():
            part = reference[(reference["dataset"] == name) & (reference["budget"] == budget)]
            ours = runs.loc[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)
                            & (runs["setting"] == "clust"), "accuracy"]
            theirs = part.loc[part["method"] == "cluster_sib", "accuracy"]
            if len(ours) and len(theirs):
                found[name] = theirs.mean() - ours.mean()
        if not found:
            lines.append(f"- {words[0].upper() + words[1:]}: no runs to compare yet.")
            continue
        ahead = [f"{(titles or {}).get(name, name)} by {number(100 * lead)}" for name, lead in found.items() if lead > 0]
        rank = stats.rank_correlation([nmi.get(name, float("nan")) for name in found], list(found.values()))
        where = f" ({_listed(ahead)})" if ahead else ""
        lines.append(f"- {words[0].upper() + words[1:]}: the nearest cluster is above IT:CLUST on {len(ahead)} of "
                     f"{len(found)} data sets{where}. The rank correlation of its lead with NMI is {number(rank, 2)}.")
    return Prose("\n".join(lines))


# --- The clusterings of inter-training -------------------------------------------------------------------------------


def clustering_coverage(runs: pd.DataFrame, expected: Iterable, published: pd.DataFrame) -> pd.DataFrame:
    """How much of Figure 6 is there: a row a clustering, a column a budget, "40/45" runs in a cell."""
    rows = {title: coverage_grid(runs, [run for run in expected if run.clustering == key], published).iloc[0]
            for key, title in CLUSTERINGS.items()}
    return pd.DataFrame(rows).T.rename_axis("Clustering")


def clusterings_table(
    runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper", titles: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Figure 6 at the budget of Table 2: accuracy (%, mean ± SEM) without inter-training and after each clustering."""
    rows = {}
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)]
        parts = {TITLES["base"]: chosen.loc[chosen["setting"] == "base", "accuracy"]}
        parts |= {title: chosen.loc[(chosen["setting"] == "clust") & (chosen["clustering"] == key), "accuracy"]
                  for key, title in CLUSTERINGS.items()}
        rows[(titles or {}).get(name, name)] = {title: accuracy(values.mean(), stats.sem(values))
                                                for title, values in parts.items()}
    return pd.DataFrame(rows).T.rename_axis("Data set")


def clusterings_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper", titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether inter-training on sIB's clusters does best, as section 5.1 says of most data sets; and what is missing."""
    chosen = runs[(runs["setting"] == "clust") & (runs["recipe"] == recipe)]
    means = chosen.groupby(["dataset", "budget", "clustering"])["accuracy"].mean()
    lines = []
    for other in ("kmeans", "hartigan"):
        cells = [key[:2] for key in means.index if key[2] == other and (*key[:2], "sib") in means.index]
        if not cells:
            lines.append(f"- {CLUSTERINGS[other]}: not attempted so far. There are no runs of a model inter-trained on its "
                         "clusters, so this line of Figure 6 is neither confirmed nor refuted here.")
            continue
        leads = {cell: means[(*cell, "sib")] - means[(*cell, other)] for cell in cells}
        sets = sorted({cell[0] for cell in cells})
        ahead = sum(lead > 0 for lead in leads.values())
        lines.append(f"- {CLUSTERINGS[other]}: over {len(sets)} of {len(budgets_of(published))} data sets "
                     f"({_listed([(titles or {}).get(name, name) for name in sets])}), sIB is ahead in {ahead} of "
                     f"{len(leads)} comparisons, by {number(100 * sum(leads.values()) / len(leads))} points in the mean.")
    return Prose("\n".join(lines))


def nmi_by_clustering_in_words(
    agreement: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Which clustering follows the classes best, over the paper's data sets."""
    means = agreement.groupby(["dataset", "clustering"])["nmi"].mean().unstack()
    means = means.reindex([name for name in budgets_of(published) if name in means.index])[list(CLUSTERINGS)].dropna()
    if means.empty:
        return Prose("There are no clusterings to compare yet.")
    best = means.idxmax(axis=1)
    parts = [f"{CLUSTERINGS[key]} on {len(names)} ({_listed([(titles or {}).get(name, name) for name in names])})"
             for key in CLUSTERINGS if len(names := list(best.index[best == key]))]
    return Prose(f"Of {len(means)} data sets, the highest NMI is that of {_listed(parts)}. sIB's is "
                 f"{number(means['sib'].mean(), 2)} in the mean, k-means' {number(means['kmeans'].mean(), 2)}, Hartigan's "
                 f"{number(means['hartigan'].mean(), 2)}.")


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
        table = re.sub(r"(\[−?[\d.]+,) (−?[\d.]+\])", "\\1\u00a0\\2", table)  # and so does an interval
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
