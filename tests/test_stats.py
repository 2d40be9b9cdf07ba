"""Statistics against hand-worked cases, trusted libraries and the paper's own arithmetic."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions
from scipy.spatial.distance import cosine
from sklearn.metrics import normalized_mutual_info_score

from cluster_tune import stats
from cluster_tune.errors import InputError

PUBLISHED = Path(__file__).parents[1] / "results" / "published"


def table2() -> pd.DataFrame:
    return pd.read_csv(PUBLISHED / "paper_table2_accuracy_at_64.csv").set_index("dataset")


def runs(accuracies, setting="base", dataset="a", budget=64, **more) -> pd.DataFrame:
    frame = pd.DataFrame({"accuracy": accuracies, "repetition": range(len(accuracies))})
    frame = frame.assign(dataset=dataset, encoder="e", setting=setting, recipe="paper", budget=budget)
    return frame.assign(clustering="sib" if setting.endswith("clust") else "", **more)


def test_sem_by_hand():
    assert stats.sem([1, 2, 3, 4]) == pytest.approx(np.sqrt(5 / 3) / 2)
    assert np.isnan(stats.sem([0.5]))


def test_gain_and_error_reduction_by_hand():
    assert stats.gain(0.5, 0.75) == pytest.approx(50)
    assert stats.error_reduction(0.5, 0.75) == pytest.approx(50)
    assert stats.error_reduction(0.9, 0.85) == pytest.approx(-50)
    assert np.isnan(stats.gain(0, 0.5)) and np.isnan(stats.error_reduction(1, 0.5))


def test_table_2_follows_from_its_accuracies():
    table = table2().query("budget == budget")
    before, after = table["bert"].to_numpy() / 100, table["bert_it_clust"].to_numpy() / 100
    assert list(np.round(stats.gain(before, after))) == list(table["gain_pct"])
    assert list(np.round(stats.error_reduction(before, after))) == list(table["error_reduction_pct"])


@pytest.mark.parametrize("topical, row", [(1, "avg_topical"), (0, "avg_non_topical")])
def test_averages_of_table_2_are_means_of_ratios(topical, row):
    table = table2()
    group = table[(table["topical"] == topical) & table["budget"].notna()]
    before, after = group["bert"].to_numpy() / 100, group["bert_it_clust"].to_numpy() / 100
    assert round(stats.gain(before, after).mean()) == table.loc[row, "gain_pct"]
    assert round(stats.error_reduction(before, after).mean()) == table.loc[row, "error_reduction_pct"]


def test_gain_of_the_topical_means_is_84_where_the_paper_prints_110():
    group = table2().query("topical == 1 and budget == budget")[["bert", "bert_it_clust"]].mean() / 100
    assert round(stats.gain(*group)) == 84


def test_t_interval_by_hand():
    interval = stats.t_interval([0.1, 0.2, 0.3, 0.4, 0.5])
    half = 2.776445 * np.sqrt(0.025 / 5)  # t of 4 degrees of freedom, from a printed table
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=1e-6)
    assert not interval.includes_zero
    assert stats.t_interval([0.3]).includes_zero


def test_paired_t_by_hand():
    test = stats.paired_t([0, 0, 0, 0], [1, 2, 3, 4])
    assert (test.difference, test.n) == (2.5, 4)
    assert test.statistic == pytest.approx(2.5 / (np.sqrt(5 / 3) / 2))


def test_paired_t_and_wilcoxon_agree_with_scipy():
    rng = np.random.default_rng(1)
    before = rng.normal(0.5, 0.1, 45)
    after = before + rng.normal(0.05, 0.1, 45)
    ours, theirs = stats.paired_t(before, after), distributions.ttest_rel(after, before)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert stats.wilcoxon(before, after).p == pytest.approx(distributions.wilcoxon(after, before).pvalue)


def test_tests_without_spread_or_without_pairs():
    assert stats.paired_t([0.5, 0.6], [0.5, 0.6]).p == stats.wilcoxon([0.5, 0.6], [0.5, 0.6]).p == 1
    assert stats.paired_t([0, 0], [1, 1]).p == 0
    with pytest.raises(InputError, match="at least two pairs"):
        stats.paired_t([0.5], [0.6])
    with pytest.raises(InputError, match="one length"):
        stats.paired_t([0.5, 0.4], [0.6])


def test_bonferroni():
    assert stats.bonferroni(0.001) == pytest.approx(0.008)
    assert stats.bonferroni(0.5) == 1


def test_holm_by_hand():
    """.01 x 3, .03 x 2, and .04 x 1, which may not be less than the one before it."""
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([0.9, 0.8]).tolist() == [1, 1] and len(stats.holm([])) == 0


def test_bootstrap_is_seeded_and_centred():
    groups = [[0.1, 0.2, 0.23], [0.4, 0.41, 0.44]]
    first, again = stats.bootstrap(groups, n=500, seed=3), stats.bootstrap(groups, n=500, seed=3)
    assert first == again != stats.bootstrap(groups, n=500, seed=4)
    assert first.estimate == pytest.approx((0.53 + 1.25) / 6)
    assert 0.1 <= first.low < first.estimate < first.high <= 0.44


def test_bootstrap_covers_a_normal_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [stats.bootstrap([rng.normal(size=40)], n=400, seed=i) for i in range(400)]
    assert 0.90 <= np.mean([interval.low <= 0 <= interval.high for interval in found]) <= 0.975


def test_bootstrap_over_data_sets_is_wider_than_over_their_runs():
    rng = np.random.default_rng(0)
    sets = [rng.normal(centre, 0.01, 5) for centre in (-0.2, 0.0, 0.1, 0.3)]
    nested, flat = stats.bootstrap(sets), stats.bootstrap([np.concatenate(sets)])
    assert nested.high - nested.low > 1.5 * (flat.high - flat.low)


def test_pairs_match_by_repetition_and_refuse_mixtures():
    both = pd.concat([runs([0.1, 0.2, 0.3]), runs([0.5, 0.4], "clust")])
    assert stats.pairs(both).to_numpy().tolist() == [[0.1, 0.5], [0.2, 0.4]]
    for mixed in ("encoder", "recipe", "data_fingerprint", "sample_fingerprint"):
        frame = both.assign(**{mixed: np.where(both["setting"] == "base", "x", "y")})
        with pytest.raises(InputError):
            stats.pairs(frame)
    with pytest.raises(InputError, match="more than once"):
        stats.pairs(pd.concat([both, both]))
    with pytest.raises(InputError, match="clustering"):
        stats.pairs(pd.concat([both, runs([0.5], "clust").assign(clustering="kmeans")]))


def test_comparison_pools_data_sets_and_repetitions():
    frame = pd.concat([runs([0.1, 0.2]), runs([0.2, 0.4], "clust"), runs([0.5, 0.6], dataset="b"),
                       runs([0.5, 0.8], "clust", "b"), runs([0.9], budget=128), runs([0.9], "clust", budget=128)])
    table = stats.comparison(frame)
    theirs = distributions.ttest_rel([0.2, 0.4, 0.5, 0.8], [0.1, 0.2, 0.5, 0.6])
    assert table[["budget", "datasets", "n"]].to_numpy().tolist() == [[64, 2, 4]]
    assert table.loc[0, "p"] == pytest.approx(theirs.pvalue)
    assert table.loc[0, "p_bonferroni"] == pytest.approx(min(1, 8 * theirs.pvalue))
    over_sets = stats.t_interval([0.15, 0.1])
    assert table.loc[0, ["mean", "low", "high"]].tolist() == pytest.approx([0.125, over_sets.low, over_sets.high])
    assert table.loc[0, "low"] < table.loc[0, "boot_low"] <= 0.125 <= table.loc[0, "boot_high"] < table.loc[0, "high"]
    one, over_pairs = stats.comparison(frame[frame["dataset"] != "b"]).loc[0], stats.t_interval([0.1, 0.2])
    assert one[["low", "high"]].tolist() == pytest.approx([over_pairs.low, over_pairs.high]) and np.isnan(one["boot_low"])


def test_the_interval_over_a_few_data_sets_keeps_its_promise_where_the_bootstrap_does_not():
    """Three data sets without any difference, many times over: 95 % of the intervals of `comparison` hold 0."""
    rng = np.random.default_rng(0)
    sets = [[rng.normal(rng.normal(0, 0.1), 0.01, 3) for _ in range(3)] for _ in range(200)]
    student = [stats.t_interval([part.mean() for part in parts]).includes_zero for parts in sets]
    drawn = [stats.bootstrap(parts, n=400).includes_zero for parts in sets]
    assert np.mean(student) > 0.9 and np.mean(drawn) < 0.85


def test_summary_over_repetitions():
    row = stats.summary(runs([0.1, 0.3]), ["setting", "budget"]).loc[0]
    assert (row["mean"], row["sem"], row["n"]) == pytest.approx((0.2, 0.1, 2))


def test_nmi_by_hand_and_against_scikit_learn():
    # Classes aabb in clusters 0 0 0 1: I = H(class) - H(class | cluster), in bits.
    entropy = 0.75 * -(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))
    of_clusters = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert stats.nmi(list("aabb"), [0, 0, 0, 1]) == pytest.approx((1 - entropy) / ((1 + of_clusters) / 2))
    classes, clusters = np.random.default_rng(0).integers(5, size=(2, 200))
    assert stats.nmi(classes, clusters) == pytest.approx(
        normalized_mutual_info_score(classes, clusters, average_method="arithmetic"))


def test_ami_and_ari_are_near_zero_by_chance_and_one_for_the_same_partition():
    classes, clusters = np.random.default_rng(0).integers(5, size=(2, 5000))
    for index in (stats.ami, stats.ari):
        assert abs(index(classes, clusters)) < 0.01
        assert index(classes, classes * 7) == pytest.approx(1)


def test_ed_by_hand():
    points = [[0, 0], [2, 0], [0, 1], [0, 5]]  # centroids (1, 0) and (0, 3): distances 1, 1, 2, 2
    assert stats.ed(points, ["x", "x", "y", "y"]) == pytest.approx(1.5)


def test_ed_is_a_micro_average_that_ignores_where_the_cloud_lies():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 5)) + 1e4, rng.integers(3, size=60)
    centroids = np.stack([points[labels == label].mean(axis=0) for label in range(3)])
    assert stats.ed(points, labels) == pytest.approx(np.linalg.norm(points - centroids[labels], axis=1).mean())


def test_ned_is_one_for_shuffled_labels_and_small_for_separate_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(range(4), 100)
    points = rng.normal(size=(400, 8)) + 5 * np.eye(8)[labels]
    assert stats.ned(points, rng.permutation(labels), n=100) == pytest.approx(1, abs=0.01)
    apart = stats.dispersion(points, labels, n=199)
    assert apart.ned < 0.75 and apart.p == pytest.approx(1 / 200)
    assert apart.ned == pytest.approx(apart.ed / apart.permuted)
    assert apart == stats.dispersion(points, labels, n=199)


def test_directions_are_those_of_the_intervals_and_fewer_after_holm():
    rng = np.random.default_rng(3)
    groups = {("a", n): pd.DataFrame({"before": np.zeros(5), "after": rng.normal(shift, 1, 5)})
              for n, shift in enumerate([3, 1.2, 0, -1.2, -3])}
    found = stats.directions(groups)
    intervals = [stats.differences(both) for both in groups.values()]
    assert found["clear"].tolist() == [not interval.includes_zero for interval in intervals]
    assert found["up"].tolist() == [interval.estimate > 0 for interval in intervals]
    ps = [stats.paired_t(both["before"], both["after"]).p for both in groups.values()]
    assert found["still"].tolist() == [p < 0.05 for p in stats.holm(ps)]
    assert 0 < found["still"].sum() < found["clear"].sum() < 5 and found.index.tolist() == list(groups)
    assert stats.directions({}).empty


def test_footnote_8_counts_classes_alike_and_measures_by_cosine_and_norms_are_from_the_origin():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    points = rng.normal(size=(100, 5)) * np.array([1, 2, 4])[labels, None] + 3 * np.eye(5)[labels] + 1

    def by_hand(codes):
        macro = [np.linalg.norm(of - of.mean(axis=0), axis=1).mean() for of in (points[codes == c] for c in range(3))]
        centres = np.stack([points[codes == c].mean(axis=0) for c in range(3)])[codes]
        return np.array([np.mean(macro), np.mean([cosine(point, centre) for point, centre in zip(points, centres, strict=True)])])

    shuffles = np.random.default_rng(7)
    chance = np.mean([by_hand(shuffles.permutation(labels)) for _ in range(20)], axis=0)
    found = stats.dispersion(points, labels, n=20, seed=7)
    assert [found.ned_macro, found.ned_cosine] == pytest.approx(by_hand(labels) / chance)
    assert found.norm == pytest.approx(np.linalg.norm(points, axis=1).mean())
    assert found.ned_macro != pytest.approx(found.ned)  # the small class is the widest
    assert stats.dispersion(np.zeros((4, 2)), [0, 0, 1, 1], n=3).norm == 0


def test_p_of_the_permutation_test_is_uniform_without_an_effect():
    rng = np.random.default_rng(0)
    found = [stats.dispersion(rng.normal(size=(30, 3)), np.repeat([0, 1], 15), n=99, seed=i).p for i in range(200)]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10


def test_embeddings_that_do_not_fit():
    with pytest.raises(InputError, match="one row a label"):
        stats.ed(np.zeros((3, 2)), [0, 1])
    with pytest.raises(InputError, match="NaN"):
        stats.ed([[0, np.nan]], [0])
    assert np.isnan(stats.ned(np.ones((4, 2)), [0, 0, 1, 1], n=5))


def test_scores_by_hand():
    # class 0: precision 2/3, recall 1, F1 .8; class 1: 1, 1/2, 2/3; class 2 neither occurs nor is predicted: 0
    found = stats.score(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), 3)
    assert found == {"accuracy": 0.75, "macro_f1": pytest.approx((0.8 + 2 / 3) / 3)}


def test_mutual_information_is_in_bits():
    assert stats.mutual_information([0, 0, 1, 1], list("aabb")) == pytest.approx(1)
    assert stats.mutual_information(range(8), range(8)) == pytest.approx(3)
    assert stats.mutual_information([0, 1, 0, 1], [0, 0, 1, 1]) == pytest.approx(0)


def test_rank_correlation_looks_at_the_order_alone():
    assert stats.correlation([1, 2, 30], [0.1, 5, 6], ranks=True).estimate == pytest.approx(1)
    found = stats.correlation([1, 2, 3, 4], [2, 1, 4, 3], ranks=True)
    assert found.estimate == pytest.approx(0.6)  # 1 - 6 * 4 / (4 * 15)
    half = 1.959964 * np.sqrt(1.18)  # (1 + .6 ** 2 / 2) / (4 - 3)
    assert (found.low, found.high) == pytest.approx((np.tanh(np.arctanh(0.6) - half), np.tanh(np.arctanh(0.6) + half)))
    assert np.isnan(stats.correlation([1, 2], [1, 2], ranks=True).estimate)


def test_the_interval_of_a_rank_correlation_covers_where_that_of_pearson_s_would_not():
    """Bonett and Wright's variance against what happens: 2,000 draws of 30 pairs whose population's value is known."""
    rng, rho = np.random.default_rng(0), 0.8
    truth = 6 / np.pi * np.arcsin(rho / 2)  # of Spearman's, for normal pairs
    draws = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=(2000, 30))
    spans = [(stats.correlation(*pairs.T, ranks=True), stats.correlation(*distributions.rankdata(pairs, axis=0).T))
             for pairs in draws]
    ours, plain = (np.mean([span.low <= truth <= span.high for span in which]) for which in zip(*spans, strict=True))
    assert 0.93 < ours < 0.97 and plain < ours - 0.01


# Table 2 as numbers, lines and correlations


def test_matched_needs_the_same_samples_and_each_once():
    first = runs([0.1, 0.2, 0.3]).assign(sample_fingerprint=["x", "y", "z"])
    second = runs([0.4, 0.5], "clust").assign(sample_fingerprint=["x", "y"])
    both = stats.matched(first, second)
    assert both.to_numpy().tolist() == [[0.1, 0.4], [0.2, 0.5]]
    assert stats.differences(both).estimate == pytest.approx(0.3)
    with pytest.raises(InputError, match="different labelled samples"):
        stats.matched(first, second.assign(sample_fingerprint=["x", "z"]))
    with pytest.raises(InputError, match="more than once"):
        stats.matched(pd.concat([first, first]), second)


def test_effects_are_means_over_repetitions_of_both():
    frame = pd.concat([runs([0.2, 0.4, 0.9]), runs([0.5, 0.7], "clust"), runs([0.5], dataset="b")])
    table = stats.effects(frame, {"a": 64, "b": 64, "c": 64})
    assert table[["dataset", "budget", "n"]].to_numpy().tolist() == [["a", 64, 2]]
    assert table.loc[0, ["before", "after", "gain"]].tolist() == pytest.approx([0.3, 0.6, 100])
    assert table.loc[0, "error_reduction"] == pytest.approx(100 * 0.3 / 0.7)
    assert stats.effects(frame, {"a": 128}).empty


def test_averages_of_the_paper_by_both_readings():
    """The published averages: 110 % is a mean of ratios; the same table's mean accuracies give 84 %."""
    printed = table2().reset_index()
    expected = pd.read_csv(PUBLISHED / "paper_table2_accuracy_at_64_recomputed.csv")
    printed = printed[~printed["dataset"].str.startswith("avg")]
    effects = stats.with_ratios(printed.assign(before=printed["bert"] / 100, after=printed["bert_it_clust"] / 100))
    for kind, row in zip((1, 0), expected.itertuples(), strict=False):  # the row after these is the topical ones without CFPB
        found = stats.averages(effects[effects["topical"] == kind])
        assert 100 * found["before"] == pytest.approx(row.bert, abs=0.006)
        assert found["mean_of_gains"] == pytest.approx(row.mean_of_gains_pct, abs=0.1)  # that of the rounded gains
        assert found["gain_of_means"] == pytest.approx(row.gain_of_means_pct, abs=0.06)
        assert found["reduction_of_means"] == pytest.approx(row.error_reduction_of_means_pct, abs=0.06)


