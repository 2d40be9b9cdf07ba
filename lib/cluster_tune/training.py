"""The one place with torch: tokens, batches, one training loop, prediction and embeddings.

What is trained on, and why, is decided by `intertraining` and `finetuning`; where weights come from, by `encoders`.
Left out: evaluation during training, early stopping, checkpoints of a run (the paper has no development set).
"""

import contextlib
import functools
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cluster_tune import inference
from cluster_tune.errors import InputError

POOL = 32  # batches drawn together and then sorted by length: little padding, and still a random order
PART = {"cpu": 2048, "cuda": 65536}  # word pieces, padding included, that go through the encoder together
STEP = 4  # widths are rounded up to it: each new shape costs a kernel of its own, in time and in memory
DROPOUT = 0.1
SHARE = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"  # of a GPU, for this process
FIRST = 100  # a padding's number up to which it is kept in a small vocabulary
SPELLED_OUT = ("bert", "roberta", "xlm-roberta", "electra")  # kinds of encoder whose attention this module can spell out


@dataclass(frozen=True)
class Tokens:
    """Word pieces of n texts, end to end. `ids` int32 (total,), `offsets` int64 (n + 1,), `pad` the padding's id."""

    ids: np.ndarray
    offsets: np.ndarray
    pad: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Word pieces per text, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "Tokens":
        """The tokens of some texts, in the order of `rows`."""
        pieces = [self.ids[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        offsets = np.concatenate([[0], np.cumsum(self.lengths[rows])]).astype(np.int64)
        return Tokens(np.concatenate(pieces) if pieces else self.ids[:0], offsets, self.pad)

    def batch(self, rows: np.ndarray, step: int = STEP) -> tuple[torch.Tensor, torch.Tensor]:
        """Input ids and attention mask of some texts, both int64 (len(rows), length of the longest rounded up to `step`)."""
        width = _width(self.lengths[rows].max(), step)
        ids = np.full((len(rows), width), self.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for line, row in enumerate(rows):
            piece = self.ids[self.offsets[row] : self.offsets[row + 1]]
            ids[line, : len(piece)] = piece
            mask[line, : len(piece)] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def parts(self, rows: np.ndarray, most: int, step: int = STEP) -> list[np.ndarray]:
        """Rows cut into parts of like length, the longest first, each of at most `most` word pieces with its padding.

        The gradients of its parts add up to a batch's. Padding is most of the work in a batch of mixed lengths, and a part
        that fits a processor's cache is quickest there.
        """
        order, parts = rows[np.argsort(-self.lengths[rows], kind="stable")], []
        while len(order):
            size = max(1, most // _width(self.lengths[order[0]], step))
            parts.append(order[:size])
            order = order[size:]
        return parts


def _width(length: int, step: int = STEP) -> int:
    return step * -(-int(length) // step)


def tokenise(tokenizer, texts: Sequence[str], max_length: int) -> Tokens:
    """Word pieces with the special ones, cut at `max_length` (section 3.2: 128), which the encoder must have room for."""
    if max_length > tokenizer.model_max_length:
        limit = tokenizer.model_max_length
        raise InputError(f"the encoder reads {limit} word pieces at most, not {max_length}; choose another one")
    rows = tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=False)["input_ids"]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    flat = np.fromiter((piece for row in rows for piece in row), dtype=np.int32, count=offsets[-1])
    return Tokens(flat, offsets, tokenizer.pad_token_id or 0)


class Dropout(nn.Dropout):
    """Dropout with cheaper random numbers on a CPU, where torch's own take a quarter of a training step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` of any shape, some of its elements 0 and the others scaled up, while training."""
        if x.device.type != "cpu":
            return super().forward(x)
        return _dropped(x, self.p) if self.training else x


def _dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    """Every element 0 with probability `p` to the nearest 1/65,536: four of them share one draw of 64 bits."""
    if not p:
        return x
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    draws = draws.view(torch.int16)[: x.numel()].view(x.shape)
    keep = torch.ge(draws, round(p * 2**16) - 2**15, out=torch.empty_like(x, requires_grad=False))
    return x * keep.mul_(1 / (1 - p))


def _attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    """Attention spelled out, all of it in the precision of its inputs; shapes as transformers' attention functions."""
    scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scaling is None else scaling), key.transpose(2, 3))
    if attention_mask is not None:  # no lower than a number of that precision: a row of minus infinity gives no weights
        scores = scores + attention_mask.clamp(min=torch.finfo(scores.dtype).min).to(scores.dtype)
    weights = _dropped(torch.softmax(scores, -1), dropout)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def suit(encoder: nn.Module) -> nn.Module:
    """The encoder with what is quickest on its device: on a CPU the dropout and the attention of this module, which
    compute the same up to rounding and the stream of random numbers; elsewhere, and of other kinds, it stays as it is."""
    if next(encoder.parameters()).device.type != "cpu" or encoder.config.model_type not in SPELLED_OUT:
        return encoder
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register("spelled_out", _attention)
    AttentionMaskInterface.register("spelled_out", eager_mask)
    encoder.set_attn_implementation("spelled_out")
    for module in list(encoder.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
    return encoder


def new_head(width: int, n_classes: int, seed: int) -> nn.Linear:
    """A linear layer with BERT's own initialisation: standard deviation .02, no bias."""
    head = nn.utils.skip_init(nn.Linear, width, n_classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.normal_(0, 0.02, generator=generator)
        head.bias.zero_()
    return head


class Classifier(nn.Module):
    """An encoder, its pooling, dropout and a linear layer. `pooling` is 'pooler' (BERT's own) or 'mean'."""

    def __init__(self, encoder: nn.Module, pooling: str, n_classes: int, seed: int):
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.dropout = Dropout(DROPOUT)
        self.head = new_head(encoder.config.hidden_size, n_classes, seed)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of input ids and mask (batch, length)."""
        return self.head(self.dropout(_pooled(self.encoder, self.pooling, ids, mask)))


def _pooled(encoder: nn.Module, pooling: str, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    output = encoder(input_ids=ids, attention_mask=mask)
    if pooling == "pooler":
        return output.pooler_output
    if pooling == "cls":
        return output.last_hidden_state[:, 0]
    weights = mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
    return (output.last_hidden_state * weights).sum(1) / weights.sum(1)


def device(name: str = "auto") -> torch.device:
    """The device to train on: 'auto' takes a GPU where there is one; InputError for one that is not there, and for a share of
    one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device '{name}' asked for, but torch sees no GPU here; use --device cpu or auto")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError(f"unknown device '{name}'; use auto, cpu or cuda")
    if name.startswith("cuda"):
        _refuse_a_share()
    found = torch.device(name)
    if (found.index or 0) >= max(1, torch.cuda.device_count()):
        raise InputError(f"device '{name}' asked for, but torch sees {torch.cuda.device_count()} of them; they count from 0")
    return found


def _refuse_a_share() -> None:
    """InputError where the environment asks NVIDIA's Multi-Process Service for a share of the card. With 15 % of an H200, 11 of
    13 models learned next to nothing of their clusters, or lost their numbers, and nothing told of it; 35 beside them with the
    whole card learned as anywhere. The cause is not known. A share that the service itself was given is not seen here."""
    share = os.environ.get(SHARE, "").strip()
    if share and not re.fullmatch(r"100(\.0*)?", share):
        raise InputError(f"{SHARE} is {share}: with a share of a graphics card models were seen to learn wrong; unset it, or use "
                         "--device cpu")


def dealt(name: str, which: int) -> str:
    """The device for one of several processes, `which` counting from 0: where there are several GPUs and none is named by
    its number, they take turns."""
    several = torch.cuda.device_count()
    return f"cuda:{which % several}" if name in ("auto", "cuda") and several > 1 else name


def precision(where: torch.device, name: str = "auto") -> str:
    """'bf16' where the hardware multiplies it natively, and a CPU quicker by it, else 'fp32'; a given name is taken as
    it is."""
    if name not in ("auto", "bf16", "fp32"):
        raise InputError(f"unknown precision '{name}'; use auto, bf16 or fp32")
    if name != "auto":
        return name
    gains = torch.cuda.is_bf16_supported(including_emulation=False) if where.type == "cuda" else _quicker_in_bf16()
    return "bf16" if gains else "fp32"


@functools.cache
def _quicker_in_bf16() -> bool:
    """Whether this CPU has instructions for bf16 and multiplies a layer's matrices quicker by them. Only a clock can
    tell: an Intel Xeon that has them, but no AMX, took nearly twice as long as in single precision."""
    if not torch.cpu._is_avx512_bf16_supported():
        return False

    def seconds(kind: torch.dtype) -> float:
        layer, texts = torch.ones(384, 384, dtype=kind), torch.ones(1024, 384, dtype=kind)
        moments = []
        with torch.inference_mode():
            for _ in range(20):  # the least of many: other processes may be at work, and the first one sets things up
                began = time.perf_counter()
                nn.functional.linear(texts, layer)
                moments.append(time.perf_counter() - began)
        return min(moments)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other where other processes are at work, and tell of that instead
    try:
        return seconds(torch.bfloat16) < seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)


def autocast(where: torch.device, bits: str):
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=bits == "bf16")


@contextlib.contextmanager
def seeded(seed: int, where: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global generator: set it in here, and put the old state back after."""
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _small_vocabulary(encoder: nn.Module, tokens: Tokens) -> Iterator[Tokens]:
    """Train with the word embeddings that occur in `tokens` only, then put their rows back into the whole table.

    Exact, because Adam without weight decay never moves a row that has no gradient; a few hundred texts touch some
    thousand of 30,000 rows, and the gradient of the whole table would cost more than that of a layer. The padding keeps
    its number, from which some encoders count positions. Left alone: embeddings that do more than look up, and a
    padding that is not among the first few.
    """
    whole = encoder.get_input_embeddings()
    if type(whole) is not nn.Embedding or tokens.pad > FIRST:
        yield tokens
        return
    used = np.union1d(tokens.ids, np.arange(tokens.pad + 1))
    inverse, pad = np.searchsorted(used, tokens.ids), tokens.pad
    rows = torch.from_numpy(used.astype(np.int64)).to(whole.weight.device)
    padding = pad if whole.padding_idx is not None else None
    encoder.set_input_embeddings(
        nn.Embedding.from_pretrained(whole.weight.detach()[rows].clone(), freeze=False, padding_idx=padding)
    )
    try:
        yield Tokens(inverse.astype(np.int32), tokens.offsets, pad)
    finally:
        with torch.no_grad():
            whole.weight[rows] = encoder.get_input_embeddings().weight
        encoder.set_input_embeddings(whole)


def epoch(lengths: np.ndarray, batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """The batches of one pass, each an array of rows. Many texts are batched by length; a few are simply shuffled,
    since sorting a handful would put the same ones together in every pass."""
    order = generator.permutation(len(lengths))
    if len(order) <= POOL * batch_size:
        return _cut(order, batch_size)
    pools = _cut(order, POOL * batch_size)
    batches = [batch for pool in pools for batch in _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def rate(schedule: str, update: int, updates: int) -> float:
    """The share of the learning rate at an update (from 0): constant, or up over the first tenth and down to zero."""
    if schedule == "constant":
        return 1.0
    warm = max(1, math.ceil(updates / 10))
    return (update + 1) / warm if update < warm else (updates - update) / (updates - warm + 1)


def train(
    model: Classifier,
    tokens: Tokens,
    labels: np.ndarray,
    *,
    learning_rate: float,
    batch_size: int,
    updates: int,
    schedule: str = "constant",
    seed: int = 0,
    bits: str = "fp32",
    progress: Callable[[int, int, float], None] | None = None,
) -> np.ndarray:
    """Train in place for a number of updates with Adam (section 3.2); the loss of each update, (updates,).

    `labels` int (n,). Passes follow each other until the updates are spent. `progress(update, updates, loss)`. Where a
    GPU's memory is too small for a batch, its gradient is added up from smaller and smaller parts; InputError if even
    a single text does not fit.
    """
    where = next(model.parameters()).device
    rng = np.random.default_rng(seed)
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    queue, most = [], PART.get(where.type, PART["cpu"])
    model.train()
    with seeded(seed, where), _small_vocabulary(model.encoder, tokens) as tokens:

        def gradient() -> float:
            nonlocal queue, most
            queue = queue or epoch(tokens.lengths, batch_size, rng)
            loss, most = _gradient(model, tokens, targets, queue.pop(0), bits, most)
            return loss

        rates = (learning_rate * rate(schedule, update, updates) for update in range(updates))
        return optimise(adam(model, learning_rate), gradient, rates, updates, progress)


def adam(model: nn.Module, learning_rate: float | torch.Tensor, capturable: bool = False) -> torch.optim.Adam:
    """The optimiser of every training here: the paper's Adam, with the authors' epsilon."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, eps=1e-6, fused=True, capturable=capturable)


def optimise(
    optimiser: torch.optim.Optimizer,
    gradient: Callable[[], float],
    rates: Iterable[float],
    updates: int,
    progress: Callable[[int, int, float], None] | None = None,
) -> np.ndarray:
    """One update a rate: `gradient()` adds up the gradient of the next batch and returns its loss; (updates,) losses."""
    losses = np.empty(updates)
    for update, rate in enumerate(rates):
        for group in optimiser.param_groups:
            group["lr"] = rate
        losses[update] = gradient()
        if not math.isfinite(losses[update]):
            raise InputError(f"the loss of update {update + 1} is not a number; use --precision fp32, or another encoder")
        optimiser.step()
        optimiser.zero_grad()
        if progress:
            progress(update + 1, updates, losses[update])
    return losses


def _gradient(
    model: Classifier, tokens: Tokens, targets: torch.Tensor, rows: np.ndarray, bits: str, most: int
) -> tuple[float, int]:
    """Add the gradient of a batch of rows; its mean loss, and the size of part that did fit."""
    return in_parts(model, tokens, rows, most, lambda part: _backward(model, tokens, targets, part, len(rows), bits))


def in_parts(
    model: nn.Module, tokens: Tokens, rows: np.ndarray, most: int, backward: Callable[[np.ndarray], float]
) -> tuple[float, int]:
    """Add the gradient of a batch part by part, each of at most `most` word pieces or, where memory is short, of half
    as many and so on. `backward(rows of a part)` returns the part's share of the loss; the whole, and the size of part
    that did fit."""
    while True:
        parts = tokens.parts(rows, most)
        try:
            return sum(backward(part) for part in parts), most
        except torch.OutOfMemoryError:
            model.zero_grad()
        most = _halved(tokens, rows, most)


def _halved(tokens: Tokens, rows: np.ndarray, most: int) -> int:
    """Half the size of part that did not fit; InputError if that was a single text."""
    longest = _width(tokens.lengths[rows].max())
    if most <= longest:
        raise InputError(f"a text of {longest} word pieces does not fit the GPU's memory; free some of it or use --device cpu")
    torch.cuda.empty_cache()
    return max(longest, min(most, longest * len(rows)) // 2)


def _backward(model: Classifier, tokens: Tokens, targets: torch.Tensor, rows: np.ndarray, batch: int, bits: str) -> float:
    """Add the gradient of some rows of a batch of `batch` texts; their share of its mean loss."""
    where = next(model.parameters()).device
    ids, mask = tokens.batch(rows)
    with autocast(where, bits):
        logits = model(ids.to(where), mask.to(where))
    loss = nn.functional.cross_entropy(logits.float(), targets[rows].to(where), reduction="sum") / batch
    loss.backward()
    return loss.item()


def _forward(module: Callable, model: nn.Module, tokens: Tokens, bits: str) -> np.ndarray:
    where, rows = next(model.parameters()).device, np.arange(len(tokens))
    most = PART.get(where.type, PART["cpu"])
    model.eval()
    while True:  # the longest texts come first: memory that is short shows at once
        parts = tokens.parts(rows, most)
        try:
            with torch.inference_mode(), autocast(where, bits):
                outputs = [module(ids.to(where), mask.to(where)).float() for ids, mask in map(tokens.batch, parts)]
            break
        except torch.OutOfMemoryError:
            outputs = None
        most = _halved(tokens, rows, most)
    together = torch.cat(outputs).cpu().numpy()
    out = np.empty_like(together)
    out[np.concatenate(parts)] = together
    return out


def predict(model: Classifier, tokens: Tokens, bits: str = "fp32") -> np.ndarray:
    """Logits of n texts, float32 (n, classes), in their order; dropout off."""
    if not inference.worth(model.encoder, tokens, bits):
        return _forward(model, model, tokens, bits)
    with torch.inference_mode():
        return model.head(torch.from_numpy(inference.vectors(model.encoder, model.pooling, tokens))).numpy()


def embed(encoder: nn.Module, pooling: str, tokens: Tokens, bits: str = "fp32") -> np.ndarray:
    """Sentence embeddings, float32 (n, width): [CLS] of the last layer for a 'pooler' encoder (section 5.3), else the
    mean of the tokens."""
    pooling = "cls" if pooling == "pooler" else pooling
    if inference.worth(encoder, tokens, bits):
        return inference.vectors(encoder, pooling, tokens)
    return _forward(functools.partial(_pooled, encoder, pooling), encoder, tokens, bits)


def copy_of(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dictionary that later training cannot change."""
    return {name: value.detach().clone() for name, value in state.items()}
