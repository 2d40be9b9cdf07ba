"""Sentences follow from the numbers of hand-made frames, whichever way these come out."""

from types import SimpleNamespace

import pandas as pd
import pytest
from frames import (
    COUNTS, NED, PRINTED, PUBLISHED, SETS, TABLE_1, TOPICAL, agreement, agreements, along, between, both, compared,
    distances, methods, runs, several, swept, timed, trained,
)  # fmt: skip

from cluster_tune import datasets, design, sentences, stats, tables
from cluster_tune.errors import InputError


def test_mixed_frames_are_refused():
    frame = both([0.2, 0.4], [0.5, 0.7])
    for column in ("encoder", "data_fingerprint"):
        with pytest.raises(InputError, match=column):
            tables.accuracy_table(frame.assign(**{column: ["x", "x", "x", "y"]}), "paper", 64)
    with pytest.raises(InputError, match="dataset"):
        tables.learning_table(pd.concat([frame, runs([0.1], dataset="b")]))
    with pytest.raises(InputError, match="dataset"):
        sentences.verdict(pd.concat([frame, runs([0.1], dataset="b")]), 64, "paper")


def test_verdicts_are_hedged_by_their_interval():
    clear = sentences.verdict(both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7]), 64, "paper")
    assert clear == ("At 64 labels under the paper's recipe IT:CLUST is 20.2 points above plain "
                     "(difference 20.2, 95 % interval 19.6 to 20.8, 5 repetitions).")
    unclear = sentences.verdict(both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3]), 64, "paper")
    assert "3.3 points above plain (difference 3.3, 95 %" in unclear and unclear.endswith("do not tell the two apart.")
    below = sentences.verdict(both([0.5, 0.52, 0.5], [0.4, 0.4, 0.4]), 64, "paper")
    assert "10.7 points below plain (difference −10.7, 95 % interval −" in below
    assert "too few" in sentences.verdict(both([0.1, 0.2], [0.3, 0.5]), 64, "paper")
    assert "over 1 repetition," in sentences.verdict(both([0.1], [0.3]), 64, "paper")
    assert "no matched runs" in sentences.verdict(runs([0.1]), 64, "paper")
    assert "level with plain" in sentences.verdict(both([0.1, 0.2, 0.3], [0.2, 0.1, 0.3]), 64, "paper")


def test_recipes_in_words_and_how_often_masked_words_were_seen():
    table = tables.recipes_table([design.RECIPES["paper"], design.RECIPES["trained"]])
    assert list(table) == ["paper", "trained"] and len(table) == len(tables.FIELDS)
    assert table.loc["texts in a batch"].tolist() == ["64", "16"]
    frame = pd.DataFrame({"dataset": ["a", "a", "b", "b"], "setting": ["base", "mlm", "mlm+clust", "mlm"],
                          "mlm_epochs": [0, 5, 1, 1]})
    said = sentences.word_epochs_in_words(frame, {"a": "Set A"})
    assert "for 5 passes (Set A) and 1 pass (b) here, where the paper's were for 30." in said
    assert "No model" in sentences.word_epochs_in_words(frame[:1])
    said = sentences.word_epochs_in_words(frame.assign(mlm_epochs=30))
    assert said == "All models of IT:MLM and IT:MLM+CLUST were trained on masked words for as many passes as the paper's, 30."


def test_verdicts_of_several_data_sets_each_at_its_budget():
    frame = pd.concat([both([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]), both([0.1], [0.2], dataset="c", budget=128)])
    lines = sentences.verdicts(frame, 64, {"a": "Set A"}, {"c": 128}).splitlines()
    assert lines[0].startswith("- Set A: At 64 labels") and lines[1].startswith("- c: At 128 labels")
    assert len(lines) == 4 and "no matched runs" in lines[2]  # the other recipe


def test_findings_list_every_recipe_and_budget():
    grid = [(recipe, budget) for recipe in ("paper", "trained") for budget in (128, 64)]
    frame = pd.concat([both([0.1, 0.2], [0.3, 0.4], budget=budget, recipe=recipe) for recipe, budget in grid])
    starts = [line.split(" IT:CLUST")[0] for line in sentences.findings(frame).splitlines()]
    assert starts == ["- At 64 labels under the paper's recipe", "- At 128 labels under the paper's recipe",
                      "- At 64 labels under the trained recipe", "- At 128 labels under the trained recipe"]
    assert sentences.findings(frame)._repr_markdown_() == str(sentences.findings(frame))


def test_findings_say_what_an_encoder_has_read_before():
    frame = both([0.1, 0.2], [0.3, 0.4], dataset="yahoo_answers")
    assert "read" not in sentences.findings(frame)
    assert "trained on pairs" not in sentences.findings(frame.assign(dataset="ag_news", encoder="minilm"))
    *_, told = sentences.findings(frame.assign(encoder="minilm")).splitlines()
    assert told.startswith("- MiniLM has been trained on pairs of texts from Yahoo! Answers, though without these classes, so that")
    assert all(name in datasets.REGISTRY and encoder in sentences.ENCODERS for name, encoder in sentences.READ_BEFORE)


def test_findings_name_budgets_without_matched_runs_in_one_line():
    frame = pd.concat([both([0.1, 0.2], [0.3, 0.4]), *(runs([0.5], budget=budget) for budget in (1024, 256))])
    assert sentences.findings(frame).splitlines()[1:] == [
        "- At 256 and 1024 labels under the paper's recipe there are no matched runs of IT:CLUST and plain."
    ]


def test_the_paper_s_ordering_in_words():
    kinds = {"a": True, "b": True, "c": False}
    found = agreement({("a", "sib"): 0.2, ("b", "sib"): 0.5, ("c", "sib"): 0.1})
    holds = sentences.agreement_in_words(found, kinds, PUBLISHED)
    assert holds.startswith("The one data set of lowest NMI (sIB) is c, which is not topical, as in the paper.")
    assert "over the 3 data sets" in holds.lower() and holds.endswith("is 1.00.")
    found = agreement({("a", "sib"): 0.05, ("b", "sib"): 0.5, ("c", "sib"): 0.1})
    fails = sentences.agreement_in_words(found, kinds, PUBLISHED)
    assert "lowest NMI (sIB) is a, and a is topical, otherwise than in the paper" in fails
    seeds = pd.concat([found.assign(nmi=found["nmi"] + shift) for shift in (-0.03, 0.03)])
    open_ = sentences.agreement_in_words(seeds, kinds, PUBLISHED)
    assert "c (0.110) and a (0.060), where the two groups meet, are not told apart" in open_
    apart = pd.concat([found.assign(nmi=found["nmi"] + shift) for shift in (-0.001, 0.001)])
    assert "not told apart" not in sentences.agreement_in_words(apart, kinds, PUBLISHED)