def test_a_line_by_hand_and_against_scipy():
    # x = 1 2 3, y = 1 3 2: slope 1/2, intercept 1, residuals -1/2, 1, -1/2, so their variance is 1.5 / 1.
    line = stats.fit_line([1, 2, 3], [1, 3, 2])
    assert (line.slope.estimate, line.intercept, line.error**2) == pytest.approx((0.5, 1, 1.5))
    t = distributions.t.ppf(0.975, 1)
    assert line.slope.high - 0.5 == pytest.approx(t * np.sqrt(1.5 / 2))
    height, _, high = line.at([2, 3])
    assert height == pytest.approx([2, 2.5])
    assert high - height == pytest.approx([t * np.sqrt(1.5 / 3), t * np.sqrt(1.5 * (1 / 3 + 1 / 2))])
    x, noise = np.random.default_rng(0).normal(size=(2, 9))
    theirs = distributions.linregress(x, 2 * x + noise)
    ours = stats.fit_line(x, 2 * x + noise)
    assert ours.slope.estimate == pytest.approx(theirs.slope)
    assert ours.slope.high - ours.slope.estimate == pytest.approx(distributions.t.ppf(0.975, 7) * theirs.stderr)
    level = stats.fit_line([1, 2, 3, 4], [2, 2, 2, 2])
    assert (level.slope.low, level.slope.high, level.error) == (0, 0, 0) and level.at([9])[1:] == ([2], [2])
    assert stats.fit_line([1, 2], [1, 2]) is None and stats.fit_line([1, 1, 1], [1, 2, 3]) is None


