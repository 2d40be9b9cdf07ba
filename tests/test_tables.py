"""Tables against hand-made frames whose every cell can be worked out."""

import pandas as pd
import pytest
from scipy import stats as distributions

from cluster_tune import datasets, design, stats, tables
from cluster_tune.errors import InputError


def runs(accuracies, setting="base", dataset="a", budget=64, recipe="paper") -> pd.DataFrame:
    frame = pd.DataFrame({"accuracy": accuracies, "repetition": range(len(accuracies))})
    return frame.assign(dataset=dataset, encoder="e", setting=setting, recipe=recipe, budget=budget, updates=10,
                        seconds=2.6, macro_f1=frame["accuracy"] / 2, data_fingerprint="f" + dataset,
                        clustering="sib" if setting.endswith("clust") else "")


def both(before, after, **more) -> pd.DataFrame:
    return pd.concat([runs(before, **more), runs(after, "clust", **more)], ignore_index=True)


def test_numbers_as_text():
    assert [tables.number(x) for x in (1.25, -1.26, -0.04, float("nan"))] == ["1.2", "−1.3", "0.0", "–"]
    assert tables.accuracy(0.3456, 0.0123) == "34.6 ± 1.2"
    assert tables.accuracy(0.3456) == "34.6" and tables.accuracy(float("nan")) == "–"
    assert [tables.p_value(p) for p in (0.0321, 1.4e-6, 0.5, 0)] == ["0.032", "1e-6", "0.5", "< 1e-300"]


def test_accuracy_table_has_the_shape_of_table_2():
    frame = pd.concat([both([0.8, 0.8], [0.9, 0.9], dataset="style"), both([0.2, 0.4], [0.5, 0.7]),
                       both([0.5, 0.5], [0.6, 0.6], dataset="b"), both([0.6], [0.7], dataset="own")])
    topical = {"a": True, "b": True, "style": False, "own": None}
    table = tables.accuracy_table(frame, "paper", 64, topical=topical, titles={"a": "Set A"})
    assert list(table.index) == ["Set A", "b", "average of 2 topical", "style", "own"]
    assert list(table.loc["Set A"]) == ["64", "30.0 ± 10.0", "60.0 ± 10.0", "100 %", "43 %"]
    assert list(table.loc["average of 2 topical"]) == ["–", "40.0", "60.0", "60 %", "31 %"]  # (100 + 20) / 2
    assert list(table.loc["own"]) == ["64", "60.0", "70.0", "17 %", "25 %"]


def test_what_is_missing_shows_as_a_dash_and_is_not_averaged():
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), runs([0.5], dataset="b"),
                       both([0.1], [0.2], dataset="c", budget=128)])
    table = tables.accuracy_table(frame, "paper", 64, topical=dict.fromkeys("abc", True), stand_in={"c": 128})
    assert list(table.loc["b"]) == ["64", "50.0", "–", "–", "–"]
    assert table.loc["c", "Labels"] == "128"
    assert "average of 2 topical" in table.index


def test_mixed_frames_are_refused():
    frame = both([0.2, 0.4], [0.5, 0.7])
    for column in ("encoder", "data_fingerprint"):
        with pytest.raises(InputError, match=column):
            tables.accuracy_table(frame.assign(**{column: ["x", "x", "x", "y"]}), "paper", 64)
    with pytest.raises(InputError, match="dataset"):
        tables.learning_table(pd.concat([frame, runs([0.1], dataset="b")]))
    with pytest.raises(InputError, match="dataset"):
        tables.verdict(pd.concat([frame, runs([0.1], dataset="b")]), 64, "paper")


def test_learning_table_has_every_combination():
    table = tables.learning_table(pd.concat([both([0.2, 0.4], [0.5, 0.7]), runs([0.8], budget=128)]))
    assert list(table.iloc[0]) == ["paper", 64, "plain", "30.0 ± 10.0", "15.0 ± 5.0", 2, "10", "3"]
    assert list(table.iloc[3]) == ["paper", 128, "IT:CLUST", "–", "–", 0, "–", "–"]
    assert "Seconds a run" not in tables.learning_table(runs([0.1]), seconds=False)


def test_coverage_counts_the_design_and_nothing_else():
    expected = design.combine(["a", "b"], "e", budgets=(64, 128), recipes=("paper",), repetitions=(0, 1))
    frame = both([0.2, 0.4], [0.5, 0.7])
    frame.loc[frame["setting"] == "base", "clustering"] = None  # as read back from a CSV file
    table = tables.coverage(pd.concat([frame, runs([0.1], budget=999)]), expected)
    assert table.columns.tolist() == ["plain, paper", "IT:CLUST, paper"]
    assert table.to_numpy().tolist() == [["2 of 4 runs", "2 of 4 runs"], ["0 of 4 runs", "0 of 4 runs"]]


def test_comparison_table():
    table = tables.comparison_table(both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7]))
    assert table.iloc[0, :4].tolist() == [64, "5 (1)", "20.2", "19.6 to 20.8"]
    p = 2 * distributions.t.sf(0.202 / 0.002, 4)  # differences .2 four times and .21 once
    assert table.iloc[0, 4:6].tolist() == [f"{p:.0e}".replace("e-0", "e-"), f"{8 * p:.0e}".replace("e-0", "e-")]


def test_verdicts_are_hedged_by_their_interval():
    clear = tables.verdict(both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7]), 64, "paper")
    assert clear == ("At 64 labels under the paper's recipe IT:CLUST is 20.2 points above plain "
                     "(95 % interval 19.6 to 20.8 over 5 repetitions).")
    unclear = tables.verdict(both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3]), 64, "paper")
    assert "3.3 points above plain, but the interval includes 0" in unclear
    below = tables.verdict(both([0.5, 0.52, 0.5], [0.4, 0.4, 0.4]), 64, "paper")
    assert "10.7 points below plain (95 % interval −" in below
    assert "too few" in tables.verdict(both([0.1, 0.2], [0.3, 0.5]), 64, "paper")
    assert "over 1 repetition," in tables.verdict(both([0.1], [0.3]), 64, "paper")
    assert "no matched runs" in tables.verdict(runs([0.1]), 64, "paper")
    assert "level with plain" in tables.verdict(both([0.1, 0.2, 0.3], [0.2, 0.1, 0.3]), 64, "paper")


