"""The command line: `cluster-tune COMMAND`, one command a thing a person wants done.

Only arguments, progress and exit codes are here; each command is a call of the library. Bad input prints one line and
exits with 2, an interruption with 130; `check` exits with 1 where it finds something.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cluster_tune import __version__, design, paths
from cluster_tune.errors import InputError, unknown


class _Passes:
    """Shows the passes of a clustering over the documents, all restarts together."""

    def __enter__(self):
        from tqdm import tqdm

        from cluster_tune.clustering import SIB

        self.plan, self.best = SIB(), 0.0
        total = self.plan.n_init * self.plan.max_iter
        self.bar = tqdm(total=total, unit="pass", file=sys.stderr, dynamic_ncols=True, desc="clustering")
        return self

    def __call__(self, restart: int, passes: int, moved: float, information: float) -> None:
        self.best = max(self.best, information)
        self.bar.set_postfix_str(f"I(T;Y) {self.best:.3f} bits")
        stops = moved <= self.plan.tol  # and then the passes that were still allowed count as done
        self.bar.update(1 + (self.plan.max_iter - passes) * stops)

    def __exit__(self, *error) -> None:
        self.bar.close()


def _list(options: argparse.Namespace) -> None:
    from cluster_tune import datasets, encoders

    for kind, names in {
        "data sets": datasets.REGISTRY,
        "encoders": encoders.KNOWN,
        "settings": design.SETTINGS,
        "recipes": design.RECIPES,
    }.items():
        print(f"{kind}: {', '.join(names)}")


def _data(options: argparse.Namespace) -> None:
    from cluster_tune import datasets, glove

    for name in options.names if options.again else ():
        if name == "glove" or name in datasets.EMBEDDED or datasets.is_path(name) or datasets.is_own(name):
            raise InputError(f"--again has no meaning for '{name}': only the paper's data sets are fetched anew; leave it out")
    for name in options.names:
        if name == "glove":
            print(f"glove: {glove.fetch().name}")
            continue
        data = datasets.fetch(name, again=options.again)
        print(f"{name}: {len(data.train):,} train, {len(data.dev):,} dev, {len(data.test):,} test, {data.fingerprint}")


def _run(options: argparse.Namespace) -> None:
    from cluster_tune import experiment

    wanted = design.combine(
        options.datasets,
        options.encoder,
        options.settings,
        options.recipes,
        options.budgets,
        range(options.repetitions),
        options.clustering,
    )
    if options.clustering not in design.CLUSTERINGS:  # settings without clusters would not notice
        raise unknown("clustering", options.clustering, design.CLUSTERINGS)
    changes = experiment.Changes(options.inter_epochs, options.mlm_epochs, options.clusters)
    _compute(wanted, options, text_column=options.text_column, label_column=options.label_column, changes=changes)
    print(f"{len(wanted)} runs are in '{paths.results()}'; cluster-tune gather makes a table of them, cluster-tune page a page")


def _grid(options: argparse.Namespace) -> None:
    from cluster_tune import experiment

    wanted, changes = _wanted(options), experiment.Changes(mlm_epochs=options.mlm_epochs)
    columns = {"text_column": options.text_column, "label_column": options.label_column}
    if not wanted:  # more shards than there are groups of runs, which is no mistake in an array of jobs
        return print(f"shard {options.shard} of this grid is empty")
    if options.dry_run:
        return _survey(wanted, changes=changes, **columns)
    log = paths.writable(paths.logs()) / f"grid-{options.profile}.log"
    left_out = _compute(wanted, options, log, changes=changes, tolerant=True, **columns)
    _, done, _ = experiment.survey(wanted, changes=changes, **columns)
    print(f"{options.profile}: {len(done)} of {len(wanted)} runs are in '{paths.results()}'")
    _complain(len(wanted) - len(done), left_out)
    return None


def _wanted(options: argparse.Namespace) -> list[design.Run]:
    """The runs of the profile that the options leave."""
    wanted = design.runs(options.profile, options.datasets, options.encoder, options.budgets)
    if options.only is not None:
        known = {design.group(run) for run in wanted}
        for name in options.only:
            if name not in known:
                raise unknown("group of runs", name, known)
        wanted = [run for run in wanted if design.group(run) in options.only]
    return wanted if options.shard is None else design.shard(wanted, options.shard, options.mlm_epochs)


def _survey(wanted: list[design.Run], **how) -> None:
    """What is there and what is missing, as a table."""
    import pandas as pd

    from cluster_tune import experiment, tables

    known, done, left_out = experiment.survey(wanted, **how)
    finished = set(done)
    missing = [run for run in known if run not in finished]
    starts = {(run.dataset, run.setting, run.clustering, design.family(run.recipe)) for run in missing}
    models = sum(setting != "base" for _, setting, *_ in starts)
    if known:
        there = tables.coverage(pd.DataFrame(done, columns=pd.DataFrame(known).columns), known)
        print(there.replace(" runs", "", regex=True).replace(" of ", "/", regex=True).T.to_string())
    print(f"{len(missing)} of {len(wanted)} runs to do, from {models} inter-trained models")
    _complain(len(wanted) - len(known), left_out)


def _complain(runs: int, left_out: list[str]) -> None:
    if left_out:
        raise InputError(f"{runs} runs are left out: {'; '.join(left_out)}")


def _compute(wanted: list[design.Run], options: argparse.Namespace, log: Path | None = None, **more) -> list[str]:
    """The runs that are missing, with the options that every computation has."""
    from cluster_tune import processes

    if not wanted:
        raise InputError("that is a grid without runs; ask for at least one data set, setting, budget and repetition")
    how = {key: getattr(options, key) for key in ("device", "precision", "keep_models", "processes")}
    return processes.ensure(wanted, log=log, **how, **more)


def _reference(options: argparse.Namespace) -> None:
    from cluster_tune import reference
    from cluster_tune.progress import Progress

    with closing(Progress()) as progress:
        reference.ensure(
            options.datasets,
            budgets=options.budgets,
            repetitions=range(options.repetitions),
            vectors=options.glove,
            text_column=options.text_column,
            label_column=options.label_column,
            report=progress,
        )


def _few_labels(options: argparse.Namespace) -> None:
    from cluster_tune import few_labels
    from cluster_tune.progress import Progress

    with closing(Progress()) as progress:
        few_labels.ensure(
            options.datasets,
            encoder=options.encoder,
            wanted=options.methods,
            budgets=options.budgets,
            repetitions=range(options.repetitions),
            vectors=options.glove,
            text_column=options.text_column,
            label_column=options.label_column,
            report=progress,
        )


def _cluster(options: argparse.Namespace) -> None:
    from cluster_tune import reference

    with _Passes() as progress:
        folder, found = reference.cluster_file(
            options.file,
            options.out,
            options.text_column,
            options.label_column,
            options.clusters,
            options.seed,
            progress,
            options.label_first,
        )
    for note in found.notes:
        print(f"note: {note}")
    for row in found.terms.head(5).itertuples():
        print(f"cluster {row.cluster}, {row.size:,} texts: {row.terms}")
    print(f"{len(found.labels):,} texts in {len(found.terms)} clusters: clusters.csv and terms.csv in '{folder}'")
    if options.label_first:
        print(f"{options.label_first:,} texts to label first, spread over the clusters, are marked in the column label_first")
    if found.agreement:
        print("with the labels: NMI {nmi:.3f}, AMI {ami:.3f}, ARI {ari:.3f}".format(**found.agreement))


LEARNING = ("encoder", "settings", "recipe", "clusters", "folds", "seed")  # of label, without --model


def _label(options: argparse.Namespace) -> None:
    from cluster_tune import labelling
    from cluster_tune.progress import Progress

    how = {key: getattr(options, key) for key in ("text_column", "device", "precision")}
    if options.model:
        _refuse(options, "with --model, which learns nothing", *LEARNING)
        found = labelling.apply(options.file, options.model, options.out, label_column=options.label_column, **how)
    else:
        given = {key: value for key in LEARNING if (value := getattr(options, key)) is not None}
        if "clusters" in given:
            given["n_clusters"] = given.pop("clusters")
        if options.label_column is not None:
            given["label_column"] = options.label_column
        with closing(Progress()) as progress:
            found = labelling.learn(options.file, options.out, **given, **how, report=progress)
    for setting, scores in found.checks.groupby("setting")["accuracy"]:
        print(f"{labelling.TITLES[setting]}: accuracy {scores.mean():.3f} over {len(scores)} folds, "
              f"{scores.min():.3f} to {scores.max():.3f}; "
              f"always naming the commonest label would have {found.commonest:.3f}")
    if found.before:
        print(f"note: another '{labelling.TABLE}' was there, which is '{found.before}' now")
    new = int((found.table["how"] == "predicted").sum())
    said = f"{new:,} of {len(found.table):,} texts got a label in '{found.folder / labelling.TABLE}'"
    by = "" if options.model else f" by the {labelling.TITLES[found.setting]} model, which is in '{found.folder / labelling.MODEL}'"
    print(said + by)


def _gather(options: argparse.Namespace) -> None:
    from cluster_tune import results

    frame = results.gather()
    print(f"{len(frame)} runs in '{paths.results() / 'runs.csv'}'")


def _compare(options: argparse.Namespace) -> None:
    from cluster_tune import datasets, results, sentences, stats

    other, out = results.another(Path(options.runs)), Path(options.out) if options.out else None
    for read in (other, paths.results() / "runs.csv") if out else ():
        paths.spare(read, out.parent, [out.name])
    theirs = results.of_another(other)
    cells = stats.again(theirs, results.load(set(theirs["dataset"]), aside=True))
    if cells.empty:
        raise InputError(f"'{other}' and '{paths.results()}' have no run in common that each has computed by itself; runs are the "
                         "same where recipe, texts and weights are")
    print(f"the first time: '{other}'; the second: '{paths.results()}'")
    print(sentences.again_in_words(cells, datasets.titles()))
    if out:
        moved = results.write_beside(out, results.content(cells, "%.5g"))
        print(f"cell by cell: '{out}'" + (f"; what was there is '{moved}' now" if moved else ""))


def _page(options: argparse.Namespace) -> None:
    from cluster_tune import datasets, encoders, pages

    parameters = dict(_pair(text) for text in options.parameters)
    if options.all:
        _refuse(options, "with --all", "name", "template", "title", "out", "first_run")
        return _pages(options, parameters)
    _refuse(options, "without --all", "datasets", "mlm_epochs", "device", "precision", "keep_models", "processes")
    if not options.name:
        raise InputError("page needs the name of a data set, or --all")
    own = datasets.is_path(options.name) or datasets.is_own(options.name)
    template = options.template or (options.name if not own and pages.is_chapter(options.name) else "dataset")
    given = {"profile": options.profile, "encoder": options.encoder}
    if options.first_run:
        _refuse(options, "with --first-run", "title", "out", "profile", "encoder")
        out, title = paths.book() / "first_run.ipynb", "A first run"
    else:
        out, title = options.out, options.title
        usual = {"profile": "cpu", "compute": "false"} if template == "dataset" else {}
        if options.encoder and pages.is_chapter(template):  # a chapter asks the store, which has an encoder by its name
            given["encoder"] = encoders.name_of(options.encoder)
        parameters = usual | {key: value for key, value in given.items() if value} | parameters
        if template == "dataset" and not pages.convert("compute", parameters["compute"], True):
            _check_texts(options.name, parameters)
    print(pages.make(options.name, template=template, out=out, title=title, parameters=parameters))
    return None


def _check_texts(name: str, parameters: dict[str, str]) -> None:
    """InputError for a page, with nothing computed for it, of own texts that are not what the store knows by their name."""
    from cluster_tune import datasets, results

    if not (datasets.is_path(name) or datasets.is_own(name)):
        return
    data = datasets.load(name, *(parameters.get(f"{part}_column", part) for part in ("text", "label")))
    known = results.table("facts", dataset=data.name)["data_fingerprint"]
    if (known != data.fingerprint).any():
        raise InputError(f"'{name}' is not what the store has as '{data.name}': it has changed since, or other texts had "
                         "that name; make the page with -p compute=true")


def _refuse(options: argparse.Namespace, where: str, *names: str) -> None:
    """InputError for an option that has no meaning there, rather than none of its effect."""
    for name in names:
        if (value := getattr(options, name)) is not None and value is not False and value != []:
            shown = name.upper() if name == "name" else f"--{name.replace('_', '-')}"
            raise InputError(f"{shown} has no meaning {where}; leave it out, or see cluster-tune {options.command} --help")


def _pages(options: argparse.Namespace, parameters: dict[str, str]) -> None:
    """A page of each data set of a profile, with what is missing computed first unless told otherwise; for another encoder
    than the book's also the chapters, from its results."""
    from cluster_tune import encoders, experiment, pages, results

    options.profile, options.encoder = options.profile or "cpu", options.encoder or "minilm"
    options.device, options.precision = options.device or "auto", options.precision or "auto"
    options.processes = 1 if options.processes is None else options.processes
    names = options.datasets or design.profile(options.profile).datasets
    grids = {name: design.grid(name, options.encoder, options.profile) for name in names}
    compute = pages.convert("compute", parameters.get("compute", "true"), True)
    columns = {key: parameters[key] for key in ("text_column", "label_column") if key in parameters}
    left_out = _compute_pages(grids, options, columns) if compute else []
    given = {"profile": options.profile, "encoder": options.encoder} | parameters | {"compute": "false"}
    for name, grid in grids.items():
        try:
            done = len(results.of(experiment.named(grid)))
            print(f"{pages.make(name, parameters=given)}: {done} of {len(grid)} runs")
        except InputError as error:
            left_out.append(f"{name} ({error})")
    # The book's own chapters are refreshed as they are, and all are about the paper's data sets.
    whole = not options.datasets and options.encoder != "minilm" and not set(grids).isdisjoint(design.NINE)
    for name in pages.chapters() if whole else ():
        try:
            print(pages.make(name, template=name, parameters={"encoder": encoders.name_of(options.encoder)}))
        except InputError as error:
            left_out.append(f"{name} ({error})")
    if left_out:
        raise InputError(f"some pages or runs are left out: {'; '.join(left_out)}")


