"""The experiment as data: settings, recipes, budgets, repetitions, and the list of runs they span.

Pure records and constants; nothing here computes, reads or writes. Section 3.2 of the paper fixes most of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import product

from cluster_tune.errors import InputError, unknown

SETTINGS = ("base", "clust", "mlm", "mlm+clust")  # Paths 1, 3, 2 and 4 of Figure 1
CLUSTERINGS = ("sib", "kmeans", "hartigan")  # sIB over BOW; the two over GloVe averages (appendix C)
BUDGETS = (64, 128, 192, 256, 384, 512, 768, 1024)
REPETITIONS = (0, 1, 2, 3, 4)  # a repetition is the seed of its labelled sample and of its fine-tuning
N_CLUSTERS = 50


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


def recipe(name: str, **changes) -> Recipe:
    """The recipe of that name with some fields changed; InputError for an unknown name or field."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    for field in changes:
        if field not in (known := [f.name for f in fields(Recipe)]):
            raise unknown("recipe field", field, known)
    return replace(RECIPES[name], **changes)


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


@dataclass(frozen=True)
class Profile:
    """How much of the grid to run for one data set."""

    settings: tuple[str, ...]
    recipes: tuple[str, ...]
    budgets: tuple[int, ...]
    repetitions: tuple[int, ...]


PROFILES = {
    "smoke": Profile(("base", "clust"), ("paper", "trained"), (64,), (0,)),
    "cpu": Profile(("base", "clust"), ("paper", "trained"), (64, 128, 256), REPETITIONS),
    "paper": Profile(("base", "clust"), ("paper", "trained"), BUDGETS, REPETITIONS),
}


def grid(
    dataset: str,
    encoder: str = "minilm",
    profile: str = "smoke",
    budgets: Iterable[int] = (),
    repetitions: int = 0,
) -> list[Run]:
    """The runs of a profile for one data set; `budgets` and a number of `repetitions`, where given, replace its own."""
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    if repetitions < 0:
        raise InputError(f"{repetitions} repetitions are fewer than none; give a positive number, or 0 for the profile's")
    plan = PROFILES[profile]
    numbers = range(repetitions) if repetitions else plan.repetitions
    return runs([dataset], encoder, plan.settings, plan.recipes, tuple(budgets) or plan.budgets, numbers)


def runs(
    datasets: Iterable[str],
    encoder: str = "minilm",
    settings: Iterable[str] = ("base", "clust"),
    recipes: Iterable[str] = ("paper", "trained"),
    budgets: Iterable[int] = BUDGETS,
    repetitions: Iterable[int] = REPETITIONS,
    clustering: str = "sib",
) -> list[Run]:
    """Every run of a grid, data set by data set; within one, settings outermost so that inter-training is shared."""
    return [
        Run(dataset, encoder, setting, name, budget, repetition, clustering if setting.endswith("clust") else "")
        for dataset, setting, name, budget, repetition in product(datasets, settings, recipes, budgets, repetitions)
    ]