def test_the_paper_s_average_in_words():
    words = sentences.averages_in_words(PRINTED, TOPICAL, {"a": "Set A"})
    assert "over its 2 topical data sets, 60 %, is a mean of ratios: Set A alone makes up 83 % of it" in words
    assert "35.0 and 50.0, differ by 43 %" in words


def test_on_how_many_data_sets_it_helps():
    lines = sentences.effects_in_words(several(), PRINTED, TOPICAL, {"a": "Set A"}).splitlines()
    assert lines[0] == ("- The paper's recipe, data sets that are topical: IT:CLUST is clearly above plain on 1 of 2 "
                        "(Set A), clearly below plain on 1 of 2 (b).")
    assert lines[1].endswith("not topical: too few runs yet.") and lines[2].endswith("that are topical: too few runs yet.")
    luck = pd.concat([both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3])])
    assert "not told apart from plain on 1 of 1 (a); too few runs so far: b." in sentences.effects_in_words(luck, PRINTED, TOPICAL)


def test_what_stays_when_all_data_sets_are_corrected_together():
    """p of .049 for each of two data sets: each clear by itself, neither after Holm's method."""
    near = [both([0.3, 0.3, 0.3], [0.3 + d for d in (0.06, 0.10, 0.14)], dataset=name, budget=budget)
            for name, budget in (("a", 64), ("b", 128))]
    assert stats.paired_t([0] * 3, [0.06, 0.10, 0.14]).p == pytest.approx(0.0494, abs=1e-3)
    lines = sentences.corrected_in_words(pd.concat(near), PRINTED).splitlines()
    assert lines == ["- The paper's recipe: IT:CLUST and plain still differ on 0 of 2.",
                     "- The trained recipe: IT:CLUST and plain still differ on 0 of 0."]
    sure = both([0.1, 0.2, 0.3], [0.5, 0.6, 0.701], dataset="b", budget=128)
    assert "on 2 of 2 (Set A and b)." in sentences.corrected_in_words(pd.concat([near[0], sure]), PRINTED, {"a": "Set A"})


def test_the_same_with_more_labels():
    frame = pd.concat([both([0.1, 0.2, 0.3], [0.5, 0.6, 0.71]), both([0.5, 0.6, 0.71], [0.1, 0.2, 0.3], budget=128),
                       both([0.1], [0.2], dataset="style", budget=128)])
    words = sentences.larger_in_words(frame, PRINTED, "paper", {"a": "Set A"})
    assert words.startswith("- 128 labels: IT:CLUST is clearly below plain on 1 of 1 (Set A); too few runs so far: style.")
    assert sentences.larger_in_words(frame[frame["budget"] == 64], PRINTED, "paper") == "There are no runs with more labels yet."


def test_what_changes_beside_the_t_test():
    clear = both([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.51, 0.6, 0.7])  # five pairs: Wilcoxon cannot go below 1/16
    line = sentences.comparison_in_words(clear, published={64: 1e-6})
    assert line.startswith("- 64 labels: the t-test (corrected p = ")
    assert "and the interval (19.6 to 20.8) find a difference" in line
    assert line.endswith("in favour of IT:CLUST, Wilcoxon's test (corrected p = 0.5) does not; the paper's p is 1e−6.")
    none = sentences.comparison_in_words(both([0.1, 0.2, 0.3], [0.3, 0.1, 0.3]), published={64: float("nan")})
    assert "agree that no difference is shown; the paper found none." in none
    worse = sentences.comparison_in_words(
        pd.concat([both([0.5 + i / 100 for i in range(9)], [0.3 + i / 90 for i in range(9)], dataset=d) for d in "abc"]))
    drawn = stats.bootstrap([[i / 90 - i / 100 - 0.2 for i in range(9)]] * 3)
    ends = f"{tables.number(100 * drawn.low)} to {tables.number(100 * drawn.high)}"
    assert "agree on a difference against" in worse and f"the interval (−19.6 to −19.6; by bootstrap {ends})" in worse
    two, titles = pd.concat([clear, clear.assign(dataset="c")]), {"a": "Set A", "b": "Set B", "c": "Set C", "late": "Late"}
    some = sentences.comparison_in_words(two, titles=titles, smallest={"late": 128})
    assert some.endswith("Not in it so far: Set B.")
    assert "no matched runs" in sentences.comparison_in_words(runs([0.1]))
    alone = sentences.comparison_in_words(clear, titles={"a": "Set A", "b": "Set B"})
    assert alone.endswith("labels: Set A is the only data set so far, so that there is nothing to pool.")
    with pytest.raises(InputError, match="recipe"):
        sentences.comparison_in_words(pd.concat([clear, clear.assign(recipe="trained")]))


@pytest.mark.parametrize("first, kept, half, kind", [
    ((0.1, 0.3), (-0.01, 0.03), (-0.2, -0.1), tables.UNTRAINED), ((0.1, 0.3), (0.01, 0.03), (-0.2, -0.1), tables.PARTLY),
    ((0.1, 0.3), (0.1, 0.2), (-0.1, 0.1), tables.REMAINS), ((0.1, 0.3), (0.1, 0.2), (0.1, 0.2), tables.REMAINS),
    ((0.1, 0.3), (-0.3, -0.1), (-0.5, -0.1), tables.HURTS), ((0.1, 0.3), (-0.1, 0.1), (-0.3, 0.1), tables.UNCLEAR),
    ((-0.1, 0.3), (0.1, 0.3), (0.1, 0.2), tables.ONLY), ((-0.1, 0.3), (-0.1, 0.3), (-0.1, 0.1), tables.NONE),
    ((-0.3, -0.1), (-0.3, -0.1), (-0.2, 0.1), tables.HURTS), ((-0.3, -0.1), (-0.1, 0.2), (-0.1, 0.1), tables.NONE),
])  # fmt: skip
def test_every_kind_of_verdict(first, kept, half, kind):
    first, kept, half = (between(*ends) for ends in (first, kept, half))
    assert tables.judged(first, kept, half) == kind
    text = sentences.baseline_verdict(first, kept, half)
    assert f"{tables.points(first)} points under the paper's recipe, {tables.points(kept)} under the trained one" in text


def test_what_is_left_beyond_half_is_that_of_the_same_samples():
    frame = trained()  # 30 points on each sample under the paper's recipe; 1, 0 and -4 of the trained
    left = tables.beyond_half(frame, "a", PRINTED)
    assert left.estimate == pytest.approx(-0.01 - 0.15) and left.high < -0.08
    assert tables.beyond_half(frame[frame["repetition"] < 2], "a", PRINTED) is None


