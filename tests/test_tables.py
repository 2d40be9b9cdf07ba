"""Tables against hand-made frames whose every cell can be worked out."""

import pandas as pd
import pytest
from frames import (
    COUNTS, NED, PRINTED, PUBLISHED, SETS, TOPICAL, agreement, agreements, along, both, compared, distances, methods,
    reference, runs, several, timed, trained,
)  # fmt: skip
from scipy import stats as distributions

from cluster_tune import design, stats, tables
from cluster_tune.errors import InputError


def test_ends_of_intervals_say_on_which_side_of_zero_they_are():
    assert [tables.end(value) for value in (-0.016, 0.0004, 0.05, -1.24, 0.0)] == ["−0.02", "0.0004", "0.1", "−1.2", "0.0"]
    assert tables.end(float("nan")) == tables.MISSING
    assert tables.points(stats.Interval(0.072, -0.00016, 0.144)) == "+7.2 [−0.02, 14.4]"


def test_gain_is_over_the_samples_that_both_have():
    """The third sample of the plain model has no counterpart: 20 to 40 %, not 30 to 40."""
    frame = pd.concat([runs([0.2, 0.2, 0.5]), runs([0.4, 0.4], "clust")])
    row = tables.accuracy_table(frame, "paper", 64).iloc[0]
    assert row["plain"].startswith("30.0 ±") and (row["Gain"], row["Error reduction"]) == ("100 %", "25 %")


def test_numbers_as_text():
    assert [tables.number(x) for x in (1.25, 1.35, -1.26, -0.04, float("nan"))] == ["1.3", "1.4", "−1.3", "0.0", "–"]
    assert tables.number(sum([21.2, 31.2, 15.0, 13.0, 61.9, 19.0]) / 6) == "26.9"  # as Table 2 prints its means
    assert tables.number(sum([45.9, 67.0, 27.5, 47.2, 80.7, 29.0]) / 6) == "49.6"
    assert tables.accuracy(0.3456, 0.0123) == "34.6 ± 1.2"
    assert tables.accuracy(0.3456) == "34.6" and tables.accuracy(float("nan")) == "–"
    assert [tables.p_value(p) for p in (0.0321, 1.4e-6, 0.5, 0)] == ["0.032", "1e−6", "0.5", "< 1e−300"]


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


def test_learning_table_has_a_row_for_each_setting_that_has_runs():
    table = tables.learning_table(pd.concat([runs([0.8], recipe="trained", budget=128), both([0.2, 0.4], [0.5, 0.7])]))
    assert list(table.iloc[1]) == ["paper", 64, "plain", "30.0 ± 10.0", "15.0 ± 5.0", 2, "10", "3"]
    assert table[["Recipe", "Labels", "Setting"]].to_numpy().tolist() == [
        ["trained", 128, "plain"], ["paper", 64, "plain"], ["paper", 64, "IT:CLUST"]
    ]
    assert "Seconds a run" not in tables.learning_table(runs([0.1]), seconds=False)


def test_coverage_counts_the_design_and_nothing_else():
    expected = design.combine(["a", "b"], "e", budgets=(64, 128), recipes=("paper",), repetitions=(0, 1))
    frame = both([0.2, 0.4], [0.5, 0.7])
    frame.loc[frame["setting"] == "base", "clustering"] = None  # as read back from a CSV file
    table = tables.coverage(pd.concat([frame, runs([0.1], budget=999)]), expected)
    assert table.columns.tolist() == ["plain, paper", "IT:CLUST, paper"]
    assert table.to_numpy().tolist() == [["2 of 4 runs", "2 of 4 runs"], ["0 of 4 runs", "0 of 4 runs"]]


