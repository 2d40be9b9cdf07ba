"""What tables and intervals say, in words: every sentence follows from the numbers, whichever way they come out.

A sentence hedges where an interval does, and says so where too little has been run. Nothing here makes a table
(`tables` does) or computes a statistic (`stats` does).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from cluster_tune import stats
from cluster_tune.errors import InputError
from cluster_tune.tables import (
    CLUSTERINGS, CROSSED, FEW, FEWER, HURTS, KINDS, NONE, ONLY, OTHERS, PAPERS_WORD_EPOCHS, PARTLY, RECIPES, REFERENCE, REMAINS,
    SEPARATION, TITLES, UNCLEAR, UNTRAINED, WORDS, beyond_half, budgets_of, by_clustering, counted_texts, crossed, difference, end,
    further_passes, interval, judged, lead, number, p_value, percent, points, printed_effects, stage, thousands, whole,
)  # fmt: skip

MEASURED = {"error_reduction": "error reduction", "gain": "gain", "difference": "the difference in points"}
MOST_TEXTS = 15_000  # to cluster and inter-train on, as the paper cuts its large data sets
MANY = 5  # below five data sets a correlation says nothing


def _beside_published(agreement: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Mean NMI of sIB and the published error reduction, one row a data set of both, by falling NMI."""
    nmi = stats.sib_nmi(agreement).reset_index()
    both = nmi.merge(published[["dataset", "error_reduction_pct"]], on="dataset")
    return both.sort_values("nmi", ascending=False, ignore_index=True)


ENCODERS = {"minilm": "MiniLM", "bert-base": "BERT"}
PAPERS = "bert-base"


class Prose(str):
    """Text that a notebook shows as Markdown; made of our own words and numbers, never of a data set's text."""

    def _repr_markdown_(self) -> str:
        return str(self)


def encoder_in_words(encoder: str, rows: pd.DataFrame) -> Prose:
    """Whose numbers a chapter shows, and what they can be beside the paper's. InputError where there are no `rows` of it."""
    if rows.empty:
        raise InputError(f"there are no results of the encoder '{encoder}'; compute some with "
                         f"cluster-tune grid --encoder {encoder}")
    if encoder == PAPERS:
        return Prose(f"All numbers of ours come from {ENCODERS[encoder]}, the paper's own encoder.")
    name = ENCODERS.get(encoder, f"`{encoder}`")
    return Prose(f"All numbers of ours come from {name}, which is another encoder than the paper's BERT: they stand beside "
                 "the paper's and do not reproduce them. What can be compared is the sign and the pattern of the differences.")


def verdict(runs: pd.DataFrame, budget: int, recipe: str, before: str = "base", after: str = "clust") -> str:
    """One sentence on one data set: the difference in points with its 95 % interval, hedged by it.

    Over matched repetitions only (`stats.pairs`). The interval is Student's t, for a handful of repetitions.
    """
    stats.single(runs, "dataset")
    matched = stats.pairs(runs[(runs["budget"] == budget) & (runs["recipe"] == recipe)], before, after)
    differences = 100 * (matched["after"] - matched["before"])
    n = len(differences)
    if not n:
        return _unmatched([budget], recipe, before, after)
    spread = stats.t_interval(differences)
    finding = f"{_where([budget], recipe)} {TITLES[after]} is {_beside(spread.estimate)} {TITLES[before]}"
    if n < FEW:
        return f"{finding} over {n} repetition{'s' * (n > 1)}, too few for an interval: no conclusion follows."
    span = f"difference {number(spread.estimate)}, 95 % interval {end(spread.low)} to {end(spread.high)}, {n} repetitions"
    if spread.includes_zero:
        return f"{finding} ({span}). The interval includes 0: these runs do not tell the two apart."
    return f"{finding} ({span})."


def _where(budgets: list[int], recipe: str) -> str:
    return f"At {listed([str(budget) for budget in budgets])} labels under {RECIPES.get(recipe, recipe)}"


def _unmatched(budgets: list[int], recipe: str, before: str, after: str) -> str:
    return f"{_where(budgets, recipe)} there are no matched runs of {TITLES[after]} and {TITLES[before]}."


def _beside(points: float) -> str:
    text = number(abs(points))
    if text == "0.0":
        return "level with"
    return f"{text} point{'s' * (text != '1.0')} {'above' if points > 0 else 'below'}"


def speed_in_words(both: pd.DataFrame) -> Prose:
    """What the comparison with sib-clustering comes to: speed, I(T;Y), memory, each with its worst case."""
    if both.empty:
        return Prose("There are no measurements of both packages yet.")
    lost = (both["information_theirs"] - both["information_ours"]).max()
    kept = "no lower" if lost < 1e-6 else f"lower by {number(lost, 4)} bits at worst"  # below: the rounding of sums
    return Prose(
        f"On every data set and number of cores, sIB here is at least {number(both['times'].min())} times as fast as "
        f"sib-clustering, by the median over seeds, and {number(both['least_times'].min())} times with the least "
        f"favourable seed; its mean I(T;Y) is {kept}. {_memory_in_words(both)}"
    )


def _memory_in_words(both: pd.DataFrame) -> str:
    said = []
    for part, what in (("fit_mb", "The fit itself"), ("peak_mb", "The whole process, libraries and compiled code included,")):
        more = both[f"{part}_ours"] - both[f"{part}_theirs"]
        least, most = (number(abs(m), 0) for m in (more.min(), more.max()))
        if more.max() <= 0:
            said.append(f"{what} takes less memory in every row, by at least {most} MB.")
        elif more.min() > 0:
            said.append(f"{what} takes more memory in every row, by up to {most} MB.")
        else:
            cores = sorted(both.loc[more > 0, "cores"].unique())
            said.append(f"{what} takes up to {least} MB less in some rows and up to {most} MB more in others, those on "
                        f"{listed([str(n) for n in cores])} core{'s' * (cores != [1])}.")
    return " ".join(said)