def test_recipes_in_words_and_how_often_masked_words_were_seen():
    table = tables.recipes_table([design.RECIPES["paper"], design.RECIPES["trained"]])
    assert list(table) == ["paper", "trained"] and len(table) == len(tables.FIELDS)
    assert table.loc["texts in a batch"].tolist() == ["64", "16"]
    frame = pd.DataFrame({"dataset": ["a", "a", "b", "b"], "setting": ["base", "mlm", "mlm+clust", "mlm"], "mlm_epochs": [0, 5, 1, 1]})
    assert "for 5 passes (Set A) and 1 pass (b) here, where the paper's were for 30." in tables.word_epochs_in_words(frame, {"a": "Set A"})
    assert "No model" in tables.word_epochs_in_words(frame[:1])


def test_verdicts_of_several_data_sets_each_at_its_budget():
    frame = pd.concat([both([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]), both([0.1], [0.2], dataset="c", budget=128)])
    lines = tables.verdicts(frame, 64, {"a": "Set A"}, {"c": 128}).splitlines()
    assert lines[0].startswith("- Set A: At 64 labels") and lines[1].startswith("- c: At 128 labels")
    assert len(lines) == 4 and "no matched runs" in lines[2]  # the other recipe


def test_findings_list_every_recipe_and_budget():
    grid = [(recipe, budget) for recipe in ("paper", "trained") for budget in (128, 64)]
    frame = pd.concat([both([0.1, 0.2], [0.3, 0.4], budget=budget, recipe=recipe) for recipe, budget in grid])
    starts = [line.split(" IT:CLUST")[0] for line in tables.findings(frame).splitlines()]
    assert starts == ["- At 64 labels under the paper's recipe", "- At 128 labels under the paper's recipe",
                      "- At 64 labels under the trained recipe", "- At 128 labels under the trained recipe"]
    assert tables.findings(frame)._repr_markdown_() == str(tables.findings(frame))


def test_texts_of_a_data_set_stay_inert():
    nasty = "<script>alert(1)</script> $x$ <img src=x onerror=alert(1)>\x00\u202e" + "w" * 10_000
    frame = pd.DataFrame({"<b>head</b>": [nasty]})
    page = tables.show(frame)._repr_html_()
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert "mathjax_ignore" in page and len(page) < 1500 and "\x00" not in page and "\u202e" not in page
    assert '"' not in tables.html('" onload="x')


def test_show_hides_row_numbers_and_keeps_a_named_index():
    frame = pd.DataFrame({"x": ["1.0"]})
    assert "<th>0</th>" not in tables.show(frame)._repr_html_()
    assert "Set" in tables.show(frame.set_axis(pd.Index(["Set"], name="Data set")))._repr_html_()


# Reference methods and clusterings


def reference(datasets=("a", "b"), methods=("nb_bow", "cluster_sib"), budgets=(64, 128)) -> pd.DataFrame:
    rows = [(name, method, budget, repetition, 0.5 + 0.01 * repetition + 0.1 * (method == "nb_bow"))
            for name in datasets for method in methods for budget in budgets for repetition in range(5)]
    return pd.DataFrame(rows, columns=["dataset", "method", "budget", "repetition", "accuracy"])


def agreement(nmi: dict, seeds=(0, 1)) -> pd.DataFrame:
    rows = [(name, clustering, seed, value + 0.02 * seed, value / 2, value / 4)
            for (name, clustering), value in nmi.items() for seed in seeds]
    return pd.DataFrame(rows, columns=["dataset", "clustering", "seed", "nmi", "ami", "ari"])


PUBLISHED = pd.DataFrame({"dataset": ["a", "b", "c"], "error_reduction_pct": [10, 50, 1]})


def test_reference_methods_at_a_budget():
    table = tables.reference_table(reference(), 64, {"b": True, "a": False}, {"a": "Set A"})
    assert list(table.index) == ["b", "Set A"] and list(table.columns) == list(tables.REFERENCE.values())
    assert table.loc["b", "NB, BOW"] == "62.0 ± 0.7" and table.loc["b", "SVM, GloVe"] == tables.MISSING
    printed = pd.DataFrame({"dataset": ["a", "b"], "budget": [64, 128], "bert": [31.2, 1], "bert_it_clust": [67.0, 2]})
    beside = tables.reference_table(reference(), 64, published=printed)
    assert beside.loc["a"].tolist()[-2:] == ["31.2", "67.0"] and beside.loc["b"].tolist()[-2:] == [tables.MISSING] * 2


def test_reference_methods_of_one_data_set():
    table = tables.reference_curve_table(reference(["a"]))
    assert list(table.columns) == ["NB, BOW", "nearest cluster"] and table.loc[128, "nearest cluster"] == "52.0 ± 0.7"
    with pytest.raises(InputError, match="mix 2 values of 'dataset'"):
        tables.reference_curve_table(reference())


def test_agreement_by_falling_nmi_of_sib():
    found = agreement({("a", "sib"): 0.1, ("b", "sib"): 0.5, ("b", "kmeans"): 0.6})
    table = tables.agreement_table(found, {"a": False, "b": True}, {"b": "Set B"}, PUBLISHED)
    assert list(table.index) == ["Set B", "a"] and list(table["Kind"]) == ["topical", "not topical"]
    assert table.loc["Set B", "NMI, sIB"] == "0.510 ± 0.014" and table.loc["a", "NMI, k-means"] == tables.MISSING
    assert table.loc["a", "ARI, sIB"] == "0.025 ± 0.000"
    assert list(table["Error reduction in the paper"]) == ["50 %", "10 %"]
    assert tables.agreement_table(agreement({("a", "sib"): 0.1}, seeds=[0])).loc["a", "NMI, sIB"] == "0.100"


def test_the_paper_s_ordering_in_words():
    kinds = {"a": True, "b": True, "c": False}
    found = agreement({("a", "sib"): 0.2, ("b", "sib"): 0.5, ("c", "sib"): 0.1})
    holds = tables.agreement_in_words(found, kinds, PUBLISHED)
    assert holds.startswith("The one data set of lowest NMI (sIB) is c, which is not topical, as in the paper.")
    assert "over the 3 data sets" in holds.lower() and holds.endswith("is 1.00.")
    found = agreement({("a", "sib"): 0.05, ("b", "sib"): 0.5, ("c", "sib"): 0.1})
    fails = tables.agreement_in_words(found, kinds, PUBLISHED)
    assert "lowest NMI (sIB) is a, and a is topical, otherwise than in the paper" in fails