def test_correlation_has_fisher_s_interval():
    x, noise = np.random.default_rng(1).normal(size=(2, 9))
    found, theirs = stats.correlation(x, x + noise), distributions.pearsonr(x, x + noise)
    assert (found.estimate, found.low, found.high) == pytest.approx((theirs.statistic, *theirs.confidence_interval()))
    assert np.isnan(stats.correlation([1, 2], [1, 2]).estimate)
    assert np.isnan(stats.correlation([1, 2, 3], [1, 2, 1]).low)
    assert np.isnan(stats.correlation([1, 1, 1, 1], [1, 2, 3, 4]).estimate)


def test_the_sweep_leaves_out_the_paper_s_recipe_and_counts_no_point_twice():
    points = [("paper", 10, 0.1), ("trained", 160, 0.2), ("updates-160", 160, 0.3), ("updates-10", 10, 0.4),
              ("paper-then-trained", 100, 0.5)]  # whose inter-training is at another rate
    parts = [runs([x, x]).assign(recipe=recipe, updates=n) for recipe, n, x in points]
    kept = stats.by_updates(pd.concat(parts)).drop_duplicates("recipe")
    assert set(zip(kept["recipe"], kept["updates"], strict=True)) == {("updates-160", 160), ("updates-10", 10)}
    kept = stats.by_updates(pd.concat(parts[:2]))
    assert set(kept["recipe"]) == {"trained"} and len(kept) == 2


