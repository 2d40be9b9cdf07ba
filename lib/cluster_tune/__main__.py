"""The command line: `cluster-tune COMMAND`, one command a thing a person wants done.

Only arguments, progress and exit codes are here; each command is a call of the library. Bad input prints one line and
exits with 2, an interruption with 130.
"""

import argparse
import sys
from collections.abc import Sequence

from cluster_tune import __version__, design, paths
from cluster_tune.errors import InputError


class _Progress:
    """Shows what `experiment.ensure` and `reference.ensure` report: a bar over runs with the time left, and one line for
    whatever is finished."""

    def __init__(self):
        self.bar = None

    def __call__(self, event: str, facts: dict) -> None:
        getattr(self, event)(facts)

    def plan(self, facts: dict) -> None:
        from tqdm import tqdm

        self.close()
        done = facts["wanted"] - facts["missing"]
        print(f"{facts['dataset']}: {facts['missing']} of {facts['wanted']} runs to do", flush=True)
        self.bar = tqdm(total=facts["wanted"], initial=done, unit="run", file=sys.stderr, dynamic_ncols=True)

    def stage(self, facts: dict) -> None:
        self.bar.set_postfix_str(facts["what"])

    def update(self, facts: dict) -> None:
        self.bar.set_postfix_str(f"{facts['what']}: update {facts['update']}/{facts['updates']}, loss {facts['loss']:.3f}")

    def run(self, record: dict) -> None:
        from tqdm import tqdm

        keys = f"{record['dataset']} {record['encoder']} {record['setting']} {record['recipe']} {record['budget']}"
        line = f"{keys} #{record['repetition']}: accuracy {record['accuracy']:.3f}, {record['seconds']:.0f} s"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
        self.bar.update()

    def done(self, facts: dict) -> None:
        from tqdm import tqdm

        tqdm.write(facts["what"], file=sys.stdout)
        sys.stdout.flush()
        self.bar.update(facts["count"])

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


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

    for name in options.names:
        if name == "glove":
            print(f"glove: {glove.fetch().name}")
            continue
        data = datasets.fetch(name)
        print(f"{name}: {len(data.train):,} train, {len(data.dev):,} dev, {len(data.test):,} test, {data.fingerprint}")


def _run(options: argparse.Namespace) -> None:
    from cluster_tune import experiment

    wanted = design.runs(
        options.datasets,
        options.encoder,
        options.settings,
        options.recipes,
        options.budgets,
        range(options.repetitions),
    )
    progress = _Progress()
    try:
        experiment.ensure(
            wanted,
            text_column=options.text_column,
            label_column=options.label_column,
            device=options.device,
            precision=options.precision,
            report=progress,
        )
    finally:
        progress.close()


def _reference(options: argparse.Namespace) -> None:
    from cluster_tune import reference

    progress = _Progress()
    try:
        reference.ensure(
            options.datasets,
            budgets=options.budgets,
            repetitions=range(options.repetitions),
            vectors=options.glove,
            text_column=options.text_column,
            label_column=options.label_column,
            report=progress,
        )
    finally:
        progress.close()


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
        )
    for note in found.notes:
        print(f"note: {note}")
    for row in found.terms.head(5).itertuples():
        print(f"cluster {row.cluster}, {row.size:,} texts: {row.terms}")
    print(f"{len(found.labels):,} texts in {len(found.terms)} clusters: clusters.csv and terms.csv in '{folder}'")
    if found.agreement:
        print("with the labels: NMI {nmi:.3f}, AMI {ami:.3f}, ARI {ari:.3f}".format(**found.agreement))


def _gather(options: argparse.Namespace) -> None:
    from cluster_tune import results

    frame = results.gather()
    print(f"{len(frame)} runs in '{paths.results() / 'runs.csv'}'")


def _page(options: argparse.Namespace) -> None:
    from cluster_tune import pages

    parameters = dict(_pair(text) for text in options.parameters)
    if options.first_run:
        out, title = paths.book() / "first_run.ipynb", "A first run"
    else:
        out, title = options.out, options.title
        parameters = {"profile": "cpu", "compute": "false", **parameters} if options.template == "dataset" else parameters
    print(pages.make(options.name, template=options.template, out=out, title=title, parameters=parameters))


