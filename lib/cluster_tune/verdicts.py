"""Every number that the paper prints, ours beside it, and a verdict by a declared rule.

The claims are rows of `results/published/claims.csv`: where the paper says what, the printed value, the rule that
decides and the measure of ours that it is applied to. Nothing here depends on a single claim. `evidence` reads the
store, `judge` is a function of frames, and `results/verdicts.csv` holds the verdicts that are expected, so that one
that changes does not go unnoticed. Left out: how a table looks in the book (`tables`, the page).
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cluster_tune import datasets, design, paths, results, sentences, stats, tables
from cluster_tune.errors import InputError, unknown

VERDICTS = {
    "exact": "what was printed comes out, to its last printed digit, and an 'about' within a tenth",
    "statistical": "the 95 % intervals overlap",
    "directional": "the sign or the order holds",
    "undecided": "ours goes one way or the other within its own interval",
    "fails": "it was tested and did not hold",
    "slip": "the paper's own figures give something else, at least by one of two readings",
    "as set": "a choice of the paper's that is made alike here: it is not something to obtain",
    "not comparable": "ours is there, but of another encoder, other texts or other training",
    "not attempted": "nothing of ours to compare",
}
RULES = {
    "exact": "ours, rounded as the printed number is, must be the printed number",
    "arithmetic": "the same for what follows from other printed numbers; else it is a slip of the paper",
    "setting": "what is set here must be what is printed; the runs may not have got there yet, which is then said",
    "statistical": "the paper's encoder only: the 95 % interval over repetitions (Student's t) and one as wide around "
    "the printed number must overlap, since the paper prints no spread",
    "sign": "the 95 % interval of the difference must lie on the printed side of zero, and for a printed zero on neither; where "
    "it includes zero the claim stays undecided, whether it says that there is a difference or that there is none. The "
    "interval is Student's t over samples for one data set and over data sets for several",
    "significance": "p after Bonferroni's correction must be below .05, for a gain, where the printed one is; "
    "where none is printed it must not be below, for a gain or a loss",
    "holds": "an order or a statement without a number: it must hold as stated; it stays undecided where ours is within its own "
    "spread, or says one thing by one measure and another by the next",
    "slip": "declared: the paper contradicts itself",
    "other": "declared: not comparable",
    "none": "declared: not attempted",
}
FEW = 3  # fewer repetitions, or data sets, say nothing about a spread
GROUPS = {"topical": True, "other": False}  # the two groups of data sets of Tables 1 and 2


@dataclass(frozen=True)
class Evidence:
    """What claims are judged by: frames of the store, one encoder's runs among them, and the printed numbers."""

    encoder: str
    runs: pd.DataFrame
    aside: pd.DataFrame  # runs with other numbers of clusters than the paper's
    data: pd.DataFrame
    reference: pd.DataFrame
    agreement: pd.DataFrame
    distances: pd.DataFrame
    projection: pd.DataFrame
    sizes: pd.DataFrame  # as printed: Table 1
    printed: pd.DataFrame  # Table 2


@dataclass(frozen=True)
class Found:
    """Ours for one claim: a value in the printed unit, its interval where the rule wants one, and how it is shown."""

    value: float
    text: str
    low: float = math.nan
    high: float = math.nan
    unlike: str = ""  # why it was got in another way than the paper's, if it was


Claim = Any  # a row of the claims, as `itertuples` gives it
Measure = Callable[[Evidence, Claim, str], Found | None]


def claims() -> pd.DataFrame:
    """The claims as they are declared: one row a printed number or statement, all columns as text."""
    return results.published("claims", as_text=True)


def evidence(encoder: str = "minilm") -> Evidence:
    """What the store holds for the data sets of the paper; a table that is not there yet is empty."""
    sizes, printed = (results.published(f"paper_{name}") for name in ("table1_datasets", "table2_accuracy_at_64"))
    known, kept = list(sizes["dataset"]), {}
    for kind in ("data", "reference", "agreement", "distances", "projection"):
        try:
            kept[kind] = results.table(kind, dataset=known, encoder=encoder)
        except InputError:
            kept[kind] = pd.DataFrame()
    runs, everything = results.load(known, encoder), results.load(known, encoder, setting="clust", aside=True)
    aside = everything[(everything["n_clusters"] != design.N_CLUSTERS) & (everything["inter_epochs"] == 1)]
    return Evidence(encoder, runs, aside, **kept, sizes=sizes, printed=printed)


