"""The paper's numbers beside ours: the claims as printed, each rule by hand, and the verdicts that are expected."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cluster_tune import __main__, datasets, design, paths, results, verdicts
from cluster_tune.errors import InputError
from cluster_tune.verdicts import Found

EMPTY = pd.DataFrame()


def claim(rule, printed="", measure="", dataset="", budget="", setting="", precision="", why="because"):
    return SimpleNamespace(id="x", where="Table 2", what="w", printed=printed, shown="", unit="", precision=precision,
                           rule=rule, measure=measure, dataset=dataset, budget=budget, setting=setting, why=why)


def runs(base, clust, dataset="isear", budget=64, recipe="paper", encoder="minilm"):
    """Accuracies of two settings over the same samples."""
    rows = [(dataset, encoder, setting, "sib" if setting == "clust" else "", recipe, budget, i, value, f"{dataset}{i}")
            for setting, values in (("base", base), ("clust", clust)) for i, value in enumerate(values)]
    columns = ["dataset", "encoder", "setting", "clustering", "recipe", "budget", "repetition", "accuracy",
               "sample_fingerprint"]
    return pd.DataFrame(rows, columns=columns)


def evidence(frame=None, encoder="minilm", **more):
    sizes, printed = (results.published(f"paper_{n}") for n in ("table1_datasets", "table2_accuracy_at_64"))
    frame = runs([], []) if frame is None else frame
    given = dict.fromkeys(("data", "reference", "agreement", "distances", "projection"), EMPTY)
    given |= {"aside": frame.assign(n_clusters=0).iloc[:0], **more}
    return verdicts.Evidence(encoder, frame, **given, sizes=sizes, printed=printed)


def decide(one, found, encoder="minilm"):
    return verdicts._decide(one, found, encoder)[0]


# --- the claims, as declared

CLAIMS = verdicts.claims()


def test_every_claim_is_named_once_and_knows_its_rule_and_measure():
    assert CLAIMS["id"].is_unique and set(CLAIMS["rule"]) <= set(verdicts.RULES)
    assert set(CLAIMS["measure"]) - {""} == set(verdicts.MEASURES)  # none undeclared, none unused
    declared = CLAIMS["rule"].isin(["other", "none", "slip"])
    assert (CLAIMS.loc[declared, "why"] != "").all()
    assert (CLAIMS.loc[~declared, "measure"] != "").all()
    assert verdicts.DEPEND_ON_RECIPE <= set(verdicts.MEASURES)


def test_the_tables_are_printed_as_they_were_typed_in_before():
    """Two files, typed in apart from each other, hold the same Tables 1 to 3."""
    printed = CLAIMS.set_index("id")["printed"]
    for row in results.published("paper_table1_datasets").itertuples():
        three = [int(printed[f"table1.{row.dataset}.{part}"]) for part in ("train", "test", "classes")]
        assert three == [row.train, row.test, row.classes]
    for row in results.published("paper_table2_accuracy_at_64").itertuples():
        name = {"avg_topical": "topical", "avg_non_topical": "other"}.get(row.dataset, row.dataset)
        four = [float(printed[f"table2.{name}.{what}"]) for what in ("base", "clust", "gain", "reduction")]
        assert four == [row.bert, row.bert_it_clust, row.gain_pct, row.error_reduction_pct]
    for row in results.published("paper_table3_p_values").itertuples():
        for budget in [row.train_size] if row.train_size != "gt512" else ["768", "1024"]:
            for name, p in (("base", row.p_vs_bert), ("mlm", row.p_vs_bert_it_mlm)):
                here = printed[f"table3.{name}.{budget}"]
                assert here == "-" if pd.isna(p) else float(here) == p


def test_settings_in_the_text_are_those_that_were_typed_in_before():
    known = results.published("paper_settings_in_text").set_index("item")["value"]
    printed = CLAIMS.set_index("id")["printed"]
    keys = {
        "k_clusters": "clusters", "sib_restarts": "restarts", "sib_max_iter": "passes", "lr": "rate", "batch": "batch",
        "vocabulary": "vocabulary", "max_len": "length", "finetune_epochs": "epochs", "repetitions": "repetitions",
        "inter_clust_epochs": "inter_epochs", "inter_mlm_epochs": "mlm_epochs", "inter_minutes_15k_v100": "minutes",
    }  # fmt: skip
    for item, key in keys.items():
        assert float(printed[f"text.3.2.{key}"]) == float(known[item]), item
    assert known["budgets"] == "|".join(map(str, design.BUDGETS))


# --- the rules

def test_exact_is_to_the_last_printed_digit():
    assert decide(claim("exact", "5400", precision="100"), Found(5366, "")) == "exact"
    assert decide(claim("exact", "5400", precision="100"), Found(5349, "")) == "fails"
    assert decide(claim("exact", "70/10/20"), Found(np.nan, "70/10/20")) == "exact"
    assert decide(claim("arithmetic", "110", precision="1"), Found(84.3, "")) == "slip"
    assert decide(claim("setting", "50", precision="1"), Found(50, "")) == "as set"
    assert decide(claim("setting", "50", precision="1"), Found(40, "")) == "fails"


def test_statistical_is_for_the_paper_s_encoder_alone():
    found = Found(80.0, "", 78.0, 82.0)  # two points either way, and as much around the printed number
    assert decide(claim("statistical", "83.9"), found, "bert-base") == "statistical"
    assert decide(claim("statistical", "84.1"), found, "bert-base") == "fails"
    assert decide(claim("statistical", "80.0"), found, "minilm") == "not comparable"


@pytest.mark.parametrize("printed, low, high, verdict", [
    ("117", 1, 9, "directional"), ("117", -9, -1, "fails"), ("117", -1, 9, "undecided"), ("-3", -9, -1, "directional"),
    ("+", 1, 9, "directional"), ("-", 1, 9, "fails"), ("0", -1, 1, "undecided"), ("0", 1, 2, "fails"), ("0", -2, -1, "fails"),
])
def test_a_sign_is_decided_by_its_interval(printed, low, high, verdict):
    assert decide(claim("sign", printed), Found(0, "", low, high)) == verdict


def test_significance_goes_both_ways():
    outcomes = {(p, q): decide(claim("significance", p), Found(q, "")) for p in ("1e-6", "-") for q in (0.01, 0.2)}
    assert [key for key, verdict in outcomes.items() if verdict == "directional"] == [("1e-6", 0.01), ("-", 0.2)]


def test_what_is_declared_stays_so_and_what_is_missing_is_not_attempted():
    assert [decide(claim(rule), None) for rule in ("slip", "other")] == ["slip", "not comparable"]
    assert decide(claim("none"), None) == "not attempted"
    assert decide(claim("other", measure="accuracy"), None) == "not attempted"
    assert decide(claim("sign", "3", "change"), None) == "not attempted"
    with pytest.raises(InputError, match="unknown rule 'sgin'; did you mean 'sign'"):
        decide(claim("sgin"), None)


# --- the measures

def found(frame, one, recipe="paper", **more):
    return verdicts.MEASURES[one.measure](evidence(frame, **more), one, recipe)


def test_the_paper_s_arithmetic():
    """Yahoo! 21.2 to 45.9; the averages by hand: 26.883, 49.55; (117 + 115 + ...) / 6; 49.55 / 26.883 - 1."""
    def value(measure, dataset, setting):
        return found(None, claim("arithmetic", measure=measure, dataset=dataset, setting=setting)).value
    assert value("of_table_2", "yahoo_answers", "gain") == pytest.approx(100 * 24.7 / 21.2)
    assert value("of_table_2", "yahoo_answers", "reduction") == pytest.approx(100 * 24.7 / 78.8)
    assert value("mean_of_table_2", "topical", "base") == pytest.approx(161.3 / 6)
    assert value("mean_of_table_2", "topical", "gain") == pytest.approx(110.1, abs=0.05)
    assert value("of_means_of_table_2", "topical", "gain") == pytest.approx(100 * (297.3 / 161.3 - 1))
    assert value("of_means_of_table_2", "other", "reduction") == pytest.approx(100 * (256.2 - 247.9) / (300 - 247.9))
    assert value("product", "", "runs") == 4 * 9 * 8 * 5 and value("product", "", "epochs") == 9 * 32
    assert value("product", "", "hours") == pytest.approx(5.5 / 60 * (94 / 15 * 32 + 1440 * 10 * 416 / 15000))
    assert value("rank_of_reduction", "sms_spam", "") == 1


def test_accuracy_and_change():
    frame = runs([0.2, 0.2, 0.2, 0.2, 0.2], [0.3, 0.4, 0.4, 0.4, 0.5])
    here = found(frame, claim("statistical", measure="accuracy", dataset="isear", budget="64", setting="clust"))
    assert (here.text, here.value) == ("40.0 ± 3.2", pytest.approx(40))
    assert here.high - here.value == pytest.approx(2.7764 * 100 * np.sqrt(0.005) / np.sqrt(5), rel=1e-3)
    cell = {"measure": "change", "dataset": "isear", "budget": "64"}
    gain, reduction = (claim("sign", **cell, setting=which) for which in ("gain", "reduction"))
    assert found(frame, gain).value == pytest.approx(100)
    assert found(frame, gain).low == pytest.approx(20 - 8.78, abs=0.01)
    assert found(frame, reduction).value == pytest.approx(25)
    assert found(frame, claim("sign", measure="change", dataset="isear", budget="128", setting="gain")) is None
    assert found(frame, gain, "trained") is None


def test_averages_need_three_data_sets_and_take_20_newsgroups_at_128():
    parts = [runs([0.2] * 3, [0.4] * 3, "isear"), runs([0.5] * 3, [0.6] * 3, "ag_news"),
             runs([0.1] * 3, [0.4] * 3, "20_newsgroups", 128), runs([0.9] * 3, [0.1] * 3, "20_newsgroups", 64)]
    one = claim("sign", "110", "mean", "topical", setting="gain")
    assert found(pd.concat(parts[:2]), one) is None
    here = found(pd.concat(parts), one)
    assert here.value == pytest.approx((100 + 20 + 300) / 3) and here.text == "140 (3 of 6 data sets)"


def test_pooled_tests_need_three_data_sets():
    rng = np.random.default_rng(0)
    bases = {name: rng.uniform(0.3, 0.4, 5) for name in ("isear", "ag_news", "cfpb")}
    parts = [runs(base, base + 0.1 + rng.normal(0, 0.01, 5), name) for name, base in bases.items()]
    one = claim("significance", "1e-6", "test", budget="64", setting="base")
    assert found(pd.concat(parts[:2]), one) is None
    assert found(pd.concat(parts), one).value < 1e-6 and "(3 of 9 data sets)" in found(pd.concat(parts), one).text
    whole, other = pd.concat(parts), {"base": "clust", "clust": "base"}
    worse = whole.assign(setting=whole["setting"].map(other), clustering="")
    assert found(worse, one).value == 1.0  # significant, but a loss
    dash = claim("significance", "-", "test", budget="64", setting="base")
    assert found(worse, dash).value < 1e-6  # where the paper finds no difference, a loss is one
    assert decide(one, found(whole, one)) == "not comparable"
    assert found(whole, one).unlike.startswith("without Yahoo! Answers, DBpedia, ") and "Newsgroups" not in found(whole, one).unlike
    pooled = found(pd.concat(parts), claim("sign", "+", "pooled", budget="64", setting="base>clust"))
    assert pooled.low > 8 and pooled.value == pytest.approx(10, abs=1)


def test_the_largest_block_without_a_gap_is_found_where_no_row_has_its_budgets():
    wide = pd.DataFrame({64: [1, 1, 1], 128: [1, 1, None], 256: [1, None, 1], 512: [None, 1, None], 768: [None, None, 1]},
                        list("abc"))
    block = verdicts._largest_block(wide)
    assert block.shape == (2, 2) and 64 in block and not block.isna().any(axis=None)


def test_two_rows_are_not_taken_for_the_many_budgets_that_they_have():
    wide = pd.DataFrame({budget: [1.0, 2.0, *([3.0] * 3 if budget < 192 else [float("nan")] * 3)] for budget in range(64, 576, 64)})
    wide[160] = 1.0
    block = verdicts._largest_block(wide)
    assert len(block) == 5 and list(block.columns) == [64, 128, 160] and block.size < wide.iloc[:2].size


def test_the_gain_diminishes_or_does_not():
    def at(gains):
        return pd.concat([runs([0.3] * 3, [0.3 + gain] * 3, name, budget) for name in ("isear", "ag_news", "cfpb")
                          for budget, gain in zip((64, 128, 256), gains, strict=True)])
    one = claim("holds", measure="diminishes")
    assert found(at((0.2, 0.1, 0.0)), one).value == 1 and found(at((0.1, 0.2, 0.0)), one).value == 0
    assert "64: 20.0, 128: 10.0, 256: 0.0" in found(at((0.2, 0.1, 0.0)), one).text
    assert found(at((-0.1, -0.15, -0.2)), one).value == 0  # a loss that grows is no gain that gets smaller
    tail = at((0.2, -0.01, 0.0))  # what rises in one data set, and falls in another, is no rise
    tail.loc[(tail["dataset"] == "cfpb") & (tail["setting"] == "clust") & (tail["budget"] == 256), "accuracy"] -= 0.02
    assert found(tail, one).value == 1 and "128: −1.0, 256: −0.7" in found(tail, one).text
    rise = at((0.2, 0.0, 0.02))
    for budget, more in {128: 0.085, 256: 0.1}.items():  # p is .03, .048 and .04, three times .03 with all pairs corrected together
        rise.loc[(rise["dataset"] == "cfpb") & (rise["setting"] == "clust") & (rise["budget"] == budget), "accuracy"] += more
    assert decide(one, found(rise, one)) == "undecided"
    waves = {"isear": (0, 2, -1, 0), "ag_news": (0, -1, 2, 0), "cfpb": (0, 1, 1, 1)}  # so that no step is clear, but all are
    slowly = pd.concat([runs([0.3] * 3, [0.3 + gain + more / 100] * 3, name, budget) for name, wave in waves.items()
                        for budget, gain, more in zip((64, 128, 256, 512), (0.3, 0.0, 0.015, 0.05), wave, strict=True)])
    assert found(slowly, one).value != 1
    unsure = at((0.2, 0.1, 0.0))
    unsure.loc[(unsure["dataset"] == "cfpb") & (unsure["setting"] == "clust") & (unsure["budget"] == 64), "accuracy"] = 0.1
    assert decide(one, found(unsure, one)) == "undecided"
    later = pd.concat([at((0.2, 0.1, 0.0)), *(runs([0.3] * 3, [0.35] * 3, "dbpedia", budget) for budget in (128, 256, 512))])
    assert found(later, one).text == found(at((0.2, 0.1, 0.0)), one).text  # what lacks the smallest budget is left out
    longer = pd.concat([later, *(runs([0.3] * 3, [0.35] * 3, name, 512) for name in ("isear", "ag_news", "cfpb"))])
    assert "512: 5.0" in found(longer, one).text and found(longer, one).value == 0


def test_safe_is_what_hurts_nowhere():
    one = claim("holds", measure="safe")
    fine = [runs([0.3, 0.31, 0.3], [0.5, 0.5, 0.51], name) for name in ("isear", "ag_news")]
    assert found(pd.concat(fine), one) is None  # two data sets are not enough for a none
    fine.append(runs([0.3, 0.4, 0.3], [0.31, 0.4, 0.29], "cfpb"))
    assert decide(one, found(pd.concat(fine), one)) == "undecided"  # three of nine say nothing of a none
    rest = [runs([0.3, 0.4, 0.3], [0.31, 0.4, 0.29], name) for name in evidence().sizes["dataset"]
            if name not in ("isear", "ag_news", "cfpb")]
    assert decide(one, found(pd.concat([*fine, *rest]), one)) == "directional"
    lower = runs([0.30, 0.30, 0.30], [0.30 - d for d in (0.06, 0.10, 0.14)], "polarity")  # p is .049 alone, four times that of four
    here = found(pd.concat([*fine, lower]), one)
    assert decide(one, here) == "undecided" and here.text.startswith("clearly below plain: Polarity at 64, of 4 pairs")
    sure = runs([0.30, 0.30, 0.30], [0.20, 0.20, 0.201], "polarity")
    assert decide(one, found(pd.concat([*fine, sure]), one)) == "fails"


def test_clusterings_compare_all_three():
    def parts(lead):
        found = []
        for name, best in (("isear", "sib"), ("ag_news", "sib"), ("cfpb", "kmeans"), ("dbpedia", "sib"), ("polarity", "sib")):
            for clustering in design.CLUSTERINGS:
                frame = runs([], [0.5 + (lead if best == "sib" else 0.02) * (clustering == best)] * 2, name)
                found.append(frame.assign(clustering=clustering))
        unseen = runs([], [0.0], "isear").assign(clustering="sib", repetition=2)  # a sample that the others have not seen
        return [*found, unseen]

    one = claim("holds", measure="clusterings")
    here = found(pd.concat(parts(0.1)), one)
    assert here.value == 1 and here.text.startswith("sIB ahead in 4 of 5 data sets; mean lead in points over k-means 7.6 [")
    assert decide(one, found(pd.concat(parts(0.01)), one)) == "undecided"  # ahead in as many, but by less than it is behind in one
    assert found(pd.concat(parts(0.1)[:12]), one) is None  # four of nine tell nothing of most


def test_as_many_clusters_as_classes():
    names = {"isear": 7, "ag_news": 4, "sms_spam": 2}
    frame = pd.concat([runs([], [0.6] * 2, name) for name in names])
    aside = pd.concat([runs([], [0.5 - k / 100] * 2, name).assign(n_clusters=classes)
                       for k, (name, classes) in enumerate(names.items())])
    one = claim("sign", "+", "as_classes")
    assert found(frame, one, aside=aside).value == pytest.approx(11)
    assert found(frame, one, aside=aside.assign(n_clusters=20)) is None
    others = aside.assign(clustering="kmeans", accuracy=0.1)
    assert found(frame, one, aside=pd.concat([aside, others])).value == pytest.approx(11)


def test_fewer_epochs_on_masked_words_are_told():
    names = ("isear", "ag_news", "cfpb")
    frame = pd.concat([runs([0.3, 0.31, 0.3], [0.5, 0.5, 0.51], name) for name in names])
    epochs = 3 * (frame["setting"] == "base")
    frame = frame.assign(setting=frame["setting"].replace({"base": "mlm"}), mlm_epochs=epochs)
    one = claim("sign", "+", "pooled", budget="64", setting="mlm>clust")
    assert found(frame, one).text.endswith("(3 of 9 data sets)")
    assert found(frame, one).unlike == "masked words for 3 epochs; in the paper for 30"
    assert decide(one, found(frame, one)) == "not comparable"
    assert decide(one, found(frame.assign(mlm_epochs=30), one)) == "directional"
    mixed = frame.assign(mlm_epochs=epochs.mask(frame["dataset"] == "isear", (epochs > 0).astype(int)))
    assert found(mixed, one).unlike == "masked words for 1 or 3 epochs, by data set; in the paper for 30"
    partly = frame.assign(mlm_epochs=epochs.mask(frame["dataset"] == "isear", 30 * (epochs > 0)))
    assert found(partly, one).unlike == "masked words for 3 epochs on some data sets; in the paper for 30"


def test_how_far_the_runs_have_got_with_a_setting():
    masked = runs([0.3], [0.4], budget=256).assign(mlm_epochs=[0, 5])
    texts = {key: found(masked, claim("setting", measure="setting", setting=key)).text
             for key in ("most", "budgets", "mlm_epochs", "batch")}
    assert texts == {"most": "1,024 (in the runs so far: 256)", "budgets": "8 (in the runs so far: 1)",
                     "mlm_epochs": "30 (in the runs so far: 5)", "batch": "64"}
    assert found(None, claim("setting", measure="setting", setting="most")).text == "1,024"


def test_groups_apart_have_an_interval():
    """Gains of 100 and 50 % against 10 and 20: 60 apart; Welch's error sqrt(625 + 25)."""
    parts = [runs([0.2] * 3, [0.4] * 3, "isear"), runs([0.4] * 3, [0.6] * 3, "ag_news"),
             runs([0.5] * 3, [0.55] * 3, "polarity"), runs([0.5] * 3, [0.6] * 3, "subjectivity")]
    here = found(pd.concat(parts), claim("sign", "+", "groups_apart", setting="gain"))
    assert here.value == pytest.approx(60) and here.low < 0 < here.high
    assert here.text.startswith("75 % against 15 %, 60 [−")
    assert found(pd.concat(parts[:3]), claim("sign", "+", "groups_apart", setting="gain")) is None