def _compute_pages(grids: dict[str, list[design.Run]], options: argparse.Namespace, columns: dict[str, str]) -> list[str]:
    """The runs that pages show, in the order of their profile, and their reference methods; why some are left out."""
    from cluster_tune import datasets, experiment, reference

    shown = {run for grid in grids.values() for run in grid}
    wanted = [run for run in design.runs(options.profile, grids, options.encoder) if run in shown]
    log = paths.writable(paths.logs()) / f"pages-{options.profile}.log"
    changes = experiment.Changes(mlm_epochs=options.mlm_epochs)
    left_out = _compute(wanted, options, log, changes=changes, tolerant=True, **columns)
    for name, grid in grids.items():
        known = datasets.name_of(name)  # of a path, what the lines call it
        if not any(known in line.split(" (")[0].split(", ") for line in left_out):
            reference.ensure_beside(grid, **columns)
    return left_out


def _refresh(options: argparse.Namespace) -> None:
    from cluster_tune import pages

    for file in options.files:
        print(pages.refresh(file))


def _check(options: argparse.Namespace) -> int:
    from cluster_tune import provenance

    if not (files := [Path(file) for file in options.files] or sorted(paths.book().rglob("*.ipynb"))):
        raise InputError(f"there is no page in '{paths.book()}'; name pages, or see what CLUSTER_TUNE_BOOK is")
    found = {paths.shown(file): why for file in files if (why := provenance.stale(file))}
    for file, why in found.items():
        print(f"{file} is stale: {'; '.join(why)}")
    if not found:
        print(f"{len(files)} pages are as results, parameters and code have them")
    return int(bool(found))


