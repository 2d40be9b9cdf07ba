"""Inter-training: what happens between pretraining and fine-tuning (section 2, Paths 2 to 4 of Figure 1).

`on_clusters` predicts the cluster of every training text for one epoch (Path 3), `on_masked_words` continues the
pretraining task on them (Path 2); Path 4 is one after the other, each with an optimiser of its own. Either way the
head is dropped in the end and the encoder stays. Next-sentence prediction is left out, as in the paper.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cluster_tune import paths, stacked, training
from cluster_tune.errors import InputError

Progress = Callable[[int, int, float], None]

MASKED = 0.15  # of the word pieces are to be predicted; of these
REPLACED = 0.8  # become [MASK],
RANDOM = 0.1  # become any word piece, and the rest stay


def on_clusters(
    encoder: nn.Module,
    pooling: str,
    tokens: training.Tokens,
    clusters: np.ndarray,
    *,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    seed: int = 0,
    bits: str = "fp32",
    progress: Progress | None = None,
) -> np.ndarray:
    """Train `encoder` in place to predict `clusters` (n,); the loss of each update.

    The linear layer is made here and goes with this function; whatever pools below it stays with the encoder, as in
    the authors' code. The rate is constant (section 3.2).
    """
    _, targets = np.unique(clusters, return_inverse=True)
    updates, classes = epochs * -(-len(targets) // batch_size), targets.max() + 1
    how = {"learning_rate": learning_rate, "batch_size": batch_size, "updates": updates, "bits": bits, "progress": progress}
    if stacked.fits(encoder):
        with contextlib.suppress(torch.OutOfMemoryError):  # then in smaller parts
            models, losses = stacked.fine_tune(encoder, pooling, [tokens], [targets], classes, seeds=[seed], **how)
            models.stack.give_back()
            return losses[:, 0]
    model = training.Classifier(encoder, pooling, classes, seed).to(encoder.device)
    return training.train(model, tokens, targets, seed=seed, **how)


def on_masked_words(
    encoder: nn.Module,
    tokens: training.Tokens,
    special: Mapping[str, int],
    *,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    duplicates: int,
    head: Mapping[str, torch.Tensor] | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    bits: str = "fp32",
    progress: Progress | None = None,
) -> np.ndarray:
    """Train `encoder` in place to predict masked word pieces (section 3.2); the loss of each update.

    Every text is masked in `duplicates` ways, which the epochs go through in turn: BERT's duplication of its training
    data, which the paper calls replication. `special` holds the ids `mask`, `cls` and `sep`; `head` the weights of
    the encoder's own head, see `WordHead`. With a `checkpoint`, a safetensors file, an interrupted training goes on
    from its last whole epoch, and one that is finished is only read; the file is the caller's to delete. Where word pieces
    laid end to end do not fit a GPU's memory, training begins anew in smaller parts.
    """
    how = {"learning_rate": learning_rate, "batch_size": batch_size, "epochs": epochs, "duplicates": duplicates, "seed": seed}
    how |= {"checkpoint": checkpoint, "bits": bits, "progress": progress}
    if stacked.fits(encoder) and not _begun_unpacked(checkpoint):
        with contextlib.suppress(torch.OutOfMemoryError):  # then in smaller parts
            return _on_masked_words(PackedWordPredictor(encoder, head, seed), encoder, tokens, special, **how)
    return _on_masked_words(WordPredictor(encoder, head, seed), encoder, tokens, special, **how)


def _on_masked_words(
    model, encoder, tokens, special, *, learning_rate, batch_size, epochs, duplicates, seed, checkpoint, bits, progress
) -> np.ndarray:
    """The same with the `model` that trains the encoder."""
    model, packed = model.to(encoder.device), isinstance(model, PackedWordPredictor)
    updates = -(-len(tokens) // batch_size)
    rates = [learning_rate] * updates
    with contextlib.ExitStack() as held:
        spend = held.enter_context(stacked.Updates(model, model.losses(bits))) if packed else None
        optimiser = spend.optimiser if packed else training.adam(model, learning_rate)
        losses = _resume(checkpoint, model, optimiser)
        while len(losses) < epochs * updates:
            past = len(losses)
            masked = mask(tokens, special, encoder.config.vocab_size, seed=(seed, past // updates % duplicates))
            heard = progress and (lambda update, _, loss, past=past: progress(past + update, epochs * updates, loss))
            rng = np.random.default_rng((seed, past))
            with training.seeded(seed + past, encoder.device):
                if packed:
                    found = spend(_packed_batches(model, *masked, batch_size, rng, bits), rates, heard)[:, 0]
                else:
                    found = training.optimise(optimiser, _gradients(model, *masked, batch_size, rng, bits), rates, updates, heard)
                losses = np.append(losses, found)
            if checkpoint:
                _keep(checkpoint, model, optimiser if len(losses) < epochs * updates else None, losses)
    if packed:
        model.stack.give_back()
    return losses


class WordHead(nn.Module):
    """BERT's head for masked words: a layer, then the product with every word's embedding, which it shares.

    A head that an encoder brings has the tensors `transform.dense`, `transform.LayerNorm` and `bias` of BERT's
    `cls.predictions`; without one, the layer starts as BERT's layers do.
    """

    def __init__(self, encoder: nn.Module, weights: Mapping[str, torch.Tensor] | None, seed: int):
        super().__init__()
        width = encoder.config.hidden_size
        self.dense = nn.utils.skip_init(nn.Linear, width, width)
        self.norm = nn.LayerNorm(width, eps=getattr(encoder.config, "layer_norm_eps", 1e-12))
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.dense.weight.normal_(0, 0.02, generator=generator)
            self.dense.bias.zero_()
            for name, value in (weights or {}).items():
                self.get_parameter(name).copy_(value)

    def forward(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Logits (m, vocabulary) of hidden states (m, width), given the word embeddings (vocabulary, width)."""
        return nn.functional.linear(self.norm(nn.functional.gelu(self.dense(hidden))), words, self.bias)