def test_classes_come_apart_in_maps():
    """Two classes in turn along a line have no neighbour of their own; sorted, all but the two in the middle may not."""
    line = pd.DataFrame({"x": [0, 1, 2.1, 3.3], "y": 0.0})
    maps = [line.assign(dataset=name, setting=setting, clustering="" if setting == "base" else "sib",
                        recipe="" if setting == "base" else "paper", label=list(labels))
            for name, before, after in (("isear", "abab", "aabb"), ("ag_news", "aabb", "abab"), ("polarity", "aabb", "abab"))
            for setting, labels in (("base", before), ("clust", after))]
    projection = pd.concat(maps)
    here = found(None, claim("holds", measure="separation"), projection=projection)
    assert (here.value, here.text) == (0.0, "clearer in 1 by nearest neighbours and in 1 by silhouettes (2 of 6 data sets)")
    assert found(None, claim("holds", measure="separation")) is None
    # Two islands of a class on either side of the other: neighbours are all of one class, and yet classes are not apart.
    islands = pd.DataFrame({"x": [0, 0.1, 10, 10.1, 20, 20.1], "y": 0.0})
    kept = [islands.assign(dataset="isear", setting=setting, clustering=clustering, recipe=recipe, label=list(labels))
            for setting, clustering, recipe, labels in (("base", "", "", "abbbba"), ("clust", "sib", "paper", "aabbaa"))]
    here = found(None, claim("holds", measure="separation"), projection=pd.concat(kept))
    assert here.text.startswith("clearer in 1 by nearest neighbours and in ")
    assert found(None, claim("sign", "+", "separation_and_gain"), projection=projection) is None  # three say nothing


