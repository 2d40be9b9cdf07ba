"""The experiment as data: settings, recipes, budgets, repetitions, and the list of runs they span.

Pure records and constants; nothing here computes, reads or writes. Section 3.2 of the paper fixes most of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from numbers import Integral

from cluster_tune.errors import InputError, unknown

SETTINGS = ("base", "clust", "mlm", "mlm+clust")  # Paths 1, 3, 2 and 4 of Figure 1
CLUSTERINGS = ("sib", "kmeans", "hartigan")  # sIB over BOW; the two over GloVe averages (appendix C)
BUDGETS = (64, 128, 192, 256, 384, 512, 768, 1024)
REPETITIONS = (0, 1, 2, 3, 4)  # a repetition is the seed of its labelled sample and of its fine-tuning
N_CLUSTERS = 50


def several(what: str, given: Iterable, least: int = 0) -> list:
    """`given` as a list. InputError for text, which would be taken letter by letter, for a value that stands alone, and
    for fewer than `least`; `what` is the parameter's name."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        how = f'write it in brackets, to papermill as -y "{what}: [{given}]"'
        raise InputError(f"{what} is {given!r}, not a list; {how}")
    if len(given := list(given)) < least:
        raise InputError(f"{what} has {len(given)} entries; give at least {least}")
    return given