def test_stability_is_the_mean_over_pairs():
    pairs = pd.DataFrame({"dataset": "a", "clustering": ["sib", "sib", "kmeans"], "ari": [0.2, 0.4, 0.5], "nmi": 0.7})
    table = tables.stability_table(pairs)
    assert table.loc["a"].tolist() == ["0.30", "0.50", tables.MISSING, "0.70", "0.70", tables.MISSING]


def test_coverage_of_the_vectors():
    found = pd.DataFrame({"dataset": "a", "tokens_are": ["words", "stems"], "vectors": "glove.x", "vector_words": 9, "tokens": 1200,
                          "covered": [0.975, 0.8], "texts": 100, "without": [0, 2]})
    table = tables.vectors_table(found, {"a": "Set A"})
    assert table.loc["Set A"].tolist() == ["glove.x", "9", "1,200", "97.5 %", "80.0 %", "0", "2"]


def test_ours_beside_the_published_ones():
    published = pd.DataFrame({"dataset": ["two", "one"], "budget": [64, 64], "bert": [50.0, 61.9], "bert_it_clust": [60, 80.7]})
    rows = [("one", setting, recipe, 64, repetition, accuracy)
            for setting, recipe, accuracy in [("base", "paper", 0.5), ("clust", "paper", 0.7), ("base", "trained", 0.8)]
            for repetition in range(2)] + [("own", "base", "paper", 64, 0, 0.25)]
    frame = pd.DataFrame(rows, columns=["dataset", "setting", "recipe", "budget", "repetition", "accuracy"])
    frame = frame.assign(encoder="minilm", clustering="", data_fingerprint="x", sample_fingerprint="y")
    table = tables.beside_published(frame, published, {"one": "One"})
    assert table.to_numpy().tolist() == [
        ["One", "64", "61.9", "80.7", "50.0 ± 0.0", "70.0 ± 0.0", "80.0 ± 0.0", "–"],
        ["own", "64", "–", "–", "25.0", "–", "–", "–"],
    ]
    lines = tables.markdown(table[["Data set", "Labels"]]).splitlines()
    assert lines == ["| Data set | Labels |", "| --- | --- |", "| One | 64 |", "| own | 64 |"]


def test_stages_and_provenance():
    frame = pd.DataFrame({"setting": ["base", "clust"], "recipe": ["", "paper"]})
    assert tables.stage(frame) == ["before", "after IT:CLUST, paper"]


def test_provenance_tells_the_epochs_on_masked_words():
    texts = ["encoder", "encoder_fingerprint", "data_fingerprint", "device", "precision", "cluster_tune", "torch", "transformers"]
    runs = pd.DataFrame({"dataset": "d", "setting": ["base", "mlm", "mlm+clust"], "mlm_epochs": [0, 10, 10]})
    runs = runs.assign(**dict.fromkeys(texts, "x"))
    table = tables.provenance(runs).set_index("Fact")["Value"]
    assert table["epochs on masked words"] == "10 (IT:MLM), 10 (IT:MLM+CLUST); the paper: 30"
    assert "epochs on masked words" not in set(tables.provenance(runs[:1])["Fact"])


# The paper's tables beside ours

PRINTED = pd.DataFrame({
    "dataset": ["a", "b", "style", "avg_topical"], "topical": [1, 1, 0, 1], "budget": [64, 128, 64, None],
    "bert": [20.0, 50.0, 90.0, 35.0], "bert_it_clust": [40.0, 60.0, 90.0, 50.0],
    "gain_pct": [100, 20, 0, 60], "error_reduction_pct": [25, 20, 0, 22],
})  # fmt: skip
TOPICAL = {"a": True, "b": True, "style": False, "own": None}


def several() -> pd.DataFrame:
    return pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), both([0.5, 0.5, 0.5], [0.4, 0.4, 0.4], dataset="b", budget=128),
                      both([0.1], [0.2], dataset="b"), both([0.1], [0.2], dataset="own")], ignore_index=True)


def test_runs_that_the_paper_has_counterparts_of():
    kept = tables.of_paper(several(), PRINTED)
    assert set(zip(kept["dataset"], kept["budget"])) == {("a", 64), ("b", 128)}
    assert tables.budgets_of(PRINTED) == {"a": 64, "b": 128, "style": 64}


def test_gains_stand_beside_the_printed_ones():
    table = tables.gains_beside_published(several(), PRINTED, {"a": "Set A"})
    assert list(table.columns) == ["Labels", "Gain, paper", "Gain, paper recipe", "Gain, trained recipe",
                                   "Error reduction, paper", "Error reduction, paper recipe", "Error reduction, trained recipe"]
    assert list(table.loc["Set A"]) == ["64", "100 %", "100 %", "–", "25 %", "43 %", "–"]  # .3 -> .6
    assert list(table.loc["b"]) == ["128", "20 %", "−20 %", "–", "20 %", "−20 %", "–"]  # .5 -> .4
    assert list(table.loc["style"]) == ["64", "0 %", "–", "–", "0 %", "–", "–"]


def test_averages_by_both_readings():
    table = tables.averages_table(several(), PRINTED, TOPICAL)
    rows = {tuple(row[:2]): list(row[2:]) for row in table.itertuples(index=False)}
    # printed: gains 100 and 20, means .35 -> .50; reductions 25 and 20, of the means .15 / .65
    assert rows["topical", "the paper"] == ["2", "35.0", "50.0", "60 %", "43 %", "22 %", "23 %"]
    assert rows["topical", "here, the paper's recipe"] == ["2", "40.0", "50.0", "40 %", "25 %", "11 %", "17 %"]
    assert rows["topical", "here, the trained recipe"] == ["0", *"––––––"]
    fewer = tables.averages_table(several().query("dataset == 'a'"), PRINTED, TOPICAL)
    assert fewer.iloc[1, :4].tolist() == ["topical", "the paper, on 1 of them", "1", "20.0"]


def test_the_paper_s_average_in_words():
    words = tables.averages_in_words(PRINTED, TOPICAL)
    assert "over its 2 topical data sets, 60 %, is a mean of ratios" in words and "35.0 and 50.0, differ by 43 %" in words


