"""Figures: that what is drawn is what the frame says, always the same, and safe whatever the texts hold."""

import re
import subprocess
import sys
import warnings
from io import BytesIO
from itertools import combinations

import matplotlib
import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cluster_tune import design, figures, paths, tables
from cluster_tune.errors import InputError


def runs(datasets=("a",), recipes=("paper", "trained"), settings=("base", "clust"), budgets=(64, 128)) -> pd.DataFrame:
    frame = pd.DataFrame(map(vars, design.combine(datasets, "e", settings, recipes, budgets)))
    rng = np.random.default_rng(0)
    return frame.assign(accuracy=rng.uniform(0.3, 0.8, len(frame)), data_fingerprint=frame["dataset"])


def points(classes: int, texts: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2 * texts, 2)), columns=["x", "y"])
    labels = np.char.add("class ", rng.integers(classes, size=texts).astype(str))
    return frame.assign(label=np.tile(labels, 2), panel=np.repeat(["before", "after"], texts))


def all_figures() -> dict:
    losses = pd.DataFrame({"update": range(1, 101), "loss": np.linspace(4, 2, 100)})
    return {
        "curves": figures.learning_curves(runs()), "classes": figures.class_sizes(list("aaabbc")),
        "lengths": figures.text_lengths([3, 1] * 9), "clusters": figures.cluster_sizes([0, 0, 1]),
        "losses": figures.losses(losses, 50), "points": figures.projections(points(3)), "method": figures.method(),
    }


def test_every_figure_is_the_same_bytes_each_time_whatever_the_reader_has_set():
    first = {name: figures.show(figure).png for name, figure in all_figures().items()}
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 10}):
        again = {name: figures.show(figure).png for name, figure in all_figures().items()}
    assert first == again


def test_pictures_are_sharp_small_and_carry_no_date():
    for figure in all_figures().values():
        png = figures.show(figure).png
        image = Image.open(BytesIO(png))
        assert image.width == 2 * figures.SHOWN and set(image.info) <= {"dpi", "transparency"}
        assert len(png) < 150_000


def test_every_figure_says_what_it_shows():
    for name, figure in all_figures().items():
        assert len(figures.alt_text(figure)) > 40, name
    alt = figures.alt_text(all_figures()["clusters"])
    assert alt == "Bars: sizes of 2 clusters, from 2 to 1 texts."


def test_a_notebook_gets_one_png_with_its_alternative_text():
    picture = figures.show(figures.method(), 'say "hello" <b>')
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"} and not hasattr(picture, "_repr_html_")
    assert metadata["image/png"] == {"alt": 'say "hello" <b>', "width": figures.SHOWN}
    assert '<img alt="say &quot;hello&quot; &lt;b&gt;" width="720" src="data:image/png;base64,' in picture.html


def test_nothing_of_pyplot_is_loaded():
    code = "import sys, cluster_tune.figures as f; f.show(f.method()); sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_one_look_a_setting():
    assert list(figures.SETTINGS) == list(tables.TITLES) and set(tables.TITLES) == set(design.SETTINGS)
    assert list(tables.RECIPES) == [name for name in design.RECIPES if name not in (*design.SWEEP, design.CROSSED)]
    assert tables.CROSSED == design.CROSSED
    for part in zip(*figures.SETTINGS.values(), strict=True):
        assert len(set(map(str, part))) == len(design.SETTINGS)


def test_curves_are_means_with_their_sem():
    frame = runs(settings=("clust",), recipes=("paper",), budgets=(64, 128))
    (line,) = figures.learning_curves(frame).axes[0].containers
    cells = frame.groupby("budget")["accuracy"]
    assert line[0].get_ydata() == pytest.approx(100 * cells.mean().to_numpy())
    low, high = line[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(100 * cells.std(ddof=1)[64] / np.sqrt(5))
    assert line[0].get_xdata() == pytest.approx([64, 128])


def test_panels_are_recipes_or_data_sets():
    assert [axes.get_title(loc="left") for axes in figures.learning_curves(runs()).axes] == [
        "The paper's recipe", "The trained recipe"]
    nine = figures.learning_curves(runs("abcdefghi", ("paper",)), panel="dataset", columns=3, titles={"a": "Set A"})
    assert [axes.get_title(loc="left") for axes in nine.axes] == ["Set A", *"bcdefghi"]


def test_panels_without_runs_say_so_and_stars_are_what_the_paper_prints():
    printed = pd.DataFrame({"dataset": ["a", "c"], "budget": [64, 128], "bert": [20.0, 30.0], "bert_it_clust": [40.0, 50.0]})
    frame = pd.concat([runs("a", ("paper",)), runs("b", ("paper",), budgets=(256,))])
    figure = figures.learning_curves(frame, "dataset", 3, {"c": "Set C"}, "abc", printed)
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], [], ["no runs yet"]]
    assert all(list(axes.get_xticks()) == [64, 128, 256] for axes in figure.axes)  # one axis for all panels
    stars = [line for line in figure.axes[2].lines if line.get_marker() == "*"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in stars] == [([128], [30.0]), ([128], [50.0])]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "plain", "IT:CLUST", "BERT, paper", "BERT IT:CLUST, paper"]
    assert "Set C: no runs yet." in figures.alt_text(figure)