def test_along_updates_pairs_the_settings_at_each_number():
    parts = [runs([0.1, 0.3]), runs([0.2, 0.5], "clust"), runs([0.9])]
    recipes = ["updates-10", "updates-10", "updates-40"]
    frame = pd.concat([part.assign(recipe=name, updates=int(name[8:])) for part, name in zip(parts, recipes, strict=True)])
    table = stats.along_updates(frame)
    assert table[["dataset", "budget", "updates", "n"]].to_numpy().tolist() == [["a", 64, 10, 2]]
    assert table.loc[0, ["before", "after", "difference"]].tolist() == pytest.approx([0.2, 0.35, 0.15])
    assert table.loc[0, "high"] == pytest.approx(0.15 + distributions.t.ppf(0.975, 1) * 0.05)  # differences .1 and .2


def test_neighbours_by_hand_and_by_scikit_learn():
    line = np.array([[0.0], [1], [2.5], [10], [11], [12.5]])
    assert stats.neighbours(line, list("aabbbb")) == pytest.approx(5 / 6)  # only the third has a neighbour of the other
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(200, 2)), rng.integers(3, size=200)
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=2).fit(points).kneighbors(points)[1][:, 1]
    assert stats.neighbours(points, labels) == pytest.approx((labels[nearest] == labels).mean())