def _launch(options: argparse.Namespace) -> None:
    from cluster_tune import launch, pages

    url, _ = launch.address()
    files = [*paths.book().rglob("*.ipynb"), *(paths.root() / "notebooks").glob("*.ipynb")]
    changed = pages.relaunch(sorted(files))
    print(f"{len(changed)} of {len(files)} notebooks changed: " + (f"they run from {url}" if url else "there is no address"))


def _readme(options: argparse.Namespace) -> None:
    from cluster_tune import citation, datasets, pages, results, tables

    titles = datasets.shown()  # and not what a user's own texts came to
    runs = results.load(list(titles), "minilm", clustering="sib")
    table = tables.beside_published(runs, results.published("paper_table2_accuracy_at_64"), titles)
    changed = pages.fill(paths.root() / "README.md", "results", tables.markdown(table))
    print("README.md has new results" if changed else "README.md is as the results have it")
    changed = pages.fill(paths.book() / "cite.md", "citation", citation.page())
    print("book/cite.md has a new citation" if changed else "book/cite.md is as CITATION.cff has it")


def _verdicts(options: argparse.Namespace) -> None:
    from cluster_tune import pages, verdicts

    judged = verdicts.judge(verdicts.claims(), verdicts.evidence())
    changed = verdicts.changes(judged, verdicts.expected())
    for line in changed:
        print(line)
    if changed and not options.accept:
        raise InputError(f"{len(changed)} verdicts are not as expected; look at them, then run it with --accept")
    if options.accept:
        verdicts.accept(judged)
        print(pages.refresh(paths.book() / "published_and_obtained.ipynb"))
    print(f"{len(judged)} claims, {len(changed)} verdicts changed")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"parameter '{text}' is not of the form name=value")
    return name, value