def test_points_have_a_sign_and_their_interval():
    assert tables.points(stats.Interval(0.273, 0.16, 0.385)) == "+27.3 [16.0, 38.5]"
    assert tables.points(stats.Interval(-0.012, -0.03, 0.001)) == "−1.2 [−3.0, 0.1]"
    assert tables.points(stats.Interval(0.0, float("nan"), float("nan"))) == "0.0"
    assert tables.points(None) == "–" and sentences.baseline_verdict(None, None, None) == "too few runs for a verdict yet"


def test_the_answer_in_short_counts_the_verdicts():
    lines = sentences.baseline_in_words(trained(), PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0].startswith("- On 1 of 3 data sets most of the gain") and lines[0].endswith("left: Set A.")
    assert lines[1] == "- On 2 of 3 data sets there are too few runs yet: b and style."
    assert lines[2] == ("- On the same samples, the trained plain model, with no inter-training, is not told apart from the "
                        "paper's recipe with inter-training on 1 of 1 (Set A).")  # 20, 0 and 10 points
    verdicts = sentences.baseline_verdicts(trained(), PRINTED).splitlines()
    assert verdicts[0].startswith("- a: **most of the gain goes when the baseline is trained**: +30.0 [30.0, 30.0] points")
    assert verdicts[1] == "- b: too few runs for a verdict yet."
    none = sentences.baseline_in_words(trained()[:0], PRINTED)
    assert none == "- On 3 of 3 data sets there are too few runs yet: a, b and style."


def test_whose_numbers_a_chapter_shows():
    assert sentences.encoder_in_words("bert-base", several()) == "All numbers of ours come from BERT, the paper's own encoder."
    assert "come from MiniLM, which is another encoder" in sentences.encoder_in_words("minilm", several())
    assert "come from `org/other`, which is another" in sentences.encoder_in_words("org/other", several())
    with pytest.raises(InputError, match="no results of the encoder 'x'; compute some with cluster-tune grid --encoder x"):
        sentences.encoder_in_words("x", several()[:0])


def test_which_stage_makes_the_difference():
    """Set a under the trained fine-tuning: plain 70 %, 60 % at the paper's rate of inter-training, 69 % at the other."""
    frame = pd.concat([trained(), runs([0.6, 0.6, 0.6], "clust", recipe=tables.CROSSED)])
    row = tables.crossed_table(frame, PRINTED, {"a": "Set A"}).loc["Set A"]
    assert row.tolist() == ["70.0 ± 0.0", "60.0 ± 0.0", "69.0 ± 1.5", "−10.0 [−10.0, −10.0]", "+9.0 [2.4, 15.6]"]
    assert tables.crossed_table(frame, PRINTED).loc["b", "paper's rate minus plain"] == "–"
    first, second = sentences.crossed_in_words(frame, PRINTED, {"a": "Set A"}).splitlines()
    assert "is clearly below plain on 1 of 1 (Set A); too few runs so far: b and style." in first
    assert "is clearly above that at the paper's rate on 1 of 1 (Set A)" in second
    assert "so far" in sentences.crossed_in_words(trained(), PRINTED)
    *_, gently, plain = sentences.baseline_in_words(frame, PRINTED, {"a": "Set A"}).splitlines()
    assert gently.endswith("only fine-tuning is changed, the verdict is another on 1 of 1: Set A (inter-training hurts; above: "
                           "most of the gain goes, nothing clear is left).") and plain.startswith("- On the same samples")
    level = pd.concat([trained(), runs([0.71, 0.70, 0.66], "clust", recipe=tables.CROSSED)])
    assert "only fine-tuning is changed, the verdicts are the same." in sentences.baseline_in_words(level, PRINTED)
    alike = frame.assign(inter_learning_rate=3e-5)
    assert "at the same rate" in sentences.crossed_in_words(alike, PRINTED)
    assert "different rates" not in sentences.baseline_in_words(alike, PRINTED)


def test_all_settings_side_by_side():
    frame = pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), runs([0.1, 0.31, 0.2], "mlm"), runs([0.6], "mlm+clust"),
                       both([0.5], [0.4], dataset="b", budget=128)])
    table = tables.settings_table(frame, PRINTED, {"a": "Set A"})
    assert list(table.index) == ["Set A"] and table.loc["Set A", ["Labels", "IT:MLM+CLUST"]].tolist() == ["64", "60.0"]
    lines = sentences.settings_in_words(frame, PRINTED, {"a": "Set A"}).splitlines()
    assert lines == ["- 64 labels: IT:MLM is clearly below plain on 1 of 1 (Set A).",
                     "- 64 labels: IT:CLUST is clearly above IT:MLM on 1 of 1 (Set A)."]
    more = pd.concat([frame, runs([0.1, 0.1, 0.1], budget=256), runs([0.3, 0.3, 0.31], "mlm", budget=256),
                      runs([0.9] * 3, "mlm", budget=8)])
    lines = sentences.settings_in_words(more, PRINTED, {"a": "Set A"}).splitlines()
    assert lines[1] == "- 256 labels: IT:MLM is clearly above plain on 1 of 1 (Set A)."
    assert len(lines) == 3  # none below Table 2's budget
    assert "too few runs" in sentences.settings_in_words(frame[frame["setting"] == "base"], PRINTED)
    with pytest.raises(InputError, match="recipe"):
        tables.settings_table(trained(), PRINTED)


def test_what_more_passes_over_masked_words_change():
    """Set a has 5 and 30 passes: IT:MLM falls by 10 points on every sample, IT:MLM+CLUST has one sample of 30; b has 5 alone."""
    frame = pd.concat([
        both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]).assign(mlm_epochs=0), runs([0.3, 0.5, 0.4], "mlm").assign(mlm_epochs=5),
        runs([0.2, 0.4, 0.3], "mlm").assign(mlm_epochs=30), runs([0.6, 0.6], "mlm+clust").assign(mlm_epochs=5),
        runs([0.7], "mlm+clust").assign(mlm_epochs=30), both([0.1], [0.2], dataset="b").assign(mlm_epochs=0),
        runs([0.3, 0.3, 0.3], "mlm", dataset="b").assign(mlm_epochs=5)], ignore_index=True)  # fmt: skip
    table = tables.passes_table(frame, {"a": "Set A"})
    assert table.iloc[:, 2:].to_numpy().tolist() == [
        ["0", "30.0 ± 5.8", "60.0 ± 5.8"], ["5", "40.0 ± 5.8", "60.0 ± 0.0"], ["30", "30.0 ± 5.8", "70.0"]]  # fmt: skip
    assert set(table["Data set"]) == {"Set A"} and set(table["Labels"]) == {"64"}
    assert sentences.passes_in_words(frame, {"a": "Set A"}) == (
        "- Set A, IT:MLM, 30 passes in place of 5: −10.0 [−10.0, −10.0] at 64 labels.")
    assert "too few runs" in sentences.passes_in_words(frame[frame["mlm_epochs"] != 30])
    with pytest.raises(InputError, match="recipe"):
        tables.passes_table(pd.concat([frame, trained()]))