def test_silhouettes_by_hand():
    """On a line, 1 from one's own class and 9 to 11 from the other: 1 - 1/10 at the ends, 1 - 1/9.5 or 1 - 1/10.5."""
    line = np.array([[0.0, 0], [1, 0], [10, 0], [11, 0]])
    expected = np.mean([1 - 1 / 10.5, 1 - 1 / 9.5] * 2)
    assert stats.silhouette(line, list("aabb")) == pytest.approx(expected)
    assert stats.silhouette(line, list("abba")) < 0
    assert np.isnan(stats.silhouette(line, list("aaaa"))) and np.isnan(stats.silhouette(line, list("abcd")))


def test_neighbours_in_one_place_and_alone():
    assert stats.neighbours(np.zeros((2, 2)), ["a", "b"]) == 0 and stats.neighbours(np.zeros((2, 2)), ["a", "a"]) == 1
    assert np.isnan(stats.neighbours(np.zeros((1, 2)), ["a"]))


def test_separation_is_one_row_a_picture():
    points = pd.DataFrame({"dataset": ["a"] * 8, "setting": ["base"] * 4 + ["clust"] * 4, "clustering": "", "recipe": "",
                           "label": list("abab") * 2, "x": [0, 1, 10, 11, 0, 10, 1, 11], "y": 0})
    found = stats.separation(points)
    assert found[["dataset", "setting", "neighbours"]].to_numpy().tolist() == [["a", "base", 0.0], ["a", "clust", 1.0]]