def test_on_how_many_data_sets_it_helps():
    lines = tables.effects_in_words(several(), PRINTED, TOPICAL, {"a": "Set A"}).splitlines()
    assert lines[0] == ("- The paper's recipe, data sets that are topical: IT:CLUST is clearly above plain on 1 of 2 "
                        "(Set A), clearly below plain on 1 of 2 (b).")
    assert lines[1].endswith("not topical: too few runs yet.") and lines[2].endswith("that are topical: too few runs yet.")
    luck = pd.concat([both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3])])
    assert "not told apart from plain on 1 of 1 (a); too few runs so far: b." in tables.effects_in_words(luck, PRINTED, TOPICAL)


def test_coverage_has_a_row_a_setting_and_a_column_a_budget():
    expected = design.combine(["a", "b"], "e", recipes=("paper",), budgets=(64, 128), repetitions=(0, 1, 2))
    table = tables.coverage_grid(several(), expected, PRINTED)
    assert table.index.tolist() == [("paper", "plain"), ("paper", "IT:CLUST")]
    assert table.loc[("paper", "plain")].tolist() == ["3/3", "3/6"]  # b has no place at 64 labels


def test_table_3_beside_the_printed_p():
    printed = tables.published_p(pd.DataFrame({"train_size": ["64", "128", "gt512"], "p_vs_bert": [1e-6, None, None]}))
    assert printed[64] == 1e-6 and set(printed) == {64, 128}
    frame = both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7])
    assert tables.comparison_table(frame, published=printed).iloc[0, -1] == "1e-6"


def test_what_changes_beside_the_t_test():
    clear = both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7])  # five pairs: Wilcoxon cannot go below 1/16
    line = tables.comparison_in_words(clear, published={64: 1e-6})
    assert line.startswith("- 64 labels: the t-test (corrected p = ") and "and the interval (19.6 to 20.8) find a difference" in line
    assert line.endswith("in favour of inter-training, Wilcoxon's test (corrected p = 0.5) does not; the paper's p is 1e-6.")
    none = tables.comparison_in_words(both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3]), published={64: float("nan")})
    assert "agree that no difference is shown; the paper found none." in none
    assert "agree on a difference against" in tables.comparison_in_words(
        pd.concat([both([0.5 + i / 100 for i in range(9)], [0.3 + i / 90 for i in range(9)], dataset=d) for d in "abc"]))
    assert "no matched runs" in tables.comparison_in_words(runs([0.1]))
    with pytest.raises(InputError, match="recipe"):
        tables.comparison_in_words(pd.concat([clear, clear.assign(recipe="trained")]))


# Was the baseline trained?


def between(low: float, high: float) -> stats.Interval:
    return stats.Interval((low + high) / 2, low, high)


@pytest.mark.parametrize("first, kept, kind", [
    ((0.1, 0.3), (-0.01, 0.03), tables.UNTRAINED), ((0.1, 0.3), (0.01, 0.03), tables.PARTLY),
    ((0.1, 0.3), (0.1, 0.2), tables.REMAINS), ((0.1, 0.3), (-0.3, -0.1), tables.HURTS),
    ((0.1, 0.3), (-0.1, 0.5), tables.UNCLEAR), ((-0.1, 0.3), (0.1, 0.3), tables.ONLY),
    ((-0.1, 0.3), (-0.1, 0.3), tables.NONE), ((-0.3, -0.1), (-0.3, -0.1), tables.HURTS),
    ((-0.3, -0.1), (-0.1, 0.2), tables.NONE),
])  # fmt: skip
def test_every_kind_of_verdict(first, kept, kind):
    first, kept = between(*first), between(*kept)
    assert tables.judged(first, kept) == kind
    text = tables.baseline_verdict(first, kept)
    assert f"{tables.points(first)} points under the paper's recipe, {tables.points(kept)} under the trained one" in text


def test_points_have_a_sign_and_their_interval():
    assert tables.points(stats.Interval(0.273, 0.16, 0.385)) == "+27.3 [16.0, 38.5]"
    assert tables.points(stats.Interval(-0.012, -0.03, 0.001)) == "−1.2 [−3.0, 0.1]"
    assert tables.points(stats.Interval(0.0, float("nan"), float("nan"))) == "0.0"
    assert tables.points(None) == "–" and tables.baseline_verdict(None, None) == "too few runs for a verdict yet"


def trained() -> pd.DataFrame:
    """Set a: 30 points of gain under the paper's recipe, 1 less under `trained`; b has too few runs."""
    return pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), both([0.7, 0.7, 0.7], [0.71, 0.70, 0.66], recipe="trained"),
                      both([0.5], [0.4], dataset="b", budget=128)], ignore_index=True)


def test_both_recipes_side_by_side():
    table = tables.baseline_table(trained(), PRINTED, {"a": "Set A"}, {"a": 0.25})
    assert list(table.columns) == ["largest class", "plain, paper", "IT:CLUST, paper", "plain, trained", "IT:CLUST, trained",
                                   "Difference, paper", "Difference, trained"]
    first = list(table.loc["Set A"])
    assert first[:4] == ["25.0", "30.0 ± 5.8", "60.0 ± 5.8", "70.0 ± 0.0"] and first[5] == "+30.0 [30.0, 30.0]"
    assert list(table.loc["b"]) == ["–", "50.0", "40.0", "–", "–", "–", "–"]
    assert list(table.loc["style"]) == ["–"] * 7
    assert "[30.0,\u00a030.0]" in tables.show(table)._repr_html_()  # an interval is not cut in two


def test_the_answer_in_short_counts_the_verdicts():
    lines = tables.baseline_in_words(trained(), PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0].startswith("- On 1 of 3 data sets most of the gain") and lines[0].endswith("left: Set A.")
    assert lines[1] == "- On 2 of 3 data sets there are too few runs yet: b and style."
    assert lines[2].endswith("is above the paper's recipe with inter-training on 1 of 1 data sets: Set A.")
    verdicts = tables.baseline_verdicts(trained(), PRINTED).splitlines()
    assert verdicts[0].startswith("- a: **most of the gain goes when the baseline is trained**: +30.0 [30.0, 30.0] points")
    assert verdicts[1] == "- b: too few runs for a verdict yet."
    assert tables.baseline_in_words(trained()[:0], PRINTED) == "- On 3 of 3 data sets there are too few runs yet: a, b and style."


