"""The statistics of the paper, and the two it leaves out (a bootstrap interval and Wilcoxon's test).

Numbers in, numbers out: accuracies lie in [0, 1], percentages in [0, 100]. The functions that take `runs` read the
tidy frame of results, one row a run. Nothing here trains, reads files, rounds or draws.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy import stats as distributions

from cluster_tune.errors import InputError

KEYS = ["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition"]  # one run of the design


# --- One run's score ------------------------------------------------------------------------------------------------


def score(gold: Sequence, predicted: Sequence, n_classes: int) -> dict[str, float]:
    """Accuracy (as in the paper) and macro-F1 over all classes, of int labels (n,), both within 0 and 1."""
    from sklearn.metrics import accuracy_score, f1_score

    macro = f1_score(gold, predicted, labels=range(n_classes), average="macro", zero_division=0)
    return {"accuracy": float(accuracy_score(gold, predicted)), "macro_f1": float(macro)}


# --- One figure out of a few repetitions ---------------------------------------------------------------------------


def sem(values: Sequence[float]) -> float:
    """Standard error of the mean (Figure 2): standard deviation with ddof 1 over sqrt(n); NaN below two values."""
    values = np.asarray(values, float)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def gain(before, after):
    """Relative gain in accuracy, in % of `before` (Table 2); NaN where `before` is 0. Scalars or arrays."""
    return _percent(np.subtract(after, before), before)


def error_reduction(before, after):
    """Reduction of the error 1 - accuracy, in % of the error before (Table 2); NaN where there was none."""
    return _percent(np.subtract(after, before), np.subtract(1, before))


def _percent(part, whole):
    whole = np.asarray(whole, float)
    return 100 * np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)[()]


@dataclass(frozen=True)
class Interval:
    """An estimate with the two ends of its interval; the ends are NaN where there is no ground for one."""

    estimate: float
    low: float
    high: float

    @property
    def includes_zero(self) -> bool:
        """Whether 0 is inside; an interval without ends includes it, for nothing is excluded."""
        return not (self.low > 0 or self.high < 0)


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The mean of a handful of values and its interval by Student's t, which is wide enough at five values where a
    percentile bootstrap is too narrow."""
    values = np.asarray(values, float)
    mean = float(values.mean()) if len(values) else float("nan")
    half = distributions.t.ppf((1 + level) / 2, len(values) - 1) * sem(values) if len(values) > 1 else float("nan")
    return Interval(mean, float(mean - half), float(mean + half))