def test_advice_is_what_the_runs_come_to():
    """Training is worth 40 points on a and inter-training then nothing clear; on b nothing can be said."""
    recipe = SimpleNamespace(batch_size=16, min_updates=100)
    measured = pd.DataFrame({"way": ["ours", "ours", "tuned", "ours"], "train_texts_a_second": [100.0, 50.0, 1.0, 9e4],
                             "machine": ["X", "Y", "X", "a card"], "device": ["cpu", "cpu", "cpu", "cuda"]})
    lines = sentences.advice_in_words(trained(), PRINTED, measured, recipe, {"a": "Set A"}).splitlines()
    assert "changes its accuracy by 40.0 points (Set A)" in lines[0]
    assert lines[0].endswith("Inter-training then adds nothing: at best −1.0 points (Set A).")
    assert lines[1].startswith("- Inter-training, by the trained recipe: with 64 labels it clearly helps on 0 and clearly hurts on "
                               "0 of 1 data set. On the others these runs do not tell.")
    assert "(X; Y), 15,000 short texts take 2 to 5 minutes" in lines[2]
    assert lines[2].endswith("100 updates of fine-tuning 16 to 32 seconds.")
    assert "too few runs" in sentences.advice_in_words(trained()[:0], PRINTED, measured, recipe)
    crossed = pd.concat([trained(), runs([0.6, 0.6, 0.601], "clust", recipe=tables.CROSSED)])
    line = sentences.advice_in_words(crossed, PRINTED, measured, recipe).splitlines()[2]
    assert "better than plain on 0 and clearly worse on 0 of 1 data set at the trained" in line
    assert line.endswith("on 0 and 1 at the paper's.")


def test_nmi_where_inter_training_hurts():
    frame = pd.concat([both([0.3] * 3, [0.2, 0.2, 0.201], recipe="trained"),
                       both([0.3] * 3, [0.3, 0.31, 0.29], dataset="b", recipe="trained"),
                       both([0.3] * 3, [0.4, 0.4, 0.401], dataset="style", budget=128, recipe="trained")])
    nmi = agreements({"a": 0.1, "b": 0.5, "style": 0.05})
    lines = sentences.nmi_of_losses_in_words(frame, nmi, PRINTED, "trained", {"a": "Set A"}).splitlines()
    assert lines == ["- Clearly hurt with at least one number of labels: Set A (0.10).",
                     "- Clearly helped with at least one number of labels: style (0.05).",
                     "- Neither, with any number: b (0.50).",
                     "- With all t-tests here corrected together (Holm, 3 of them), still hurt: Set A at 64; "
                     "still helped: style at 128.",
                     "- Hurt are 0 of the 1 whose NMI is above their median, 0.10 and 1 of the 2 whose NMI is not above their "
                     "median, 0.10."]
    none = sentences.nmi_of_losses_in_words(frame[frame["dataset"] == "b"], agreements({"a": 0.1}), PRINTED, "trained")
    assert none.startswith("- Clearly hurt with at least one number of labels: none.")
    assert "Neither, with any number: b (–)." in none
    assert "too few runs" in sentences.nmi_of_losses_in_words(frame[:0], agreements({"a": 0.1}), PRINTED, "trained")


def test_the_largest_class_of_the_test_part():
    data = pd.DataFrame({"dataset": "a", "split": ["test", "test", "train"], "label": ["x", "y", "y"], "count": [3, 1, 99]})
    assert tables.most_frequent(data) == {"a": 0.75}
    lines = sentences.chance_in_words(trained(), PRINTED, {"a": 0.295, "b": 0.1}, {"a": "Set A"}).splitlines()
    assert lines == ["- Under the paper's recipe, 1 of 2 data sets: Set A (30.0 beside 29.5).",
                     "- Under the trained recipe: none of 1 data sets."]


def test_the_sweep_as_numbers_and_in_words():
    table = tables.sweep_table(swept(), {"a": "Set A"})
    assert table.to_numpy().tolist()[0] == ["Set A", 64, 10, "20.0", "50.0", "+30.0 [30.0, 30.0]", 3]
    lines = sentences.sweep_in_words(swept(), ["a", "b"], [64], {"a": "Set A"}).splitlines()
    assert lines == ["- Set A, 64 labels: IT:CLUST beside plain is +30.0 [30.0, 30.0] points after 10 updates and "
                     "−10.0 [−10.0, −10.0] after 160. Plain is still below the accuracy that "
                     "IT:CLUST has after 10 (50.0 %) after 40 updates, and has it after 160.", "- b, 64 labels: no sweep yet."]
    assert "Plain never reaches" in sentences.sweep_in_words(swept().query("updates < 100"), ["a"], [64])
    level = both([0.3] * 3, [0.2] * 3, recipe="updates-10").assign(updates=10)
    assert "not behind even" in sentences.sweep_in_words(pd.concat([level, swept().query("updates > 10")]), ["a"], [64])


def test_a_number_a_stage_has_gaps_in_sight():
    table = tables.stages_table(distances(NED), "ned", SETS, {"a": True, "b": False})
    assert list(table.index) == ["Set B", "Set A", "Set C"]
    assert list(table.columns) == ["Kind", "before", "after IT:CLUST, paper recipe", "after IT:CLUST, trained recipe"]
    assert table.loc["Set B"].tolist() == ["not topical", "0.700", "0.600", "0.650"]
    assert table.loc["Set A", "after IT:CLUST, trained recipe"] == "–" and set(table.loc["Set C"]) == {"–"}
    assert sentences.stages_in_words(distances(NED), SETS) == (
        "Of 3 data sets, so many have embeddings of each stage: before (2), after IT:CLUST, paper recipe (2), after IT:CLUST, "
        "trained recipe (1). "
        "Still missing: Set C.")


def test_the_statements_of_section_5_3_follow_from_the_numbers():
    kinds = {"a": True, "b": False}
    words = sentences.ned_in_words(distances(NED), kinds, SETS)
    assert ("NED is smaller after IT:CLUST, paper recipe, than before in 1 of 1 topical data set and 1 of 1 other data set. "
            "The paper found it smaller in all of its data sets.") in words
    assert "p < .001, in all 5 embeddings" in words and "is 3.0 to 3.0 times that before, 3.0 in the median" in words
    risen = sentences.ned_in_words(distances({**NED, ("a", "clust", "paper"): 0.95}), kinds, SETS)
    assert "in 0 of 1 topical data set and 1 of 1 other data set; not so in Set A. The paper found" in risen
    by_chance = sentences.ned_in_words(distances(NED).assign(p=[0.5, *[0.000999] * 4]), kinds, SETS)
    assert "p < .001, in 4 of 5 embeddings" in by_chance
    assert "nothing to compare" not in words and sentences.ned_in_words(distances({("a", "base", ""): 1}), kinds, SETS)