def test_the_largest_class_of_the_test_part():
    data = pd.DataFrame({"dataset": "a", "split": ["test", "test", "train"], "label": ["x", "y", "y"], "count": [3, 1, 99]})
    assert tables.most_frequent(data) == {"a": 0.75}
    lines = tables.chance_in_words(trained(), PRINTED, {"a": 0.295, "b": 0.1}, {"a": "Set A"}).splitlines()
    assert lines == ["- Under the paper's recipe, 1 of 2 data sets: Set A (30.0 beside 29.5).",
                     "- Under the trained recipe: none of 1 data sets."]


def swept() -> pd.DataFrame:
    parts = [both([x, x, x], [y, y, y], recipe=f"updates-{n}").assign(updates=n)
             for n, x, y in ((10, 0.2, 0.5), (40, 0.4, 0.5), (160, 0.6, 0.5))]
    return pd.concat(parts, ignore_index=True)


def test_the_sweep_as_numbers_and_in_words():
    table = tables.sweep_table(swept(), {"a": "Set A"})
    assert table.to_numpy().tolist()[0] == ["Set A", 64, 10, "20.0", "50.0", "+30.0 [30.0, 30.0]", 3]
    lines = tables.sweep_in_words(swept(), ["a", "b"], [64], {"a": "Set A"}).splitlines()
    assert lines == ["- Set A, 64 labels: IT:CLUST beside plain is +30.0 [30.0, 30.0] points after 10 updates and "
                     "−10.0 [−10.0, −10.0] after 160. Plain reaches the 50.0 % that IT:CLUST has at the start with 160 "
                     "updates.", "- b, 64 labels: no sweep yet."]
    assert "Plain never reaches" in tables.sweep_in_words(swept().query("updates < 100"), ["a"], [64])
    level = both([0.3] * 3, [0.2] * 3, recipe="updates-10").assign(updates=10)
    assert "not behind even" in tables.sweep_in_words(pd.concat([level, swept().query("updates > 10")]), ["a"], [64])


def test_what_others_print_for_a_plain_model():
    patron = pd.DataFrame({"dataset": ["a", "a"], "budget": [64, 128], "ft_random": [53.1, 60], "ft_random_sd": [3.1, 1]})
    table = tables.peers_table(trained(), PRINTED, patron)
    assert table.loc["a"].tolist() == ["64", "20.0", "40.0", "53.1 ± 3.1", "70.0 ± 0.0"]


# Embeddings


def distances(ned: dict) -> pd.DataFrame:
    """Rows of results/distances from {(data set, setting, recipe): NED}, with an ED of NED x 2 before, x 6 after."""
    rows = [(*keys, 1000, value * (2 if keys[1] == "base" else 6), value, 2 if keys[1] == "base" else 6, 0.000999)
            for keys, value in ned.items()]
    return pd.DataFrame(rows, columns=["dataset", "setting", "recipe", "texts", "ed", "ned", "permuted", "p"])


NED = {("a", "base", ""): 0.9, ("a", "clust", "paper"): 0.8, ("b", "base", ""): 0.7, ("b", "clust", "paper"): 0.6,
       ("b", "clust", "trained"): 0.65}
SETS = {"b": "Set B", "a": "Set A", "c": "Set C"}


def test_a_number_a_stage_has_gaps_in_sight():
    table = tables.stages_table(distances(NED), "ned", SETS, {"a": True, "b": False})
    assert list(table.index) == ["Set B", "Set A", "Set C"]
    assert list(table.columns) == ["Kind", "before", "after IT:CLUST, paper", "after IT:CLUST, trained"]
    assert table.loc["Set B"].tolist() == ["not topical", "0.700", "0.600", "0.650"]
    assert table.loc["Set A", "after IT:CLUST, trained"] == "–" and set(table.loc["Set C"]) == {"–"}
    assert tables.stages_in_words(distances(NED), SETS) == (
        "Of 3 data sets there are embeddings before: 2, after IT:CLUST, paper: 2 and after IT:CLUST, trained: 1. "
        "Still missing: Set C.")


def test_the_statements_of_section_5_3_follow_from_the_numbers():
    kinds = {"a": True, "b": False}
    words = tables.ned_in_words(distances(NED), kinds, SETS)
    assert ("NED is smaller after IT:CLUST, paper, than before in 1 of 1 topical data sets and 1 of 1 other data sets. "
            "The paper found it smaller in all of its data sets.") in words
    assert "p < .001, in all 5 embeddings" in words and "is 3.0 to 3.0 times that before, 3.0 in the median" in words
    risen = tables.ned_in_words(distances({**NED, ("a", "clust", "paper"): 0.95}), kinds, SETS)
    assert "in 0 of 1 topical data sets and 1 of 1 other data sets; it is not in Set A. The paper found" in risen
    by_chance = tables.ned_in_words(distances(NED).assign(p=[0.5, *[0.000999] * 4]), kinds, SETS)
    assert "p < .001, in 4 of 5 embeddings" in by_chance
    assert "nothing to compare" not in words and tables.ned_in_words(distances({("a", "base", ""): 1}), kinds, SETS)


def test_whether_classes_come_apart_follows_from_the_shares():
    kinds = {"a": True, "b": False}
    words = tables.separation_in_words(distances(NED).rename(columns={"ned": "neighbours"}), kinds, SETS)
    assert words.splitlines() == [
        "- The share is larger after IT:CLUST, paper, than before in 0 of 1 topical data sets and 0 of 1 other data sets; "
        "of the topical ones it is not larger in Set A.",
        "- The share is larger after IT:CLUST, trained, than before in 0 of 1 other data sets."]
    rising = {("a", "base", ""): 0.5, ("a", "clust", "paper"): 0.6}
    words = tables.separation_in_words(distances(rising).rename(columns={"ned": "neighbours"}), kinds, SETS)
    assert words == "- The share is larger after IT:CLUST, paper, than before in 1 of 1 topical data sets."