def welch(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """How far the mean of `first` is above that of `second`, two independent groups that may differ in spread, with
    Welch's interval; at least two values in each."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    if min(len(first), len(second)) < 2:
        raise InputError(f"an interval between groups needs two values in each, not {len(first)} and {len(second)}")
    span = distributions.ttest_ind(first, second, equal_var=False).confidence_interval(level)
    return Interval(float(first.mean() - second.mean()), float(span.low), float(span.high))


def summary(runs: pd.DataFrame, by: Sequence[str], value: str = "accuracy") -> pd.DataFrame:
    """Mean, SEM and number of `value` over the repetitions, one row a combination of the columns `by`."""
    grouped = runs.groupby(list(by), sort=False)[value]
    return grouped.agg(mean="mean", sem="sem", n="size").reset_index()


# --- Two settings on the same labelled samples ---------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """A test on `n` matched pairs: the mean difference (second minus first), the statistic, the two-sided p."""

    __test__ = False  # not a test for pytest to collect

    difference: float
    statistic: float
    p: float
    n: int


def paired_t(before: Sequence[float], after: Sequence[float]) -> Test:
    """Student's paired t-test, two-sided (section 4, Table 3). Without any difference p is 1."""
    differences = _differences(before, after)
    mean, n = float(differences.mean()), len(differences)
    if np.ptp(differences) == 0:  # all differences alike: no spread to measure the mean against
        return Test(mean, float(np.sign(mean) * np.inf) if mean else 0.0, 0.0 if mean else 1.0, n)
    result = distributions.ttest_1samp(differences, 0)
    return Test(mean, float(result.statistic), float(result.pvalue), n)


def wilcoxon(before: Sequence[float], after: Sequence[float]) -> Test:
    """Wilcoxon's signed-rank test, two-sided, ties and zeros as scipy handles them. Without any difference p is 1."""
    differences = _differences(before, after)
    if not differences.any():
        return Test(0.0, 0.0, 1.0, len(differences))
    result = distributions.wilcoxon(differences)
    return Test(float(differences.mean()), float(result.statistic), float(result.pvalue), len(differences))


def _differences(before: Sequence[float], after: Sequence[float]) -> np.ndarray:
    before, after = np.asarray(before, float), np.asarray(after, float)
    if before.shape != after.shape or before.ndim != 1:
        raise InputError(f"a paired test needs two vectors of one length, not {before.shape} and {after.shape}")
    if len(before) < 2:
        raise InputError(f"a paired test needs at least two pairs, not {len(before)}; add repetitions or data sets")
    return (after - before).round(9)  # of shares of the same texts: what is a tie must be one in binary, too


def holm(ps: Sequence[float]) -> np.ndarray:
    """The p of a family of tests, (n,), corrected by Holm's method, which is never less powerful than Bonferroni's."""
    ps = np.asarray(ps, float)
    order = np.argsort(ps)
    stepped = np.maximum.accumulate(ps[order] * np.arange(len(ps), 0, -1))
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def directions(groups: Mapping[Hashable, pd.DataFrame]) -> pd.DataFrame:
    """Which way each of several differences of pairs goes, a row a key of `groups` in their order: `up`, whether the mean
    rises; `clear`, whether p of the paired t-test is below .05, so that the 95 % interval is on one side of zero; and `still`,
    whether it is with all these tests corrected together (Holm)."""
    ps = np.array([paired_t(both["before"], both["after"]).p for both in groups.values()])
    up = [bool(both["after"].mean() > both["before"].mean()) for both in groups.values()]
    index = pd.Index(list(groups), tupleize_cols=False)
    return pd.DataFrame({"up": np.array(up, bool), "clear": ps < 0.05, "still": holm(ps) < 0.05}, index=index)


def bonferroni(p: float, tests: int = 8) -> float:
    """`p` corrected for a family of `tests`; the paper's family is its eight budgets."""
    return float(min(1.0, p * tests))


def bootstrap(groups: Iterable[Sequence[float]], level: float = 0.95, n: int = 10_000, seed: int = 0) -> Interval:
    """Percentile interval for the mean of the groups' means: groups are drawn anew, then values within each.

    `groups` are the data sets, each with its repetitions' differences; they may differ in length. With one group only
    its values are drawn. Too narrow for a handful of groups, or of values in one group: with three groups of normal values
    an interval of 95 % misses the mean about one time in four. Use `t_interval` there.
    """
    groups = [np.asarray(group, float) for group in groups]
    if not groups or not all(map(len, groups)):
        raise InputError("a bootstrap needs at least one group, and no empty one; leave out data sets without runs")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(groups), size=(n, len(groups)))
    means = np.empty(drawn.shape)
    for i, group in enumerate(groups):
        where = drawn == i
        means[where] = group[rng.integers(len(group), size=(where.sum(), len(group)))].mean(axis=1)
    low, high = np.quantile(means.mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean([group.mean() for group in groups])), float(low), float(high))


# --- The frame of runs ---------------------------------------------------------------------------------------------