def test_against_a_reference_method():
    names = ("isear", "ag_news", "cfpb")
    frame = pd.concat([runs([0.2] * 2, [0.6] * 2, name) for name in names])
    rows = [(name, "nb_bow", 64, i, 0.5 + 0.01 * k) for k, name in enumerate(names) for i in range(2)]
    reference = pd.DataFrame(rows, columns=["dataset", "method", "budget", "repetition", "accuracy"])
    here = found(frame, claim("sign", "+", "against_method", setting="nb_bow"), reference=reference)
    assert here.value == pytest.approx(9) and here.low == pytest.approx(9 - 4.303 / np.sqrt(3), abs=0.01)
    assert here.text.endswith("; with fewest labels 9.0 [6.5, 11.5]")
    more = pd.concat([frame, frame.assign(budget=128)])
    later = pd.concat([reference, reference.assign(budget=128, accuracy=0.6)])  # level there
    here = found(more, claim("sign", "+", "against_method", setting="nb_bow"), reference=later)
    assert here.value == pytest.approx(4.5) and here.text.endswith("; with fewest labels 9.0 [6.5, 11.5]")


def test_the_lowest_nmi_are_undecided_where_seeds_do_not_tell():
    def agreement(following):
        levels = dict.fromkeys(datasets.kinds(), 0.5) | {
            "isear": following, "sms_spam": 0.1, "subjectivity": 0.05, "polarity": 0.01}
        rows = [(name, "sib", seed, level + 0.01 * seed) for name, level in levels.items() for seed in (-1, 0, 1)]
        return pd.DataFrame(rows, columns=["dataset", "clustering", "seed", "nmi"])

    one = claim("holds", measure="lowest_nmi")
    assert decide(one, found(None, one, agreement=agreement(0.3))) == "directional"
    near = found(None, one, agreement=agreement(0.11))
    assert decide(one, near) == "undecided" and near.text.endswith("(SMS spam not told from ISEAR, which follows)")
    assert decide(one, found(None, one, agreement=agreement(0.09))) == "fails"