def test_what_embeddings_gain_beside_what_accuracy_gains():
    names = "abcdef"
    frame = distances({(name, setting, recipe): value for i, name in enumerate(names)
                       for setting, recipe, value in (("base", "", 0.9), ("clust", "paper", 0.9 - 0.01 * i))})
    rows = [(name, "e", setting, "" if setting == "base" else "sib", "paper", 64, r, 0.5 + (setting == "clust") * 0.02 * i, name)
            for i, name in enumerate(names) for setting in ("base", "clust") for r in (0, 1)]
    runs = pd.DataFrame(rows, columns=["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition",
                                       "accuracy", "data_fingerprint"])
    words = tables.alignment_in_words({"NED": (frame, "ned")}, runs, 64, "paper")
    assert words == "- NED: over 6 data sets the rank correlation of its change with the difference in accuracy is −1.00."
    few = tables.alignment_in_words({"NED": (frame, "ned")}, runs[runs["dataset"] < "c"], 64, "paper")
    assert few == "- NED: 2 data sets have both its change and accuracies, too few for a correlation."


def test_distances_of_several_data_sets_stand_in_the_order_of_their_titles():
    table = tables.dispersion_table(distances(NED), SETS)
    assert list(table.index) == ["Set B"] * 3 + ["Set A"] * 2 and "Data set" == table.index.name
    assert "Data set" not in tables.dispersion_table(distances(NED))
    more = distances({**NED, ("a", "clust", "updates-40"): 0.5, ("a", "clust", "trained"): 0.5}).assign(clustering="sib")
    more.loc[more.index[-1], "clustering"] = "kmeans"
    kept = tables.of_recipes(more)
    assert set(kept["recipe"]) == {"", "paper", "trained"} and len(kept) == len(NED)
    assert tables.stage(more)[-1] == "after IT:CLUST (k-means), trained"


# The data

COUNTS = pd.DataFrame(
    [("a", "train", "x", 3), ("a", "train", "y", 1), ("a", "dev", "x", 1), ("a", "test", "x", 1), ("a", "test", "y", 1),
     ("own", "train", "x", 1200), ("own", "test", "x", 30), ("own", "test", "y", 10)],
    columns=["dataset", "split", "label", "count"])  # fmt: skip
TABLE_1 = pd.DataFrame({"dataset": ["a", "b"], "train": [0, 10_200], "test": [100, 3000], "classes": [2, 20]})


def test_sizes_stand_beside_table_1():
    table = tables.sizes_table(COUNTS, TABLE_1, TOPICAL, {"a": "Set A"})
    assert list(table.loc["Set A"]) == ["topical", "2", "2", "0K", "4", "1", "0.1K", "2"]
    assert list(table.loc["b"]) == ["topical", "20", "–", "10.2K", "–", "–", "3K", "–"]
    assert list(table.loc["own"]) == ["–", "–", "2", "–", "1,200", "0", "–", "40"]
    words = tables.sizes_in_words(COUNTS, TABLE_1, {"a": "Set A"})
    assert words == ("Of 1 data sets of the paper that were counted here, 0 have the sizes and classes of Table 1; the "
                     "exception is Set A (test 2 beside 0.1K). Not counted yet: b.")


def test_sources_are_a_list_of_what_the_registry_says():
    text = tables.sources([datasets.info("isear"), datasets.info("docstrings")])
    first, second = text.splitlines()
    assert first.startswith("- **ISEAR**: people's accounts") and "Licence: CC BY-NC-SA 3.0. Source: <https://" in first
    assert second.endswith("Source: read from the installed packages.") and "  " not in text


def test_shapes_of_texts_and_classes():
    lengths = pd.DataFrame({"dataset": "a", "words": [10, 1, 5], "count": [1, 1, 2]})  # 1 5 5 10
    table = tables.shape_table(COUNTS, lengths, ["a", "own", "b"])
    assert list(table.loc["a"]) == ["5", "1 to 5", "50.0 %", "50.0 %"]
    assert list(table.loc["own"]) == ["–", "–", "75.0 %", "25.0 %"] and list(table.loc["b"]) == ["–"] * 4


def test_samples_that_lack_a_class():
    samples = pd.DataFrame({"dataset": ["a"] * 3 + ["b"] * 2, "budget": 64, "repetition": [0, 1, 2, 0, 0],
                            "missing_classes": [0, 2, 1, 1, 1]})
    table = tables.missing_classes_table(samples, [64, 128], ["a", "b"])
    assert table.to_numpy().tolist() == [["2 of 3", "–"], ["1 of 1", "–"]]
    words = tables.missing_in_words(samples, PRINTED, {"a": "Set A"})
    assert words == ("The paper shows no result at 64 labels for b, because its samples lack a class. So do samples drawn "
                     "here: b (1 of 1). But the same holds of data sets that it shows: Set A (2 of 3).")
    none = tables.missing_in_words(samples.assign(missing_classes=0), PRINTED)
    assert none.endswith("The samples drawn here do not.")


# NMI and gain


def agreements(nmi: dict) -> pd.DataFrame:
    return pd.DataFrame([(name, "sib", seed, value) for name, value in nmi.items() for seed in (0, 1)],
                        columns=["dataset", "clustering", "seed", "nmi"])


def along(nmi, reductions, names="abcdefgh") -> pd.DataFrame:
    frame = pd.DataFrame({"dataset": list(names)[:len(nmi)], "nmi": nmi, "error_reduction": reductions})
    return frame.assign(source="these", gain=frame["error_reduction"], difference=frame["error_reduction"])


def test_each_source_has_its_effects_and_our_nmi():
    found = tables.nmi_effects(agreements({"a": 0.5, "style": 0.1, "own": 0.2}), several(), PRINTED)
    assert found[["source", "dataset", "nmi"]].to_numpy().tolist() == [
        [tables.PAPERS, "a", 0.5], [tables.PAPERS, "style", 0.1], ["MiniLM, the paper's recipe", "a", 0.5]]
    assert found["difference"].tolist() == pytest.approx([20, 0, 30])
    assert found["error_reduction"].tolist() == pytest.approx([25, 0, 100 * 0.3 / 0.7])


def test_nmi_table_is_the_correlation_and_the_slope():
    x, y = [0.1, 0.2, 0.3, 0.4, 0.6], [5, 3, 9, 10, 12]
    row = tables.nmi_table(along(x, y)).iloc[0]
    theirs, line = distributions.pearsonr(x, y), distributions.linregress(x, y)
    low, high = theirs.confidence_interval()
    assert row["Correlation"] == f"{theirs.statistic:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
    assert row["Slope, for 0.1 of NMI"].startswith(f"{line.slope / 10:.1f} [") and row["Rank correlation"] == "0.90"
    assert tables.nmi_table(along([0.1], [2])).iloc[0, 2:].tolist() == ["1", "–", "–", "–"]