def test_embeddings_without_those_before_have_nothing_to_compare():
    after = distances({("a", "clust", "paper"): 0.8})
    assert "NED after IT:CLUST, paper recipe: nothing to compare yet." in sentences.ned_in_words(after, {"a": True}, SETS)
    frame = after.rename(columns={"ned": "neighbours"}).assign(silhouette=0.5)
    assert sentences.separation_in_words(frame, {"a": True}, SETS) == "Nothing to compare yet."


def test_what_the_paper_says_in_passing_holds_or_does_not():
    told = distances(NED).assign(norm=[1, 1.5, 2, 4, 9], ned_macro=[0.9, 0.7, 0.7, 0.6, 0.1], ned_cosine=[0.9, 0.95, 0.7, 0.6, 0.1])
    lines = sentences.besides_in_words(told, SETS).splitlines()
    assert "are 1.5 to 2.0 times as long as before, 1.8 in the median" in lines[0]
    assert "is 3.0 times that before in the median, but 1.50 to 2.00 times where it is measured in norms." in lines[0]
    assert lines[1].endswith("alike falls in 2 of 2 data sets, and goes the way of the usual NED in all.")
    assert lines[2].endswith("by cosine falls in 1 of 2 data sets, and goes the way of the usual NED in all but Set A.")
    assert sentences.besides_in_words(distances(NED), SETS) == "Norms, macro averages and cosines were not measured here yet."


def test_whether_classes_come_apart_follows_from_the_shares():
    kinds = {"a": True, "b": False}

    def both(values):
        return distances(values).rename(columns={"ned": "neighbours"}).assign(silhouette=lambda frame: -frame["neighbours"])

    words = sentences.separation_in_words(both(NED), kinds, SETS)
    assert words.splitlines() == [
        "- The share is larger after IT:CLUST, paper recipe, than before in 0 of 1 topical data set and 0 of 1 other data set; "
        "of the topical ones it is not larger in Set A. The silhouette is larger in 1 of 1 topical data set and 1 of 1 other "
        "data set.",
        "- The share is larger after IT:CLUST, trained recipe, than before in 0 of 1 other data set. "
        "The silhouette is larger in 1 of 1 other data set."]
    words = sentences.separation_in_words(both({("a", "base", ""): 0.5, ("a", "clust", "paper"): 0.6}), kinds, SETS)
    assert words == ("- The share is larger after IT:CLUST, paper recipe, than before in 1 of 1 topical data set. "
                     "The silhouette is larger in 0 of 1 topical data set.")


def test_what_embeddings_gain_beside_what_accuracy_gains():
    names = "abcdef"
    frame = distances({(name, setting, recipe): value for i, name in enumerate(names)
                       for setting, recipe, value in (("base", "", 0.9), ("clust", "paper", 0.9 - 0.01 * i))})
    rows = [(name, "e", setting, "" if setting == "base" else "sib", "paper", 64, r, 0.5 + (setting == "clust") * 0.02 * i, name)
            for i, name in enumerate(names) for setting in ("base", "clust") for r in (0, 1)]
    runs = pd.DataFrame(rows, columns=["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition",
                                       "accuracy", "data_fingerprint"])
    published = pd.DataFrame({"dataset": list(names), "budget": 64})
    words = sentences.alignment_in_words({"NED": (frame, "ned")}, runs, published, "paper")
    assert words.startswith("- NED: over 6 data sets the rank correlation of its change with the difference in accuracy is −1.00")
    few = sentences.alignment_in_words({"NED": (frame, "ned")}, runs[runs["dataset"] < "c"], published, "paper")
    assert few == "- NED: 2 data sets have both its change and accuracies, too few for a correlation."


def test_sizes_stand_beside_table_1():
    table = tables.sizes_table(COUNTS, TABLE_1, TOPICAL, {"a": "Set A"})
    assert list(table.loc["Set A"]) == ["topical", "2", "2", "0K", "4", "1", "0.1K", "2"]
    assert list(table.loc["b"]) == ["topical", "20", "–", "10.2K", "–", "–", "3K", "–"]
    assert list(table.loc["own"]) == ["–", "–", "2", "–", "1,200", "0", "–", "40"]
    words = sentences.sizes_in_words(COUNTS, TABLE_1, {"a": "Set A"})
    assert words == ("Of 1 data sets of the paper that were counted here, 0 have the sizes and classes of Table 1; the "
                     "exception is Set A (test 2 beside 0.1K). Not counted yet: b.")


def test_sources_are_a_list_of_what_the_registry_says():
    text = sentences.sources([datasets.info("isear"), datasets.info("docstrings")])
    first, second = text.splitlines()
    assert first.startswith("- **ISEAR**: people's accounts") and "Licence: CC BY-NC-SA 3.0. Source: <https://" in first
    assert second.endswith("Source: read from the installed packages.") and "  " not in text


def test_samples_that_lack_a_class():
    samples = pd.DataFrame({"dataset": ["a"] * 3 + ["b"] * 2, "budget": 64, "repetition": [0, 1, 2, 0, 0],
                            "missing_classes": [0, 2, 1, 1, 1]})
    table = tables.missing_classes_table(samples, [64, 128], ["a", "b"])
    assert table.to_numpy().tolist() == [["2 of 3", "–"], ["1 of 1", "–"]]
    words = sentences.missing_in_words(samples, PRINTED, {"a": "Set A"})
    assert words == ("The paper shows no result at 64 labels for b, because its samples lack a class. Samples drawn "
                     "here lack one, too: b (1 of 1). So do some of data sets that the paper does show: Set A (2 of 3).")
    none = sentences.missing_in_words(samples.assign(missing_classes=0), PRINTED)
    assert none.endswith("The samples drawn here do not.")


