"""Figures: that what is drawn is what the frame says, always the same, and safe whatever the texts hold."""

import subprocess
import sys
import warnings
from io import BytesIO

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cluster_tune import design, figures, tables
from cluster_tune.errors import InputError


def runs(datasets=("a",), recipes=("paper", "trained"), settings=("base", "clust"), budgets=(64, 128)) -> pd.DataFrame:
    frame = pd.DataFrame(map(vars, design.runs(datasets, "e", settings, recipes, budgets)))
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
    assert list(tables.RECIPES) == list(design.RECIPES)
    for part in zip(*figures.SETTINGS.values()):
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