def whole(what: str, given: int, least: int, most: int | None = None) -> int:
    """`given`; InputError for what is not a whole number from `least` to `most`."""
    fits = isinstance(given, Integral) and not isinstance(given, bool)
    if not fits or given < least or (most is not None and given > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{what} is {given!r}; give a whole number {limits}, without quotes or a decimal point")
    return int(given)


def numbers(what: str, given: Iterable[int], least: int) -> list[int]:
    """A list of whole numbers of at least `least`, as `several` and `whole` have it."""
    return [whole(f"one of the {what}", value, least) for value in several(what, given)]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Rates are per update, lengths in word pieces.

    `updates(n)` follows from the rest: whole epochs, but no fewer than `min_updates`.
    """

    name: str
    learning_rate: float
    batch_size: int
    epochs: int
    min_updates: int
    schedule: str  # 'constant', or 'linear': warm-up over a tenth of the updates, then down to zero
    max_length: int
    inter_learning_rate: float
    inter_batch_size: int
    inter_epochs: int
    mlm_learning_rate: float = 3e-5  # inter-training on masked words: batches as for the clusters, many more epochs
    mlm_epochs: int = 30
    mlm_duplicates: int = 5  # maskings of each text, which the epochs go through in turn

    def updates(self, n: int) -> int:
        """Optimiser updates for `n` labelled texts."""
        return max(self.epochs * -(-n // self.batch_size), self.min_updates)


# `paper` is section 3.2 to the letter. At 64 labels it amounts to ten updates, so `trained` stands beside it: small
# batches and at least a hundred updates with warm-up and decay, which is what studies of few-sample fine-tuning
# advise (Mosbach et al. 2021; Zhang et al. 2021). An encoder may bring its own rates for it.
RECIPES = {
    "paper": Recipe("paper", 3e-5, 64, 10, 0, "constant", 128, 3e-5, 64, 1),
    "trained": Recipe("trained", 2e-5, 16, 10, 100, "linear", 128, 3e-5, 64, 1),
}
# How much of the paper's effect is the few updates of its recipe? `trained` with a number of updates and nothing else
# changed, so that the sweep shares its rates and its inter-trained models.
SWEEP = {f"updates-{number}": number for number in (10, 40, 160, 640)}
RECIPES |= {name: replace(RECIPES["trained"], name=name, epochs=0, min_updates=SWEEP[name]) for name in SWEEP}
# `paper` and `trained` differ in both stages; this one has a stage of each, so that what fine-tuning does can be told from
# what inter-training does. A plain model under it is the one under `trained`.
CROSSED = "paper-then-trained"
RECIPES[CROSSED] = replace(RECIPES["trained"], name=CROSSED, inter_learning_rate=RECIPES["paper"].inter_learning_rate)


def recipe(name: str, **changes) -> Recipe:
    """The recipe of that name with some fields changed; InputError for an unknown name or field."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    for field in changes:
        if field not in (known := [f.name for f in fields(Recipe)]):
            raise unknown("recipe field", field, known)
    return replace(RECIPES[name], **changes)


def family(name: str) -> str:
    """The recipe that brings the inter-training of the one called `name`: itself, of the sweep `trained`, of the crossed
    one `paper`."""
    return "trained" if name in SWEEP else "paper" if name == CROSSED else name


def tuned_as(name: str) -> str:
    """The recipe that brings the fine-tuning of the one called `name`, but for the sweep's number of updates."""
    return "trained" if name in SWEEP or name == CROSSED else name


def suited(name: str, rates: Mapping[str, Mapping], **changes) -> Recipe:
    """The recipe of that name with what an encoder's `rates` (recipe -> field -> value) change of its two stages, and with
    further changes."""
    before, after = rates.get(family(name), {}), rates.get(tuned_as(name), {})
    fit = {field: value for field, value in before.items() if field.startswith(INTER)}
    fit |= {field: value for field, value in after.items() if not field.startswith(INTER)}
    return recipe(name, **{**fit, **changes})


INTER = ("inter_", "mlm_")  # begin the fields that say how inter-training is done


@dataclass(frozen=True)
class Run:
    """One fine-tuning run: a cell of the grid. `clustering` is '' where the setting uses none."""

    dataset: str
    encoder: str
    setting: str
    recipe: str
    budget: int
    repetition: int
    clustering: str = ""

    def __post_init__(self):
        if self.setting not in SETTINGS:
            raise unknown("setting", self.setting, SETTINGS)
        if self.recipe not in RECIPES:
            raise unknown("recipe", self.recipe, RECIPES)
        if self.clusters and self.clustering not in CLUSTERINGS:
            raise unknown("clustering", self.clustering, CLUSTERINGS)
        if not self.clusters and self.clustering:
            raise InputError(f"setting '{self.setting}' uses no clustering; leave it empty")
        for key in ("budget", "repetition"):
            if type(getattr(self, key)) is not int:
                raise InputError(f"{key} '{getattr(self, key)}' is not a whole number; give one such as 64")
        if self.budget < 1:
            raise InputError(f"a budget of {self.budget} labels is below 1; give a positive number")
        if self.repetition < 0:
            raise InputError(f"repetition {self.repetition} is negative; repetitions count from 0")

    @property
    def clusters(self) -> bool:
        """Whether the setting inter-trains on cluster labels."""
        return self.setting.endswith("clust")

    @property
    def masks(self) -> bool:
        """Whether the setting inter-trains on masked words."""
        return self.setting.startswith("mlm")


MAIN = ("base", "clust")  # the comparison of the paper's main result
NINE = (
    "ag_news", "isear", "sms_spam", "subjectivity", "polarity", "dbpedia", "cfpb", "yahoo_answers", "20_newsgroups",
)  # fmt: skip
SMALLEST = {"20_newsgroups": 128}  # 64 labels miss several of its 20 classes; the paper shows none below 128 either


@dataclass(frozen=True)
class Block:
    """Every combination of its fields: a part of a profile. Without `datasets` of its own it is for all of them."""

    settings: tuple[str, ...]
    recipes: tuple[str, ...]
    budgets: tuple[int, ...]
    repetitions: tuple[int, ...] = REPETITIONS
    clusterings: tuple[str, ...] = ("sib",)
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """How much of the grid to run, on which data sets: blocks, in the order of what they tell for what they cost."""

    datasets: tuple[str, ...]
    blocks: tuple[Block, ...]


PROFILES = {
    "smoke": Profile(("docstrings-small",), (Block(MAIN, ("paper", "trained"), (64,), (0,)),)),
    # What two cores finish in hours.
    "cpu": Profile(
        (*NINE, "docstrings"),
        (
            *(Block(MAIN, ("paper", "trained"), (budget,)) for budget in (64, 128, 256)),
            Block(("clust",), (CROSSED,), (64,), datasets=NINE),
            Block(MAIN, tuple(SWEEP), (64, 256), datasets=("ag_news", "isear", "polarity")),
            Block(("mlm", "mlm+clust"), ("paper",), (64, 128, 256), datasets=("isear", "sms_spam", "ag_news")),
        ),
    ),
    # The paper's experiment and the comparisons that this book adds.
    "paper": Profile(
        (*NINE, "docstrings"),
        (
            Block(SETTINGS, ("paper",), BUDGETS[:1]),
            Block(MAIN, ("trained",), BUDGETS[:1]),
            Block(("clust",), (CROSSED,), BUDGETS[:1], datasets=NINE),
            Block(SETTINGS, ("paper",), BUDGETS[1:]),
            Block(MAIN, ("trained",), BUDGETS[1:]),
            Block(MAIN, tuple(SWEEP), (64, 256), datasets=("ag_news", "dbpedia", "isear", "subjectivity", "polarity")),
            Block(("clust",), ("paper",), BUDGETS, clusterings=("kmeans", "hartigan")),  # Figure 6
        ),
    ),
}


def profile(name: str) -> Profile:
    """The profile of that name; InputError if there is none."""
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]