def test_every_budget_has_a_tick_and_numbers_stay_apart():
    axes = figures.learning_curves(runs(recipes=("paper",), budgets=design.BUDGETS)).axes[0]
    assert list(axes.get_xticks()) == list(design.BUDGETS)
    assert [label for label in axes.xaxis.get_major_formatter().seq if label] == ["64", "128", "256", "512", "1024"]


def test_frames_that_mix_what_one_panel_must_not():
    for frame in (runs(("a", "b")), runs().assign(encoder=["x", "y"] * 20), pd.concat([runs(), runs()])):
        with pytest.raises(InputError):
            figures.learning_curves(frame)
    with pytest.raises(InputError):
        figures.learning_curves(runs(("a", "b")), panel="dataset")
    with pytest.raises(InputError, match="no runs"):
        figures.learning_curves(runs()[:0])
    with pytest.raises(InputError, match="no texts"):
        figures.text_lengths([])
    assert "100.0 % no more than 100." in figures.text_lengths([100] * 200).alt_text  # texts that were cut
    assert "99.5 % no more than 2." in figures.text_lengths([2] * 199 + [9]).alt_text


def test_bars_hold_the_counts():
    axes = figures.class_sizes(list("abbccc")).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1, 2, 3]
    axes = figures.cluster_sizes([0, 0, 0, 1, 1], list("xxyzz")).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [3, 2, 2, 2]


def test_losses_are_smoothed_by_the_width_the_axis_states():
    values = np.random.default_rng(0).normal(size=100)
    axes = figures.losses(pd.DataFrame({"update": range(100), "loss": values})).axes[0]
    assert axes.get_ylabel() == "loss, running mean of 5"
    assert axes.lines[1].get_ydata()[50] == pytest.approx(values[48:53].mean())


def test_losses_over_masked_words_have_a_panel_of_their_own():
    lines = [pd.DataFrame({"update": range(1, n + 1), "loss": high, "setting": setting, "recipe": "paper"})
             for setting, n, high in (("clust", 20, 3.0), ("mlm", 600, 7.0), ("mlm+clust", 20, 2.5))]  # fmt: skip
    above, below = (figure := figures.losses(pd.concat(lines), clusters=50)).axes
    assert (above.get_title("left"), below.get_title("left")) == ("predicting clusters", "predicting masked words")
    assert (above.get_xlim()[1] < 25, below.get_xlim()[1] > 500) == (True, True)
    assert len(below.lines) == 2 and not below.texts  # an even guess is of the clusters
    assert "IT:MLM, the paper's recipe: from 7.00 to 7.00 in 600 updates." in figure.alt_text
    for passes, said in ((5, "5 passes"), (1, "1 pass")):
        title = figures.losses(lines[1].assign(mlm_epochs=passes)).axes[0].get_title("left")
        assert title == f"predicting masked words, {said}"
    assert [axes.get_title("left") for axes in figures.losses(lines[0], clusters=50).axes] == [""]


def test_twenty_classes_have_twenty_looks_and_more_share_one():
    legend = figures.projections(points(20)).legends[0]
    keys = {(str(line.get_color()), str(line.get_marker())) for line in legend.get_lines()}
    assert len(keys) == 20
    texts = [text.get_text() for text in figures.projections(points(30)).legends[0].get_texts()]
    assert len(texts) == 20 and texts[-1] == figures.OTHER


def test_every_point_is_drawn():
    axes = figures.projections(points(30, texts=333)).axes[0]
    assert sum(len(part.get_offsets()) for part in axes.collections) == 333