def judge(claims: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """A verdict on each claim. Columns: id, where, what, paper, ours, apart, verdict, trained, why.

    `verdict` is that under the paper's recipe; `trained` is the same question asked under the other recipe, empty
    where the recipe makes no difference. `apart` is ours less the printed number, in its unit.
    """
    rows = [_row(claim, evidence) for claim in claims.itertuples(index=False)]
    return pd.DataFrame(rows, columns=["id", "where", "what", "paper", "ours", "apart", "verdict", "trained", "why"])


def _row(claim: Claim, evidence: Evidence) -> tuple:
    found = _found(claim, evidence, "paper")
    verdict, why = _decide(claim, found, evidence.encoder)
    again = ""
    if claim.measure in DEPEND_ON_RECIPE and claim.rule in ("sign", "significance", "holds"):
        again = _decide(claim, _found(claim, evidence, "trained"), evidence.encoder)[0]
    ours = found.text if found else tables.MISSING
    return claim.id, claim.where, claim.what, _printed(claim), ours, _apart(claim, found), verdict, again, why


def _found(claim: Claim, evidence: Evidence, recipe: str) -> Found | None:
    if not claim.measure:
        return None
    if claim.measure not in MEASURES:
        raise unknown("measure", claim.measure, MEASURES)
    return MEASURES[claim.measure](evidence, claim, recipe)


def _printed(claim: Claim) -> str:
    shown = claim.shown or claim.printed
    return f"{shown} {claim.unit}".strip() if shown else tables.MISSING


def _apart(claim: Claim, found: Found | None) -> str:
    """Ours less theirs, where both are numbers and they are not meant to be equal."""
    printed = _number(claim.printed)
    if found is None or math.isnan(printed - found.value) or claim.rule not in ("statistical", "other", "sign"):
        return ""
    decimals = 1 if float(claim.precision or 1) < 1 else 0
    text = tables.number(found.value - printed, decimals)
    return text if text.startswith("−") or not float(text) else f"+{text}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


# --- The rules -----------------------------------------------------------------------------------------------------


def _decide(claim: Claim, found: Found | None, encoder: str) -> tuple[str, str]:
    """Verdict and reason of one claim."""
    if claim.rule not in RULES:
        raise unknown("rule", claim.rule, RULES)
    if claim.rule in DECLARED and (found or not claim.measure):
        return DECLARED[claim.rule], claim.why
    if found is None:
        return "not attempted", "too few results for it so far"
    if found.unlike:
        return "not comparable", found.unlike
    if claim.rule == "statistical" and encoder != sentences.PAPERS:
        return "not comparable", claim.why
    return DECIDE[claim.rule](claim, found), claim.why


def _by_exact(claim: Claim, found: Found) -> str:
    printed = _number(claim.printed)
    if math.isnan(printed):
        return "exact" if found.text == claim.printed else "fails"
    return "exact" if abs(found.value - printed) <= float(claim.precision or 0) / 2 + 1e-9 else "fails"


def _by_arithmetic(claim: Claim, found: Found) -> str:
    return "exact" if _by_exact(claim, found) == "exact" else "slip"


def _by_setting(claim: Claim, found: Found) -> str:
    return "as set" if _by_exact(claim, found) == "exact" else "fails"


def _by_statistical(claim: Claim, found: Found) -> str:
    half = (found.high - found.low) / 2
    return "statistical" if abs(found.value - _number(claim.printed)) <= 2 * half else "fails"


def _by_sign(claim: Claim, found: Found) -> str:
    within = not (found.low > 0 or found.high < 0)
    expected = {"+": 1.0, "-": -1.0}.get(claim.printed, _number(claim.printed))
    if within:
        return "undecided"
    if expected == 0:  # a printed zero is on neither side
        return "fails"
    return "directional" if (found.low > 0) == (expected > 0) else "fails"


def _by_significance(claim: Claim, found: Found) -> str:
    ours, theirs = found.value < 0.05, _number(claim.printed) < 0.05  # a dash in the paper is no number
    return "directional" if ours == theirs else "fails"


def _by_holds(claim: Claim, found: Found) -> str:
    if math.isnan(found.value):
        return "undecided"
    return "directional" if found.value else "fails"


DECIDE = {"exact": _by_exact, "arithmetic": _by_arithmetic, "setting": _by_setting, "statistical": _by_statistical,
          "sign": _by_sign, "significance": _by_significance, "holds": _by_holds}  # fmt: skip
DECLARED = {"slip": "slip", "other": "not comparable", "none": "not attempted"}


# --- Measures: sizes, settings, the paper's own figures -------------------------------------------------------------


def _size(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Texts of a part, or classes, of a data set."""
    if e.data.empty or not len(rows := e.data[e.data["dataset"] == claim.dataset]):
        return None
    if claim.setting == "classes":
        return _count(rows["label"].nunique())
    return _count(int(rows.loc[rows["split"] == claim.setting, "count"].sum()))


def _count(value: float) -> Found:
    return Found(value, f"{value:,}")


@lru_cache(maxsize=1)
def settings() -> Mapping[str, object]:
    """What this project runs the paper's experiment with, by the names that the claims use."""
    from cluster_tune import clustering, text

    kinds = [kind for name, kind in datasets.kinds().items() if datasets.info(name).paper_train]
    vocabulary = inspect.signature(text.bag_of_words).parameters["size"].default
    permutations = inspect.signature(stats.dispersion).parameters["n"].default
    sib, paper = clustering.SIB(), design.RECIPES["paper"]
    return {
        "topical": kinds.count(True), "other": kinds.count(False), "settings": len(design.SETTINGS),
        "split": "/".join(f"{100 * share:.0f}" for share in datasets.SHARES),
        "train": datasets.CUT["train"], "test": datasets.CUT["test"],
        "fewest": min(design.BUDGETS), "most": max(design.BUDGETS), "budgets": len(design.BUDGETS),
        "repetitions": len(design.REPETITIONS), "clusters": design.N_CLUSTERS,
        "restarts": sib.n_init, "passes": sib.max_iter, "vocabulary": vocabulary, "permutations": permutations,
        "rate": paper.learning_rate, "batch": paper.batch_size, "length": paper.max_length, "epochs": paper.epochs,
        "inter_epochs": paper.inter_epochs, "mlm_epochs": paper.mlm_epochs,
        "mlm_replication": paper.mlm_duplicates,
    }  # fmt: skip


def _setting(e: Evidence, claim: Claim, recipe: str) -> Found:
    value = settings()[claim.setting]
    if isinstance(value, str):
        return Found(math.nan, value)
    return Found(value, (f"{value:,}" if isinstance(value, int) else f"{value:g}") + _so_far(e, claim.setting, value))


def _so_far(e: Evidence, name: str, value: int) -> str:
    """How far the runs have got with a setting that takes long; nothing where they are through."""
    sizes, masked = sorted(set(e.runs["budget"])), []
    if "mlm_epochs" in e.runs:
        masked = sorted({int(epochs) for epochs in e.runs["mlm_epochs"]} - {0})
    reached = {"most": sizes[-1:], "budgets": [len(sizes)] if sizes else [], "mlm_epochs": masked}.get(name, [])
    return f" (in the runs so far: {' and '.join(map(str, reached))})" if reached and reached != [value] else ""


def _of_table_2(e: Evidence, claim: Claim, recipe: str) -> Found:
    """Gain or error reduction recomputed from the two accuracies of a row of Table 2."""
    row = e.printed.set_index("dataset").loc[claim.dataset]
    value = float(_ratio(claim.setting, row["bert"], row["bert_it_clust"]))
    return Found(value, tables.number(value))


def _ratio(which: str, before, after):
    change = stats.gain if which == "gain" else stats.error_reduction
    return change(np.asarray(before) / 100, np.asarray(after) / 100)


def _mean_of_table_2(e: Evidence, claim: Claim, recipe: str) -> Found:
    """A mean over a group of Table 2: of a column of accuracies, or of the rows' own gains or reductions."""
    rows = _group(e.printed, claim.dataset)
    columns = {"base": rows["bert"], "clust": rows["bert_it_clust"]}
    values = columns[claim.setting] if claim.setting in columns else _ratio(claim.setting, *columns.values())
    return Found(float(np.mean(values)), tables.number(np.mean(values), 2))


def _of_means_of_table_2(e: Evidence, claim: Claim, recipe: str) -> Found:
    """Gain or reduction of a group's mean accuracies, where the paper averages the data sets' ratios."""
    rows = _group(e.printed, claim.dataset)
    value = float(_ratio(claim.setting, rows["bert"].mean(), rows["bert_it_clust"].mean()))
    return Found(value, tables.number(value))


def _group(frame: pd.DataFrame, group: str) -> pd.DataFrame:
    """The rows of data sets of a group (`topical`, `other`, or '' for all) of the paper's nine."""
    kinds = datasets.kinds()
    known = frame["dataset"].isin(kinds)
    return frame[known] if not group else frame[known & (frame["dataset"].map(kinds) == GROUPS[group])]


def _product(e: Evidence, claim: Claim, recipe: str) -> Found:
    """The number of runs or epochs that the design implies, and the hours that follow from the time of one epoch."""
    given, sets = settings(), len(e.sizes)
    cells = sets * given["budgets"] * given["repetitions"]
    epochs = sets * (30 + 1 + 1)  # masked words, clusters, clusters after masked words (section 3.2)
    labelled = np.mean(design.BUDGETS) / CUT_TRAIN
    hours = 5.5 / 60 * (e.sizes["train"].sum() / CUT_TRAIN * 32 + 4 * cells * given["epochs"] * labelled)
    values = {"runs": 4 * cells, "epochs": epochs, "hours": hours, "p": 1 / (1 + given["permutations"])}
    value = values[claim.setting]
    return Found(value, f"{value:,}" if isinstance(value, int) else f"{value:.3g}")


CUT_TRAIN = 15_000  # the largest train set, whose epoch takes 5.5 minutes in the paper


def _rank_of_reduction(e: Evidence, claim: Claim, recipe: str) -> Found:
    """The place of a data set in Table 2 by error reduction, 1 for the largest."""
    values = _group(e.printed, "").set_index("dataset")["error_reduction_pct"].rank(ascending=False)
    return Found(float(values[claim.dataset]), f"place {values[claim.dataset]:.0f} of {len(values)}")


# --- Measures: runs ------------------------------------------------------------------------------------------------


def _under(e: Evidence, recipe: str) -> pd.DataFrame:
    """Runs under a recipe whose clusters, if any, are sIB's."""
    return e.runs[(e.runs["recipe"] == recipe) & e.runs["clustering"].isin(["", "sib"])]


def _cell(e: Evidence, recipe: str, dataset: str, budget: int, setting: str) -> pd.Series:
    """Accuracies of one setting over its repetitions."""
    runs = _under(e, recipe)
    chosen = (runs["dataset"] == dataset) & (runs["budget"] == budget) & (runs["setting"] == setting)
    return runs.loc[chosen, "accuracy"]


def _accuracy(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Mean accuracy in % with its interval over repetitions."""
    cell = _cell(e, recipe, claim.dataset, int(claim.budget), claim.setting)
    if len(cell) < FEW:
        return None
    span, shown = stats.t_interval(100 * cell), tables.accuracy(cell.mean(), stats.sem(cell))
    return Found(span.estimate, shown, span.low, span.high)


def _change(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Gain or error reduction of one data set in %, with the interval of the paired differences in points."""
    runs = _under(e, recipe)
    runs = runs[(runs["dataset"] == claim.dataset) & (runs["budget"] == int(claim.budget))]
    matched = stats.pairs(runs) if len(runs) else runs
    if len(matched) < FEW:
        return None
    span = stats.t_interval(100 * (matched["after"] - matched["before"]))
    value = float(_ratio(claim.setting, *(100 * matched[side].mean() for side in ("before", "after"))))
    return Found(value, f"{tables.number(value, 0)} ({_points(span)})", span.low, span.high)


def _points(span: stats.Interval) -> str:
    return f"{tables.number(span.estimate)} points, {tables.end(span.low)} to {tables.end(span.high)}"


def _at_64(e: Evidence, recipe: str, group: str) -> pd.DataFrame:
    """Mean accuracies (%) of base and clust, a row a data set of the group that has both, at Table 2's budgets."""
    budgets = e.printed.set_index("dataset")["budget"]
    runs = _group(_under(e, recipe), group)
    runs = runs[(runs["budget"] == runs["dataset"].map(budgets)) & runs["setting"].isin(["base", "clust"])]
    wide = 100 * runs.pivot_table("accuracy", "dataset", "setting", aggfunc="mean")
    return wide.reindex(columns=["base", "clust"]).dropna()


def _mean(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """The averages of Table 2 over a group: an accuracy, or the mean of the data sets' gains or error reductions."""
    wide = _at_64(e, recipe, claim.dataset)
    if len(wide) < FEW and len(wide) < len(_group(e.sizes, claim.dataset)):
        return None
    values = wide[claim.setting] if claim.setting in wide else _ratio(claim.setting, wide["base"], wide["clust"])
    span = stats.t_interval(values)
    text = f"{tables.number(span.estimate, 1 if claim.setting in wide else 0)} ({_share(len(wide), e, claim.dataset)})"
    return Found(span.estimate, text, span.low, span.high)


def _share(n: int, e: Evidence, group: str) -> str:
    total = len(_group(e.sizes, group))
    return f"{n} data sets" if n == total else f"{n} of {total} data sets"


def _groups_apart(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """How much more the topical data sets gain than the others, on average (a gain or a reduction), with the interval of
    that difference over data sets."""
    wide = {group: _at_64(e, recipe, group) for group in GROUPS}
    if any(len(part) < 2 for part in wide.values()):
        return None
    ratios = {group: _ratio(claim.setting, part["base"], part["clust"]) for group, part in wide.items()}
    means, apart = {group: tables.percent(float(np.mean(ratio))) for group, ratio in ratios.items()}, stats.welch(*ratios.values())
    text = f"{means['topical']} against {means['other']}, {tables.interval(apart, 0)} between them"
    return Found(apart.estimate, text, apart.low, apart.high)


def _test(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Table 3: the corrected p of a paired t-test at a budget, pooling data sets and repetitions.

    A loss is 1 where the paper prints a p, which is one of a gain; where it prints none, a loss has its own p."""
    row = _pooled_row(e, recipe, claim.setting, "clust", claim.budget)
    if row is None:
        return None
    budget = int(claim.budget)
    points, lacking = tables.number(100 * row.difference), _lacking(e, recipe, claim.setting, budget)
    share = _share(row.datasets, e, "") if lacking else f"{row.datasets} data sets{_begin_later(budget)}"
    text = f"p {tables.p_value(row.p_bonferroni)}, {points} points ({share})"
    gains = row.difference > 0 or math.isnan(_number(claim.printed))
    p = float(row.p_bonferroni if gains else 1.0)
    return Found(p, text, unlike=_masked(e, claim.setting, claim.budget) or lacking)


def _begin_later(budget: int) -> str:
    """The data sets that the paper shows from larger budgets on only."""
    later = [f"{datasets.titles()[name]} begins at {least}" for name, least in design.SMALLEST.items() if least > budget]
    return f"; {sentences.listed(later)}" if later else ""


def _lacking(e: Evidence, recipe: str, before: str, budget: int) -> str:
    """Why a test that pools data sets cannot be compared with the paper's, which has all that the budget is shown for:
    which gain and which do not is not alike among them, so that a part is another question."""
    runs = _under(e, recipe)
    both = stats.pairs(runs[runs["budget"] == budget], before).index.unique("dataset")
    titles, wanted = datasets.titles(), [name for name in e.sizes["dataset"] if design.SMALLEST.get(name, 0) <= budget]
    without = [titles[name] for name in wanted if name not in both]
    return f"without {sentences.listed(without)} so far, which the paper's test has" if without else ""


def _pooled_row(e: Evidence, recipe: str, before: str, after: str, budget: str, group: str = ""):
    """The row of `stats.comparison` at a budget, given at least three data sets with both settings."""
    runs = _group(_under(e, recipe), group)
    runs = runs[runs["setting"].isin([before, after]) & (runs["budget"] == int(budget))]
    if runs.empty:
        return None
    frame = stats.comparison(runs, before, after, tests=len(design.BUDGETS))
    return next(frame.itertuples(), None) if len(frame) and frame["datasets"].iloc[0] >= FEW else None


def _pooled(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """The difference of two settings ('before>after') in points over a group's data sets, with its interval."""
    row = _pooled_row(e, recipe, *claim.setting.split(">"), claim.budget, claim.dataset)
    if row is None:
        return None
    span = stats.Interval(100 * row.mean, 100 * row.low, 100 * row.high)
    text, masked = f"{_points(span)} ({_share(row.datasets, e, claim.dataset)})", _masked(e, claim.setting, claim.budget)
    return Found(span.estimate, text, span.low, span.high, masked)


def _masked(e: Evidence, settings: str, budget: str) -> str:
    """Why runs cannot be compared that were trained on masked words for other numbers of epochs than the paper's."""
    used = e.runs[e.runs["setting"].isin(settings.split(">")) & (e.runs["budget"] == int(budget))]
    usual = {0, design.RECIPES["paper"].mlm_epochs}
    epochs = sorted(set(used["mlm_epochs"]) - usual) if "mlm_epochs" in used else []
    if not epochs:
        return ""
    here = f"{' or '.join(map(str, epochs))} epoch{'s' * (epochs != [1])}"
    some = " on some data sets" if max(usual) in set(used["mlm_epochs"]) else ", by data set" * (len(epochs) > 1)
    return f"masked words for {here}{some}; in the paper for {max(usual)}"


def _as_classes(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Inter-training on 50 clusters less that on as many clusters as there are classes, in points, over data sets."""
    keys = ["dataset", "budget", "repetition"]
    known = e.sizes.set_index("dataset")["classes"]
    other, usual = e.aside[(e.aside["recipe"] == recipe) & (e.aside["clustering"] == "sib")], _under(e, recipe)
    other = other[other["n_clusters"] == other["dataset"].map(known)].set_index(keys)["accuracy"]
    usual = usual[usual["setting"] == "clust"].set_index(keys)["accuracy"]
    apart = (100 * (usual - other)).dropna().groupby("dataset").mean()
    if len(apart) < FEW:
        return None
    span = stats.t_interval(apart)
    return Found(span.estimate, f"{_points(span)} ({_share(len(apart), e, '')})", span.low, span.high)


def _diminishes(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether the mean gain over topical data sets falls from the smallest budget to the largest, of three or more, and rises
    clearly from none of them to a larger one; undecided where there may be none at the smallest, or none less at the largest,
    by the intervals over data sets, or where it rises by its own interval, but nowhere when all pairs are corrected together."""
    runs = _group(_under(e, recipe), "topical")
    runs = runs[runs["setting"].isin(["base", "clust"])]
    if runs.empty or not len(matched := stats.pairs(runs)):
        return None
    wide = _largest_block(100 * (matched["after"] - matched["before"]).groupby(["dataset", "budget"]).mean().unstack())
    if wide.shape[0] < FEW or wide.shape[1] < FEW:
        return None
    means = wide.mean()
    text = ", ".join(f"{budget}: {tables.number(points)}" for budget, points in means.items())
    least, most = wide.columns.min(), wide.columns.max()
    gain, fall = stats.t_interval(wide[least]), stats.t_interval(wide[least] - wide[most])
    pairs = stats.directions({(a, b): pd.DataFrame({"before": wide[a], "after": wide[b]})
                              for a, b in combinations(sorted(wide), 2)})  # fmt: skip
    rises, sure = (bool((pairs["up"] & pairs[which]).any()) for which in ("clear", "still"))
    unsure = gain.includes_zero or fall.includes_zero or (rises and not sure)
    value = float("nan") if unsure else float(gain.low > 0 and fall.low > 0 and not rises)
    return Found(value, f"points at {text} ({_share(len(wide), e, 'topical')})")


def _largest_block(wide: pd.DataFrame) -> pd.DataFrame:
    """Of data sets in rows and budgets in columns: those of both that leave no gap, the most cells of them, with the smallest
    budget; `FEW` of each if that can be."""
    if wide.empty:
        return wide
    least, *more = sorted(wide.columns)
    chosen = ([least, *others] for count in range(len(more) + 1) for others in combinations(more, count))
    return max((wide[budgets].dropna() for budgets in chosen), key=lambda block: (min(block.shape) >= FEW, block.size, len(block)))


def _safe(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether inter-training is clearly worse than plain on no data set at no budget; undecided where it is somewhere by its
    own interval, but nowhere when the paired t-tests of all are corrected together (Holm)."""
    runs = _group(_under(e, recipe), claim.dataset)
    runs = runs[runs["setting"].isin(["base", "clust"])]
    sets = {key: both for key, both in stats.pairs(runs).groupby(["dataset", "budget"]) if len(both) >= FEW} if len(runs) else {}
    if len({name for name, _ in sets}) < FEW:
        return None
    found = stats.directions(sets)
    at_all, corrected = (set(found.index[found[which] & ~found["up"]]) for which in ("clear", "still"))
    titles = datasets.titles()
    where = sentences.listed([f"{titles[name]} at {budget}" for name, budget in sets if (name, budget) in at_all]) or "none"
    there = {name for name, _ in sets}
    text = (f"clearly below plain: {where}, of {len(sets)} pairs of a data set and a number of labels "
            f"({_share(len(there), e, claim.dataset)})")
    sure = not at_all and len(there) == len(_group(e.sizes, claim.dataset))  # none of a few of them would say little
    return Found(0.0 if corrected else 1.0 if sure else math.nan, text)


def _clusterings(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """In how many data sets inter-training on sIB's clusters is ahead of both k-means at the budget of Table 2 on the samples
    that all three have, and whether in most; undecided where its lead over one of them, in the mean over data sets, may be
    nothing."""
    means = tables.by_clustering(e.runs, e.printed, recipe)
    if 2 * len(means) < len(e.sizes):  # "most data sets" is nothing that a few of them can tell
        return None
    best = int((means.idxmax(axis=1) == "sib").sum())
    leads = {name: stats.t_interval(100 * (means["sib"] - means[name])) for name in tables.OTHERS}
    most, sure = 2 * best > len(means), not any(lead.includes_zero for lead in leads.values())
    over = ", ".join(f"over {tables.CLUSTERINGS[name]} {tables.interval(lead)}" for name, lead in leads.items())
    return Found(_told(most, sure), f"sIB ahead in {best} of {len(means)} data sets; mean lead in points {over}")


def _told(held: bool, sure: bool) -> float:
    """Whether a statement held, as a number; NaN where it did but may not again."""
    return float(held) if sure or not held else math.nan


# --- Measures: reference methods, clusters, embeddings -------------------------------------------------------------


def _against_method(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """IT:CLUST less a reference method in points: the mean over budgets of each data set, and then over these; beside it
    the same at each data set's smallest budget. The interval is the hull of both: 0 is outside it where
    both lie on one side of 0."""
    clust = _under(e, recipe)
    keys = ["dataset", "budget", "repetition"]
    clust = clust[clust["setting"] == "clust"].set_index(keys)["accuracy"]
    if e.reference.empty or clust.empty:
        return None
    method = e.reference[e.reference["method"] == claim.setting].set_index(keys)["accuracy"]
    leads = (100 * (clust - method)).dropna()
    apart = leads.groupby("dataset").mean()
    if len(apart) < FEW:
        return None
    span, budgets = stats.t_interval(apart), leads.index.get_level_values("budget")
    least = leads[budgets == leads.groupby("dataset").transform(lambda part: part.index.get_level_values("budget").min())]
    few = stats.t_interval(least.groupby("dataset").mean())
    text = (f"{_points(span)} ({_share(len(apart), e, '')}, mean over their budgets so far); with fewest labels "
            f"{tables.interval(few)}")
    return Found(span.estimate, text, min(span.low, few.low), max(span.high, few.high))


def _nmi(e: Evidence) -> pd.Series:
    """Mean NMI of sIB over seeds, by data set."""
    return stats.sib_nmi(e.agreement)


def _lowest_nmi(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether the data sets of lowest NMI are those that are not topical; undecided where seeds do not tell the last of
    these from the next."""
    if e.agreement.empty or len(nmi := _nmi(e)) < len(e.sizes):
        return None
    others = set(_group(e.sizes, "other")["dataset"])
    lowest = nmi.nsmallest(len(others)).index
    titles, last, text = datasets.titles(), lowest[-1], ", ".join(datasets.titles()[name] for name in lowest)
    following = nmi.drop(lowest).idxmin()
    seeds = e.agreement[e.agreement["clustering"] == "sib"].groupby("dataset")["nmi"]
    values = [seeds.get_group(name) for name in (following, last)]
    sure = min(map(len, values)) >= FEW and not stats.welch(*values).includes_zero
    text += "" if sure else f" ({titles[last]} not told from {titles[following]}, which follows)"
    return Found(_told(set(lowest) == others, sure), text)


def _nmi_and_reduction(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Figure 4: the correlation of NMI and our error reduction, over four data sets or more."""
    wide = _at_64(e, recipe, "")
    if e.agreement.empty or len(wide) <= FEW:
        return None
    reduction = pd.Series(_ratio("reduction", wide["base"], wide["clust"]), wide.index)
    return _correlated(_nmi(e), reduction, e)


def _correlated(first: pd.Series, second: pd.Series, e: Evidence, ranks: bool = False) -> Found:
    """Pearson's correlation over data sets, or that of the ranks."""
    both = pd.concat([first, second], axis=1).dropna()
    span = stats.correlation(both.iloc[:, 0], both.iloc[:, 1], ranks=ranks)
    shown = f"{tables.number(span.estimate, 2)}, {tables.number(span.low, 2)} to {tables.number(span.high, 2)}"
    return Found(span.estimate, f"{'rank ' * ranks}correlation {shown} ({_share(len(both), e, '')})", span.low, span.high)


def _nmi_and_clusters(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """The rank correlation of NMI with how far the nearest cluster's label is ahead of IT:CLUST, at Table 2's budgets."""
    tuned, budgets = _at_64(e, recipe, ""), e.printed.set_index("dataset")["budget"]
    if e.agreement.empty or e.reference.empty or len(tuned) <= FEW:
        return None
    chosen = (e.reference["method"] == "cluster_sib") & (e.reference["budget"] == e.reference["dataset"].map(budgets))
    found = 100 * e.reference[chosen].groupby("dataset")["accuracy"].mean()
    return _correlated(_nmi(e), (found - tuned["clust"]).dropna(), e, ranks=True)


def _seconds(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Seconds of a clustering by sIB, restarts and all: of the quickest of its seeds, on the slowest data set."""
    if e.agreement.empty:
        return None
    quickest = e.agreement[e.agreement["clustering"] == "sib"].groupby("dataset")["seconds"].min()
    text = f"{tables.number(quickest.min())} to {tables.number(quickest.max())} s ({_share(len(quickest), e, '')})"
    return Found(float(quickest.max()), text)


def _separated(e: Evidence, measure: str) -> pd.DataFrame:
    """How far classes come apart in a map by a measure of `stats.separation`, before and after inter-training on sIB's
    clusters under the paper's recipe: a row a data set."""
    if e.projection.empty:
        return pd.DataFrame()
    kept = e.projection[e.projection["recipe"].isin(["", "paper"]) & e.projection["clustering"].isin(["", "sib"])]
    shares = stats.separation(kept[kept["setting"].isin(["base", "clust"])])
    wide = shares.pivot(index="dataset", columns="setting", values=measure).reindex(columns=["base", "clust"])
    return wide.dropna()


def _separation(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether the classes of most topical data sets come apart more in their maps (Figure 3); undecided where one measure
    says so and the other does not."""
    kinds, clearer = datasets.kinds(), {}
    for measure in tables.SEPARATION:
        if not len(wide := _separated(e, measure)):
            return None
        topical = wide[wide.index.map(kinds) == GROUPS["topical"]]
        clearer[measure] = int((topical["clust"] > topical["base"]).sum())
    most = [2 * number > len(topical) for number in clearer.values()]
    value = math.nan if any(most) and not all(most) else float(all(most))
    said = sentences.listed([f"in {number} by {tables.SEPARATION[measure]}" for measure, number in clearer.items()])
    return Found(value, f"clearer {said} ({_share(len(topical), e, 'topical')})")


def _separation_and_gain(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """The rank correlation of what inter-training does to nearest neighbours with what it does to accuracy."""
    wide, scores = _separated(e, "neighbours"), _at_64(e, "paper", "")
    if len(wide) <= FEW or len(scores) <= FEW:
        return None
    return _correlated(wide["clust"] - wide["base"], scores["clust"] - scores["base"], e, ranks=True)


def _misses_classes(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """In how many labelled samples of a data set some class is missing, and whether in all."""
    if e.reference.empty:
        return None
    frame = e.reference[e.reference["method"] == "nb_bow"]
    cell = frame[(frame["dataset"] == claim.dataset) & (frame["budget"] == int(claim.budget))]
    missing = int((cell["missing_classes"] > 0).sum())
    return Found(float(missing == len(cell)), f"{missing} of {len(cell)} samples") if len(cell) else None


def _ned(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether NED is smaller after inter-training in every data set."""
    if not len(wide := stats.before_and_after(e.distances, recipe)):
        return None
    closer = int((wide["ned", "after"] < wide["ned", "before"]).sum())
    return Found(float(closer == len(wide)), f"smaller in {closer} ({_share(len(wide), e, '')})")


def _dispersed(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """How many times larger ED under permuted labels is after inter-training: the median of the data sets' ratios."""
    if not len(wide := stats.before_and_after(e.distances, recipe)):
        return None
    value = float((wide["permuted", "after"] / wide["permuted", "before"]).median())
    return Found(value, f"{tables.number(value, 2)} times, the median ({_share(len(wide), e, '')})")


def _more_dispersed(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether that ratio is above 1."""
    found = _dispersed(e, claim, recipe)
    return found and replace(found, value=float(found.value > 1))


def _permuted(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether p of the permutation test is below .001 in every data set, before and after."""
    if not len(wide := stats.before_and_after(e.distances, recipe)):
        return None
    worst = float(wide["p"].to_numpy().max())
    return Found(float(worst < 0.001), f"p at most {tables.number(worst, 6)} ({_share(len(wide), e, '')})")


def _norms(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether vectors stay as long, where their spread, ED under permuted labels, grows: the median of the data sets' ratios, which
    holds if it is nearer to 1 than to that of the spread."""
    wide = stats.before_and_after(e.distances, recipe, ("norm", "permuted"))
    if len(wide) < FEW:
        return None
    longer, wider = (float((wide[measure, "after"] / wide[measure, "before"]).median()) for measure in ("norm", "permuted"))
    text = f"{tables.number(longer, 2)} times as long, ED under permuted labels {tables.number(wider, 2)} times"
    return Found(float(abs(math.log(longer)) < abs(math.log(longer / wider))), f"{text}, the medians ({_share(len(wide), e, '')})")


SMALL = 0.005  # a change of NED that another inter-training may turn round


def _footnote_8(e: Evidence, claim: Claim, recipe: str) -> Found | None:
    """Whether NED by macro average and by cosine goes the way that it goes by micro average and Euclidean distance, in every
    data set; undecided where it does in all but those in which one of the two hardly changes."""
    kinds = {"ned_macro": "macro average", "ned_cosine": "cosine"}
    wide = stats.before_and_after(e.distances, recipe, ("ned", *kinds))
    if len(wide) < FEW:
        return None
    change = pd.DataFrame({measure: wide[measure, "after"] - wide[measure, "before"] for measure in ("ned", *kinds)})
    other = pd.DataFrame({measure: np.sign(change[measure]) != np.sign(change["ned"]) for measure in kinds})
    sure = pd.DataFrame({measure: other[measure] & (change[[measure, "ned"]].abs().min(axis=1) >= SMALL) for measure in kinds})
    said = sentences.listed([f"in {len(wide) - other[measure].sum()} by {words}" for measure, words in kinds.items()])
    value = 0.0 if sure.any(axis=None) else math.nan if other.any(axis=None) else 1.0
    return Found(value, f"the same way {said} ({_share(len(wide), e, '')})")


MEASURES: dict[str, Measure] = {
    "size": _size, "setting": _setting, "of_table_2": _of_table_2, "mean_of_table_2": _mean_of_table_2,
    "of_means_of_table_2": _of_means_of_table_2, "product": _product, "rank_of_reduction": _rank_of_reduction,
    "accuracy": _accuracy, "change": _change, "mean": _mean, "groups_apart": _groups_apart, "test": _test,
    "pooled": _pooled, "as_classes": _as_classes, "diminishes": _diminishes,
    "safe": _safe,
    "clusterings": _clusterings, "against_method": _against_method, "lowest_nmi": _lowest_nmi,
    "nmi_and_reduction": _nmi_and_reduction, "nmi_and_clusters": _nmi_and_clusters, "seconds": _seconds,
    "misses_classes": _misses_classes, "separation": _separation, "separation_and_gain": _separation_and_gain,
    "ned": _ned, "dispersed": _dispersed, "more_dispersed": _more_dispersed,
    "permuted": _permuted, "norms": _norms, "footnote_8": _footnote_8,
}  # fmt: skip
DEPEND_ON_RECIPE = {
    "change", "mean", "groups_apart", "test", "pooled", "as_classes", "diminishes", "safe", "clusterings", "against_method",
    "nmi_and_reduction", "nmi_and_clusters", "ned", "more_dispersed", "permuted",
}  # fmt: skip


# --- What is expected ----------------------------------------------------------------------------------------------


def expected() -> pd.DataFrame:
    """The verdicts as they were last accepted: `verdicts.csv` of the results; empty if there is none."""
    path = paths.results() / "verdicts.csv"
    if not path.is_file():
        return pd.DataFrame(columns=["id", "verdict", "trained"], dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def accept(judged: pd.DataFrame) -> None:
    """Make these verdicts the expected ones."""
    results.write_atomically(paths.results() / "verdicts.csv", results.content(judged[["id", "verdict", "trained"]]))


def changes(judged: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """What is otherwise than expected, a line a claim."""
    old, new = ({row.id: (row.verdict, row.trained) for row in frame.itertuples()} for frame in (before, judged))
    lines = [f"{key}: no longer a claim" for key in old if key not in new]
    for key, verdict in new.items():
        if key not in old:
            lines.append(f"{key}: {_said(verdict)}, which is new")
        elif verdict != old[key]:
            lines.append(f"{key}: {_said(old[key])} before, {_said(verdict)} now")
    return lines


def _said(verdict: tuple[str, str]) -> str:
    return verdict[0] + (f" ({verdict[1]} under the trained recipe)" if verdict[1] not in ("", verdict[0]) else "")


# --- In the book ---------------------------------------------------------------------------------------------------


def counts(judged: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each part of the paper got each verdict: a row a verdict, what it means, and the totals."""
    part = judged["where"].map(_part)
    table = pd.crosstab(judged["verdict"], part).reindex(VERDICTS).fillna(0).astype(int)
    table = table[[name for name in PARTS if name in table]].assign(all=lambda frame: frame.sum(axis=1))
    table.insert(0, "It means", pd.Series(VERDICTS))
    return table.rename_axis(index="Verdict", columns=None)


PARTS = ("Table 1", "Table 2", "Table 3", "text", "its arithmetic")


def _part(where: str) -> str:
    return where if where in PARTS else "its arithmetic" if where.endswith("again") else "text"


def table(judged: pd.DataFrame, part: str) -> pd.DataFrame:
    """The claims of one part as they are read: the columns that this part needs."""
    rows = judged[judged["where"].map(_part) == part]
    titles = {"where": "Where", "what": "What", "paper": "Paper", "ours": "Ours", "apart": "Apart",
              "verdict": "Verdict", "trained": "Trained recipe", "why": "Why"}
    kept = [name for name in titles if (rows[name] != "").any() and (name != "where" or rows[name].nunique() > 1)]
    kept = [name for name in kept if (name, part) != ("apart", "text")]  # for a single number among statements
    return rows[kept].rename(columns=titles)


def _do(which: pd.Series, verb: str) -> str:
    """How many, and what they do: "1 fails", "2 fail"."""
    count = int(which.sum())
    return f"{count} {verb}{'s' * (count == 1)}"


def in_words(judged: pd.DataFrame) -> sentences.Prose:
    """How many claims could be tested here and how they fared, and how much of it depends on the recipe."""
    tested = judged[judged["verdict"].isin(["statistical", "directional", "undecided", "fails"])]
    # A data set's two are one difference, so that they have one verdict; averages of ratios need not agree.
    twins = {f"table2.{name}.reduction" for name in datasets.kinds()}
    tested = tested[~tested["id"].isin(twins)]
    held = tested["verdict"].isin(["statistical", "directional"])
    parts = [f"Of {len(judged)} printed numbers and statements, {len(tested)} are findings that could be tested here: "
             f"{_do(held, 'hold')}, {_do(tested['verdict'] == 'undecided', 'stay')} undecided and "
             f"{_do(tested['verdict'] == 'fails', 'fail')}, under the paper's recipe. (Gain and error reduction "
             "of a data set go together and are counted once here.)"]
    both = tested[tested["trained"].isin(["directional", "undecided", "fails"])]
    if len(both):
        kept = int((both["verdict"].eq("directional") & both["trained"].eq("directional")).sum())
        ours = int(both["verdict"].eq("directional").sum())
        parts.append(f"Of the {ours} that hold under the paper's recipe and were also asked under the trained one, "
                     f"{kept} hold there as well.")
    slips = int((judged["verdict"] == "slip").sum())
    parts.append(f"In {slips} places the paper's own figures or words do not agree, in some of them by one of two readings only.")
    return sentences.Prose(" ".join(parts))


def beside_others(evidence: Evidence) -> pd.DataFrame:
    """Accuracies (%) that others report at the paper's budgets, a row each, with the paper's and ours."""
    columns = ["dataset", "budget", "setting", "Who", "Theirs"]
    rows = pd.DataFrame([*_readme_of_the_code(), *_patron()], columns=columns)
    keys = list(rows[["dataset", "budget", "setting"]].itertuples(index=False))
    cells = {"Data set": rows["dataset"].map(datasets.titles()), "Labels": rows["budget"]}
    cells |= {name: rows[name] for name in ("Who", "Theirs")}
    cells["The paper"] = [_table_2(evidence, *key) for key in keys]
    for recipe in tables.RECIPES:
        cells[f"Ours, {recipe} recipe"] = [_mean_of(evidence, recipe, *key) for key in keys]
    return pd.DataFrame(cells)


def rerun_by_others() -> pd.DataFrame:
    """Averages (%) of the paper's experiment as others ran it again, where we trust the source, beside the paper's own over
    the same data sets: with 64 labels, without CFPB."""
    rerun = results.published("oect_reproduction").set_index("row")
    printed = results.published("paper_table2_accuracy_at_64").query("dataset != 'cfpb'").dropna(subset="budget")
    means = printed.groupby(printed["topical"].astype(bool))[["bert", "bert_it_clust"]].mean()
    rows = {}
    for title, column, name in (("BERT", "bert", "BERT reproduced (Table 5)"),
                                ("BERT IT:CLUST", "bert_it_clust", "C&T reproduced (Table 5)")):
        rows[title] = {f"{kind}, {whose}": tables.number(value)
                       for kind, topical, key in (("topical", True, "topical"), ("not topical", False, "non_topical"))
                       for whose, value in (("the paper", means.loc[topical, column]), ("rerun", rerun.loc[name, key]))}
    return pd.DataFrame(rows).T.rename_axis("Setting")


def _readme_of_the_code() -> list[tuple]:
    """DBpedia's learning curve, with and without inter-training."""
    curve = results.published("official_readme_dbpedia_curve")
    columns = (("base", "base", "BERT"), ("intermediate", "clust", "BERT IT:CLUST"))
    who = "README of the authors' code"
    return [("dbpedia", row.budget, setting, f"{title}, {who}", tables.accuracy(getattr(row, column)))
            for column, setting, title in columns for row in curve.itertuples()]


def _patron() -> list[tuple]:
    """RoBERTa fine-tuned on random samples."""
    peers = results.published("peer_patron")
    peers = peers[peers["budget"].isin(design.BUDGETS)]
    return [(row.dataset, row.budget, "base", "RoBERTa, PATRON", f"{row.ft_random} (sd {row.ft_random_sd})")
            for row in peers.itertuples()]


def _table_2(e: Evidence, dataset: str, budget: int, setting: str) -> str:
    row = e.printed[(e.printed["dataset"] == dataset) & (e.printed["budget"] == budget)]
    return tables.number(row["bert" if setting == "base" else "bert_it_clust"].iloc[0]) if len(row) else tables.MISSING


def _mean_of(e: Evidence, recipe: str, dataset: str, budget: int, setting: str) -> str:
    cell = _cell(e, recipe, dataset, budget, setting)
    return tables.accuracy(cell.mean(), stats.sem(cell)) if len(cell) else tables.MISSING