def runs(name: str, datasets: Iterable[str] = (), encoder: str = "minilm", budgets: Iterable[int] = ()) -> list[Run]:
    """Every run of the profile called `name`, without repetition; `datasets`, where given, take the place of its own, and
    of its budgets are left those that `budgets` names, where any are. InputError for one that it does not have.

    Block by block, and so the small budgets of all data sets before the large ones of any. A block for some data sets
    only is left out for others. Where a data set begins above a budget (`SMALLEST`), its first one stands in.
    """
    plan, wanted, sizes = profile(name), tuple(datasets), set(budgets)
    if absent := sizes - (known := {budget for block in plan.blocks for budget in block.budgets}):
        there = ", ".join(map(str, sorted(known)))
        raise InputError(f"profile '{name}' has no runs with {min(absent)} labels; it has {there}: choose among these")
    blocks = [replace(block, budgets=tuple(budget for budget in block.budgets if not sizes or budget in sizes))
              for block in plan.blocks]
    left = [block for block in blocks if block.budgets]
    return list(dict.fromkeys(run for block in left for run in _block(block, wanted or plan.datasets, encoder)))


def _block(block: Block, datasets: Iterable[str], encoder: str) -> Iterator[Run]:
    for dataset in datasets:
        if not block.datasets or dataset in block.datasets:
            budgets = [max(budget, SMALLEST.get(dataset, 0)) for budget in block.budgets]
            for clustering in block.clusterings:
                parts = block.settings, block.recipes, budgets, block.repetitions, clustering
                yield from combine([dataset], encoder, *parts)


def grid(
    dataset: str,
    encoder: str = "minilm",
    profile: str = "smoke",
    budgets: Iterable[int] = (),
    repetitions: int = 0,
) -> list[Run]:
    """What a page of one data set shows of a profile: the recipes `paper` and `trained` with the paper's clustering.

    `budgets` and a number of `repetitions`, where given (0 is not), replace the profile's. The sweep of updates and the
    other clusterings have chapters of their own.
    """
    budgets, repetitions = several("budgets", budgets), whole("repetitions", repetitions, 0)
    shown = [run for run in runs(profile, [dataset], encoder)
             if run.recipe in ("paper", "trained") and run.clustering in ("", "sib")]
    numbers = range(repetitions) if repetitions else dict.fromkeys(run.repetition for run in shown)
    sizes = tuple(budgets) or sorted({run.budget for run in shown})
    starts = dict.fromkeys((run.setting, run.recipe) for run in shown)
    return [
        run
        for setting in SETTINGS
        for recipe in RECIPES
        if (setting, recipe) in starts
        for run in combine([dataset], encoder, [setting], [recipe], sizes, numbers)
    ]