def test_texts_of_a_data_set_are_neither_formulas_nor_warnings():
    nasty = ["$\\frac{1", "costs $5 or $6", "日本語 \U0001f600", "<script>\n", "w" * 10_000, "\x00\u202e", "a_b^c \\$"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.show(figures.class_sizes(nasty))
        figures.show(figures.projections(points(7).assign(label=(nasty * 60)[:400])))
        figures.show(figures.learning_curves(runs(("$x$",), ("paper",)), panel="dataset"))


# Reference methods and clusterings


def reference(datasets=("a", "b"), methods=tables.REFERENCE) -> pd.DataFrame:
    rows = [(name, method, budget, repetition, 0.4 + 0.01 * repetition, name)
            for name in datasets for method in methods for budget in (64, 128) for repetition in range(5)]
    return pd.DataFrame(rows, columns=["dataset", "method", "budget", "repetition", "accuracy", "data_fingerprint"])


def agreements(nmi: dict) -> pd.DataFrame:
    rows = [(name, key, seed, value * (1 + seed / 10)) for (name, key), value in nmi.items() for seed in (0, 1)]
    return pd.DataFrame(rows, columns=["dataset", "clustering", "seed", "nmi"])


def test_reference_curves_have_a_line_a_method_and_fine_tuned_models_beside_them():
    fine_tuned = runs(datasets=("a", "b", "c"), recipes=("paper",))
    figure = figures.reference_curves(reference(), fine_tuned, topical={"b": True})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["b", "a"]
    labels = [container.get_label() for container in figure.axes[0].containers]
    assert labels == ["plain", "IT:CLUST", *tables.REFERENCE.values()]
    points = figure.axes[0].containers[2].lines[0].get_ydata()
    assert np.allclose(points, 42) and "a: best at 128 labels is NB, BOW with 42.0 %" in figures.alt_text(figure)


def test_fine_tuned_models_on_other_texts_or_of_two_recipes_are_refused():
    with pytest.raises(InputError, match="data_fingerprint"):
        figures.reference_curves(reference(), runs(recipes=("paper",)).assign(data_fingerprint="other"))
    with pytest.raises(InputError, match="recipe"):
        figures.reference_curves(reference(), runs())
    with pytest.raises(InputError, match="there are no results of reference methods"):
        figures.reference_curves(reference()[:0])


def test_bars_of_agreement_are_the_means_with_topical_data_sets_above():
    found = agreements({("a", "sib"): 0.12, ("b", "sib"): 0.5, ("c", "sib"): 0.2, ("b", "kmeans"): 0.3})
    figure = figures.agreement(found, {"a": True, "b": False, "c": True}, {"c": "Set C"})
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Set C", "a", "b"]
    assert np.allclose([bar.get_width() for bar in axes.containers[1]], [0.21, 0.126, 0.525])
    assert [text.get_text() for text in axes.texts] == ["topical", "not topical"]
    assert "sIB: Set C 0.21, a 0.13, b 0.53" in figures.alt_text(figure)


def test_figures_of_clusterings_are_the_same_bytes_each_time():
    found = agreements({("a", "sib"): 0.1})
    for draw in (lambda: figures.agreement(found), lambda: figures.reference_curves(reference())):
        assert figures.show(draw()).png == figures.show(draw()).png


# Was the baseline trained?


def test_recipes_are_arrows_from_hollow_to_filled():
    frame = runs(("a", "b")).query("dataset == 'a' or recipe == 'paper'")
    figure = figures.recipes(frame, {"a": 64, "b": 64, "c": 64}, {"a": "Set A"})
    (axes,) = figure.axes
    means = 100 * frame.groupby(["dataset", "budget", "setting", "recipe"])["accuracy"].mean()
    arrows = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert [list(line.get_xdata()) for line in arrows] == [
        pytest.approx([means["a", 64, setting, recipe] for recipe in ("paper", "trained")]) for setting in ("base", "clust")]
    assert [text.get_text() for text in axes.texts] == ["no runs yet"]
    assert "Set A: plain from" in figures.alt_text(figure) and figures.alt_text(figure).endswith("c: no runs yet.")


def test_updates_have_a_line_and_the_paper_s_recipe_a_hollow_mark():
    names = ["paper", "trained", *design.SWEEP]
    frame = runs(recipes=names, budgets=(64,))
    frame = frame.assign(updates=[design.RECIPES[name].updates(64) for name in frame["recipe"]])
    figure = figures.updates_curves(frame, ["a", "b"], [64, 256], {"a": "Set A"})
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Set A, 64 labels", "Set A, 256 labels", "b, 64 labels", "b, 256 labels"]
    plain, _ = figure.axes[0].containers
    assert list(plain[0].get_xdata()) == [10, 40, 100, 160, 640]
    mean = 100 * frame.query("setting == 'base' and recipe == 'updates-40'")["accuracy"].mean()
    assert plain[0].get_ydata()[1] == pytest.approx(mean)
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[10], [10]]
    assert [len(axes.texts) for axes in figure.axes] == [0, 1, 1, 1]
    labels = [label for label in figure.axes[0].xaxis.get_major_formatter().seq if label]
    assert labels == ["10", "40", "160", "640"]
    assert figures.show(figures.updates_curves(frame[:0], ["a"], [64])).png