def test_comparison_table():
    one = both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7])
    assert tables.comparison_table(one).iloc[0].tolist() == [64, "5 (1)", "20.2", *"–––––"]  # says nothing of data sets in general
    table = tables.comparison_table(pd.concat([one, one.assign(dataset="b")]))
    assert table.iloc[0, :4].tolist() == [64, "10 (2)", "20.2", "20.2 [20.2, 20.2]"]
    p = 2 * distributions.t.sf(0.202 / (0.004 / 3), 9)  # differences .2 eight times and .21 twice
    assert table.iloc[0, 4:6].tolist() == [f"{x:.0e}".replace("e-0", "e-").replace("-", "−") for x in (p, 8 * p)]


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
    assert tables.stage(frame) == ["before", "after IT:CLUST, paper recipe"]


def test_provenance_tells_the_epochs_on_masked_words():
    texts = ["encoder", "encoder_fingerprint", "data_fingerprint", "device", "precision", "cluster_tune", "torch", "transformers"]
    runs = pd.DataFrame({"dataset": "d", "setting": ["base", "mlm", "mlm+clust"], "mlm_epochs": [0, 10, 10]})
    runs = runs.assign(**dict.fromkeys(texts, "x"))
    table = tables.provenance(runs).set_index("Fact")["Value"]
    assert table["epochs on masked words"] == "10 (IT:MLM), 10 (IT:MLM+CLUST); the paper: 30"
    assert "epochs on masked words" not in set(tables.provenance(runs[:1])["Fact"])


def test_runs_that_the_paper_has_counterparts_of():
    kept = tables.of_paper(several(), PRINTED)
    assert set(zip(kept["dataset"], kept["budget"], strict=True)) == {("a", 64), ("b", 128)}
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
    assert rows["topical", "the paper"] == ["2", "35.0", "50.0", "60 %", "43 %", "23 %", "23 %"]
    assert rows["topical", "here, the paper's recipe"] == ["2", "40.0", "50.0", "40 %", "25 %", "11 %", "17 %"]
    assert rows["topical", "here, the trained recipe"] == ["0", *"––––––"]
    fewer = tables.averages_table(several().query("dataset == 'a'"), PRINTED, TOPICAL)
    assert fewer.iloc[1, :4].tolist() == ["topical", "the paper, on 1 of them", "1", "20.0"]


def test_coverage_has_a_row_a_setting_and_a_column_a_budget():
    expected = design.combine(["a", "b"], "e", recipes=("paper",), budgets=(64, 128), repetitions=(0, 1, 2))
    table = tables.coverage_grid(several(), expected, PRINTED)
    assert table.index.tolist() == [("paper", "plain"), ("paper", "IT:CLUST")]
    assert table.loc[("paper", "plain")].tolist() == ["3/3", "3/6"]  # b has no place at 64 labels


def test_table_3_beside_the_printed_p():
    printed = tables.published_p(pd.DataFrame({"train_size": ["64", "128", "gt512"], "p_vs_bert": [1e-6, None, None]}))
    assert printed[64] == 1e-6 and set(printed) == {64, 128}
    frame = both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7])
    assert tables.comparison_table(frame, published=printed).iloc[0, -1] == "1e−6"


def test_both_recipes_side_by_side():
    table = tables.baseline_table(trained(), PRINTED, {"a": "Set A"}, {"a": 0.25})
    assert list(table.columns) == ["largest class", "plain, paper recipe", "IT:CLUST, paper recipe",
                                   "plain, trained recipe", "IT:CLUST, trained recipe",
                                   "Difference, paper recipe", "Difference, trained recipe"]
    first = list(table.loc["Set A"])
    assert first[:4] == ["25.0", "30.0 ± 5.8", "60.0 ± 5.8", "70.0 ± 0.0"] and first[5] == "+30.0 [30.0, 30.0]"
    assert list(table.loc["b"]) == ["–", "50.0", "40.0", "–", "–", "–", "–"]
    assert list(table.loc["style"]) == ["–"] * 7
    assert "[30.0,\u00a030.0]" in tables.show(table)._repr_html_()  # an interval is not cut in two
    assert "<td>&lt;\u00a0.001</td>" in tables.show(pd.DataFrame({"p": ["< .001"]}))._repr_html_()