def test_what_the_paper_reads_into_figure_4():
    kinds = dict.fromkeys("bcdefgh", True) | {"a": False}
    words = tables.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3.5, 4, 5, 6]), kinds, {"a": "Set A"})
    assert "which supports the paper's reading." in words and "where NMI is lowest: Set A 1 %." in words
    assert "The largest of all, 6 %, is that of f, number 1 of 6 by NMI." in words
    words = tables.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5], [90, 2, 3, 4, 5]), kinds)
    assert "does not settle it" in words and "and 1.00 (without a)" in words and "of a, number 5 of 5" in words
    assert "which contradicts it" in tables.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [6, 5, 4.1, 3, 2, 1]), kinds)
    assert "only 3 data sets" in tables.nmi_in_words(along([0.1, 0.2, 0.3], [1, 2, 3]), kinds)


# Reference methods and clusterings beside fine-tuned models


def methods(accuracies: dict, budget: int = 64) -> pd.DataFrame:
    rows = [(name, method, budget, repetition, value) for (name, method), value in accuracies.items() for repetition in (0, 1)]
    return pd.DataFrame(rows, columns=["dataset", "method", "budget", "repetition", "accuracy"])


def test_methods_beside_fine_tuned_models():
    reference = methods({("a", "nb_bow"): 0.5, ("a", "svm_glove"): 0.65, ("a", "cluster_sib"): 0.7})
    table = tables.methods_table(reference, both([0.2, 0.4], [0.5, 0.7]), PRINTED, {"a": "Set A"})
    assert list(table.loc["Set A"]) == ["65.0 (SVM, GloVe)", "70.0", "30.0 ± 10.0", "60.0 ± 10.0", "–", "–"]
    assert list(table.loc["b"]) == ["–"] * 6


def test_whether_bags_of_words_are_inferior_follows_from_the_means():
    reference = methods({("a", "nb_bow"): 0.5, ("a", "svm_glove"): 0.65, ("a", "cluster_sib"): 0.9})
    reference = pd.concat([reference, methods({("b", "nb_bow"): 0.1}, 128)])
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), both([0.2], [0.2], dataset="b", budget=128)])
    lines = tables.methods_in_words(reference, frame, PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0] == ("- The paper's recipe, IT:CLUST: above all four on 1 of 2 data sets with few labels; behind the best "
                        "of them on Set A (SVM, GloVe by 5.0). Over all budgets run so far it is ahead in 2 of 3 comparisons.")
    assert "plain: above all four on 1 of 2" in lines[1] and "it is ahead in 1 of 3" in lines[1]
    assert lines[2:] == [f"- The trained recipe, {name}: no runs to compare yet." for name in ("IT:CLUST", "plain")]


def test_the_nearest_cluster_against_inter_training():
    reference = methods({("a", "cluster_sib"): 0.9, ("style", "cluster_sib"): 0.1})
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), both([0.2], [0.2], dataset="style")])
    lines = tables.clusters_in_words(reference, frame, agreements({"a": 0.5, "style": 0.1}), PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0].startswith("- The paper's recipe: the nearest cluster is above IT:CLUST on 1 of 2 data sets (Set A by 30.0).")
    assert lines[1] == "- The trained recipe: no runs to compare yet."


def test_clusterings_of_inter_training_and_their_gaps():
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), runs([0.4, 0.6], "clust").assign(clustering="kmeans"),
                       both([0.1], [0.2], dataset="style")])
    table = tables.clusterings_table(frame, PRINTED, titles={"a": "Set A"})
    assert list(table.loc["Set A"]) == ["30.0 ± 10.0", "60.0 ± 10.0", "50.0 ± 10.0", "–"]
    lines = tables.clusterings_in_words(frame, PRINTED, titles={"a": "Set A"}).splitlines()
    assert lines[0] == ("- k-means: over 1 of 3 data sets (Set A), sIB is ahead in 1 of 1 comparisons, by 10.0 points in the "
                        "mean.")
    assert lines[1].startswith("- Hartigan's k-means: not attempted so far.")
    expected = [run for key in design.CLUSTERINGS for run in design.combine(
        ["a", "b"], "e", ["clust"], ["paper"], (64, 128), (0, 1), key)]
    grid = tables.clustering_coverage(frame, expected, PRINTED)
    assert grid.to_numpy().tolist() == [["2/2", "–"], ["2/2", "–"], ["–", "–"]]


def test_which_clustering_follows_the_classes():
    found = pd.concat([agreements({"a": 0.5, "b": 0.2}).assign(clustering=key).assign(
        nmi=lambda frame: frame["nmi"] * scale) for key, scale in (("sib", 1), ("kmeans", 2), ("hartigan", 0.5))])
    words = tables.nmi_by_clustering_in_words(found, PRINTED, {"a": "Set A"})
    assert words.startswith("Of 2 data sets, the highest NMI is that of k-means on 2 (Set A and b). sIB's is 0.35 in")
    assert "no clusterings" in tables.nmi_by_clustering_in_words(found.assign(dataset="own"), PRINTED)


def compared(**changed) -> pd.DataFrame:
    """What `stats.side_by_side` makes of two rows of a benchmark."""
    row = {"dataset": ["a", "b"], "cores": [2, 1], "seeds": 5, "times": [20.0, 12.34], "least_times": [18.0, 11.0],
           "seconds_ours": [0.5, 1.0], "seconds_theirs": [10.0, 12.34], "information_ours": 1.5,
           "information_theirs": 1.5, "common_mb_ours": 100.0, "common_mb_theirs": 100.0, "package_mb_ours": 50.0,
           "package_mb_theirs": [200.0, -0.4], "fit_mb_ours": 10.0, "fit_mb_theirs": 30.0, "peak_mb_ours": 160.0,
           "peak_mb_theirs": [330.0, 130.0]}
    return pd.DataFrame({**row, **changed})


def test_speed_and_memory_of_both_packages_stand_side_by_side():
    table = tables.speed_table(compared(), {"a": "A"})
    assert table.iloc[0].tolist() == ["A", "2", "0.50", "10.0", "20.0", "18.0", "1.5000", "1.5000", "5"]
    memory = tables.memory_table(compared(), {"a": "A"})
    assert memory.iloc[3].tolist() == ["b", "1", "sib-clustering", "100", "0", "30", "130"]
    assert memory["sIB of"].tolist() == ["this package", "sib-clustering"] * 2