def test_what_the_paper_reads_into_figure_4():
    kinds = dict.fromkeys("bcdefgh", True) | {"a": False}
    words = sentences.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3.5, 4, 5, 6]), kinds, {"a": "Set A"})
    assert "which supports the paper's reading." in words and "where NMI is lowest: Set A 1 %." in words
    assert "The largest of all, 6 %, is that of f, number 1 of 6 by NMI." in words
    words = sentences.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5], [90, 2, 3, 4, 5]), kinds)
    assert "leaves the paper's reading open" in words and "and 1.00 (without a)" in words and "of a, number 5 of 5" in words
    words = sentences.nmi_in_words(along([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [6, 5, 4.1, 3, 2, 1]), kinds)
    assert "which contradicts the paper's reading" in words
    assert "only 3 data sets" in sentences.nmi_in_words(along([0.1, 0.2, 0.3], [1, 2, 3]), kinds)


def test_by_which_measure_nmi_and_gain_go_together():
    effects = along([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 2.5, 4, 5, 6.1]).assign(gain=[1, -1, 1, -1, 1, -1])
    words = sentences.nmi_by_measure_in_words(effects)
    assert words.startswith("- These: the interval excludes 0 by error reduction (0.99 [0.95")
    assert words.endswith("it includes 0 by gain.")
    neither = sentences.nmi_by_measure_in_words(
        effects.assign(error_reduction=[1, -1, 1, -1, 1, -1], difference=[1, -1, 1, -1, 1, -1]))
    assert neither == "- These: the interval includes 0 by error reduction, gain and the difference in points."
    assert "too few data sets" in sentences.nmi_by_measure_in_words(effects.head(3))


def test_whether_bags_of_words_are_inferior_follows_from_the_means():
    reference = methods({("a", "nb_bow"): 0.5, ("a", "svm_glove"): 0.65, ("a", "cluster_sib"): 0.9})
    reference = pd.concat([reference, methods({("b", "nb_bow"): 0.1}, 128)])
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), both([0.2], [0.2], dataset="b", budget=128)])
    lines = sentences.methods_in_words(reference, frame, PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0] == ("- The paper's recipe, IT:CLUST: above all four on 1 of 2 data sets with few labels; behind the best "
                        "of them on Set A (SVM, GloVe: 5.0 points). Over all budgets run so far it is ahead in 2 of 3 comparisons.")
    assert "plain: above all four on 1 of 2" in lines[1] and "it is ahead in 1 of 3" in lines[1]
    assert lines[2:] == [f"- The trained recipe, {name}: no runs to compare yet." for name in ("IT:CLUST", "plain")]


def test_the_nearest_cluster_against_inter_training():
    reference = methods({("a", "cluster_sib"): 0.9, ("style", "cluster_sib"): 0.1})
    frame = pd.concat([both([0.2, 0.4], [0.5, 0.7]), both([0.2], [0.2], dataset="style")])
    nmi = agreements({"a": 0.5, "style": 0.1})
    lines = sentences.clusters_in_words(reference, frame, nmi, PRINTED, {"a": "Set A"}).splitlines()
    assert lines[0].startswith("- The paper's recipe: the nearest cluster is above IT:CLUST on 1 of 2 data sets "
                               "(Set A by 30.0 points).")
    assert lines[1] == "- The trained recipe: no runs to compare yet."


def on(clustering, accuracies, dataset="a", budget=64):
    return runs(accuracies, "clust", dataset, budget).assign(clustering=clustering)


def test_clusterings_of_inter_training_and_their_gaps():
    frame = pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), on("kmeans", [0.4, 0.6, 0.5]), both([0.1], [0.2], dataset="style"),
                       runs([0.2, 0.3, 0.4], dataset="b", budget=128), on("sib", [0.2, 0.3, 0.4], "b", 128),
                       on("kmeans", [0.2, 0.4, 0.3], "b", 128)])
    table = tables.clusterings_table(frame, PRINTED, titles={"a": "Set A"})
    assert list(table.loc["Set A"]) == ["30.0 ± 5.8", "60.0 ± 5.8", "50.0 ± 5.8", "–", "+10.0 [10.0, 10.0]", "–"]
    assert table.loc["b", "sIB minus k-means"] == "0.0 [−24.8, 24.8]"  # 0, -10, 10 points: 4.303 * 10 / sqrt(3)
    lines = sentences.clusterings_in_words(frame, PRINTED, titles={"a": "Set A"}).splitlines()
    assert lines[0] == ("- k-means: inter-training on sIB is clearly above k-means on 1 of 2 (Set A), not told apart from k-means "
                        "on 1 of 2 (b); too few runs so far: style. The mean of its leads is 5.0 [−58.5, 68.5] points over "
                        "2 data sets.")
    assert lines[1].startswith("- Hartigan's k-means: not attempted so far.") and len(lines) == 2
    expected = [run for key in design.CLUSTERINGS for run in design.combine(
        ["a", "b"], "e", ["clust"], ["paper"], (64, 128), (0, 1, 2), key)]
    grid = tables.clustering_coverage(frame, expected, PRINTED)
    assert grid.to_numpy().tolist() == [["3/3", "3/6"], ["3/3", "3/6"], ["–", "–"]]


def test_the_best_clustering_is_that_of_the_samples_that_all_have():
    frame = pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), on("kmeans", [0.4, 0.6, 0.5, 1.0]), on("hartigan", [0.6, 0.8])])
    words = sentences.clusterings_in_words(frame, PRINTED)
    assert words.endswith("- Of 1 data set with runs of all three, the highest mean is that of Hartigan's k-means on 1 (a).")


def test_clusterings_beside_no_inter_training():
    frame = pd.concat([both([0.2, 0.4, 0.3], [0.5, 0.7, 0.6]), on("kmeans", [0.1, 0.3, 0.2]), on("hartigan", [0.1, 0.4, 0.4]),
                       both([0.1] * 3, [0.5] * 3, dataset="style")])
    words = sentences.beside_plain_in_words(frame, PRINTED)  # style has one clustering only
    assert words == ("Beside no inter-training at all, of 1 data sets with runs of all three: inter-training is clearly above "
                     "plain on 1 with the clusters of sIB, on 0 with the clusters of k-means and on 0 with the clusters of "
                     "Hartigan's k-means, and clearly below on 1 with those of k-means.")
    assert "no data sets yet" in sentences.beside_plain_in_words(both([0.2] * 3, [0.3] * 3), PRINTED)


def test_whether_nmi_tells_which_clustering_is_best():
    places = pd.DataFrame({"dataset": list("abcde"), "budget": 64})
    scores = {"sib": 0.7, "kmeans": 0.6, "hartigan": 0.4}  # sIB leads by 20 points everywhere
    frame = pd.concat([on(key, [score, score], name) for key, score in scores.items() for name in places["dataset"]])
    more = {(name, "sib"): 0.5 if name < "e" else 0.0 for name in places["dataset"]}
    found = agreement(more | {(name, key): 0.1 for name in places["dataset"] for key in ("kmeans", "hartigan")})
    words = sentences.nmi_and_leads_in_words(found, frame, places)  # 20 points on four, -20 on one: 12 [-10.2, 34.2]
    assert words == ("On 4 of 5 data sets, whichever has the higher NMI, sIB or the mean of both k-means, is also more accurate "
                     "after inter-training. Over all 5 its lead is 12.0 [−10.2, 34.2] points in the mean: this does not settle it.")
    assert "too few" in sentences.nmi_and_leads_in_words(found, frame[frame["dataset"] != "b"], places)