class WordPredictor(nn.Module):
    """An encoder under a head that predicts word pieces, at chosen places only: the vocabulary is most of the work."""

    def __init__(self, encoder: nn.Module, head: Mapping[str, torch.Tensor] | None, seed: int):
        super().__init__()
        self.encoder, self.head = encoder, WordHead(encoder, head, seed)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Logits (m, vocabulary) at the m places that `chosen` (batch, length) marks, row by row."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(hidden[chosen], self.encoder.get_input_embeddings().weight)


class PackedWordPredictor(nn.Module):
    """The same on a GPU, of word pieces laid end to end, see `stacked`."""

    def __init__(self, encoder: nn.Module, head: Mapping[str, torch.Tensor] | None, seed: int):
        super().__init__()
        self.stack, self.head = stacked.Stack(encoder, 1), WordHead(encoder, head, seed)

    def forward(self, batch: stacked.Batch, kind: torch.dtype, chosen: torch.Tensor) -> torch.Tensor:
        """Logits (m, vocabulary) at the m word pieces that `chosen` names by where they lie."""
        hidden = self.stack(batch, kind)[0].index_select(0, chosen)
        with torch.autocast(hidden.device.type, dtype=kind, enabled=kind is torch.bfloat16):
            return self.head(hidden, self.stack.words[0])

    def losses(self, bits: str) -> Callable[[stacked.Batch], torch.Tensor]:
        """What gives the mean loss of a batch of `_packed_batches`, (1,)."""
        kind = stacked.precision(bits)

        def loss(batch: stacked.Batch) -> torch.Tensor:
            chosen, wanted, number = batch.more
            logits = self(batch, kind, chosen).float()
            return nn.functional.cross_entropy(logits, wanted.long(), reduction="sum", ignore_index=-100) / number

        return loss


def mask(
    tokens: training.Tokens, special: Mapping[str, int], vocabulary: int, seed
) -> tuple[training.Tokens, np.ndarray]:
    """One masking of all texts: the tokens as the encoder reads them, and (total,) what to predict, -1 elsewhere.

    `MASKED` of a text's word pieces are chosen, rounded, but at least one, as BERT does; [CLS] and [SEP] never are, and
    are not counted.
    """
    rng = np.random.default_rng(seed)
    ordinary = ~np.isin(tokens.ids, [special["cls"], special["sep"]])
    row = np.repeat(np.arange(len(tokens)), tokens.lengths)
    draw = np.where(ordinary, rng.random(len(row)), 2.0)  # the lowest of each text are chosen
    order = np.lexsort((draw, row))
    rank = np.empty(len(row), np.int64)
    rank[order] = np.arange(len(row)) - np.repeat(tokens.offsets[:-1], tokens.lengths)
    share = np.maximum(1, np.round(MASKED * np.bincount(row, ordinary, minlength=len(tokens)))).astype(np.int64)
    chosen = ordinary & (rank < share[row])
    how, ids = rng.random(len(row)), tokens.ids.copy()
    ids[chosen & (how < REPLACED)] = special["mask"]
    swapped = chosen & (how >= REPLACED) & (how < REPLACED + RANDOM)
    drawn = rng.integers(vocabulary, size=swapped.sum())
    ids[swapped] = np.where(drawn == tokens.pad, ids[swapped], drawn)  # the padding is no word, and learns nothing
    return training.Tokens(ids, tokens.offsets, tokens.pad), np.where(chosen, tokens.ids, -1)