def test_data_sets_that_begin_later_are_named():
    names = [name for name in datasets.kinds() if datasets.info(name).paper_train and name != "20_newsgroups"]
    frame = pd.concat([runs([0.3, 0.31, 0.3], [0.5, 0.5, 0.51], name) for name in names])
    here = found(frame, claim("significance", "1e-6", "test", budget="64", setting="base"))
    assert here.text.endswith("(8 data sets; 20 Newsgroups begins at 128)") and not here.unlike


def test_embeddings_before_and_after():
    rows = [("isear", "base", "", "", 0.9, 2.0, 0.0009), ("isear", "clust", "sib", "paper", 0.8, 6.0, 0.0009)]
    columns = ["dataset", "setting", "clustering", "recipe", "ned", "permuted", "p"]
    distances = pd.DataFrame(rows, columns=columns)
    assert found(None, claim("holds", measure="ned"), distances=distances).value == 1
    assert found(None, claim("other", measure="dispersed"), distances=distances).value == 3
    assert found(None, claim("holds", measure="permuted"), distances=distances).value == 1
    assert found(None, claim("holds", measure="ned"), "trained", distances=distances) is None


def test_what_is_said_in_passing_of_embeddings():
    def measured(norm, macro, cosine):
        rows = [(name, *start, *values) for name in ("isear", "polarity", "cfpb") for start, values in (
            (("base", "", ""), (0.9, 2.0, 4.0, 0.9, 0.9)), (("clust", "sib", "paper"), (0.8, 6.0, norm, macro, cosine)))]
        columns = ["dataset", "setting", "clustering", "recipe", "ned", "permuted", "norm", "ned_macro", "ned_cosine"]
        return pd.DataFrame(rows, columns=columns)

    norms, alike = claim("holds", measure="norms"), claim("holds", measure="footnote_8")

    def verdict(one, *values):
        return decide(one, found(None, one, distances=measured(*values)))

    assert verdict(norms, 5, 0.8, 0.8) == "directional" and verdict(norms, 3, 0.8, 0.8) == "directional"
    assert verdict(norms, 10, 0.8, 0.8) == "fails"
    assert verdict(alike, 5, 0.8, 0.85) == "directional" and verdict(alike, 5, 0.95, 0.8) == "fails"
    assert verdict(alike, 5, 0.8, 0.902) == "undecided"  # hardly a change
    told = found(None, alike, distances=measured(5, 0.8, 0.95)).text
    assert told.startswith("the same way in 3 by macro average and in 0 by cosine (3 of ")
    assert found(None, norms, distances=measured(5, 1, 1)[["dataset", "setting", "clustering", "recipe", "ned"]]) is None