def word_epochs_in_words(frame: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """How many passes over masked words stand behind rows with them, beside the paper's; nothing where there are none."""
    masked = frame[frame["setting"].str.startswith("mlm")]
    if masked.empty:
        return Prose("No model was trained on masked words here so far.")
    groups = masked.groupby("mlm_epochs")["dataset"].unique().sort_index(ascending=False)
    if list(groups.index) == [PAPERS_WORD_EPOCHS]:
        return Prose("All models of IT:MLM and IT:MLM+CLUST were trained on masked words for as many passes as the paper's, "
                     f"{PAPERS_WORD_EPOCHS}.")
    told = [f"{int(epochs)} {'pass' if epochs == 1 else 'passes'} ({listed([(titles or {}).get(name, name) for name in names])})"
            for epochs, names in groups.items()]
    return Prose(f"The models of IT:MLM and IT:MLM+CLUST were trained on masked words for {listed(told)} here, where the paper's "
                 f"were for {PAPERS_WORD_EPOCHS}.")


def devices_in_words(runs: pd.DataFrame) -> Prose:
    """What the runs were computed on, where that is more than one kind of device, and in which precision; and whether two
    settings under one recipe are ever compared across them."""
    counts = runs["device"].replace({"cpu": "processors"}).value_counts()
    if len(counts) < 2:
        return Prose(f"All of them were computed on {counts.index[0]}.")
    (first, most), *others = [(device if device == "processors" else f"a graphics card ({device})", n)
                              for device, n in counts.items()]
    told = [f"{whole(most)} of these runs were computed on {first}", *(f"{whole(n)} on {device}" for device, n in others)]
    single = int((runs["precision"] == "fp32").sum())
    how = (f" {whole(single)} of all were computed in single precision (fp32), the others in bf16."
           if 0 < single < len(runs) else "")
    ways = runs.assign(way=runs["device"] + runs["precision"])
    kinds = ways.groupby(["dataset", "recipe", "budget", "repetition"])["way"].nunique()
    mixed = int((kinds > 1).sum())
    plain = ways[ways["setting"] == "base"].groupby(["dataset", "recipe", "budget", "repetition"])["way"].first().rename("plain")
    beside = ways.merge(plain.reset_index())
    otherwise = [TITLES[key] for key in dict.fromkeys(beside.loc[beside["way"] != beside["plain"], "setting"].sort_values())]
    which = f" ({listed(otherwise)} otherwise than {TITLES['base']})" if otherwise else ""
    apart = (f"for {mixed} of {len(kinds)} pairs of a sample and a recipe the settings were computed on different kinds, or in "
             f"different precisions{which}" if mixed else
             "all settings of one sample of labels under one recipe were computed on the same kind and in the same precision, two "
             "recipes may not have been")
    crossing = runs[runs.groupby(["dataset", "setting", "clustering", "recipe"])["device"].transform("nunique") > 1]
    budgets = {where: sorted(part["budget"].unique()) for where, part in
               crossing.groupby(crossing["device"].eq("cpu").map({True: "processors", False: "a card"}))}  # fmt: skip
    where = min(budgets, key=lambda kind: len(budgets[kind]), default="")  # the first of two alike: a card
    bend = (" Along some learning curves the kind changes, and with it the inter-trained model: of their runs those on "
            f"{where} have {listed([str(budget) for budget in budgets[where]])} labels.") if budgets else ""
    return Prose(f"{listed(told)}.{how} Each kind of device, and each precision, has inter-trained models of its own, from the "
                 f"same seed; {apart}.{bend}")


def training_in_words(measured: pd.DataFrame) -> Prose:
    """How many times as fast as both kinds of Trainer this package trains and predicts, a line of a Markdown list a machine."""
    lines = []
    for machine, part in measured.groupby("machine", sort=False):
        ways = part.set_index("way")
        ours, slow, tuned = (ways.loc[way] for way in ("ours", "authors", "tuned"))
        said = [
            f"On {machine}, this package trains on {number(ours['train_texts_a_second'], 0)} texts a second in "
            f"{ours['precision']}, {number(slow['ours_is_train_times'])} times as many as a `Trainer` set up as the authors train "
            f"and {number(tuned['ours_is_train_times'])} times as many as a tuned one. It predicts "
            f"{number(ours['predict_texts_a_second'], 0)} texts a second, {number(slow['ours_is_predict_times'])} and "
            f"{number(tuned['ours_is_predict_times'])} times as many. At most it holds {number(ours['peak_mb'], 0)} MB, where "
            f"they hold {number(slow['peak_mb'], 0)} and {number(tuned['peak_mb'], 0)} MB."
        ]
        if ours["precision"] == slow["precision"]:
            by_onnx = pd.notna(ours["onnxruntime"])
            said.append("There all compute in single precision; prediction here "
                        + ("went through ONNX Runtime." if by_onnx else "was measured before it went through ONNX Runtime."))
        if "side_by_side" in ways.index:
            five = ways.loc["side_by_side"]
            said.append(
                f"Five models side by side are trained on {number(five['train_texts_a_second'], 0)} texts a second together, "
                f"{number(five['train_texts_a_second'] / slow['train_texts_a_second'])} and "
                f"{number(five['train_texts_a_second'] / tuned['train_texts_a_second'])} times as many as by these."
            )
        lines.append(f"- {' '.join(said)}")
    return Prose("\n".join(lines))


def padding_in_words(counted: pd.DataFrame) -> Prose:
    """How much of prediction is padding for a Trainer that pads to the longest of the set, and for the authors' own code."""
    texts = counted["test_texts"].iloc[0]
    pieces = counted.set_index("way")["pieces"]
    whole, own = pieces["authors"], pieces["authors' code"]
    return Prose(
        f"Of {texts:,} test texts, one has {number(pieces['texts'])} word pieces on average. Padded to the longest of the set it "
        f"has {number(whole, 0)}, {number(whole / pieces['texts'])} times as many. The authors' own code does so in training only: "
        f"when it predicts, it reads up to 512 word pieces of a text and pads 32 texts at a time, as they come, which makes "
        f"{number(own, 0)}. It has that much less to multiply than the first way of the table, so that beside it prediction here "
        f"is about {number(own / whole, 2)} times what the table says of the first way."
    )


def fixed_in_words(fixed: pd.DataFrame, measured: pd.DataFrame, updates: int = 10, batch: int = 64) -> Prose:
    """What a run costs beside its updates on each machine, as a share of the shortest run's training where that machine's is
    there."""
    said = []
    for machine, part in fixed.groupby("machine", sort=False):
        once = part.groupby("every")["seconds"].sum()
        ours = measured[(measured["way"] == "ours") & (measured["machine"] == machine)]
        needed = f"{number(once['run'], 2)} s" if once["run"] >= 0.01 else "less than a hundredth of a second"
        line = (f"On {machine}, all that is done once a data set takes {number(once['data set'])} s. "
                f"A run then needs {needed} beside its updates and its prediction")
        if not ours.empty:
            seconds = updates * batch / ours["train_texts_a_second"].iloc[0]
            line += (f": {percent(100 * once['run'] / seconds, 1)} of the {number(seconds, 2 if seconds < 1 else 1)} s that "
                     f"{updates} updates take at its rate above, and there are runs of {updates} to 640")
        said.append(f"{line}.")
    return Prose(" ".join(said))


def parts_in_words(parts: pd.DataFrame) -> Prose:
    """How long a profile takes by the sum of its parts, for each encoder and machine."""
    said = []
    for (machine, encoder, profile), part in parts.groupby(["machine", "encoder", "profile"], sort=False):
        minutes = (part["seconds"] * part["number"]).sum() / 60
        time = f"{number(minutes, 0)} minutes" if minutes < 100 else f"{number(minutes / 60)} hours"
        most = (part["seconds"] * part["number"]).idxmax()
        said.append(f"On {machine}, the parts of the profile `{profile}` sum up to about {time} with {encoder}, "
                    f"the largest part of it for {part.loc[most, 'what'].replace('an update ', 'updates ')}.")
    return Prose(" ".join(said))


def grid_in_words(measured: pd.DataFrame) -> Prose:
    """How long a profile took that was computed in one go or several (`benchmarks/training_grid.csv`), for each machine."""
    said = []
    for (machine, profile), goes in measured.groupby(["machine", "profile"], sort=False):
        for place, row in enumerate(goes.itertuples()):
            what = f"{row.runs:,} of the {row.of:,} runs of `{profile}`" if not place else f"{row.runs:,} more of these runs"
            said.append(
                f"On {machine}, {whole(row.processes)} process{'es at once' * (row.processes > 1)} computed {what} in "
                f"{number(row.seconds / 60)} minutes, from the start of the first process to the last record, with the "
                f"inter-training of {whole(row.on_clusters)} models on clusters and {whole(row.on_words)} on masked words.")
        if len(goes) > 1:
            runs, of = goes["runs"].sum(), goes["of"].iloc[-1]
            said.append(f"Together these are {f'all {of:,}' if runs == of else f'{runs:,} of the {of:,}'} runs, in "
                        f"{number(goes['seconds'].sum() / 60)} minutes.")
    return Prose(" ".join(said))


def again_in_words(cells: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """How far the accuracies of runs that were computed twice lie apart (`stats.again`), the largest difference by name."""
    if cells.empty:
        return Prose("There are no runs that were computed twice.")
    cells = cells.fillna({"clustering": ""})  # as it comes from a file
    apart = 100 * (cells["after"] - cells["before"])
    far = _cell(cells.loc[apart.abs().idxmax()], cells, titles)
    said = [f"{cells['runs'].sum():,} runs were computed twice, {_where_twice(cells)}.",
            f"The mean accuracies of {_counted_cells(cells)} are {number(apart.abs().median(), 2)} points apart in the median, "
            f"{number(apart.abs().quantile(0.95), 2)} or less in 95 % of the cells, and at most {number(apart.abs().max(), 2)} "
            f"({far}); the second ones are {number(apart.mean(), 2)} points higher in the mean."]
    if len(spread := cells[cells["sem"] > 0]):
        shares = 100 * (spread["after"] - spread["before"]).abs() / spread["sem"]
        said.append(f"In the median that is {percent(shares.median())} of the standard error that such a mean has over samples of "
                    f"labels, and more than all of it in {percent(100 * (shares > 100).mean(), 1)} of the cells.")
    if len(tested := cells[cells["runs"] >= FEW]):
        clear, sure = int((tested["p"] < 0.05).sum()), int((stats.holm(tested["p"]) < 0.05).sum())
        share = percent(100 * clear / len(tested), 1)
        said.append(f"Of {_counted_cells(tested)} with {FEW} such runs or more, {clear:,} ({share}) differ by a paired t-test at "
                    f".05, by which 5 % do if nothing differs, and {sure or 'none'} with all tests corrected together (Holm).")
    return Prose(" ".join(said))


def _counted_cells(cells: pd.DataFrame) -> str:
    return f"the {len(cells):,} cells of the grid" if len(cells) > 1 else "the one cell of the grid"


def _cell(cell: pd.Series, cells: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """A cell by name, with its encoder where there are several."""
    on = "" if cell["clustering"] in ("", "sib") else f" on {CLUSTERINGS.get(cell['clustering'], cell['clustering'])}"
    parts = [(titles or {}).get(cell["dataset"], cell["dataset"]), f"{TITLES.get(cell['setting'], cell['setting'])}{on}"]
    parts += [cell["encoder"]] * (cells["encoder"].nunique() > 1)
    return ", ".join([*parts, f"recipe {cell['recipe']}", f"{cell['budget']} labels"])


def _where_twice(cells: pd.DataFrame) -> str:
    """The machines of both times, as "1,068 on cpu and the second time on NVIDIA H200, 10 on cpu both times"."""
    counts = cells.groupby(["device_before", "device"])["runs"].sum().sort_values(ascending=False, kind="stable")
    return listed([f"{runs:,} on {first} " + ("both times" if first == second else f"and the second time on {second}")
                   for (first, second), runs in counts.items()])


def together_in_words(measured: pd.DataFrame) -> Prose:
    """What the largest number of processes at once gains over one with all the cores."""
    one, most = measured.iloc[0], measured.iloc[-1]
    if one["processes"] == most["processes"]:
        return Prose("There was one core to measure on, and so nothing to divide.")
    ratios = [number(most[key] / one[key], 2) for key in ("train_texts_a_second", "predict_texts_a_second")]
    memory = number(most["peak_mb"] / one["peak_mb"], 1)
    threads = f"{whole(most['threads'])} thread{'' if most['threads'] == 1 else 's'} each"
    return Prose(f"{whole(most['processes'])} processes with {threads} train on {ratios[0]} times as many texts a second as one "
                 f"with {whole(one['threads'])}, predict {ratios[1]} times as many, and hold {memory} times the memory.")


def plain_loop_in_words(scores: pd.DataFrame) -> Prose:
    """Whether the accuracy here differs from a plain loop's by more than one expects of another seed, on each machine."""
    said, names = [], {"ours": "here", "side_by_side": "here with the models side by side"}
    for machine, part in scores.groupby("machine", sort=False):
        ways = part.pivot(index="repetition", columns="way", values="accuracy")
        said.append(f"On {machine}, over {len(ways)} samples, the mean accuracy is {percent(100 * ways['plain loop'].mean(), 1)} "
                    "with the plain loop.")
        for way in (way for way in names if way in ways):
            difference = stats.t_interval(ways[way] - ways["plain loop"])
            within = difference.low <= 0 <= difference.high
            said.append(
                f"It is {percent(100 * ways[way].mean(), 1)} {names[way]}, a difference of {points(difference)} points: "
                + ("the interval includes 0, no loss was found." if within else "the interval excludes 0, the two do differ.")
            )
    return Prose(" ".join(said))


def texts_in_words(bags: pd.DataFrame) -> Prose:
    """What stemming and counting costs beside reading the texts, and beside NLTK and scikit-learn."""
    seconds = bags.set_index("what")["seconds"]
    ours, about = seconds["stem and count"], bags.iloc[0]
    return Prose(
        f"The {about['texts']:,} texts, {number(about['megabytes'])} MB, have {about['words']:,} words that are counted. To stem "
        f"and count them takes {number(ours, 2)} s: {number(ours / seconds['read, check and split the data set'])} times "
        f"as long as `datasets.load`, which reads, checks and splits the data set, "
        f"{number(ours / seconds['read a CSV file'], 0)} times as long as pandas takes to read a CSV file without a look "
        f"at the texts, {number(ours / seconds['count without stems'])} times as long as `CountVectorizer` takes without "
        f"stems, and {percent(100 * ours / seconds['stem and count, NLTK'], 1)} of what it takes with NLTK's stemmer, "
        f"which comes to the same vocabulary and counts."
    )


def averages_in_words(
    published: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None = None
) -> Prose:
    """What the paper's average gain is an average of, from its own table."""
    printed = printed_effects(published)
    printed = printed[printed["dataset"].map(topical) == True]  # noqa: E712, other values are None
    found, gains = stats.averages(printed), printed.set_index("dataset")["gain"]
    most, share = (titles or {}).get(gains.idxmax(), gains.idxmax()), 100 * gains.max() / gains.sum()
    return Prose(
        f"The paper's average gain over its {found['n']} topical data sets, {percent(found['mean_of_gains'])}, is a mean "
        f"of ratios: {most} alone makes up {percent(share)} of it. Its mean accuracies, "
        f"{number(100 * found['before'])} and {number(100 * found['after'])}, differ by "
        f"{percent(found['gain_of_means'])}; read so, the error reduction is {percent(found['reduction_of_means'])} "
        f"where the mean of ratios is {percent(found['mean_of_reductions'])}."
    )


def effects_in_words(
    runs: pd.DataFrame,
    published: pd.DataFrame,
    topical: Mapping[str, bool],
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Table 2's finding, obtained or not: on how many data sets of each kind inter-training helps, a recipe a line.

    A data set counts as clearly above or below where the 95 % interval of its matched differences excludes 0.
    """
    lines = []
    for recipe, words in RECIPES.items():
        for kind, title in KINDS.items():
            names = [name for name in budgets_of(published) if topical.get(name) is kind]
            found = [(name, difference(runs, name, recipe, published)) for name in names]
            found = [(name, interval) for name, interval in found if interval is not None]
            lines.append(f"- {words[0].upper() + words[1:]}, data sets that are {title}: {_counted(found, names, titles)}")
    return Prose("\n".join(lines))


def corrected_in_words(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """On which data sets IT:CLUST and plain still differ at Table 2's budgets when the paired t-tests of all of them are
    corrected together, by Holm's method: a recipe a line."""
    lines = []
    for recipe, words in RECIPES.items():
        sets = {}
        for name, budget in budgets_of(published).items():
            chosen = (runs["dataset"] == name) & (runs["recipe"] == recipe) & (runs["budget"] == budget)
            both = stats.pairs(runs[chosen])
            if len(both) >= FEW:
                sets[name] = both
        found = stats.directions(sets)
        kept = [(titles or {}).get(name, name) for name in found.index[found["still"]]]
        lines.append(f"- {words[0].upper() + words[1:]}: IT:CLUST and plain still differ on {len(kept)} of {len(sets)}"
                     + (f" ({listed(kept)})." if kept else "."))
    return Prose("\n".join(lines))


def larger_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, recipe: str, titles: Mapping[str, str] | None = None
) -> Prose:
    """The same question at each budget above Table 2's: where IT:CLUST is clearly above or below plain, a budget a line."""
    least, lines = budgets_of(published), []
    chosen = runs[(runs["recipe"] == recipe) & (runs["budget"] > runs["dataset"].map(least))]
    for budget, part in chosen.groupby("budget"):
        names, matched = [name for name in least if least[name] < budget], stats.pairs(part)
        pairs = {name: matched[matched.index.get_level_values("dataset") == name] for name in names}
        found = [(name, stats.differences(both)) for name, both in pairs.items() if len(both) >= FEW]
        lines.append(f"- {budget} labels: {_counted(found, names, titles)}")
    return Prose("\n".join(lines) or "There are no runs with more labels yet.")


def _counted(
    found: Sequence[tuple], names: Sequence[str], titles: Mapping[str, str] | None, what: str = "IT:CLUST", beside: str = "plain"
) -> str:
    """How many intervals lie above 0, below 0 and across it, and which data sets have none."""
    if not found:
        return "too few runs yet."
    sides = {f"clearly above {beside}": [], f"clearly below {beside}": [], f"not told apart from {beside}": []}
    above, below, neither = sides.values()
    for name, gained in found:
        side = neither if gained.includes_zero else above if gained.estimate > 0 else below
        side.append((titles or {}).get(name, name))
    parts = [f"{side} on {len(part)} of {len(found)} ({listed(part)})" for side, part in sides.items() if part]
    missing = [(titles or {}).get(name, name) for name in names if name not in dict(found)]
    return f"{what} is {', '.join(parts)}" + (f"; too few runs so far: {listed(missing)}." if missing else ".")


def comparison_in_words(
    runs: pd.DataFrame, before: str = "base", after: str = "clust", tests: int = 8,
    published: Mapping[int, float] | None = None, titles: Mapping[str, str] | None = None,
    smallest: Mapping[str, int] | None = None,
) -> Prose:
    """What changes beside Table 3's t-test: one line a budget says where the tests and the interval part, and which of
    the data sets in `titles` it lacks; `smallest` are budgets at which some of them begin.

    Both tests are corrected for `tests` budgets and called at .05; the interval is one of 95 % over data
    sets, by Student's t, and the bootstrap's is only shown. InputError for a frame of several recipes.
    """
    stats.single(runs, "recipe")
    rows = stats.comparison(runs, before, after, tests)
    if rows.empty:
        return Prose(f"There are no matched runs of {TITLES[after]} and {TITLES[before]} yet.")
    there, lines = set(stats.pairs(runs, before, after).index.droplevel("repetition")), []
    for row in rows.itertuples():
        lacking = [title for name, title in (titles or {}).items()
                   if (smallest or {}).get(name, 0) <= row.budget and (name, row.budget) not in there]
        if lacking and row.datasets == 1:
            alone = next(title for name, title in titles.items() if (name, row.budget) in there)
            lines.append(f"- {int(row.budget)} labels: {alone} is the only data set so far, so that there is nothing to pool.")
            continue
        without = f" Not in it so far: {listed(lacking)}." if lacking else ""
        lines.append(f"- {int(row.budget)} labels: {_compared(row, tests, TITLES[after], published)}{without}")
    return Prose("\n".join(lines))


def _compared(row, tests: int, after: str, published: Mapping[int, float] | None) -> str:
    p, signed = row.p_bonferroni, stats.bonferroni(row.p_wilcoxon, tests)
    interval = stats.Interval(row.difference, row.low, row.high)
    drawn = "" if pd.isna(row.boot_low) else f"; by bootstrap {number(100 * row.boot_low)} to {number(100 * row.boot_high)}"
    side = f"in favour of {after}" if row.difference > 0 else f"against {after}"
    found = {f"the t-test (corrected p = {p_value(p)})": p < 0.05,
             f"Wilcoxon's test (corrected p = {p_value(signed)})": signed < 0.05,
             f"the interval ({end(100 * row.low)} to {end(100 * row.high)}{drawn})": not interval.includes_zero}
    yes, no = ([name for name, says in found.items() if says is answer] for answer in (True, False))
    if not no:
        text = f"{listed(yes)} agree on a difference {side}"
    elif not yes:
        text = f"{listed(no)} agree that no difference is shown"
    else:
        text = f"{listed(yes)} find{'s' * (len(yes) == 1)} a difference {side}, {listed(no)} do{'es' * (len(no) == 1)} not"
    printed = (published or {}).get(int(row.budget))
    if printed is None:
        return text + "."
    return text + ("; the paper found none." if pd.isna(printed) else f"; the paper's p is {p_value(printed)}.")


def agreement_in_words(
    agreement: pd.DataFrame,
    topical: Mapping[str, bool],
    published: pd.DataFrame,
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Whether the paper's ordering holds: the data sets of lowest NMI are those that are not topical, and NMI goes
    with the gains of Table 2 (`published`)."""
    found = _beside_published(agreement, published)
    if found.empty:
        return Prose("None of the data sets shown is one of the paper's.")
    others = sum(topical.get(name) is False for name in found["dataset"])
    lowest = list(found["dataset"].tail(others))
    odd = [(titles or {}).get(name, name) for name in lowest if topical.get(name)]
    named = listed([(titles or {}).get(name, name) for name in lowest])
    those = "one data set of lowest NMI (sIB) is" if others == 1 else f"{others} data sets of lowest NMI (sIB) are"
    verb = "is" if len(odd or lowest) == 1 else "are"
    what = f"which {verb} not topical, as in the paper"
    if odd:
        what = f"and {listed(odd)} {verb} topical, otherwise than in the paper"
    rank = number(stats.correlation(found["nmi"], found["error_reduction_pct"], ranks=True).estimate, 2)
    border = list(found["dataset"].iloc[-others - 1 :][:2])  # the one above the lowest, and the highest of these
    near = _not_told_apart(agreement, border, titles) if 0 < others < len(found) else ""
    return Prose(
        f"The {those} {named}, {what}.{near} Over the {len(found)} data sets of the paper, the rank correlation of NMI here "
        f"with the error reduction that the paper reports at 64 labels (20 Newsgroups: 128) is {rank}."
    )


def _not_told_apart(agreement: pd.DataFrame, names: list[str], titles: Mapping[str, str] | None) -> str:
    """That two data sets' NMI are within what seeds of the clustering do to them, if they are; else ''."""
    values = [agreement.loc[(agreement["clustering"] == "sib") & (agreement["dataset"] == name), "nmi"] for name in names]
    if min(map(len, values)) < 2 or not stats.welch(*values).includes_zero:
        return ""
    shown = [f"{(titles or {}).get(name, name)} ({number(value.mean(), 3)})" for name, value in zip(names, values, strict=True)]
    return f" {listed(shown)}, where the two groups meet, are not told apart by the seeds of the clustering."


def listed(names: list[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def stages_in_words(frame: pd.DataFrame, titles: Mapping[str, str]) -> Prose:
    """How many of the data sets have which stages of their embeddings, and which have none yet."""
    counts = frame.assign(stage=stage(frame)).groupby("stage", sort=False)["dataset"].nunique()
    counted = ", ".join(f"{name} ({count})" for name, count in counts.items())
    missing = [title for name, title in titles.items() if name not in set(frame["dataset"])]
    gaps = f" Still missing: {listed(missing)}." if missing else ""
    return Prose(f"Of {len(titles)} data sets, so many have embeddings of each stage: {counted}.{gaps}")


OF_FIGURE_3 = "after IT:CLUST, paper recipe"  # the only kind of inter-training whose embeddings the paper reports


def ned_in_words(distances: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str]) -> Prose:
    """Whether the paper's three statements of section 5.3 hold here: NED falls in every data set; classes are tighter
    than chance, before and after; and with labels permuted, ED grows about threefold."""
    ned = distances.assign(stage=stage(distances)).pivot(index="dataset", columns="stage", values="ned")
    ned = ned.reindex(columns=["before", *_afters(distances)])
    lines = [_ned_falls(ned["before"], ned[after], after, topical, titles) for after in _afters(distances)]
    lines += [_by_chance(distances), *filter(None, [_spread_out(distances)])]
    return Prose("\n".join(f"- {line}" for line in lines))


def besides_in_words(distances: pd.DataFrame, titles: Mapping[str, str]) -> Prose:
    """Whether what section 5.3 and its footnote 8 say without a figure holds here, under the paper's recipe: norms stay
    similar, and macro averages and cosines say what micro averages and distances say."""
    wide = stats.before_and_after(distances, "paper", ("norm", "permuted", "ned", "ned_macro", "ned_cosine"))
    if wide.empty:
        return Prose("Norms, macro averages and cosines were not measured here yet.")
    change = pd.DataFrame({measure: wide[measure, "after"] - wide[measure, "before"]
                           for measure in ("ned", "ned_macro", "ned_cosine")})
    longer, wider = (wide[measure, "after"] / wide[measure, "before"] for measure in ("norm", "permuted"))
    lines = [f"After inter-training vectors are {number(longer.min())} to {number(longer.max())} times as long as before, "
             f"{number(longer.median())} in the median, where the paper speaks of similar norms. ED with labels permuted is "
             f"{number(wider.median())} times that before in the median, but {number((wider / longer).min(), 2)} to "
             f"{number((wider / longer).max(), 2)} times where it is measured in norms."]
    for measure, words in {"ned_macro": "with every class counted alike", "ned_cosine": "by cosine"}.items():
        others = [titles.get(name, name) for name in change.index[(change[measure] < 0) != (change["ned"] < 0)]]
        lines.append(f"NED {words} falls in {(change[measure] < 0).sum()} of {len(change)} data sets, "
                     "and goes the way of the usual NED in "
                     + (f"all but {listed(others)}." if others else "all."))
    return Prose("\n".join(f"- {line}" for line in lines))


def _afters(distances: pd.DataFrame) -> list[str]:
    return [name for name in dict.fromkeys(stage(distances)) if name != "before"]


def _ned_falls(before: pd.Series, after: pd.Series, what: str, topical: Mapping, titles: Mapping) -> str:
    change = (after - before).dropna()
    if change.empty:
        return f"NED {what}: nothing to compare yet."
    rises = [titles.get(name, name) for name, value in change.items() if value >= 0]
    text = f"NED is smaller {what}, than before in {_by_kind(change < 0, topical)}"
    text += f"; not so in {listed(rises)}" if rises else ""
    return f"{text}. The paper found it smaller in all of its data sets." if what == OF_FIGURE_3 else f"{text}."


def _by_kind(holds: pd.Series, topical: Mapping[str, bool]) -> str:
    """In how many data sets of either kind something holds; `holds` has a bool a data set."""
    counts = []
    for kind, title in ((True, "topical"), (False, "other")):
        of_kind = [value for name, value in holds.items() if bool(topical.get(name)) is kind]
        if of_kind:
            counts.append(f"{sum(of_kind)} of {len(of_kind)} {title} data set{'s' * (len(of_kind) > 1)}")
    return " and ".join(counts)


def separation_in_words(separation: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str]) -> Prose:
    """Whether classes come apart in pictures of topical data sets, as the paper sees them do (section 5.3)."""
    found = separation.assign(stage=stage(separation)).pivot(index="dataset", columns="stage")
    lines = []
    if "before" not in stage(separation):
        return Prose("Nothing to compare yet.")
    for after in _afters(separation):
        share, silhouette = ((found[measure][after] - found[measure]["before"]).dropna() for measure in SEPARATION)
        falls = [titles.get(name, name) for name, value in share.items() if topical.get(name) and value <= 0]
        verdict = f"; of the topical ones it is not larger in {listed(falls)}" if falls else ""
        lines.append(f"- The share is larger {after}, than before in {_by_kind(share > 0, topical)}{verdict}. The silhouette is "
                     f"larger in {_by_kind(silhouette > 0, topical)}.")
    return Prose("\n".join(lines) or "Nothing to compare yet.")


def _by_chance(distances: pd.DataFrame) -> str:
    sure = int((distances["p"] < 0.001).sum())
    many = "all" if sure == len(distances) else f"{sure} of"
    return (f"ED is smaller than with permuted labels, p < .001, in {many} {len(distances)} embeddings (data sets, before "
            "and after); in the paper, in all.")


def _spread_out(distances: pd.DataFrame) -> str:
    """How ED with permuted labels grows from the plain to the inter-trained encoder; '' where there is no pair."""
    before = distances[distances["setting"] == "base"].set_index("dataset")["permuted"]
    after = distances[distances["setting"] == "clust"]
    ratio = (after["permuted"] / after["dataset"].map(before).to_numpy()).dropna()
    if ratio.empty:
        return ""
    return (f"With labels permuted, ED after {TITLES['clust']} is {number(ratio.min())} to {number(ratio.max())} times "
            f"that before, {number(ratio.median())} in the median over data sets and recipes; "
            "the paper reports about 3 times for its BERT.")


def alignment_in_words(
    measures: Mapping[str, tuple[pd.DataFrame, str]], runs: pd.DataFrame, published: pd.DataFrame, recipe: str
) -> Prose:
    """Whether what inter-training does to embeddings goes with what it does to accuracy (section 5.3).

    For each measure, title -> (frame, column), the rank correlation over the paper's data sets of its change with the
    difference in accuracy at the budgets of Table 2, under one recipe.
    """
    at_table_2 = runs["budget"] == runs["dataset"].map(budgets_of(published))
    matched = stats.pairs(runs[(runs["recipe"] == recipe) & at_table_2])
    gained = (matched["after"] - matched["before"]).groupby("dataset").mean()
    lines = []
    for title, (frame, column) in measures.items():
        wide = stats.before_and_after(frame, recipe, [column])[column]
        lines.append(f"- {title}: {_aligned(wide['after'] - wide['before'], gained)}.")
    return Prose("\n".join(lines))


def _aligned(change: pd.Series, gained: pd.Series) -> str:
    both = pd.concat([change, gained], axis=1, join="inner")
    if len(both) < MANY:
        return f"{len(both)} data sets have both its change and accuracies, too few for a correlation"
    found = stats.correlation(both.iloc[:, 0], both.iloc[:, 1], ranks=True)
    sure = ", which may be chance: the interval includes 0" if found.includes_zero else ""
    return (f"over {len(both)} data sets the rank correlation of its change with the difference in accuracy is "
            f"{interval(found, 2)}{sure}")


def findings(runs: pd.DataFrame, before: str = "base", after: str = "clust") -> Prose:
    """The verdicts of one data set on every recipe and budget present, as a Markdown list; those without matched runs
    share a line a recipe."""
    lines = []
    for recipe, same in runs.groupby("recipe", sort=False):
        budgets, having = sorted(same["budget"].unique()), set(stats.pairs(same, before, after).index.get_level_values("budget"))
        lines += [verdict(same, budget, recipe, before, after) for budget in budgets if budget in having]
        if lacking := [budget for budget in budgets if budget not in having]:
            lines.append(_unmatched(lacking, recipe, before, after))
    known = [key for key in dict.fromkeys(zip(runs["dataset"], runs["encoder"], strict=True)) if key in READ_BEFORE]
    lines += [f"{ENCODERS[encoder]} has been trained on {READ_BEFORE[name, encoder]}, though without these classes, so that the "
              "plain model may begin nearer to the goal than on texts that are new to it." for name, encoder in known]
    return Prose("\n".join(f"- {line}" for line in lines))


# What an encoder has read of a data set's source before, by what is said of its weights or by its paper.
READ_BEFORE = {("yahoo_answers", "minilm"): "pairs of texts from Yahoo! Answers",
               ("docstrings", "minilm"): "functions with their docstrings",
               ("docstrings-small", "minilm"): "functions with their docstrings",
               ("dbpedia", "bert-base"): "Wikipedia, from which DBpedia is drawn"}


def verdicts(
    runs: pd.DataFrame, budget: int, titles: Mapping[str, str] | None = None, stand_in: Mapping[str, int] | None = None
) -> Prose:
    """The verdicts of several data sets at one budget, or the one that stands in for it, a recipe a list, as Markdown."""
    budgets = {name: (stand_in or {}).get(name, budget) for name in runs["dataset"].unique()}
    lines = [f"- {(titles or {}).get(name, name)}: {verdict(runs[runs['dataset'] == name], budgets[name], recipe)}"
             for recipe in RECIPES for name in budgets]
    return Prose("\n".join(lines))


IN_SHORT = {UNTRAINED: "most of the gain goes, nothing clear is left", PARTLY: "most of the gain goes, a clear one remains",
            REMAINS: "a clear gain remains, not clearly less than half", ONLY: "a clear gain under the trained recipe only",
            HURTS: "inter-training hurts", UNCLEAR: "undecided", NONE: "no clear gain to explain", FEWER: "too few runs"}


def baseline_verdict(
    first: stats.Interval | None, kept: stats.Interval | None, half: stats.Interval | None
) -> str:
    """The verdict on one data set in words, with both differences in points and their intervals."""
    was, now = f"{points(first)} points under the paper's recipe", f"{points(kept)} under the trained one"
    return {
        UNTRAINED: f"**most of the gain goes when the baseline is trained**: {was}, {now}, and that may be nothing",
        PARTLY: f"**most of the gain goes when the baseline is trained, a gain remains**: {was}, {now}",
        REMAINS: f"**a gain remains**: {was}, {now}",
        ONLY: f"**a gain, but not with the paper's recipe**: {was}, {now}",
        HURTS: f"**inter-training hurts** the trained model: {was}, {now}",
        UNCLEAR: f"**unclear**: {was}, {now}, which may be nothing, and may be half as much",
        NONE: f"**no clear gain to explain**: {was}, {now}",
        FEWER: "too few runs for a verdict yet",
    }[judged(first, kept, half)]


def baseline_verdicts(
    runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """A verdict a data set, in the order of Table 2, as a Markdown list."""
    found = _both_recipes(runs, published)
    return Prose("\n".join(f"- {(titles or {}).get(name, name)}: {baseline_verdict(*both)}." for name, both in found.items()))


def _both_recipes(runs: pd.DataFrame, published: pd.DataFrame) -> dict[str, tuple]:
    return {name: (*(difference(runs, name, recipe, published) for recipe in RECIPES), beyond_half(runs, name, published))
            for name in budgets_of(published)}


def _gently_judged(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None) -> list[str]:
    """On which data sets the verdict is another where only fine-tuning is changed, as a line; none without such runs."""
    kinds = {name: judged(*both) for name, both in _both_recipes(runs, published).items()}
    known = {name: both[0] for name in kinds if (both := crossed(runs, name, published)) is not None}
    if not known or _same_rate(runs):
        return []
    first = {name: difference(runs, name, "paper", published) for name in known}
    others = {name: judged(first[name], kept, beyond_half(runs, name, published, CROSSED)) for name, kept in known.items()}
    told = [f"{(titles or {}).get(name, name)} ({IN_SHORT[kind]}; above: {IN_SHORT[kinds[name]]})"
            for name, kind in others.items() if kind != kinds[name]]
    what = ("- The recipes also inter-train at different rates. Where the rate is the paper's and only fine-tuning is changed, "
            "the verdict")
    return [f"{what} is another on {len(told)} of {len(known)}: {listed(told)}." if told else f"{what}s are the same."]


def baseline_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """The answer in short: on how many data sets which verdict falls, also where only fine-tuning is changed if `runs` has
    that, and what training does to the plain model."""
    kinds: dict[str, list[str]] = {}
    for name, both in _both_recipes(runs, published).items():
        kinds.setdefault(judged(*both), []).append((titles or {}).get(name, name))
    told = {UNTRAINED: "most of the gain under the paper's recipe goes when the baseline is trained, and nothing clear is left",
            PARTLY: "most of it goes when the baseline is trained, but a gain remains",
            REMAINS: "a clear gain remains when the baseline is trained, and not clearly less than half of it",
            ONLY: "there is a clear gain under the trained recipe only",
            HURTS: "inter-training hurts the trained model",
            UNCLEAR: "these runs do not decide between no gain and half of it",
            NONE: "there is no clear gain to explain", FEWER: "there are too few runs yet"}
    total = sum(map(len, kinds.values()))
    lines = [f"- On {len(kinds[kind])} of {total} data sets {words}: {listed(kinds[kind])}."
             for kind, words in told.items() if kind in kinds]
    return Prose("\n".join([*lines, *_gently_judged(runs, published, titles), *_plain_beats(runs, published, titles)]))


def _same_rate(runs: pd.DataFrame) -> bool:
    """Whether both recipes inter-train at one rate, as with encoders that bring none of their own."""
    part = runs[(runs["setting"] == "clust") & runs["recipe"].isin(["trained", CROSSED])]
    return "inter_learning_rate" in part and part["recipe"].nunique() == 2 and part["inter_learning_rate"].nunique() == 1


def _plain_beats(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None) -> list[str]:
    """Where the plain model, trained, is above the inter-trained one under the paper's recipe; a line or none."""
    found = []
    for name, budget in budgets_of(published).items():
        chosen = runs[(runs["dataset"] == name) & (runs["budget"] == budget)]
        both = stats.matched(*(chosen[(chosen["recipe"] == recipe) & (chosen["setting"] == setting)]
                               for recipe, setting in (("paper", "clust"), ("trained", "base"))))
        found += [(name, stats.differences(both))] if len(both) >= FEW else []
    if not found:
        return []
    what, beside = "the trained plain model, with no inter-training,", "the paper's recipe with inter-training"
    return [f"- On the same samples, {_counted(found, [name for name, _ in found], titles, what, beside)}"]


def crossed_in_words(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """Whose doing the difference between the recipes is: of how the model was inter-trained, or of how it is fine-tuned."""
    found = {name: both for name in budgets_of(published) if (both := crossed(runs, name, published)) is not None}
    if not found:
        return Prose("No model was inter-trained by the paper's recipe and fine-tuned by the trained one so far.")
    if _same_rate(runs):
        return Prose("Both recipes inter-train this encoder at the same rate, so that there is nothing to tell apart.")
    names, what = list(budgets_of(published)), "IT:CLUST, inter-trained at the paper's rate and fine-tuned by the trained recipe,"
    first, second = ([(name, both[place]) for name, both in found.items()] for place in (0, 1))
    beside = "that at the paper's rate"
    return Prose(f"- {_counted(first, names, titles, what)}\n"
                 f"- {_counted(second, names, titles, 'Fine-tuned alike, IT:CLUST at the rate of the trained recipe', beside)}")


def settings_in_words(runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """What masked words add, and what clusters add to them, under one recipe: a line a pair of settings and number of labels,
    from the budgets of Table 2 on."""
    stats.single(runs, "recipe")
    least, lines = budgets_of(published), []
    for before, after in (("base", "mlm"), ("clust", "mlm+clust"), ("mlm", "mlm+clust"), ("mlm", "clust")):
        for budget, matched in stats.pairs(runs[runs["budget"] >= runs["dataset"].map(least)], before, after).groupby("budget"):
            found = [(name, stats.differences(both)) for name, both in matched.groupby("dataset", sort=False) if len(both) >= FEW]
            told = f"- {budget} labels: {_counted(found, [name for name, _ in found], titles, TITLES[after], TITLES[before])}"
            lines += [told] if found else []
    return Prose("\n".join(lines) or "There are too few runs with masked words yet.")


def passes_in_words(runs: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """What more passes over masked words change under one recipe, on the same samples of labels: a line a data set, setting and
    pair of numbers of passes."""
    lines = {}
    for name, budget, setting, fewer, more, matched in further_passes(runs):
        if len(matched) >= FEW:
            changed = f"{points(stats.differences(matched))} at {budget}"
            lines.setdefault((name, setting, fewer, more), []).append(changed)
    return Prose("\n".join(
        f"- {(titles or {}).get(name, name)}, {TITLES[setting]}, {more} passes in place of {fewer}: {listed(changes)} labels."
        for (name, setting, fewer, more), changes in lines.items()) or "There are too few runs with several numbers of passes yet.")


def advice_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, measured: pd.DataFrame, recipe, titles: Mapping[str, str] | None = None
) -> Prose:
    """What the runs come to for whoever has few labels: what training the plain model is worth, what inter-training then
    adds with how many labels, and what each takes. `measured` is the benchmark of training, `recipe` the trained one's
    `design.Recipe`."""
    least, trained = budgets_of(published), runs[runs["recipe"] == "trained"]
    plain = runs[(runs["budget"] == runs["dataset"].map(least)) & (runs["setting"] == "base")]
    both = stats.matched(*(plain[plain["recipe"] == name] for name in ("paper", "trained"))).groupby("dataset")
    worth = {name: 100 * stats.differences(part).estimate for name, part in both if len(part) >= FEW}
    found = {name: gained.estimate for name in least if (gained := difference(runs, name, "trained", published)) is not None}
    if not worth or not found:
        return Prose("There are too few runs for advice yet.")
    ends = [f"{number(worth[name])} points ({(titles or {}).get(name, name)})"
            for name in (min(worth, key=worth.get), max(worth, key=worth.get))]
    most = max(found, key=found.get)
    best = f"{number(100 * found[most])} points ({(titles or {}).get(most, most)})"
    then = (f"The most that inter-training then adds is {best}" if found[most] > 0
            else f"Inter-training then adds nothing: at best {best}")
    return Prose("\n".join([
        "- Training the plain model for longer, by the trained recipe in place of the paper's, changes its accuracy by "
        f"{_from_to(ends)}. {then}.",
        *_trains(runs, least), *_helps(trained, least), *_gently(runs, published), *_takes(measured, recipe)]))


def nmi_of_losses_in_words(
    runs: pd.DataFrame, agreement: pd.DataFrame, published: pd.DataFrame, recipe: str, titles: Mapping[str, str] | None = None
) -> Prose:
    """Where inter-training clearly hurts or helps with any number of labels that was run under one recipe, with each data set's
    NMI in brackets, and whether those that are hurt lie on one side of the median."""
    nmi = stats.sib_nmi(agreement)
    matched = stats.pairs(runs[(runs["recipe"] == recipe) & runs["dataset"].isin(list(budgets_of(published)))])
    tested = {key: both for key, both in matched.groupby(["dataset", "budget"]) if len(both) >= FEW}
    found = stats.directions(tested)
    clear, sure = (found.loc[found[which], "up"].to_dict() for which in ("clear", "still"))
    names = sorted(matched.index.unique("dataset"), key=lambda name: nmi.get(name, -1))
    shown = {name: f"{(titles or {}).get(name, name)} ({number(nmi.get(name, float('nan')), 2)})" for name in names}
    hurt, helped = ([name for name in names if (name, way) in {(key[0], helps) for key, helps in clear.items()}]
                    for way in (False, True))
    said = {"Clearly hurt": hurt, "Clearly helped": helped,
            "Neither, with any number": [name for name in names if name not in {*hurt, *helped}]}
    middle = nmi.reindex(names).median()
    parts = [[name for name in names if bool(nmi.get(name, -1) > middle) is above] for above in (True, False)]
    lines = [f"- {what}{' with at least one number of labels' * (what[0] == 'C')}: "
             f"{listed([shown[name] for name in part]) or 'none'}."
             for what, part in said.items()]
    ways = [[f"{(titles or {}).get(name, name)} at {budget}" for (name, budget), up in sure.items() if up == helps]
            for helps in (False, True)]
    lines += [f"- With all t-tests here corrected together (Holm, {len(tested)} of them), still hurt: {listed(ways[0]) or 'none'}; "
              f"still helped: {listed(ways[1]) or 'none'}."] if tested else []
    return Prose("\n".join([*lines, "- Hurt are " + " and ".join(
        f"{sum(name in hurt for name in part)} of the {len(part)} whose NMI is {'above' if above else 'not above'} their median, "
        f"{number(middle, 2)}"
        for above, part in zip((True, False), parts, strict=True)) + "."]) if names else "There are too few runs yet.")


def _helps(runs: pd.DataFrame, least: Mapping[str, int]) -> list[str]:
    """With how many labels inter-training clearly helps and hurts, as a line; none where nothing is there to compare. Where
    some numbers of labels have many data sets, those that have a few so far are left out."""
    said, by_budget = [], {}
    for budget, part in stats.pairs(runs).groupby("budget"):
        by_budget[budget] = {name: both for name, both in part.groupby("dataset")
                             if budget >= least.get(name, budget) and len(both) >= FEW}
    most = max(map(len, by_budget.values()), default=0)
    enough = {budget: sets for budget, sets in by_budget.items() if sets and len(sets) >= min(FEW, most)}
    found = stats.directions({(name, budget): both for budget, sets in enough.items() for name, both in sets.items()})
    for budget, sets in enough.items():
        part = found.loc[[(name, budget) for name in sets]]
        helps, hurts = _ups_and_downs(part, "clear")
        said.append(f"with {budget} labels it clearly helps on {helps} and clearly hurts on {hurts} of {len(sets)} "
                    f"data set{'s' * (len(sets) > 1)}")
    rest = " On the others these runs do not tell." * (not found["clear"].all())
    gains, losses = _ups_and_downs(found, "still")
    rest += f" Corrected together (Holm), {gains} of these gains and {losses} of these losses remain." if said else ""
    return [f"- Inter-training, by the trained recipe: {'; '.join(said)}.{rest}"] if said else []


def _ups_and_downs(found: pd.DataFrame, which: str) -> tuple[int, int]:
    """How many of some `stats.directions` are gains and how many losses, of those that are `clear` or `still` so."""
    return int((found[which] & found["up"]).sum()), int((found[which] & ~found["up"]).sum())


def _trains(runs: pd.DataFrame, least: Mapping[str, int]) -> list[str]:
    """With how many labels the trained recipe makes the plain model clearly better and worse than the paper's, as a line."""
    plain, said = runs[runs["setting"] == "base"], []
    both = stats.matched(*(plain[plain["recipe"] == name] for name in ("paper", "trained")))
    for budget, part in both.groupby("budget"):
        found = [stats.differences(one) for name, one in part.groupby("dataset")
                 if budget >= least.get(name, budget) and len(one) >= FEW]
        better, worse = (sum(gained.estimate * side > 0 and not gained.includes_zero for gained in found) for side in (1, -1))
        said += [f"{budget} labels: {better} and {worse} of {len(found)}"] if len(found) >= FEW else []
    return ["- By number of labels, on how many data sets the trained plain model is clearly better, and clearly worse, than under "
            f"the paper's recipe: {'; '.join(said)}."] if said else []


def _gently(runs: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """The same at the budgets of Table 2 by both rates of inter-training, as a line; none where only one was run."""
    sets = {name: both[0] for name in budgets_of(published) if (both := crossed(runs, name, published)) is not None}
    own = [gained for name in sets if (gained := difference(runs, name, "trained", published)) is not None]
    if not sets:
        return []
    counts = [[sum(gained.estimate * side > 0 and not gained.includes_zero for gained in part) for side in (1, -1)]
              for part in (own, sets.values())]
    (helps, hurts), (gently, worse) = counts
    return ["- How the model is inter-trained counts as well: fine-tuned alike and with as many labels as in the table above, it "
            f"is clearly better than plain on {helps} and clearly worse on {hurts} of {len(sets)} data set{'s' * (len(sets) > 1)} "
            f"at the trained recipe's rate of inter-training, and on {gently} and {worse} at the paper's."]


def _takes(measured: pd.DataFrame, recipe) -> list[str]:
    """Minutes of inter-training and seconds of fine-tuning, by the rates of the machines that were measured, as a line. Not of
    graphics cards, where what an update takes does not go by its texts."""
    ours = measured[(measured["way"] == "ours") & (measured["device"] == "cpu")]
    if ours.empty:
        return []
    tuned = recipe.batch_size * recipe.min_updates
    minutes, seconds = ([max(1, round(by * texts / rate)) for rate in sorted(ours["train_texts_a_second"], reverse=True)]
                        for texts, by in ((MOST_TEXTS, 1 / 60), (tuned, 1)))
    return [f"- On the processors that were measured ({'; '.join(sorted(ours['machine'].unique()))}), {MOST_TEXTS:,} "
            f"short texts take {_from_to(minutes)} minutes to inter-train on, "
            f"and {recipe.min_updates} updates of fine-tuning {_from_to(seconds)} seconds."]


def _from_to(shown: list) -> str:
    return " to ".join(dict.fromkeys([str(shown[0]), str(shown[-1])]))


def chance_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, chance: Mapping[str, float], titles: Mapping[str, str] | None = None
) -> Prose:
    """On which data sets the plain model is no better than always answering the largest class, a recipe a line.

    No better is less than one point above it, as a mean over the samples of labels.
    """
    lines = []
    for recipe, words in RECIPES.items():
        means = {name: runs.loc[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)
                                & (runs["setting"] == "base"), "accuracy"].mean()
                 for name, budget in budgets_of(published).items() if name in chance}
        known = {name: mean for name, mean in means.items() if not pd.isna(mean)}
        low = [f"{(titles or {}).get(name, name)} ({number(100 * mean)} beside {number(100 * chance[name])})"
               for name, mean in known.items() if mean < chance[name] + 0.01]
        where = listed(low) if low else "none"
        lines.append(f"- Under {words}: {where} of {len(known)} data sets." if not low else
                     f"- Under {words}, {len(low)} of {len(known)} data sets: {where}.")
    return Prose("\n".join(lines))


def sweep_in_words(
    runs: pd.DataFrame, names: Iterable[str], budgets: Iterable[int], titles: Mapping[str, str] | None = None
) -> Prose:
    """What becomes of the difference as the model is trained for longer: a line a data set and budget."""
    found = stats.along_updates(runs)
    lines = []
    for name in names:
        for budget in budgets:
            part = found[(found["dataset"] == name) & (found["budget"] == budget)].sort_values("updates")
            lines.append(f"- {(titles or {}).get(name, name)}, {budget} labels: {_swept(part)}")
    return Prose("\n".join(lines))


def _swept(part: pd.DataFrame) -> str:
    if len(part) < 2:
        return "no sweep yet."
    first, last = part.iloc[0], part.iloc[-1]
    ends = [stats.Interval(row["difference"], row["low"], row["high"]) for row in (first, last)]
    text = (f"IT:CLUST beside plain is {points(ends[0])} points after {first['updates']:.0f} updates and "
            f"{points(ends[1])} after {last['updates']:.0f}.")
    reached = part[part["before"] >= first["after"]]
    goal = f"the accuracy that IT:CLUST has after {first['updates']:.0f} ({number(100 * first['after'])} %)"
    if first["after"] <= first["before"]:
        return text + " Plain is not behind even at the start."
    if reached.empty:
        return text + f" Plain never reaches {goal}."
    by = reached["updates"].iloc[0]
    before = part.loc[part["updates"] < by, "updates"].max()
    return text + f" Plain is still below {goal} after {before:.0f} updates, and has it after {by:.0f}."


def sizes_in_words(data: pd.DataFrame, printed: pd.DataFrame, titles: Mapping[str, str] | None = None) -> Prose:
    """Where sizes and classes are those of Table 1, to the hundred that it rounds to, and where they are not."""
    both = counted_texts(data).join(printed.set_index("dataset").add_suffix("_paper"), how="inner")
    odd = []
    for name, row in both.iterrows():
        parts = [f"{part} {whole(row[part])} beside {thousands(row[f'{part}_paper'])}" for part in ("train", "test")
                 if abs(row[part] - row[f"{part}_paper"]) > 50]
        if row["classes"] != row["classes_paper"]:
            parts.append(f"{row['classes']:.0f} classes beside {row['classes_paper']:.0f}")
        odd += [f"{(titles or {}).get(name, name)} ({', '.join(parts)})"] if parts else []
    missing = [(titles or {}).get(name, name) for name in printed["dataset"] if name not in both.index]
    text = (f"Of {len(both)} data sets of the paper that were counted here, {len(both) - len(odd)} "
            "have the sizes and classes of Table 1")
    text += f"; the exception{'s are' if len(odd) > 1 else ' is'} {listed(odd)}." if odd else "."
    return Prose(text + (f" Not counted yet: {listed(missing)}." if missing else ""))


def sources(infos: Iterable) -> Prose:
    """Where each data set comes from, on what terms and how it is split, as a Markdown list; `infos` are entries of
    the registry, whose words are ours."""
    return Prose("\n".join(f"- **{info.title}**: {info.source}. Split: {info.split}. {info.note} Licence: {info.licence}. "
                           f" Source: {_link(info.address)}." for info in infos).replace("  ", " "))


def _link(address: str) -> str:
    return f"<{address}>" if address.startswith("http") else address


def missing_in_words(
    samples: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Which data sets have samples that lack a class at the smallest budget, shown in the paper or not."""
    seen = samples.drop_duplicates(["dataset", "budget", "repetition"])
    least = int(published["budget"].min())
    lacking = (seen[seen["budget"] == least].assign(lacks=lambda frame: frame["missing_classes"] > 0)
               .groupby("dataset")["lacks"].agg(["sum", "size"]))
    parts = {True: [], False: []}
    for name, budget in budgets_of(published).items():
        if name in lacking.index and lacking.loc[name, "sum"]:
            row = lacking.loc[name]
            parts[budget == least].append(f"{(titles or {}).get(name, name)} ({row['sum']} of {row['size']})")
    left_out = [(titles or {}).get(name, name) for name, budget in budgets_of(published).items() if budget > least]
    text = f"The paper shows no result at {least} labels for {listed(left_out)}, because its samples lack a class. "
    text += f"Samples drawn here lack one, too: {listed(parts[False])}." if parts[False] else "The samples drawn here do not."
    return Prose(text + (f" So do some of data sets that the paper does show: {listed(parts[True])}." if parts[True] else ""))


def nmi_in_words(
    effects: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether the paper's reading of Figure 4 holds, for the paper's own numbers and for each recipe: a line each."""
    lines = []
    for source, group in effects.groupby("source", sort=False):
        source = source[0].upper() + source[1:]
        found = stats.correlation(group["nmi"], group["error_reduction"])
        if pd.isna(found.low):
            lines.append(f"- {source}: only {len(group)} data sets, too few for an interval.")
            continue
        supported = "supports the paper's reading" if found.low > 0 else (
            "contradicts the paper's reading" if found.high < 0 else "leaves the paper's reading open: the interval includes 0")
        lines.append(f"- {source}: the correlation is {interval(found, 2)} over {len(group)} data sets, which {supported}. "
                     f"{_without_one(group, titles)} {_lowest(group, topical, titles)}")
    return Prose("\n".join(lines))


def nmi_by_measure_in_words(effects: pd.DataFrame) -> Prose:
    """By which measure of the gain its correlation with NMI is settled, for each source of numbers."""
    lines = []
    for source, group in effects.groupby("source", sort=False):
        if len(group) < MANY:
            continue
        spans = {title: stats.correlation(group["nmi"], group[measure]) for measure, title in MEASURED.items()}
        sure = [f"{title} ({interval(span, 2)})" for title, span in spans.items() if not span.includes_zero]
        open_ = [title for title, span in spans.items() if span.includes_zero]
        said = ([f"the interval excludes 0 by {listed(sure)}"] * bool(sure)
                + [f"{'it' if sure else 'the interval'} includes 0 by {listed(open_)}"] * bool(open_))
        lines.append(f"- {source[0].upper() + source[1:]}: {', '.join(said)}.")
    return Prose("\n".join(lines) or "There are too few data sets yet.")


def _without_one(group: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """How far the correlation hangs on a single data set."""
    left = {row.dataset: stats.correlation(*(group.drop(row.Index)[key] for key in ("nmi", "error_reduction"))).estimate
            for row in group.itertuples()}
    low, high = min(left, key=left.get), max(left, key=left.get)
    named = {name: (titles or {}).get(name, name) for name in (low, high)}
    return (f"Leaving out one data set moves it between {number(left[low], 2)} (without {named[low]}) and "
            f"{number(left[high], 2)} (without {named[high]}).")


def _lowest(group: pd.DataFrame, topical: Mapping[str, bool], titles: Mapping[str, str] | None) -> str:
    """What the data sets of lowest NMI gain, which the paper says is nothing; and where the largest gain is."""
    others = max(1, sum(topical.get(name) is False for name in group["dataset"]))
    lowest = group.sort_values("nmi").head(others)
    told = [f"{(titles or {}).get(row.dataset, row.dataset)} {percent(row.error_reduction)}" for row in lowest.itertuples()]
    top = group.loc[group["error_reduction"].idxmax()]
    rank = int((group["nmi"] > top["nmi"]).sum()) + 1
    return (f"Error reductions where NMI is lowest: {listed(told)}. The largest of all, {percent(top['error_reduction'])}, "
            f"is that of {(titles or {}).get(top['dataset'], top['dataset'])}, number {rank} of {len(group)} by NMI.")


def methods_in_words(
    reference: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether NB and SVM are inferior to the fine-tuned models, as section 5.2 says of IT:CLUST; a line a comparison."""
    lines = []
    for recipe, words in RECIPES.items():
        for setting in ("clust", "base"):
            chosen = runs[(runs["recipe"] == recipe) & (runs["setting"] == setting)]
            lines.append(f"- {words[0].upper() + words[1:]}, {TITLES[setting]}: "
                         f"{_against(reference, chosen, published, titles)}")
    return Prose("\n".join(lines))


def _against(reference: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """Fine-tuned models of one setting and recipe against the four methods: at Table 2's budget, then at all."""
    ours = runs.groupby(["dataset", "budget"])["accuracy"].mean()
    words = reference[reference["method"].isin(WORDS)]
    theirs = words.groupby(["dataset", "budget", "method"])["accuracy"].mean()
    ahead = [ours[key[:2]] > value for key, value in theirs.items() if key[:2] in ours.index]
    beaten = {}
    for name, budget in budgets_of(published).items():
        if (name, budget) in ours.index and (name, budget) in theirs.index:
            best = theirs[name, budget]
            beaten[name] = (best.idxmax(), best.max() - ours[name, budget])
    if not ahead or not beaten:
        return "no runs to compare yet."
    above = [f"{(titles or {}).get(name, name)} ({REFERENCE[method]}: {number(100 * lead)} points)"
             for name, (method, lead) in beaten.items() if lead > 0]
    text = f"above all four on {len(beaten) - len(above)} of {len(beaten)} data sets with few labels"
    text += f"; behind the best of them on {listed(above)}" if above else ""
    return f"{text}. Over all budgets run so far it is ahead in {sum(ahead)} of {len(ahead)} comparisons."


def clusters_in_words(
    reference: pd.DataFrame,
    runs: pd.DataFrame,
    agreement: pd.DataFrame,
    published: pd.DataFrame,
    titles: Mapping[str, str] | None = None,
) -> Prose:
    """Section 5.4 on the nearest-cluster classifier: behind IT:CLUST in general, yet good where NMI is high."""
    nmi = stats.sib_nmi(agreement)
    lines = []
    for recipe, words in RECIPES.items():
        found = {}
        for name, budget in budgets_of(published).items():
            part = reference[(reference["dataset"] == name) & (reference["budget"] == budget)]
            ours = runs.loc[(runs["dataset"] == name) & (runs["budget"] == budget) & (runs["recipe"] == recipe)
                            & (runs["setting"] == "clust"), "accuracy"]
            theirs = part.loc[part["method"] == "cluster_sib", "accuracy"]
            if len(ours) and len(theirs):
                found[name] = theirs.mean() - ours.mean()
        if not found:
            lines.append(f"- {words[0].upper() + words[1:]}: no runs to compare yet.")
            continue
        ahead = [f"{(titles or {}).get(name, name)} by {number(100 * lead)} points" for name, lead in found.items() if lead > 0]
        rank = stats.correlation([nmi.get(name, float("nan")) for name in found], list(found.values()), ranks=True).estimate
        where = f" ({listed(ahead)})" if ahead else ""
        lines.append(f"- {words[0].upper() + words[1:]}: the nearest cluster is above IT:CLUST on {len(ahead)} of "
                     f"{len(found)} data sets{where}. The rank correlation of its lead with NMI is {number(rank, 2)}.")
    return Prose("\n".join(lines))


def clusterings_in_words(
    runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper", titles: Mapping[str, str] | None = None
) -> Prose:
    """Whether inter-training on sIB's clusters does best, as section 5.1 says of most data sets: which clustering has the
    highest mean where; where sIB's lead over another is clear, and its mean over data sets; and what is missing."""
    names, lines = list(budgets_of(published)), []
    for other in OTHERS:
        found = [(name, gained) for name in names if (gained := lead(runs, name, other, recipe, published)) is not None]
        if not found:
            lines.append(f"- {CLUSTERINGS[other]}: not attempted so far. There are too few runs of a model inter-trained on "
                         "its clusters, so this line of Figure 6 is neither confirmed nor refuted here.")
            continue
        mean = stats.t_interval([gained.estimate for _, gained in found])
        lines.append(f"- {CLUSTERINGS[other]}: {_counted(found, names, titles, 'inter-training on sIB', CLUSTERINGS[other])} "
                     f"The mean of its leads is {interval(mean, 1, 100)} points over {len(found)} "
                     f"data set{'s' * (len(found) > 1)}.")
    means = by_clustering(runs, published, recipe)
    best = (f"- Of {len(means)} data set{'s' * (len(means) > 1)} with runs of all three, the highest mean is that of "
            f"{_best(means, titles)}.")
    return Prose("\n".join([*lines, *([best] if len(means) else [])]))


def _best(means: pd.DataFrame, titles: Mapping[str, str] | None) -> str:
    """On how many data sets, and which, each clustering has the highest of the row."""
    best = means.idxmax(axis=1)
    return listed([f"{CLUSTERINGS[key]} on {len(names)} ({listed([(titles or {}).get(name, name) for name in names])})"
                    for key in CLUSTERINGS if len(names := list(best.index[best == key]))])


def beside_plain_in_words(runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper") -> Prose:
    """On how many of the data sets that have all three clusterings each is clearly above plain, and whether it is below
    on any."""
    sides = {name: [difference(runs[runs["clustering"].isin(["", key])], name, recipe, published) for key in CLUSTERINGS]
             for name in by_clustering(runs, published, recipe).index}
    whole_rows = [row for row in sides.values() if None not in row]
    if not whole_rows:
        return Prose("There are no data sets yet with matched runs of all three clusterings and of none.")
    above, below = [], []
    for title, column in zip(CLUSTERINGS.values(), zip(*whole_rows, strict=True), strict=True):
        clear = [gained.estimate > 0 for gained in column if not gained.includes_zero]
        above.append(f"on {sum(clear)} with the clusters of {title}")
        below += [f"on {clear.count(False)} with those of {title}"] if False in clear else []
    return Prose(f"Beside no inter-training at all, of {len(whole_rows)} data sets with runs of all three: inter-training is "
                 f"clearly above plain {listed(above)}, and clearly below {listed(below) or 'on none'}.")


def nmi_and_leads_in_words(
    agreement: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame, recipe: str = "paper", seed: int = 0
) -> Prose:
    """Whether the clustering that follows the classes better is the better one to inter-train on, as section 5.4's reading
    of NMI would have it: sIB beside both k-means together, one comparison a data set.

    `seed` is that of the partitions that were inter-trained on.
    """
    one = agreement[agreement["seed"] == seed]
    nmi, means = one.pivot(index="dataset", columns="clustering", values="nmi"), by_clustering(runs, published, recipe)
    known, gained = (frame["sib"] - frame[list(OTHERS)].mean(axis=1) for frame in (nmi, means))
    leads = (gained * np.sign(known)).dropna()
    if len(leads) < MANY:
        return Prose("There are too few data sets with runs on all three clusterings to say whether NMI tells which is best.")
    span = stats.t_interval(leads)
    return Prose(f"On {sum(leads > 0)} of {len(leads)} data sets, whichever has the higher NMI, sIB or the mean of both k-means, "
                 f"is also more accurate after inter-training. Over all {len(leads)} its lead is {interval(span, 1, 100)} points "
                 "in the mean"
                 + (": this does not settle it." if span.includes_zero else "."))


def nmi_by_clustering_in_words(
    agreement: pd.DataFrame, published: pd.DataFrame, titles: Mapping[str, str] | None = None
) -> Prose:
    """Which clustering follows the classes best, over the paper's data sets."""
    means = agreement.groupby(["dataset", "clustering"])["nmi"].mean().unstack()
    means = means.reindex([name for name in budgets_of(published) if name in means.index])[list(CLUSTERINGS)].dropna()
    if means.empty:
        return Prose("There are no clusterings to compare yet.")
    return Prose(f"Of {len(means)} data sets, the highest NMI is that of {_best(means, titles)}. sIB's is "
                 f"{number(means['sib'].mean(), 2)} in the mean, k-means' {number(means['kmeans'].mean(), 2)}, Hartigan's "
                 f"{number(means['hartigan'].mean(), 2)}.")