def test_which_clustering_follows_the_classes():
    found = pd.concat([agreements({"a": 0.5, "b": 0.2}).assign(clustering=key).assign(
        nmi=lambda frame, scale=scale: frame["nmi"] * scale) for key, scale in (("sib", 1), ("kmeans", 2), ("hartigan", 0.5))])
    words = sentences.nmi_by_clustering_in_words(found, PRINTED, {"a": "Set A"})
    assert words.startswith("Of 2 data sets, the highest NMI is that of k-means on 2 (Set A and b). sIB's is 0.35 in")
    assert "no clusterings" in sentences.nmi_by_clustering_in_words(found.assign(dataset="own"), PRINTED)


def test_what_is_said_of_speed_follows_the_numbers():
    said = sentences.speed_in_words(compared())
    assert "at least 12.3 times as fast" in said and "11.0 times with the least" in said and "I(T;Y) is no lower" in said
    assert "The fit itself takes less memory in every row, by at least 20 MB." in said
    assert "up to 170 MB less in some rows and up to 30 MB more in others, those on 1 core." in said
    lower = sentences.speed_in_words(compared(information_ours=[1.5, 1.4], fit_mb_ours=[31.0, 35.0]))
    assert "lower by 0.1000 bits at worst" in lower and "more memory in every row, by up to 5 MB" in lower
    assert "no measurements" in sentences.speed_in_words(compared().head(0))


def test_what_is_said_of_texts_follows_the_numbers():
    bags = pd.DataFrame({
        "what": ["read a CSV file", "read, check and split the data set", "stem and count", "count without stems",
                 "stem and count, NLTK"],
        "package": ["pandas", "cluster-tune", "cluster-tune", "scikit-learn", "nltk"],
        "seconds": [0.01, 0.2, 0.1, 0.4, 5.0], "texts": 15000, "words": 400000, "megabytes": 3.5,
    })
    said = sentences.texts_in_words(bags)
    assert "takes 0.10 s: 0.5 times as long as `datasets.load`" in said and "10 times as long as pandas" in said
    assert "0.3 times as long as `CountVectorizer`" in said and "and 2.0 % of what" in said
    table = tables.texts_table(bags)
    assert table["Seconds"].tolist() == ["0.010", "0.10", "0.20", "0.40", "5.00"]
    assert table["With"].tolist()[:2] == ["pandas", "this package"]


def test_what_runs_were_computed_on():
    some = runs([0.1, 0.2, 0.3]).assign(device="cpu", precision="bf16")
    assert sentences.devices_in_words(some) == "All of them were computed on processors."
    some.loc[some.index[0], "device"] = "NVIDIA X"
    said = sentences.devices_in_words(some)
    assert said.startswith("2 of these runs were computed on processors and 1 on a graphics card (NVIDIA X). Each kind")
    assert ("under one recipe were computed on the same kind and in the same precision, two recipes may not have been. "
            "Along some learning curves the kind changes") in said
    assert said.endswith("of their runs those on a card have 64 labels.")
    more = pd.concat([one.assign(budget=budget, device=device) for one in [some.head(1)] for budget, device in (
        (64, "NVIDIA X"), (128, "NVIDIA X"), (256, "cpu"))])  # the kind with fewer numbers of labels is told
    assert sentences.devices_in_words(more).endswith("of their runs those on processors have 256 labels.")
    crossing = sentences.devices_in_words(pd.concat([some, runs([0.1, 0.2], "clust").assign(device="cpu", precision="bf16")]))
    assert ("for 1 of 3 pairs of a sample and a recipe the settings were computed on different kinds, or in different precisions "
            "(IT:CLUST otherwise than plain). Along some learning curves") in crossing
    assert "precision (fp32)" not in crossing
    finer = pd.concat([some, runs([0.1, 0.2], "clust").assign(device=["NVIDIA X", "cpu"], precision=["bf16", "fp32"])])
    told = sentences.devices_in_words(finer)
    assert "(NVIDIA X). 1 of all were computed in single precision (fp32), the others in bf16. Each" in told
    assert "for 1 of 3 pairs of a sample and a recipe" in told


def test_training_beside_a_trainer():
    said = sentences.training_in_words(timed())
    assert "On 2 cores, X, this package trains on 80 texts a second in bf16, 8.0 times as many" in said
    assert "and 2.0 times as many as a tuned one" in said and "200 texts a second, 4.0 and 1.3 times" in said
    assert "1800 MB, where they hold 3000 and 3500 MB" in said
    table = tables.training_table(timed(), {"x": "X"})
    assert table["Training here, times as fast"].tolist() == ["8.0", "2.0", "1.0"] and table["On"].tolist() == ["X; 2 cores, X"] * 3
    assert table["Way"].tolist() == ["a Trainer like the authors', fp32", "a Trainer, tuned, bf16", "this package, bf16"]
    assert table["Share of the matrix rate"].tolist() == ["8 %", "32 %", "64 %"]
    assert tables.training_table(timed().assign(matrix_share=0.0034))["Share of the matrix rate"].tolist() == ["0.3 %"] * 3
    said = sentences.training_in_words(pd.concat([timed(), timed().assign(machine="1 card", train_texts_a_second=800.0)]))
    assert said.index("On 2 cores, X, this package trains on 80 ") < said.index("On 1 card, this package trains on 800 ")
    single = timed().assign(precision="fp32", onnxruntime=["", "", "1.32"])
    assert "in single precision; prediction here went through ONNX Runtime." in sentences.training_in_words(single)
    assert "was measured before it went through" in sentences.training_in_words(single.assign(onnxruntime=float("nan")))
    assert "single precision" not in said
    five = timed().tail(1).assign(way="side_by_side", train_texts_a_second=400.0)
    said = sentences.training_in_words(pd.concat([timed(), five]))
    assert "side by side are trained on 400 texts a second together, 40.0 and 10.0 times" in said
    assert tables.measured_on(timed())["Value"].tolist() == ["2 cores, X", "2026-01-01", "torch 2, transformers 5"]


def test_how_much_of_prediction_is_padding():
    counted = pd.DataFrame({"test_texts": 2000, "way": ["texts", "authors", "authors' code"], "pieces": [50.04, 128, 102.4]})
    said = sentences.padding_in_words(counted)
    assert said.startswith("Of 2,000 test texts, one has 50.0 word pieces on average.")
    assert "Padded to the longest of the set it has 128, 2.6 times as many." in said
    assert "as they come, which makes 102." in said and said.endswith("is about 0.80 times what the table says of the first way.")