def _refresh(options: argparse.Namespace) -> None:
    from cluster_tune import pages

    for file in options.files:
        print(pages.refresh(file))


def _readme(options: argparse.Namespace) -> None:
    from cluster_tune import datasets, pages, results, tables

    titles = {name: entry.title for name, entry in datasets.REGISTRY.items()}
    runs = results.load(encoder="minilm")
    table = tables.beside_published(runs, results.published("paper_table2_accuracy_at_64"), titles)
    changed = pages.fill(paths.root() / "README.md", "results", tables.markdown(table))
    print("README.md has new results" if changed else "README.md is as the results have it")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"parameter '{text}' is not of the form name=value")
    return name, value


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


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
    one.set_defaults(call=_data)

    one = commands.add_parser("run", help="compute what is missing of a grid of runs")
    one.add_argument("datasets", nargs="+", metavar="DATASET", help="a name, or the path of a CSV or parquet file")
    one.add_argument("--encoder", default="minilm", help="minilm, bert-base, a hub id or a folder (default: minilm)")
    one.add_argument("--settings", type=_names, default=["base", "clust"], metavar="A,B", help="default: base,clust")
    one.add_argument("--recipes", type=_names, default=["paper", "trained"], metavar="A,B", help="default: paper,trained")
    one.add_argument("--budgets", type=_numbers, default=[64, 128], metavar="N,N", help="default: 64,128")
    one.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: 5")
    _columns(one)
    one.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    one.add_argument("--precision", default="auto", help="auto, bf16 or fp32 (default: auto)")
    one.set_defaults(call=_run)

    one = commands.add_parser("reference", help="compute what is missing of the clusterings and reference classifiers")
    one.add_argument("datasets", nargs="+", metavar="DATASET", help="a name, or the path of a CSV or parquet file")
    budgets = list(design.BUDGETS)
    one.add_argument("--budgets", type=_numbers, default=budgets, metavar="N,N", help="default: the paper's eight")
    one.add_argument("--repetitions", type=int, default=5, metavar="N", help="default: 5")
    one.add_argument("--without-glove", dest="glove", action="store_false", help="leave out what needs GloVe vectors")
    _columns(one)
    one.set_defaults(call=_reference)

    one = commands.add_parser("cluster", help="cluster the texts of a file: ids, key terms, NMI with its labels")
    one.add_argument("file", metavar="TEXTS", help="a CSV or parquet file, a row a text")
    one.add_argument("--text-column", default="text", help="default: text")
    one.add_argument("--label-column", help="default: label, where the file has it")
    k = design.N_CLUSTERS
    one.add_argument("--clusters", type=int, default=k, metavar="K", help=f"default: {k}")
    one.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    one.add_argument("--out", metavar="FOLDER", help="where to write (default: TEXTS-clusters)")
    one.set_defaults(call=_cluster)

    one = commands.add_parser("gather", help="fold the records of finished runs into results/runs.csv")
    one.set_defaults(call=_gather)

    one = commands.add_parser("refresh", help="execute pages and templates in place, as they are")
    one.add_argument("files", nargs="+", metavar="FILE", help="a notebook")
    one.set_defaults(call=_refresh)

    one = commands.add_parser("readme", help="write the table of results in README.md anew")
    one.set_defaults(call=_readme)

    one = commands.add_parser("page", help="execute a notebook into a page of the book")
    one.add_argument("name", metavar="NAME", help="a data set")
    one.add_argument("--template", default="dataset", help="a notebook of notebooks/ (default: dataset)")
    one.add_argument("--title", help="the page's title (default: the data set's)")
    one.add_argument("--out", help="where to write it (default: book/datasets/NAME.ipynb)")
    one.add_argument("--first-run", action="store_true", help="the template's smoke run, to book/first_run.ipynb")
    one.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
    one.set_defaults(call=_page)
    return top


def _columns(command: argparse.ArgumentParser) -> None:
    command.add_argument("--text-column", default="text", help="of a file of your own (default: text)")
    command.add_argument("--label-column", default="label", help="of a file of your own (default: label)")


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports in one line, as everything else here does."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        options = parser().parse_args(arguments)
        options.call(options)
    except InputError as error:
        print(f"cluster-tune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cluster-tune: interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
