"""Statistics against hand-worked cases, trusted libraries and the paper's own arithmetic."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions
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
    assert table.loc[0, "low"] <= table.loc[0, "difference"] <= table.loc[0, "high"]


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
    assert stats.rank_correlation([1, 2, 30], [0.1, 5, 6]) == pytest.approx(1)
    assert stats.rank_correlation([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(0.6)  # 1 - 6 * 4 / (4 * 15)
    assert np.isnan(stats.rank_correlation([1, 2], [1, 2]))
