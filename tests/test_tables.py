"""Tables against hand-made frames whose every cell can be worked out."""

import pandas as pd
import pytest
from scipy import stats as distributions

from cluster_tune import design, tables
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
    expected = design.runs(["a", "b"], "e", budgets=(64, 128), recipes=("paper",), repetitions=(0, 1))
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