def test_what_others_print_for_a_plain_model():
    patron = pd.DataFrame({"dataset": ["a", "a"], "budget": [64, 128], "ft_random": [53.1, 60], "ft_random_sd": [3.1, 1]})
    table = tables.peers_table(trained(), PRINTED, patron)
    assert table.loc["a"].tolist() == ["64", "20.0", "40.0", "53.1 ± 3.1", "70.0 ± 0.0"]


def test_distances_of_several_data_sets_stand_in_the_order_of_their_titles():
    table = tables.dispersion_table(distances(NED), SETS)
    assert list(table.index) == ["Set B"] * 3 + ["Set A"] * 2 and table.index.name == "Data set"
    assert "Data set" not in tables.dispersion_table(distances(NED))
    more = distances({**NED, ("a", "clust", "updates-40"): 0.5, ("a", "clust", "trained"): 0.5}).assign(clustering="sib")
    more.loc[more.index[-1], "clustering"] = "kmeans"
    kept = tables.of_recipes(more)
    assert set(kept["recipe"]) == {"", "paper", "trained"} and len(kept) == len(NED)
    assert tables.stage(more)[-1] == "after IT:CLUST (k-means), trained recipe"


def test_what_the_paper_says_in_passing_stands_before_and_after():
    told = distances(NED).assign(norm=[1, 1.5, 2, 4, 9], ned_macro=0.5, ned_cosine=0.25)
    table = tables.besides_table(told, SETS)
    cells = ["1.00 → 1.50", "2.00 → 6.00", "0.900 → 0.800", "0.500 → 0.500", "0.250 → 0.250"]
    assert table.loc["Set A"].tolist() == [cell.replace(" ", "") for cell in cells]  # not cut in two
    assert table.loc["Set B", "Norm"] == "2.00→4.00"
    assert set(table.loc["Set C"]) == {"–"}  # the trained recipe's 9 is not of the paper
    assert set(tables.besides_table(distances(NED), SETS).stack()) == {"–"}  # tables of before these were measured


def test_shapes_of_texts_and_classes():
    lengths = pd.DataFrame({"dataset": "a", "words": [10, 1, 5], "count": [1, 1, 2]})  # 1 5 5 10
    table = tables.shape_table(COUNTS, lengths, ["a", "own", "b"])
    assert list(table.loc["a"]) == ["5", "1 to 5", "50.0 %", "50.0 %"]
    assert list(table.loc["own"]) == ["–", "–", "75.0 %", "25.0 %"] and list(table.loc["b"]) == ["–"] * 4


def test_each_source_has_its_effects_and_our_nmi():
    found = tables.nmi_effects(agreements({"a": 0.5, "style": 0.1, "own": 0.2}), several(), PRINTED)
    assert found[["source", "dataset", "nmi"]].to_numpy().tolist() == [
        [tables.PAPERS, "a", 0.5], [tables.PAPERS, "style", 0.1], ["Ours, the paper's recipe", "a", 0.5]]
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


def test_methods_beside_fine_tuned_models():
    reference = methods({("a", "nb_bow"): 0.5, ("a", "svm_glove"): 0.65, ("a", "cluster_sib"): 0.7})
    table = tables.methods_table(reference, both([0.2, 0.4], [0.5, 0.7]), PRINTED, {"a": "Set A"})
    assert list(table.loc["Set A"]) == ["65.0 (SVM, GloVe)", "70.0", "30.0 ± 10.0", "60.0 ± 10.0", "–", "–"]
    assert list(table.loc["b"]) == ["–"] * 6