def _names(text: str) -> list[str]:
    """What a list names. An empty one, of a variable that is not set, must not mean all that there is."""
    if names := [name for name in text.split(",") if name]:
        return names
    raise argparse.ArgumentTypeError("nothing is named; name some, or leave the option out for its default")


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in _names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of whole numbers such as 64,128") from None


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser(prog="cluster-tune", description="Cluster & Tune, reproduced: the paper's experiment on your machine.")
    top.add_argument("--version", action="version", version=f"cluster-tune {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    one = commands.add_parser("list", help="name the data sets, encoders, settings and recipes")
    one.set_defaults(call=_list)

    one = commands.add_parser("data", help="fetch data sets (or glove: the vectors), and store them under data/")
    one.add_argument("names", nargs="+", metavar="NAME")
    one.add_argument("--again", action="store_true", help="fetch what is here anew, and refuse it if the source has changed")
    one.set_defaults(call=_data)

    one = commands.add_parser("run", help="compute what is missing of a grid of runs")
    one.add_argument("datasets", nargs="+", metavar="DATASET", help="a name, or the path of a .csv, .tsv, .jsonl or .parquet file")
    one.add_argument("--encoder", default="minilm", help="minilm, bert-base, a hub id or a folder (default: minilm)")
    one.add_argument("--settings", type=_names, default=["base", "clust"], metavar="A,B", help="default: base,clust")
    one.add_argument("--recipes", type=_names, default=["paper", "trained"], metavar="A,B", help="default: paper,trained")
    one.add_argument("--budgets", type=_numbers, default=[64, 128], metavar="N,N", help="default: 64,128")
    one.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: 5")
    named = ",".join(design.CLUSTERINGS)
    one.add_argument("--clustering", default="sib", metavar="NAME", help=f"one of {named} (default: sib)")
    one.add_argument("--clusters", type=int, default=design.N_CLUSTERS, metavar="K", help="default: 50")
    one.add_argument("--inter-epochs", type=int, metavar="N", help="passes over the clusters (default: the recipe's, 1)")
    one.add_argument("--mlm-epochs", type=int, metavar="N", help="passes over masked words (default: the recipe's, 30)")
    _columns(one)
    _device(one)
    one.set_defaults(call=_run)

    one = commands.add_parser("grid", help="compute what is missing of a profile: all data sets, or one machine's share")
    one.add_argument("--profile", default="cpu", help=f"{', '.join(design.PROFILES)} (default: cpu)")
    one.add_argument("--datasets", type=_names, default=[], metavar="A,B", help="default: the profile's")
    one.add_argument("--encoder", default="minilm", help="minilm, bert-base, a hub id or a folder (default: minilm)")
    one.add_argument("--budgets", type=_numbers, default=[], metavar="N,N", help="only these of the profile's numbers of labels")
    one.add_argument("--shard", metavar="I/N", help="the I-th of N shares, by inter-trained models")
    one.add_argument("--only", type=_names, metavar="A,B", help="these groups of runs, as isear.minilm.base.paper")
    one.add_argument("--mlm-epochs", type=int, metavar="N", help="passes over masked words (default: the recipe's, 30)")
    one.add_argument("--dry-run", action="store_true", help="say what there is and what is missing, and stop")
    _columns(one)
    _device(one)
    one.set_defaults(call=_grid)

    one = commands.add_parser("reference", help="compute what is missing of the clusterings and reference classifiers")
    one.add_argument("datasets", nargs="+", metavar="DATASET", help="a name, or the path of a .csv, .tsv, .jsonl or .parquet file")
    budgets = list(design.BUDGETS)
    one.add_argument("--budgets", type=_numbers, default=budgets, metavar="N,N", help="default: the paper's eight")
    one.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: 5")
    one.add_argument("--without-glove", dest="glove", action="store_false", help="leave out what needs GloVe vectors")
    _columns(one)
    one.set_defaults(call=_reference)

    one = commands.add_parser("few-labels", help="try what else can be done with a few hundred labels")
    one.add_argument("datasets", nargs="+", metavar="DATASET", help="a name, or the path of a .csv, .tsv, .jsonl or .parquet file")
    one.add_argument("--encoder", default="minilm", help="minilm, bert-base, a hub id or a folder (default: minilm)")
    one.add_argument("--methods", type=_names, metavar="A,B", help="default: all that the data set can have")
    one.add_argument("--budgets", type=_numbers, default=[64, 256, 1024], metavar="N,N", help="default: 64,256,1024")
    one.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: 5")
    one.add_argument("--without-glove", dest="glove", action="store_false", help="leave out what needs GloVe vectors")
    _columns(one)
    one.set_defaults(call=_few_labels)

    one = commands.add_parser("cluster", help="cluster the texts of a file: ids, key terms, NMI with its labels")
    one.add_argument("file", metavar="TEXTS", help="a .csv, .tsv, .jsonl or .parquet file, a row a text")
    one.add_argument("--text-column", default="text", help="default: text")
    one.add_argument("--label-column", help="default: label, where the file has it")
    k = design.N_CLUSTERS
    one.add_argument("--clusters", type=int, default=k, metavar="K", help=f"default: {k}")
    one.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    one.add_argument("--label-first", type=int, default=0, metavar="N", help="mark N texts to label first, some of each cluster")
    one.add_argument("--out", metavar="FOLDER", help="where to write (default: TEXTS-clusters)")
    one.set_defaults(call=_cluster)

    one = commands.add_parser("label", help="label the rest of a file's texts from those that have a label, and keep the model")
    one.add_argument("file", metavar="TEXTS", help="a .csv, .tsv, .jsonl or .parquet file, a row a text")
    one.add_argument("--model", metavar="FOLDER", help="label by this model, kept before, and learn nothing")
    one.add_argument("--encoder", help="minilm, bert-base, a hub id or a folder (default: minilm)")
    one.add_argument("--settings", type=_names, metavar="A,B",
                     help="base, clust or both, and then the better one is used (default: base,clust)")
    one.add_argument("--recipe", metavar="NAME", help="default: trained")
    one.add_argument("--clusters", type=int, metavar="K", help=f"default: {k}")
    one.add_argument("--folds", type=int, metavar="N", help="of the check; 0 for none (default: 5)")
    one.add_argument("--seed", type=int, metavar="N", help="default: 0")
    one.add_argument("--out", metavar="FOLDER", help="where to write (default: TEXTS-labels)")
    one.add_argument("--text-column", default="text", help="default: text")
    one.add_argument("--label-column", help="default: label")
    one.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    one.add_argument("--precision", default="auto", help="auto, bf16 or fp32 (default: auto)")
    one.set_defaults(call=_label)

    one = commands.add_parser("gather", help="fold the records of finished runs into results/runs.csv")
    one.set_defaults(call=_gather)

    one = commands.add_parser("compare", help="say how far runs lie apart that another store has, too")
    one.add_argument("runs", metavar="FILE", help="the other store's runs.csv, or its folder: another machine's, say")
    one.add_argument("--out", metavar="FILE", help="a .csv to write the differences to, cell by cell")
    one.set_defaults(call=_compare)

    one = commands.add_parser("refresh", help="execute pages and templates in place, as they are")
    one.add_argument("files", nargs="+", metavar="FILE", help="a notebook")
    one.set_defaults(call=_refresh)

    one = commands.add_parser("check", help="say which pages are stale against results, parameters or code")
    one.add_argument("files", nargs="*", metavar="FILE", help="a page (default: every page of the book)")
    one.set_defaults(call=_check)

    one = commands.add_parser("launch", help="let notebooks run where only they are, from the address in _config.yml")
    one.set_defaults(call=_launch)

    one = commands.add_parser("readme", help="write the table of README.md and the citations of book/cite.md anew")
    one.set_defaults(call=_readme)

    one = commands.add_parser("verdicts", help="judge the paper's numbers anew and compare with what is expected")
    one.add_argument("--accept", action="store_true", help="make what came out the expected verdicts, and renew the page")
    one.set_defaults(call=_verdicts)

    one = commands.add_parser("page", help="execute a notebook into a page of the book")
    one.add_argument("name", metavar="NAME", nargs="?", help="a data set, or a chapter that takes --encoder, such as results")
    one.add_argument("--all", action="store_true", help="pages of all data sets of a profile; computes what is missing")
    one.add_argument("--profile", help=f"{', '.join(design.PROFILES)} (default: cpu)")
    one.add_argument("--datasets", type=_names, default=[], metavar="A,B", help="with --all: these (default: the profile's)")
    one.add_argument("--encoder", help="as for run (default: minilm)")
    one.add_argument("--mlm-epochs", type=int, metavar="N", help="with --all: as for grid")
    _device(one, "with --all: ", given=False)
    one.add_argument("--template", help="a notebook of notebooks/ (default: dataset, or the chapter that NAME is)")
    one.add_argument("--title", help="the page's title (default: the data set's)")
    one.add_argument("--out", help="where to write it (default: book/datasets/NAME.ipynb; of a file results/pages/FILE.ipynb, "
                     "for another encoder results/pages/ENCODER/NAME.ipynb)")
    one.add_argument("--first-run", action="store_true", help="the template's smoke run, to book/first_run.ipynb")
    one.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
    one.set_defaults(call=_page)
    return top


def _columns(command: argparse.ArgumentParser) -> None:
    command.add_argument("--text-column", default="text", help="of a file of your own (default: text)")
    command.add_argument("--label-column", default="label", help="of a file of your own (default: label)")


def _device(command: argparse.ArgumentParser, where: str = "", given: bool = True) -> None:
    auto, one = ("auto", 1) if given else (None, None)
    command.add_argument("--device", default=auto, help=f"{where}auto, cpu or cuda (default: auto)")
    command.add_argument("--precision", default=auto, help=f"{where}auto, bf16 or fp32 (default: auto)")
    command.add_argument("--processes", type=int, default=one, metavar="N", help=f"{where}how many share the work (default: 1)")
    command.add_argument("--keep-models", action="store_true", help=f"{where}leave inter-trained weights in models/")


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports in one line, as everything else here does."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        options = parser().parse_args(arguments)
        return options.call(options) or 0
    except InputError as error:
        print(f"cluster-tune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cluster-tune: interrupted; what was finished is kept, and the same command does the rest", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