def test_the_fixed_cost_of_a_run():
    fixed = pd.DataFrame({"what": ["read", "copy"], "every": ["data set", "run"], "seconds": [2.0, 0.16],
                          "machine": "2 cores, X"})
    said = sentences.fixed_in_words(fixed, pd.concat([timed().assign(machine="1 card", train_texts_a_second=800.0), timed()]))
    assert said.startswith("On 2 cores, X, all that is done once") and "needs 0.16 s beside" in said
    assert "2.0 % of the 8.0 s that 10 updates take" in said
    assert sentences.fixed_in_words(fixed, timed().assign(machine="1 card")).endswith("its updates and its prediction.")
    assert tables.fixed_table(fixed)["Seconds"].tolist() == ["2.00", "0.16"]
    card = fixed.assign(machine="1 card", seconds=[1.0, 0.002])
    said = sentences.fixed_in_words(pd.concat([fixed, card]), timed().assign(machine="1 card", train_texts_a_second=6400.0))
    assert "On 2 cores, X, all that is done once a data set takes 2.0 s. A run then needs 0.16 s" in said
    assert "On 1 card, all that is done once a data set takes 1.0 s. A run then needs less than a hundredth of a second" in said
    assert "2.0 % of the 0.10 s that 10 updates" in said


def test_the_parts_of_a_profile_add_up():
    parts = pd.DataFrame({"encoder": ["A"] * 2 + ["B"] * 2, "machine": "1 card", "profile": "paper",
                          "what": ["an update of five models", "an update on masked words"] * 2, "updates": [150, 270] * 2,
                          "seconds": [0.02, 0.01, 0.1, 0.2], "number": [30_000.0, 48_000.0] * 2})
    said = sentences.parts_in_words(parts)
    assert ("the parts of the profile `paper` sum up to about 18 minutes with A, "
            "the largest part of it for updates of five models.") in said
    assert "about 3.5 hours with B, the largest part of it for updates on masked words." in said
    table = tables.parts_table(parts)
    assert table["Milliseconds"].tolist() == ["20.0", "10.0", "100.0", "200.0"]
    assert table["Minutes"].tolist() == ["10.0", "8.0", "50.0", "160.0"] and table["Measured over"].tolist() == ["150", "270"] * 2


def test_what_was_computed_in_one_go_or_two():
    measured = pd.DataFrame({"machine": ["1 card", "2 cores, X"], "profile": "paper", "runs": [1836, 40], "of": 3605,
                             "on_words": [9, 0], "on_clusters": [46, 2], "processes": [20, 1], "seconds": [489.6, 60.0]})
    said = sentences.grid_in_words(measured)
    assert "On 1 card, 20 processes at once computed 1,836 of the 3,605 runs of `paper` in 8.2 minutes, from the start" in said
    assert "On 2 cores, X, 1 process computed 40 of the 3,605 runs of `paper` in 1.0 minutes, from the start" in said
    assert said.endswith("to the last record, with the inter-training of 2 models on clusters and 0 on masked words.")
    assert "Together" not in said
    more = pd.concat([measured, measured[:1].assign(runs=1769, seconds=510.4)])
    assert "computed 1,769 more of these runs in 8.5 minutes" in sentences.grid_in_words(more)
    assert "Together these are all 3,605 runs, in 16.7 minutes." in sentences.grid_in_words(more)
    assert "Together these are 3,604 of the 3,605 runs" in sentences.grid_in_words(more.replace({"runs": {1769: 1768}}))


@pytest.mark.parametrize("more, said", [(0.0, "no loss was found"), (0.1, "the two do differ")])
def test_the_accuracy_of_a_plain_loop(more, said):
    scores = pd.DataFrame({"repetition": [0, 1, 2] * 2, "way": ["ours"] * 3 + ["plain loop"] * 3,
                           "accuracy": [0.5 + more, 0.6 + more, 0.7 + more, 0.51, 0.6, 0.69]})
    scores = pd.concat([scores.assign(machine="2 cores, X"), scores.replace("ours", "side_by_side").assign(machine="1 card")])
    told = sentences.plain_loop_in_words(scores)
    assert told.count(said) == 2 and "On 1 card, over 3 samples, the mean accuracy is 60.0 % with the plain loop. It is" in told
    table = tables.plain_loop_table(scores)
    assert table["On"].tolist() == ["2 cores, X"] * 3 + ["1 card"] * 3
    assert table["Here: difference, points"].tolist()[1:4:2] == ["+10.0" if more else "0.0", "–"]
    assert table["Here, side by side: difference, points"].tolist()[1:5:3] == ["–", "+10.0" if more else "0.0"]


def test_several_processes_beside_one():
    measured = pd.DataFrame({"processes": [1, 2], "threads": [2, 1], "train_texts_a_second": [70.0, 84.0],
                             "predict_texts_a_second": [200.0, 250.0], "peak_mb": [1800.0, 3600.0]})  # fmt: skip
    assert sentences.together_in_words(measured) == (
        "2 processes with 1 thread each train on 1.20 times as many texts a second as one with 2, predict 1.25 times as many, and "
        "hold 2.0 times the memory.")
    assert tables.together_table(measured)["Trained, times one process"].tolist() == ["1.00", "1.20"]
    assert "nothing to divide" in sentences.together_in_words(measured.head(1))


def test_how_far_runs_lie_apart_that_were_computed_twice():
    cells = pd.DataFrame({"dataset": ["isear", "isear", "cfpb"], "encoder": "minilm", "setting": ["base", "clust", "clust"],
                          "clustering": ["", "sib", "kmeans"], "recipe": "paper", "budget": [64, 64, 128],
                          "runs": [5, 5, 2], "before": [0.30, 0.40, 0.5], "after": [0.31, 0.40, 0.475], "p": [0.04, 0.9, 0.5],
                          "sem": [0.02, 0.03, 0.02], "device_before": ["cpu", "cpu", "a card"], "device": "a card"})
    said = sentences.again_in_words(cells, {"cfpb": "CFPB"})
    assert said.startswith("12 runs were computed twice, 10 on cpu and the second time on a card and 2 on a card both times. ")
    assert "of the 3 cells of the grid are 1.00 points apart in the median, 2.35 or less" in said
    assert "at most 2.50 (CFPB, IT:CLUST on k-means, recipe paper, 128 labels); the second ones are −0.50 points higher" in said
    assert "is 50 % of the standard error that such a mean has over samples of labels, and more than all of it in 33.3 % of" in said
    assert said.endswith("Of the 2 cells of the grid with 3 such runs or more, 1 (50.0 %) differ by a paired t-test at .05, by "
                         "which 5 % do if nothing differs, and none with all tests corrected together (Holm).")
    one = sentences.again_in_words(cells.tail(1).assign(sem=float("nan")))
    assert "t-test" not in one and "standard error" not in one and "of the one cell of the grid" in one
    assert "(isear, plain, recipe paper, 64 labels)" in sentences.again_in_words(cells.head(2).replace("", float("nan")))
    assert "IT:CLUST on k-means, another, recipe" in sentences.again_in_words(cells.assign(encoder=["minilm", "minilm", "another"]))
    assert sentences.again_in_words(cells.head(0)) == "There are no runs that were computed twice."