def test_figure_3_at_a_glance_has_a_pair_a_data_set_and_leaves_gaps_in_sight():
    there = pd.concat([points(3).assign(dataset="a"), points(25).query("panel == 'before'").assign(dataset="b")])
    figure = figures.before_and_after(there, {"b": "Set B", "a": "Set A", "c": "Set C"}, "after")
    drawn = [sum(len(part.get_offsets()) for part in axes.collections) for axes in figure.axes]
    assert drawn == [200, 0, 200, 200, 0, 0, 0, 0]
    empty = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert empty == [[], ["not there yet"], [], [], ["not there yet"], ["not there yet"], [], []]
    assert "for 1 of 3 data sets: Set A" in figures.alt_text(figure)
    assert figures.show(figure).png == figures.show(figure).png
    with pytest.raises(InputError, match="unknown panel 'afterwards'"):
        figures.before_and_after(there, {"a": "Set A"}, "afterwards")


def test_shares_of_classes_have_a_dot_a_class():
    data = pd.DataFrame({"dataset": "a", "split": "train", "label": ["x", "y", "z"], "count": [6, 3, 1]})
    (axes,) = figures.class_shares(data, ["a", "b"], {"a": "Set A"}).axes
    even, dots = axes.lines
    assert list(dots.get_xdata()) == pytest.approx([60, 30, 10]) and list(even.get_xdata()) == pytest.approx([100 / 3] * 2)
    assert [text.get_text() for text in axes.texts] == ["not counted yet"]


def test_nmi_and_gain_are_points_with_their_line():
    effects = pd.DataFrame({"dataset": list("abcd"), "nmi": [0.1, 0.2, 0.3, 0.4], "error_reduction": [10, 20, 30, 40.0],
                            "source": "s"})
    figure = figures.nmi_gain(effects, {"a": False, "b": True, "c": True, "d": True}, {"a": "Set $A$"})
    (axes,) = figure.axes
    fitted = next(line for line in axes.lines if line.get_label() == "fitted line")
    assert fitted.get_ydata() == pytest.approx(100 * fitted.get_xdata())
    assert [list(line.get_xdata()) for line in axes.lines if line.get_label() in ("topical", "not topical")] == [
        [0.2, 0.3, 0.4], [0.1]]
    assert [text.get_text() for text in axes.texts] == [r"Set \$A\$", "b", "c", "d"]
    assert "Set $A$ 10 % at 0.10" in figures.alt_text(figure)
    assert figures.nmi_gain(effects[:0]).axes[0].texts[0].get_text() == "no runs yet"
    assert figures.show(figures.nmi_gain(effects[:2])).png
    with pytest.raises(InputError, match="source"):
        figures.nmi_gain(effects.assign(source=list("wxyz")))


def test_figure_6_has_a_line_a_clustering_that_has_runs():
    frame = pd.concat([runs(recipes=("paper",)), runs(recipes=("paper",), settings=("clust",)).assign(clustering="kmeans")])
    figure = figures.clustering_curves(frame, ["a", "b"], titles={"a": "Set A"})
    assert [line.get_label() for line in figure.axes[0].containers] == ["plain", "sIB", "k-means"]
    assert figure.axes[0].containers[1][0].get_color() == figures.SETTINGS["clust"][0]
    assert [text.get_text() for text in figure.axes[1].texts] == ["no runs yet"]
    assert figures.alt_text(figure).endswith("Set A: sIB, k-means. b: no runs yet.")
    with pytest.raises(InputError, match="recipe"):
        figures.clustering_curves(runs(), ["a"])