def combine(
    datasets: Iterable[str],
    encoder: str = "minilm",
    settings: Iterable[str] = MAIN,
    recipes: Iterable[str] = ("paper", "trained"),
    budgets: Iterable[int] = BUDGETS,
    repetitions: Iterable[int] = REPETITIONS,
    clustering: str = "sib",
) -> list[Run]:
    """Every combination, data set by data set; within one, settings outermost so that inter-training is shared."""
    return [
        Run(dataset, encoder, setting, name, budget, repetition, clustering if setting.endswith("clust") else "")
        for dataset, setting, name, budget, repetition in product(datasets, settings, recipes, budgets, repetitions)
    ]


def group(run: Run) -> str:
    """The name of the runs that share an inter-trained model with this one: on a cluster, one job. Masked words are
    learned once, whether clusters follow or not."""
    inter = ("mlm",) if run.masks else (run.setting, run.clustering)
    parts = run.dataset, run.encoder, *inter, family(run.recipe)
    return ".".join(part.replace("/", "-") for part in parts if part)


def texts_read(runs: Iterable[Run], sizes: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Data set -> how many texts its runs train on and how many they predict, repeats and inter-training included.

    `sizes`: data set -> its numbers of training and test texts; a data set without sizes is left out.
    """
    read, begun = {}, set()
    for run in runs:
        if run.dataset not in sizes:
            continue
        (train, test), recipe = sizes[run.dataset], RECIPES[run.recipe]
        trained, predicted = read.get(run.dataset, (0, 0))
        passes = {("mlm", family(run.recipe)): recipe.mlm_epochs} if run.masks else {}
        passes |= {(run.setting, run.clustering, family(run.recipe)): recipe.inter_epochs} if run.clusters else {}
        new = {(run.dataset, run.encoder, *key): epochs for key, epochs in passes.items()}
        trained += train * sum(epochs for key, epochs in new.items() if key not in begun)
        begun |= set(new)
        read[run.dataset] = trained + recipe.updates(run.budget) * recipe.batch_size, predicted + test
    return read


def shard(runs: Iterable[Run], text: str, mlm_epochs: int | None = None) -> list[Run]:
    """The runs of share `text`, such as '2/4', by groups: so many machines divide a grid among them without
    inter-training anything twice. It depends on the grid alone, with its passes over masked words where they are not the
    recipe's, and not on what is finished."""
    index, number = _fraction(text)
    groups: dict[str, list[Run]] = {}
    for run in (runs := list(runs)):
        groups.setdefault(group(run), []).append(run)
    loads, mine = [0.0] * number, set()
    costs = {name: _load(some, mlm_epochs) for name, some in groups.items()}
    for name in sorted(groups, key=lambda name: (-costs[name], name)):
        least = loads.index(min(loads))
        loads[least] += costs[name]
        mine |= {name} if least == index - 1 else set()
    return [run for run in runs if group(run) in mine]


def _fraction(text: str) -> tuple[int, int]:
    index, _, number = text.partition("/")
    if not (index.isdecimal() and number.isdecimal() and 1 <= int(index) <= int(number)):
        raise InputError(f"shard '{text}' is not one of so many, such as 1/4 to 4/4; correct it")
    return int(index), int(number)


def _load(runs: list[Run], epochs: int | None) -> float:
    """About how many texts a group of runs reads: enough to make shards of like size."""
    inter = (epochs or RECIPES["paper"].mlm_epochs) if runs[0].masks else int(runs[0].clusters)
    return inter * 45_000 + sum(RECIPES[run.recipe].updates(run.budget) * RECIPES[run.recipe].batch_size * 3 + 3000 for run in runs)