def single(runs: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame that mixes values of a column where one is expected; absent columns do not matter."""
    for column in columns:
        values = sorted(map(str, runs[column].unique())) if column in runs else []
        if len(values) > 1:
            raise InputError(f"the runs mix {len(values)} values of '{column}' ({', '.join(values[:4])}); keep one")


def consistent(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, fit to be averaged: one encoder, one clustering, one set of texts a data set, no run twice.

    An empty clustering read back from a CSV file is '' again. InputError says what is mixed.
    """
    runs = runs.assign(clustering=runs["clustering"].fillna("")) if "clustering" in runs else runs
    single(runs, "encoder")
    if "clustering" in runs:
        single(runs[runs["clustering"] != ""], "clustering")
    for _, group in runs.groupby("dataset"):
        single(group, "data_fingerprint")
    if runs.duplicated([key for key in KEYS if key in runs]).any():
        raise InputError("the runs hold the same run more than once; keep one record a run")
    return runs


def pairs(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> pd.DataFrame:
    """Accuracies of two settings side by side, one row a (data set, budget, repetition) that has both.

    Columns `before` and `after`. The two of a pair must have seen the same labelled sample (section 3.2), which is
    checked where the runs carry its fingerprint.
    """
    runs = consistent(runs[runs["setting"].isin([before, after])])
    single(runs, "recipe")
    index = ["dataset", "budget", "repetition"]
    if "sample_fingerprint" in runs and (runs.groupby(index)["sample_fingerprint"].nunique() > 1).any():
        raise InputError("paired runs were trained on different labelled samples; run both settings again")
    wide = runs.pivot(index=index, columns="setting", values="accuracy").reindex(columns=[before, after]).dropna()
    return wide.set_axis(["before", "after"], axis=1)


def matched(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Two frames of runs side by side, one row a (data set, budget, repetition) of both; columns `before`, `after`.

    For what `pairs` cannot pair: two recipes, or a fine-tuned model and a reference method. Both must have seen the
    same labelled sample, which is checked where both carry its fingerprint, and hold each key once.
    """
    index = ["dataset", "budget", "repetition"]
    kept = [*index, *(["sample_fingerprint"] if "sample_fingerprint" in before and "sample_fingerprint" in after else [])]
    for frame in (before, after):
        if frame.duplicated(index).any():
            raise InputError("the frames to match hold a sample more than once; keep one setting, recipe and method each")
    both = before[[*kept, "accuracy"]].merge(after[[*kept, "accuracy"]], on=index, suffixes=("_before", "_after"))
    if len(kept) > len(index) and (both["sample_fingerprint_before"] != both["sample_fingerprint_after"]).any():
        raise InputError("matched runs were trained on different labelled samples; run both again")
    renamed = both.rename(columns={"accuracy_before": "before", "accuracy_after": "after"})
    return renamed.set_index(index)[["before", "after"]]


CELL = ["dataset", "data_fingerprint", "encoder", "setting", "clustering", "recipe", "budget", "mlm_epochs", "inter_epochs",
        "n_clusters"]  # fmt: skip


def again(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Runs that were computed twice, by the `run_id` that stands for all that decides them: a row a cell of the grid, see `CELL`,
    with how many `runs` of it they are, its mean accuracies `before` and `after`, the standard error `sem` of the latter and the
    `p` of a paired t-test (both NaN below two of them), and the two devices. What is the same record in both frames was
    computed once."""
    told = ["accuracy", "macro_f1", "seconds", "device"]
    both = after[["run_id", *CELL, *told]].merge(before[["run_id", *told]], on="run_id", suffixes=("", "_before"))
    once = (both[told].to_numpy() == both[[f"{name}_before" for name in told]].to_numpy()).all(axis=1)
    rows = [
        {**dict(zip(CELL, key, strict=True)), "runs": len(cell), "before": cell["accuracy_before"].mean(),
         "after": cell["accuracy"].mean(), "sem": sem(cell["accuracy"]) if len(cell) > 1 else float("nan"),
         "p": paired_t(cell["accuracy_before"], cell["accuracy"]).p if len(cell) > 1 else float("nan"),
         "device_before": _joined(cell["device_before"]), "device": _joined(cell["device"])}
        for key, cell in both[~once].groupby(CELL)
    ]
    return pd.DataFrame(rows, columns=[*CELL, "runs", "before", "after", "sem", "p", "device_before", "device"])


def _joined(values: pd.Series) -> str:
    return " or ".join(sorted(set(values)))


def differences(pairs: pd.DataFrame) -> Interval:
    """Mean of `after` less `before` with its 95 % interval by Student's t; for one data set and budget."""
    return t_interval(pairs["after"] - pairs["before"])


def effects(
    runs: pd.DataFrame, budgets: Mapping[str, int], before: str = "base", after: str = "clust"
) -> pd.DataFrame:
    """Table 2 as numbers: one row a data set of `budgets` (name -> labels) that has both settings, under one recipe.

    Columns dataset, budget, n (repetitions of both), before, after: mean accuracies; gain, error_reduction in %.
    """
    rows = []
    for name, budget in budgets.items():
        both = pairs(runs[(runs["dataset"] == name) & (runs["budget"] == budget)], before, after)
        if len(both):
            rows.append((name, int(budget), len(both), *both.mean()))
    frame = pd.DataFrame(rows, columns=["dataset", "budget", "n", "before", "after"])
    return with_ratios(frame.astype({"before": float, "after": float}))


def with_ratios(effects: pd.DataFrame) -> pd.DataFrame:
    """`before` and `after` with the two measures of Table 2 beside them: `gain` and `error_reduction`, in %."""
    before, after = effects["before"].to_numpy(float), effects["after"].to_numpy(float)
    return effects.assign(gain=gain(before, after), error_reduction=error_reduction(before, after))


def averages(effects: pd.DataFrame) -> dict[str, float]:
    """Averages over data sets, by both readings: the mean of the ratios, and the ratio of the mean accuracies.

    The paper's 110 % is the former; its own average accuracies give 84 %.
    """
    before, after = effects["before"].mean(), effects["after"].mean()
    return {"n": len(effects), "before": before, "after": after,
            "mean_of_gains": effects["gain"].mean(), "gain_of_means": gain(before, after),
            "mean_of_reductions": effects["error_reduction"].mean(),
            "reduction_of_means": error_reduction(before, after)}


def by_updates(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that differ in nothing but their number of updates: the sweep, and the recipe it was made from.

    The paper's recipe is left out, for its rate and batch differ as well, and the crossed one, whose inter-training
    does. Where the sweep holds a point that the recipe `trained` has too, the sweep's stays.
    """
    frame = runs[(runs["recipe"] == "trained") | runs["recipe"].str.startswith("updates-")]
    frame = frame.assign(own=frame["recipe"] == "trained").sort_values("own", kind="stable")
    same = ["dataset", "setting", "clustering", "budget", "repetition", "updates"]
    return frame.drop_duplicates(same).drop(columns="own").reset_index(drop=True)


def along_updates(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> pd.DataFrame:
    """Two settings at each number of updates (`by_updates`): a row a (data set, budget, updates) that has both.

    Columns before, after (mean accuracies), n, and difference, low, high: the matched differences with their 95 %
    interval by Student's t. The last three are in accuracy, too.
    """
    rows = []
    for key, group in by_updates(runs).groupby(["dataset", "budget", "updates"]):
        both = pairs(group.assign(recipe="sweep"), before, after)
        if len(both):
            interval = differences(both)
            rows.append((*key, *both.mean(), len(both), interval.estimate, interval.low, interval.high))
    columns = ["dataset", "budget", "updates", "before", "after", "n", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def comparison(runs: pd.DataFrame, before: str = "base", after: str = "clust", tests: int = 8) -> pd.DataFrame:
    """Table 3 and more: one row a budget, pooling data sets and repetitions.

    Columns: budget, datasets, n (pairs), difference (in accuracy, the mean over pairs, which the tests are about), t, p,
    p_bonferroni, p_wilcoxon; p_datasets, the paired t-test's on one mean a data set (NaN for one); mean, low, high: the
    mean over data sets with its 95 % interval by `t_interval` over one mean a data set, over pairs if there is one; and
    boot_low, boot_high, the ends by `bootstrap` over data sets and repetitions (NaN for one data set), which are too
    narrow for the nine data sets of the paper or fewer. The two means part where data sets have different numbers of
    pairs. Budgets with fewer than two pairs are left out.
    """
    rows = []
    for budget, group in pairs(runs, before, after).groupby("budget"):
        if len(group) < 2:
            continue
        test, signed = paired_t(group["before"], group["after"]), wilcoxon(group["before"], group["after"])
        sets = [part.to_numpy() for _, part in (group["after"] - group["before"]).groupby("dataset")]
        several = len(sets) > 1
        interval = t_interval([part.mean() for part in sets] if several else sets[0])
        drawn = bootstrap(sets) if several else Interval(interval.estimate, float("nan"), float("nan"))
        means = group.groupby("dataset").mean()
        units = paired_t(means["before"], means["after"]).p if several else float("nan")
        rows.append((budget, len(sets), test.n, test.difference, test.statistic, test.p, bonferroni(test.p, tests),
                     signed.p, units, interval.estimate, interval.low, interval.high, drawn.low, drawn.high))
    columns = ["budget", "datasets", "n", "difference", "t", "p", "p_bonferroni", "p_wilcoxon", "p_datasets", "mean", "low",
               "high", "boot_low", "boot_high"]
    return pd.DataFrame(rows, columns=columns)


# --- Clusters and classes, embeddings and classes ------------------------------------------------------------------


def nmi(classes: Sequence, clusters: Sequence) -> float:
    """Normalised mutual information (section 5.4), by the arithmetic mean of the two entropies; in [0, 1]."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(classes, clusters))


def sib_nmi(agreement: pd.DataFrame) -> pd.Series:
    """NMI of sIB's clusters with the classes, its mean over the seeds, by data set."""
    return agreement[agreement["clustering"] == "sib"].groupby("dataset")["nmi"].mean()


def ami(classes: Sequence, clusters: Sequence) -> float:
    """Adjusted mutual information: `nmi` less what chance gives, so that many clusters are no advantage."""
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(classes, clusters))


def ari(classes: Sequence, clusters: Sequence) -> float:
    """Adjusted Rand index: agreement on pairs of texts, 0 for chance and 1 for the same partition."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(classes, clusters))


def correlation(first: Sequence[float], second: Sequence[float], level: float = 0.95, ranks: bool = False) -> Interval:
    """Pearson's correlation, or with `ranks` Spearman's, and its interval by Fisher's transformation, whose variance is
    larger for ranks (Bonett and Wright 2000, Psychometrika 65). NaN below three pairs, no interval below four."""
    n = len(first)
    if ranks:
        first, second = distributions.rankdata(first), distributions.rankdata(second)
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    r = float(distributions.pearsonr(first, second).statistic)
    if n < 4 or abs(r) > 1 - 1e-12:
        return Interval(r, float("nan"), float("nan"))
    variance = (1 + r**2 / 2 if ranks else 1) / (n - 3)
    half = distributions.norm.ppf((1 + level) / 2) * np.sqrt(variance)
    return Interval(r, *map(float, np.tanh([np.arctanh(r) - half, np.arctanh(r) + half])))


@dataclass(frozen=True)
class Line:
    """A straight line by least squares: its slope, intercept, and what the interval around it needs."""

    slope: Interval
    intercept: float
    mean: float  # of x
    spread: float  # sum of squares of x around its mean
    error: float  # standard deviation of the residuals, n - 2 degrees of freedom
    n: int
    level: float

    def at(self, x: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The line at x with the two ends of the interval for its height (the mean there, not a single point)."""
        x = np.asarray(x, float)
        height = self.intercept + self.slope.estimate * x
        t = distributions.t.ppf((1 + self.level) / 2, self.n - 2)
        half = t * self.error * np.sqrt(1 / self.n + (x - self.mean) ** 2 / self.spread)
        return height, height - half, height + half


def fit_line(x: Sequence[float], y: Sequence[float], level: float = 0.95) -> Line | None:
    """The line of y on x, with its interval (analytic, normal residuals); None below three points or for one x."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    found, n, mean = distributions.linregress(x, y), len(x), float(x.mean())
    spread, slope = float(((x - mean) ** 2).sum()), float(found.slope)
    stderr = float(found.stderr) if np.ptp(y) else 0.0  # of a line through all points; scipy has none where they are level
    half = float(distributions.t.ppf((1 + level) / 2, n - 2) * stderr)
    error = float(stderr * np.sqrt(spread))
    return Line(Interval(slope, slope - half, slope + half), float(found.intercept), mean, spread, error, n, level)


def mutual_information(classes: Sequence, clusters: Sequence) -> float:
    """Mutual information of two labellings in bits."""
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(classes, clusters) / np.log(2))


@dataclass(frozen=True)
class Dispersion:
    """How tightly classes sit in an embedding: `ed`, `ned` = ed / `permuted` (the mean over permuted labels), `p`; and what
    section 5.3 says beside it: the mean length of a vector, `norm`, and NED with every class counted alike (`ned_macro`) and by
    cosine distance (`ned_cosine`)."""

    ed: float
    ned: float
    permuted: float
    p: float
    norm: float
    ned_macro: float
    ned_cosine: float


def ed(embeddings: np.ndarray, labels: Sequence) -> float:
    """Mean Euclidean distance of n embeddings, shape (n, d), from the centroid of their own class (section 5.3).

    The micro average. The paper prints c_i for the centroid; the one of the class of i is meant.
    """
    points, codes = _coded(embeddings, labels)
    return float(_distances(points, codes, _members(codes)).mean())


def dispersion(embeddings: np.ndarray, labels: Sequence, n: int = 1000, seed: int = 0) -> Dispersion:
    """ED, NED and the permutation test of section 5.3, with `n` permutations of the labels; its footnote 8 likewise.

    p is one-sided, (1 + permutations with an ED no larger) / (1 + n): it cannot be below 1 / (1 + n).
    """
    points, codes = _coded(embeddings, labels)
    raw = np.asarray(embeddings, float)  # cosines and lengths are from the origin, which distances do not know
    norms = np.linalg.norm(raw, axis=1)
    units = raw / np.where(norms, norms, 1)[:, None]
    rng = np.random.default_rng(seed)
    observed = _averages(points, raw, units, codes)
    permuted = np.array([_averages(points, raw, units, rng.permutation(codes)) for _ in range(n)])
    means = permuted.mean(axis=0)
    p = (1 + int((permuted[:, 0] <= observed[0]).sum())) / (1 + n)
    ned, macro, cosine = (float(found / mean) if mean else float("nan") for found, mean in zip(observed, means, strict=True))
    return Dispersion(float(observed[0]), ned, float(means[0]), p, float(norms.mean()), macro, cosine)


def ned(embeddings: np.ndarray, labels: Sequence, n: int = 1000, seed: int = 0) -> float:
    """Normalised embeddings' distance (section 5.3): ED over its mean for `n` permutations of the labels."""
    return dispersion(embeddings, labels, n, seed).ned


def before_and_after(distances: pd.DataFrame, recipe: str, measures: Sequence[str] = ("ned", "permuted", "p")) -> pd.DataFrame:
    """Measures of embeddings (fields of `Dispersion`) before and after inter-training on sIB's clusters under one recipe, a row
    a data set that has them all: columns (measure, 'before' or 'after')."""
    columns = pd.MultiIndex.from_product([measures, ["before", "after"]])
    if distances.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    stage = distances["setting"].map({"base": "before", "clust": "after"})
    chosen = distances["recipe"].isin(["", recipe]) & stage.notna()
    if "clustering" in distances:
        chosen &= distances["clustering"].isin(["", "sib"])
    frame = distances.reindex(columns=["dataset", *measures]).assign(stage=stage)[chosen]
    return frame.pivot(index="dataset", columns="stage", values=list(measures)).reindex(columns=columns).dropna()


def neighbours(points: np.ndarray, labels: Sequence) -> float:
    """The share of n points, shape (n, d), whose nearest other point has their label: how far classes come apart.

    A labelling that has nothing to do with the points gives the sum of the classes' squared shares.
    """
    from scipy.spatial import cKDTree

    points, codes = _coded(points, labels)
    if len(points) < 2:
        return float("nan")
    nearest = cKDTree(points).query(points, k=2)[1]
    itself = nearest[:, 0] == np.arange(len(points))  # of two points in one place, either may come first
    return float((codes[np.where(itself, nearest[:, 1], nearest[:, 0])] == codes).mean())


def silhouette(points: np.ndarray, labels: Sequence) -> float:
    """The mean silhouette of n points, shape (n, d), with their labels for clusters: 1 for classes far apart, 0 for
    classes in one place, below 0 where points lie nearer to another class; NaN for fewer than two classes."""
    from sklearn.metrics import silhouette_score

    points, codes = _coded(points, labels)
    return float(silhouette_score(points, codes)) if 1 < codes.max() + 1 < len(points) else float("nan")


def separation(points: pd.DataFrame, by: Sequence[str] = ("dataset", "setting", "clustering", "recipe")) -> pd.DataFrame:
    """How far classes come apart in each picture of embeddings: a row a combination of `by`, with the columns
    `neighbours` and `silhouette`."""
    rows = [(*keys, *(measure(part[["x", "y"]], part["label"]) for measure in (neighbours, silhouette)))
            for keys, part in points.groupby(list(by), sort=False)]
    return pd.DataFrame(rows, columns=[*by, "neighbours", "silhouette"])


def _coded(embeddings: np.ndarray, labels: Sequence) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(embeddings, float)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    if points.ndim != 2 or len(points) != len(codes) or not len(points):
        raise InputError(f"embeddings of shape {points.shape} do not fit {len(codes)} labels; give one row a label")
    if not np.isfinite(points).all():
        raise InputError("the embeddings hold NaN or infinity; compute them again")
    return points - points.mean(axis=0), codes  # centred, so that the squares below lose no digits


def _averages(points: np.ndarray, raw: np.ndarray, units: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of the distances from the own class's centroid: their mean, the mean of the classes' means, and the mean by cosine.
    `raw` are the vectors from the origin, `units` the same with a length of 1, `points` from their mean."""
    members = _members(codes)
    distances = _distances(points, codes, members)
    macro = (np.bincount(codes, distances) / np.bincount(codes)).mean()
    return np.array([distances.mean(), macro, _cosine_distance(members @ raw, members @ units, len(raw))])


def _distances(points: np.ndarray, codes: np.ndarray, members: sparse.csr_array) -> np.ndarray:
    """|e - c|^2 = e.e - 2 e.c + c.c, (n,): a product of matrices, without an (n, d) array of centroids."""
    centroids = members @ points / np.bincount(codes)[:, None]
    nearness = np.take_along_axis(points @ centroids.T, codes[:, None], axis=1)[:, 0]
    squares = np.einsum("ij,ij->i", points, points) - 2 * nearness
    squares += np.einsum("ij,ij->i", centroids, centroids)[codes]
    return np.sqrt(squares.clip(0))


def _cosine_distance(sums: np.ndarray, directions: np.ndarray, n: int) -> float:
    """The mean of 1 - cos(e, c) of n vectors, given each class's sum of them and of e/|e|, (classes, d), whose product with
    c/|c| is the sum of the cosines. Vectors without a length count as at right angles to everything."""
    lengths = np.linalg.norm(sums, axis=1)
    return float(1 - (np.einsum("ij,ij->i", directions, sums) / np.where(lengths, lengths, 1)).sum() / n)


def _members(codes: np.ndarray) -> sparse.csr_array:
    """(classes, n): 1 for the points of each class, so that its product with them has the sum of each class's."""
    return sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))))