def test_welch_s_interval_by_hand():
    """Means 2 and 6, variances 1 and 4 over three each: error sqrt(5/3), 2.94 degrees of freedom, t .975 = 3.216."""
    found = stats.welch([5, 6, 7], [0, 2, 4])
    assert found.estimate == pytest.approx(4) and found.high - 4 == pytest.approx(4 - found.low)
    assert found.high - 4 == pytest.approx(3.216 * (5 / 3) ** 0.5, rel=1e-3)
    with pytest.raises(InputError, match="two values in each"):
        stats.welch([1], [1, 2])


def benchmarked() -> pd.DataFrame:
    """Two seeds of both packages on one core, and a third that only one has run."""
    mb = {"common_mb": 100.0, "package_mb": [50.0, 50.0, 50.0, 1.0, 1.0], "fit_mb": [10.0, 12, 11, 30, 20], "peak_mb": 0}
    return pd.DataFrame({
        "dataset": "a", "documents": 9, "terms": 4, "cores": 1, "seed": [0, 1, 2, 0, 1],
        "package": ["cluster-tune"] * 3 + ["sib-clustering"] * 2,
        "seconds": [1.0, 2.0, 5.0, 20.0, 60.0], "information": [1.0, 2.0, 9.0, 1.0, 2.0], **mb,
    })