# --- what is expected

def test_the_verdicts_are_the_accepted_ones():
    """Fails when a verdict changes: look at the change, then `cluster-tune verdicts --accept`."""
    judged = verdicts.judge(CLAIMS, verdicts.evidence())
    assert verdicts.changes(judged, verdicts.expected()) == []


def test_a_change_is_told():
    judged = verdicts.judge(CLAIMS, verdicts.evidence())
    other = judged.assign(verdict=judged["verdict"].where(judged["id"] != "again.4.gain", "exact"))
    assert verdicts.changes(judged, other) == ["again.4.gain: exact before, slip now"]
    assert verdicts.changes(judged, other.iloc[1:])[0].endswith("which is new")
    assert verdicts.changes(judged.iloc[1:], judged) == [f"{judged['id'].iloc[0]}: no longer a claim"]


def test_another_accuracy_changes_a_verdict():
    """Runs in which inter-training harms turn a verdict round."""
    some = evidence(runs([0.5, 0.52, 0.5, 0.5, 0.5], [0.3, 0.3, 0.31, 0.3, 0.3], "ag_news"))
    better = replace(some, runs=runs([0.3, 0.3, 0.31, 0.3, 0.3], [0.5, 0.52, 0.5, 0.5, 0.5], "ag_news"))
    one = CLAIMS[CLAIMS["id"] == "table2.ag_news.gain"]
    assert verdicts.judge(one, some)["verdict"].item() == "fails"
    assert verdicts.judge(one, better)["verdict"].item() == "directional"