def test_speed_and_memory_of_both_packages_stand_side_by_side():
    table = tables.speed_table(compared(), {"a": "A"})
    assert table.iloc[0].tolist() == ["A", "2", "0.50", "10.0", "20.0", "18.0", "1.5000", "1.5000", "5"]
    memory = tables.memory_table(compared(), {"a": "A"})
    assert memory.iloc[3].tolist() == ["b", "1", "sib-clustering", "100", "0", "30", "130"]
    assert memory["sIB of"].tolist() == ["this package", "sib-clustering"] * 2


def test_growth_has_a_row_for_each_size_and_gaps_where_one_package_has_no_times():
    frame = pd.DataFrame({"varied": ["terms", "terms", "cores", "cores"] * 2, "value": [1000, 2000, 1, 2] * 2,
                          "package": ["cluster-tune"] * 4 + ["sib-clustering"] * 4, "seconds": [1, 2, 2, 1] + [4, 16] * 2})
    table = tables.growth_table(frame[(frame["package"] == "cluster-tune") | (frame["varied"] == "terms")])
    assert table.iloc[0].tolist() == ["terms", "1,000", "2,000", "1.00", "2.00", "2.00", "16.00"]
    assert table.iloc[1].tolist() == ["cores", "1", "2", "−1.00", "–", "1.00", "–"]


def test_a_wide_frame_is_shown_in_parts():
    wide = pd.DataFrame([[f"cell{i}" for i in range(11)]], columns=list("abcdefghijk"), index=pd.Index(["x"], name="row"))
    html = tables.show(wide, most=7)._repr_html_()
    first, second = html.split("</table>")[:2]
    assert html.count("<table") == 2 and "cell5" in first and "cell5" not in second and "cell10" in second
    assert ("<th>row</th>" in first) and ("<th>row</th>" in second)
    assert tables.show(wide)._repr_html_().count("<table") == 1
    assert tables.show(wide.iloc[:, :7], most=7)._repr_html_().count("<table") == 1
    assert tables.show(pd.DataFrame({"one": [1]}), most=2)._repr_html_().count("<table") == 1


def test_the_cost_of_a_profile():
    lengths = pd.DataFrame({"dataset": ["x", "x", "y"], "words": [20, 40, 5000], "count": [1, 1, 7]})  # means 30 and 100
    plans = {"small": (2, {"x": (288_000, 720_000)}), "large": (2000, {"x": (288_000, 720_000), "y": (86_400, 216_000)})}
    table = tables.cost_table(plans, timed(), lengths)
    assert table["Hours of training"].tolist() == ["1.0", "2.0"] and table["Hours in all"].tolist() == ["2.0", "4.0"]
    assert table["Runs"].tolist() == ["2", "2,000"] and table["Texts to predict"].tolist() == ["0.7 million", "0.9 million"]
    twice = pd.concat([timed(), timed().assign(machine="1 card", train_texts_a_second=800.0)])
    table = tables.cost_table(plans, twice, lengths)
    assert table["On"].tolist() == ["2 cores, X", "1 card"] * 2
    assert table["Hours of training"].tolist() == ["1.0", "0.10", "2.0", "0.20"]
    five = timed().tail(1).assign(way="side_by_side", train_texts_a_second=800.0)
    table = tables.cost_table(plans, pd.concat([timed(), five]), lengths)
    assert table["On"].tolist()[:2] == ["2 cores, X", "2 cores, X, five models side by side"]
    assert table["Hours of training"].tolist()[:2] == ["1.0", "0.10"]


def test_what_a_benchmark_ran_on():
    runs = pd.DataFrame({"machine": "2 cores, X", "date": ["2026-01-02", "2026-01-01"], "package": ["b", "a"],
                         "version": ["2", "1"], "waited": [0.0, 1.0], "cpu_seconds": 4.0})
    assert tables.measured_on(runs)["Value"].tolist() == [
        "2 cores, X", "2026-01-01, 2026-01-02", "a 1, b 2", "10.0 % of the time on average, 20.0 % at most"]