def test_packages_are_compared_over_the_seeds_that_both_have_run():
    (row,) = stats.side_by_side(benchmarked()).to_dict("records")
    assert row["seeds"] == 2 and row["times"] == 25 and row["least_times"] == 20
    assert row["seconds_ours"] == 1.5 and row["seconds_theirs"] == 40
    assert row["information_ours"] == row["information_theirs"] == 1.5
    assert row["fit_mb_ours"] == 12 and row["fit_mb_theirs"] == 30 and row["package_mb_theirs"] == 1


def test_the_exponent_of_growth_is_that_of_a_power():
    sizes = np.array([100, 200, 800])
    frame = pd.DataFrame({"varied": "terms", "value": sizes, "package": "cluster-tune", "seconds": 3e-4 * sizes**1.5})
    frame = pd.concat([frame, frame.head(1).assign(varied="cores")])  # one size has no growth
    (row,) = stats.growth(frame).to_dict("records")
    assert row["exponent"] == pytest.approx(1.5) and (row["from_value"], row["to_value"]) == (100, 800)
    assert row["seconds"] == pytest.approx(3e-4 * 800**1.5)


def test_ties_that_binary_numbers_hide_are_ties():
    """Six differences of .1, .1, .1, -.1, .1, .1 with ranks alike: of 64 signs as likely, 14 are as one-sided as this."""
    found = stats.wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.3, 0.4, 0.3, 0.6, 0.7])
    assert found.p == pytest.approx(14 / 64)


def test_runs_that_were_computed_twice():
    def frame(accuracies, device, **more):
        rows = [{"run_id": f"{budget}-{number}", "budget": budget, "accuracy": value, "macro_f1": value}
                for budget, values in accuracies.items() for number, value in enumerate(values)]
        same = {"dataset": "isear", "data_fingerprint": "f", "encoder": "minilm", "setting": "base", "clustering": "",
                "n_clusters": 0, "recipe": "paper", "mlm_epochs": 0, "inter_epochs": 1, "seconds": 1.0, "device": device}
        more = {**same, **more}
        return pd.DataFrame(rows).assign(**more)

    before = frame({64: [0.30, 0.32, 0.34], 128: [0.5], 256: [0.7, 0.8]}, "cpu")
    after = frame({64: [0.31, 0.34, 0.37], 128: [0.4], 512: [0.9]}, "a card")
    found = stats.again(before, pd.concat([after, before[before["budget"] == 256]]))  # the same record in both
    assert found["budget"].tolist() == [64, 128] and found["runs"].tolist() == [3, 1]
    np.testing.assert_allclose(found["before"], [0.32, 0.5])
    np.testing.assert_allclose(found["after"], [0.34, 0.4])
    assert found["p"][0] == pytest.approx(distributions.ttest_rel([31, 34, 37], [30, 32, 34]).pvalue) and np.isnan(found["p"][1])
    assert found["sem"][0] == pytest.approx(distributions.sem([0.31, 0.34, 0.37])) and np.isnan(found["sem"][1])
    assert found["device_before"].tolist() == ["cpu"] * 2 and found["device"].tolist() == ["a card"] * 2
    again = before.assign(seconds=2.0)  # the same machine gives the same, and took another time for it
    assert stats.again(before, again)["p"].tolist()[::2] == [1, 1]
    other = after.assign(encoder="another", run_id="x" + after["run_id"])  # is no part of the same cell
    two = stats.again(pd.concat([before, other.assign(accuracy=0.1)]), pd.concat([after, other]))
    assert two.groupby("encoder")["runs"].sum().to_dict() == {"another": 5, "minilm": 4}
    assert stats.again(before, before).empty and stats.again(before, after[after["budget"] == 512]).empty