def test_what_is_said_of_speed_follows_the_numbers():
    said = tables.speed_in_words(compared())
    assert "at least 12.3 times as fast" in said and "11.0 times with the least" in said and "I(T;Y) is no lower" in said
    assert "The fit itself takes less memory in every row, by at least 20 MB." in said
    assert "up to 170 MB less in some rows and up to 30 MB more in others, those on 1 core." in said
    lower = tables.speed_in_words(compared(information_ours=[1.5, 1.4], fit_mb_ours=[31.0, 35.0]))
    assert "lower by 0.1000 bits at worst" in lower and "more memory in every row, by up to 5 MB" in lower
    assert "no measurements" in tables.speed_in_words(compared().head(0))


def test_growth_has_a_row_for_each_size_and_gaps_where_one_package_has_no_times():
    frame = pd.DataFrame({"varied": ["terms", "terms", "cores", "cores"] * 2, "value": [1000, 2000, 1, 2] * 2,
                          "package": ["cluster-tune"] * 4 + ["sib-clustering"] * 4, "seconds": [1, 2, 2, 1] + [4, 16] * 2})
    table = tables.growth_table(frame[(frame["package"] == "cluster-tune") | (frame["varied"] == "terms")])
    assert table.iloc[0].tolist() == ["terms", "1,000", "2,000", "1.00", "2.00", "2.00", "16.00"]
    assert table.iloc[1].tolist() == ["cores", "1", "2", "−1.00", "–", "1.00", "–"]


def test_what_is_said_of_texts_follows_the_numbers():
    bags = pd.DataFrame({
        "what": ["read a CSV file", "read, check and split the data set", "stem and count", "count without stems",
                 "stem and count, NLTK"],
        "package": ["pandas", "cluster-tune", "cluster-tune", "scikit-learn", "nltk"],
        "seconds": [0.01, 0.2, 0.1, 0.4, 5.0], "texts": 15000, "words": 400000, "megabytes": 3.5,
    })
    said = tables.texts_in_words(bags)
    assert "takes 0.10 s: 0.5 times as long as `datasets.load`" in said and "10 times as long as pandas" in said
    assert "0.2 times as long as `CountVectorizer`" in said and "and 2.0 % of what" in said
    table = tables.texts_table(bags)
    assert table["Seconds"].tolist() == ["0.010", "0.10", "0.20", "0.40", "5.00"]
    assert table["With"].tolist()[:2] == ["pandas", "this package"]


def timed():
    return pd.DataFrame({
        "way": ["authors", "tuned", "ours"], "dataset": "x", "device": "cpu", "train_texts_a_second": [10.0, 40.0, 80.0],
        "predict_texts_a_second": [50.0, 160.0, 200.0], "ours_is_train_times": [8.0, 2.0, 1.0],
        "ours_is_predict_times": [4.0, 1.25, 1.0], "matrix_share": [0.08, 0.32, 0.64], "peak_mb": [3000.0, 3500.0, 1800.0],
        "machine": "2 cores, X", "torch": "2", "transformers": "5", "date": "2026-01-01",
    })  # fmt: skip


def test_training_beside_a_trainer():
    said = tables.training_in_words(timed())
    assert "On the CPU, this package trains on 80 texts a second, 8.0 times as many" in said
    assert "and 2.0 times as many as a tuned one" in said and "200 texts a second, 4.0 and 1.2 times" in said
    assert "1800 MB, where they hold 3000 and 3500 MB" in said
    table = tables.training_table(timed(), {"x": "X"})
    assert table["Training here, times as fast"].tolist() == ["8.0", "2.0", "1.0"] and table["Data set"].tolist() == ["X"] * 3
    assert table["Share of the matrix rate"].tolist() == ["8 %", "32 %", "64 %"]
    assert tables.measured_on(timed())["Value"].tolist() == ["2 cores, X", "2026-01-01", "torch 2, transformers 5"]


def test_the_cost_of_a_profile():
    lengths = pd.DataFrame({"dataset": ["x", "x", "y"], "words": [20, 40, 5000], "count": [1, 1, 7]})  # means 30 and 100
    plans = {"small": (2, {"x": (288_000, 720_000)}), "large": (2000, {"x": (288_000, 720_000), "y": (86_400, 216_000)})}
    table = tables.cost_table(plans, timed(), lengths)
    assert table["Hours of training"].tolist() == ["1.0", "2.0"] and table["Hours in all"].tolist() == ["2.0", "4.0"]
    assert table["Runs"].tolist() == ["2", "2,000"] and table["Texts to predict"].tolist() == ["720,000", "936,000"]


def test_the_fixed_cost_of_a_run():
    fixed = pd.DataFrame({"what": ["read", "copy"], "every": ["data set", "run"], "seconds": [2.0, 0.16]})
    said = tables.fixed_in_words(fixed, timed())
    assert "needs 0.16 s beside" in said and "2.0 % of the 8.0 s that 10 updates take" in said
    assert tables.fixed_table(fixed)["Seconds"].tolist() == ["2.00", "0.16"]


@pytest.mark.parametrize("more, said", [(0.0, "no loss was found"), (0.1, "the two do differ")])
def test_the_accuracy_of_a_plain_loop(more, said):
    scores = pd.DataFrame({"repetition": [0, 1, 2] * 2, "way": ["ours"] * 3 + ["plain loop"] * 3,
                           "accuracy": [0.5 + more, 0.6 + more, 0.7 + more, 0.51, 0.6, 0.69]})
    assert said in tables.plain_loop_in_words(scores)
    assert tables.plain_loop_table(scores)["Difference, points"].tolist()[1] == ("+10.0" if more else "0.0")


def test_what_a_benchmark_ran_on():
    runs = pd.DataFrame({"machine": "2 cores, X", "date": ["2026-01-02", "2026-01-01"], "package": ["b", "a"],
                         "version": ["2", "1"], "waited": [0.0, 1.0], "cpu_seconds": 4.0})
    assert tables.measured_on(runs)["Value"].tolist() == [
        "2 cores, X", "2026-01-01, 2026-01-02", "a 1, b 2", "10.0 % of the time on average, 20.0 % at most"]