# Colours

# What the three kinds of colour blindness make of linear RGB, in full (Machado, Oliveira and Fernandes 2009).
SEEN_AS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3).tolist(),
}
APART = 15  # of CIE 1976, where 2.3 can just be told apart
LIGHT, DARK = "#ffffff", "#121212"  # grounds: of figures in both themes, of interactive panels in the dark one


def linear(colour: str) -> np.ndarray:
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, by the white of sRGB."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ rgb.clip(0, 1) / (0.95047, 1, 1.08883)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, kind: str) -> float:
    """The least distance of two different colours as that kind of eye has them."""
    seen = [lab(np.array(SEEN_AS[kind]) @ linear(colour)) for colour in dict.fromkeys(colours)]
    return min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))


def contrast(colour: str, ground: str) -> float:
    """The ratio of luminances as the web's guidelines define it."""
    light, dark = sorted((linear(c) @ (0.2126, 0.7152, 0.0722) for c in (colour, ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def in_the_dark(colours) -> list[str]:
    """The colours as the style of the interactive panels changes them for the dark theme."""
    css = (paths.root() / "book" / "_static" / "viewer.css").read_text()
    changed = dict(re.findall(r'\[data-theme="dark"\] \.projection \[color="(#\w+)"\] \{ color: (#\w+)', css))
    assert changed and set(changed) <= set(colours)
    return [changed.get(colour, colour) for colour in colours]


def test_distances_of_colours_are_those_of_a_published_pair():
    assert np.linalg.norm(lab(linear("#ffffff")) - lab(linear("#000000"))) == pytest.approx(100, abs=0.01)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert contrast("#777777", LIGHT) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("kind", SEEN_AS)
def test_colours_stay_apart_whatever_the_eye(kind):
    settings = [colour for colour, *_ in figures.SETTINGS.values()]
    beside = [figures.SETTINGS[name][0] for name in ("base", "clust")]
    for colours in (settings, [*beside, *(colour for colour, *_ in figures.METHODS.values())], figures.CLUSTERINGS.values(),
                    figures.CLASS_COLOURS, in_the_dark(figures.CLASS_COLOURS)):
        assert nearest(colours, kind) > APART


def test_colours_show_on_their_ground():
    """Three to one is what the web's guidelines ask of graphics; orange and sky blue have shapes and numbers beside them."""
    for colour, *_ in figures.SETTINGS.values():
        assert contrast(colour, LIGHT) > 3
    assert all(contrast(colour, LIGHT) > 2.2 for colour in figures.CLASS_COLOURS)
    assert all(contrast(colour, DARK) > 3 for colour in in_the_dark(figures.CLASS_COLOURS))


def test_what_is_not_there_to_draw_names_the_command_that_computes_it():
    with pytest.raises(InputError, match="no runs to draw; compute them with cluster-tune run or with compute = True"):
        figures.learning_curves(pd.DataFrame())
    with pytest.raises(InputError, match="no clusterings to draw; compute them with cluster-tune reference or"):
        figures.agreement(pd.DataFrame())
    with pytest.raises(InputError, match="no labels to draw; choose others"):
        figures.class_sizes([])


def test_growth_has_a_panel_a_size_and_a_line_a_package():
    sizes = {"documents": [1000, 2000, 5000, 10000, 20000], "terms": [500, 1000], "clusters": [10, 400], "cores": [1, 2]}
    rows = [(varied, value, package, value * slower) for varied, values in sizes.items() for value in values
            for package, slower in (("cluster-tune", 0.001), ("sib-clustering", 0.02))]
    frame = pd.DataFrame(rows, columns=["varied", "value", "package", "seconds"])
    figure = figures.growth(frame)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(sizes)
    for axes, values in zip(figure.axes, sizes.values(), strict=True):
        ours, theirs = axes.get_lines()
        assert ours.get_xdata().tolist() == values and theirs.get_ydata().tolist() == [0.02 * v for v in values]
    ticks = figure.axes[0].xaxis.get_major_formatter().seq
    assert ticks == ["1K", "2K", "10K", "20K"]
    assert "Documents, sIB here: 1.00 s with 1,000 to 20.00 s with 20,000." in figures.alt_text(figure)
    assert figures.show(figure).png == figures.show(figures.growth(frame)).png
    with pytest.raises(InputError, match="no times to draw"):
        figures.growth(frame.head(0))