# --- Two implementations of the same thing -------------------------------------------------------------------------


def side_by_side(runs: pd.DataFrame, ours: str = "cluster-tune", theirs: str = "sib-clustering") -> pd.DataFrame:
    """Two packages on the same inputs: one row a data set and number of cores, over the seeds that both have run.

    `runs`: dataset, documents, terms, cores, seed, package, seconds, information, common_mb, package_mb, fit_mb,
    peak_mb. Columns: dataset, documents, terms, cores, seeds; times (median over seeds of their seconds over ours) and
    least_times (of the seeds' the least); and for each package, with the suffix _ours or _theirs, seconds (median),
    information (mean, bits) and the megabytes (the most over seeds).
    """
    keys, input_ = ["dataset", "documents", "terms", "cores"], ["dataset", "documents", "terms", "cores", "seed"]
    parts = [runs[runs["package"] == package].drop(columns="package") for package in (ours, theirs)]
    both = parts[0].merge(parts[1], on=input_, suffixes=("_ours", "_theirs"), validate="one_to_one")
    both["times"] = both["seconds_theirs"] / both["seconds_ours"]
    how = {"seeds": ("seed", "count"), "times": ("times", "median"), "least_times": ("times", "min")}
    for who in ("ours", "theirs"):
        how |= {f"{name}_{who}": (f"{name}_{who}", kind) for name, kind in
                (("seconds", "median"), ("information", "mean"), ("common_mb", "max"), ("package_mb", "max"),
                 ("fit_mb", "max"), ("peak_mb", "max"))}
    return both.groupby(keys, sort=False).agg(**how).reset_index()


def growth(runs: pd.DataFrame) -> pd.DataFrame:
    """How time grows with a size: the exponent b of seconds ~ size^b by least squares on logarithms.

    `runs`: varied, value, package, seconds. One row a (varied, package) with two sizes or more: exponent, from_value
    and to_value, seconds at the largest.
    """
    rows = []
    for (varied, package), group in runs.groupby(["varied", "package"], sort=False):
        if group["value"].nunique() > 1:
            group = group.sort_values("value")
            slope = np.polyfit(np.log(group["value"]), np.log(group["seconds"]), 1)[0]
            ends = group["value"].iloc[[0, -1]]
            rows.append((varied, package, float(slope), *ends, group["seconds"].iloc[-1]))
    return pd.DataFrame(rows, columns=["varied", "package", "exponent", "from_value", "to_value", "seconds"])