def _gradients(
    model: WordPredictor, tokens: training.Tokens, words: np.ndarray, batch_size: int, rng, bits: str
) -> Callable[[], float]:
    """What adds up the gradient of the next batch of an epoch, and returns its mean loss over the masked places."""
    where, most = model.encoder.device, training.PART.get(model.encoder.device.type, training.PART["cpu"])
    batches = training.epoch(tokens.lengths, batch_size, rng)
    targets = training.Tokens(words, tokens.offsets, -1)
    model.train()

    def gradient() -> float:
        nonlocal most
        rows = batches.pop(0)
        places = max(1, int((targets.take(rows).ids >= 0).sum()))

        def backward(part: np.ndarray) -> float:
            (ids, seen), (wanted, _) = tokens.batch(part), targets.batch(part)
            chosen = wanted >= 0
            with training.autocast(where, bits):
                logits = model(ids.to(where), seen.to(where), chosen.to(where))
            loss = nn.functional.cross_entropy(logits.float(), wanted[chosen].to(where), reduction="sum") / places
            loss.backward()
            return loss.item()

        loss, most = training.in_parts(model, tokens, rows, most, backward)
        return loss

    return gradient


def _packed_batches(
    model: PackedWordPredictor, tokens: training.Tokens, words: np.ndarray, batch_size: int, rng, bits: str
) -> Callable[[], stacked.Packed]:
    """What gives the batches of an epoch, with the places to predict, what is there, and how many there are."""
    (_, size, _), (_, longest, _) = model.stack.words.shape, model.stack.positions.shape
    lying = stacked.flash_fits(model.stack.words.device, stacked.precision(bits), model.stack.config)
    batches = training.epoch(tokens.lengths, batch_size, rng)
    targets = training.Tokens(words, tokens.offsets, -1)
    model.train()

    def batch() -> stacked.Packed:
        rows = batches.pop(0)
        packed, there = stacked.pack(tokens, [rows], size, longest, lying)
        wanted = targets.take(rows).ids
        chosen = np.flatnonzero(wanted >= 0)
        rest = stacked.rounded(len(chosen)) - len(chosen)  # of places in vain, so that few batches lie differently
        places, found = np.pad(there[chosen], (0, rest)), np.pad(wanted[chosen], (0, rest), constant_values=-100)
        return packed.beside(places, found, np.array([max(1, len(chosen))]))

    return batch


def _keep(
    checkpoint: Path, model: nn.Module, optimiser: torch.optim.Optimizer | None, losses: np.ndarray
) -> None:
    """Write weights and the losses so far, whole or not at all; and while there is more to do, the optimiser's averages."""
    from safetensors.torch import save

    tensors = {f"model.{name}": value for name, value in model.named_parameters()}
    for number, state in optimiser.state_dict()["state"].items() if optimiser else ():
        tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
    tensors["losses"] = torch.from_numpy(losses)
    paths.writable(checkpoint.parent)
    for rest in checkpoint.parent.glob(f".{checkpoint.name}.*"):  # of a process that was stopped as it wrote
        rest.unlink(missing_ok=True)
    with paths.replacing(checkpoint) as temporary:
        temporary.write_bytes(save({name: value.detach().contiguous() for name, value in tensors.items()}))


_PACKED = "model.stack.layers"  # is in the file of a `PackedWordPredictor`


def _begun_unpacked(checkpoint: Path | None) -> bool:
    """Whether the file is of a training that is not packed, as on a processor or where memory was short, and goes on so."""
    from safetensors import SafetensorError, safe_open

    if checkpoint is None or not checkpoint.is_file():
        return False
    with contextlib.suppress(SafetensorError, OSError), safe_open(checkpoint, framework="pt") as tensors:
        return _PACKED not in tensors.keys()  # noqa: SIM118 (no dict)
    return False  # damaged, which will be told


def _resume(checkpoint: Path | None, model: nn.Module, optimiser: torch.optim.Optimizer) -> np.ndarray:
    """Put back what `_keep` wrote of such a model, if there is something; the losses so far. InputError for a file that is
    spoiled."""
    if checkpoint is None or not checkpoint.is_file():
        return np.empty(0)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(checkpoint)
        if not isinstance(model, PackedWordPredictor) and _PACKED in tensors:
            return np.empty(0)  # of a GPU that is not here, or whose memory was too small
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(tensors[f"model.{name}"])
        losses = tensors["losses"].numpy()
    except (SafetensorError, OSError, KeyError, RuntimeError):
        raise InputError(f"checkpoint '{checkpoint}' is damaged; delete it, and masked words are learned anew") from None
    state = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, number, name = key.split(".")
            state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return losses