def test_an_empty_store_is_judged(store):
    judged = verdicts.judge(CLAIMS, verdicts.evidence())
    assert set(judged["verdict"]) == {"exact", "as set", "slip", "not comparable", "not attempted"}
    assert verdicts.counts(judged)["all"].sum() == len(CLAIMS)
    assert "0 are findings that could be tested" in verdicts.in_words(judged)


def test_the_command_tells_and_refuses_until_accepted(store, capsys, monkeypatch):
    monkeypatch.setattr("cluster_tune.pages.refresh", lambda file: file.name)  # the page has its own test
    assert __main__.main(["verdicts"]) == 2
    out, err = capsys.readouterr()
    assert "again.4.gain: slip, which is new" in out and "run it with --accept" in err
    assert __main__.main(["verdicts", "--accept"]) == 0 and (paths.results() / "verdicts.csv").is_file()
    capsys.readouterr()
    assert __main__.main(["verdicts"]) == 0
    assert capsys.readouterr().out == f"{len(CLAIMS)} claims, 0 verdicts changed\n"


def test_others_stand_beside():
    table = verdicts.beside_others(evidence(runs([0.5], [0.6], "dbpedia", 64)))
    first = table[(table["Who"] == "BERT, README of the authors' code") & (table["Labels"] == 64)].iloc[0]
    shown = ["Theirs", "The paper", "Ours, paper recipe", "Ours, trained recipe"]
    assert first[shown].tolist() == ["36.0", "31.2", "50.0", "–"]


def test_the_rerun_by_others_stands_beside_the_same_data_sets():
    """By hand, without CFPB: (21.2 + 31.2 + 13 + 61.9 + 19) / 5 = 29.26."""
    table = verdicts.rerun_by_others()
    assert table.loc["BERT"].tolist() == ["29.3", "28.4", "82.6", "81.0"]
    assert table.loc["BERT IT:CLUST"].tolist() == ["54.0", "54.5", "85.4", "85.7"]
