"""Copies of one BERT encoder trained side by side on a GPU: the repetitions of one budget in one pass, or a single copy.

A few labels are too little work for a GPU: most of an update goes into starting its kernels. Here the weights of all
copies lie in one tensor and every kernel serves all of them, on word pieces laid end to end, so that no padding is
multiplied; and the kernels of an update are recorded once, as a CUDA graph, and then played back. What is computed is
`training`'s, up to the stream of dropout's random numbers and to rounding: in bf16 all between the embeddings and the pooling is
rounded to it, where autocast keeps sums and norms in single precision. Left out: encoders that are not BERT's kind, and
processors, on which `training` is quicker.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from cluster_tune import inference, training
from cluster_tune.errors import InputError

DEVICES = ("cuda",)  # where this is the quicker way
PART = 131_072  # word pieces of all copies that go through the encoders together where no gradient is wanted
# Not cuDNN's, which plans anew for each shape: on an H200, 25 shapes took it 6.3 s, and these .01 s.
ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
LOOK = 25  # updates between two looks at the losses: to look is to wait for the GPU
STEP = 8  # lengths are rounded up to it, long ones to an eighth or less of themselves: few layouts, each recorded once
WIDEST = 256  # a head that flash attention can take
TILE = 128  # word pieces of a text that a kernel of flash attention takes at once: a lower limit saves it nothing


def fits(encoder: nn.Module) -> bool:
    """Whether this module trains such an encoder where it lies."""
    return inference.plain_bert(encoder.config) and next(encoder.parameters()).device.type in DEVICES


def flash_fits(where: torch.device, kind: torch.dtype, config) -> bool:
    """Whether attention takes texts where they lie, end to end: flash attention does, in half precision on a newer GPU.
    Elsewhere they are spread out first, to as many places a text as the longest one needs."""
    able = where.type == "cuda" and torch.backends.cuda.is_flash_attention_available()
    able = able and torch.cuda.get_device_capability(where) >= (8, 0)
    head = config.hidden_size // config.num_attention_heads
    return able and kind is not torch.float32 and head % 8 == 0 and head <= WIDEST


Layout = tuple[tuple[int, ...], int, int]  # the sizes of a batch's parts, its `texts` and its `width`


@dataclass(frozen=True)
class Packed:
    """A batch before it is sent to its device: the fields of `Batch`, in their order, and what else an update needs."""

    parts: tuple[np.ndarray, ...]
    texts: int
    width: int

    @property
    def layout(self) -> Layout:
        """What decides which kernels an update of it takes."""
        return tuple(map(len, self.parts)), self.texts, self.width

    @property
    def array(self) -> torch.Tensor:
        """All its parts end to end, int32: one transfer."""
        return torch.from_numpy(np.concatenate(self.parts).astype(np.int32))

    def beside(self, *more: np.ndarray) -> "Packed":
        """The batch with further arrays of whole numbers, which it then has as `Batch.more`."""
        return replace(self, parts=(*self.parts, *more))


@dataclass(frozen=True)
class Batch:
    """Word pieces of a batch for each of r copies, laid end to end: a row of t for every copy, its texts and then at least
    one that belongs to none. `texts` is the most that a copy has, and the others' missing ones are empty.

    For attention each text has `width` places to which it is spread out, or, where that takes texts as they lie, it has
    so many word pieces at most; then `spread` and `packed` are empty, else `starts` is."""

    ids: torch.Tensor  # (r t,) int32, into the table of all copies
    positions: torch.Tensor  # (r t,) likewise
    spread: torch.Tensor  # (r texts width,): the word piece at each place, one that belongs to no text where there is none
    packed: torch.Tensor  # (r t,): the place of each word piece, an empty one for those that belong to no text
    text: torch.Tensor  # (r t,): the text of each word piece, counted over all copies, and r texts for none
    first: torch.Tensor  # (r texts,): the first word piece of each text
    lengths: torch.Tensor  # (r texts,)
    starts: torch.Tensor  # (s + 1,): where each of s stretches begins, the texts and what lies behind them, and the end
    more: tuple[torch.Tensor, ...]
    texts: int
    width: int

    def hidden(self, kind: torch.dtype) -> torch.Tensor:
        """What to add to attention to the places of each text, (r texts, 1, 1, width): minus infinity to empty ones."""
        empty = torch.arange(self.width, device=self.lengths.device) >= self.lengths.clamp(min=1)[:, None]
        return torch.zeros(empty.shape, dtype=kind, device=empty.device).masked_fill_(empty, -math.inf)[:, None, None]

    @classmethod
    def of(cls, array: torch.Tensor, layout: Layout) -> "Batch":
        """The batch in an array of its parts, each a part of it still."""
        sizes, texts, width = layout
        fields = array.split(sizes)
        return cls(*fields[:8], fields[8:], texts, width)


def pack(
    tokens: training.Tokens, rows: Sequence[np.ndarray], words: int, positions: int, lying: bool = False
) -> tuple[Packed, np.ndarray]:
    """The batch in which copy c has the texts `rows[c]` of `tokens`, where each copy's tables have so many words and
    positions, for attention to texts as they are `lying`, or spread out; and where each word piece of those texts, copy by
    copy, came to lie, (word pieces,)."""
    copies, texts = len(rows), max(map(len, rows))
    chosen, lengths = np.zeros((copies, texts), np.int64), np.zeros((copies, texts), np.int64)
    for copy, some in enumerate(rows):
        chosen[copy, : len(some)] = some
        lengths[copy, : len(some)] = tokens.lengths[some]
    total = rounded(lengths.sum(1).max() + 1)
    width = TILE * -(-int(lengths.max()) // TILE) if lying else rounded(lengths.max() + 1)
    stretches = _stretches(lengths, total, width) if lying else lengths[:0].ravel()
    starts = (lengths.cumsum(1) - lengths + total * np.arange(copies)[:, None]).ravel()
    lengths = lengths.ravel()
    text = np.repeat(np.arange(copies * texts), lengths)
    within = np.arange(len(text)) - np.repeat(lengths.cumsum() - lengths, lengths)
    copy, there, place = text // texts, starts[text] + within, text * width + within
    size, none = copies * total, copies * total - 1
    parts = (
        _filled(size, 0, there, tokens.ids[tokens.offsets[chosen.ravel()][text] + within] + copy * words),
        _filled(size, 0, there, within + copy * positions),
        there[:0] if lying else _filled(copies * texts * width, none, place, there),
        there[:0] if lying else _filled(size, width - 1, there, place),  # the last place of the first text is always empty
        _filled(size, copies * texts, there, text),
        np.where(lengths > 0, starts, none),
        lengths,
        stretches,
    )
    return Packed(parts, texts, width), there


def _stretches(lengths: np.ndarray, total: int, width: int) -> np.ndarray:
    """Where rows of `total` word pieces divide: each copy's texts, of `lengths` (copies, texts), and what is behind them in
    pieces of at most `width`, so that attention leaves nothing out; some of them are empty."""
    ends = lengths.cumsum(1)
    behind = np.minimum(ends[:, -1:] + width * np.arange(1, -(-total // width) + 1), total)
    ends = np.concatenate([ends, behind], 1) + total * np.arange(len(lengths))[:, None]
    return np.concatenate([[0], ends.ravel()])


def rounded(length: int) -> int:
    """The next of the lengths that tensors have here."""
    step = max(STEP, 2 ** (int(length).bit_length() - 4))
    return step * -(-int(length) // step)


def _filled(size: int, value: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    whole = np.full(size, value, np.int64)
    whole[index] = values
    return whole


class _Moved(torch.autograd.Function):
    """Rows of a tensor by their index, where `back` is the index by which gradients come back: a plain `index_select`
    would add them up one by one."""

    @staticmethod
    def forward(ctx, source, index, back):
        ctx.save_for_backward(back)
        return source.index_select(0, index)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


Weights = list[torch.Tensor] | None

# Of each layer, in this order: what is taken from the encoder, end to end.
_LAYER = [
    [f"attention.self.{part}.weight" for part in ("query", "key", "value")],
    [f"attention.self.{part}.bias" for part in ("query", "key", "value")],
    *([f"{place}.{part}"] for place in ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense",
                                        "output.dense", "output.LayerNorm") for part in ("weight", "bias")),
]  # fmt: skip


class Stack(nn.Module):
    """Copies of a BERT encoder. `words` are the rows of its table of words that are trained, int (used,), None for all."""

    def __init__(self, encoder: nn.Module, copies: int, words: np.ndarray | None = None, pooler: bool = False):
        super().__init__()
        self.config, self.copies, self.encoder = encoder.config, copies, [encoder]  # in a list: not a module of this one
        table = encoder.get_input_embeddings().weight.detach()
        self.used = None if words is None else torch.from_numpy(words).to(table.device)
        self.words = self._copied(table if words is None else table[self.used])
        self.positions = self._copied(encoder.get_parameter("embeddings.position_embeddings.weight"))
        self.kind = self._copied(encoder.get_parameter("embeddings.token_type_embeddings.weight")[:1])
        norm = [encoder.get_parameter(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
        self.norm = self._copied(torch.stack(norm))
        self.names = [[f"encoder.layer.{layer}.{name}" for name in names]
                      for layer in range(self.config.num_hidden_layers) for names in _LAYER]  # fmt: skip
        self.names += [["pooler.dense.weight"], ["pooler.dense.bias"]] if pooler else []
        taken = [torch.cat([encoder.get_parameter(name) for name in names]) for names in self.names]
        self.shapes = [tuple(tensor.shape) for tensor in taken]
        self.sizes = [tensor.numel() for tensor in taken]
        self.layers = self._copied(torch.cat([tensor.flatten() for tensor in taken]))

    def _copied(self, tensor: torch.Tensor) -> nn.Parameter:
        return nn.Parameter(tensor.detach().expand(self.copies, *tensor.shape).clone())

    def weights(self, kind: torch.dtype) -> list[torch.Tensor]:
        """The layers' tensors in the precision to multiply in: one conversion for all of them."""
        pieces = self.layers.to(kind).split(self.sizes, 1)
        shapes = [shape if len(shape) == 2 else (1, *shape) for shape in self.shapes]
        return [piece.view(self.copies, *shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def forward(self, batch: Batch, kind: torch.dtype, weights: Weights = None, words: torch.Tensor | None = None) -> torch.Tensor:
        """Hidden states of the last layer, (copies, t, width of the encoder), for the word pieces of a batch; `weights`
        and the whole table of `words`, where they are at hand already."""
        config, size = self.config, self.config.hidden_size
        drop = config.hidden_dropout_prob if self.training else 0.0
        weights, words = weights or self.weights(kind), self.words if words is None else words
        x = words.view(-1, size).index_select(0, batch.ids) + self.positions.view(-1, size).index_select(0, batch.positions)
        scale, shift = self.norm.unsqueeze(2).unbind(1)
        x = _normed(x.view(self.copies, -1, size) + self.kind, scale, shift, config.layer_norm_eps)
        x = functional.dropout(x, drop, self.training).to(kind)
        hidden = None if len(batch.starts) else batch.hidden(kind)
        for layer in range(config.num_hidden_layers):
            mine = weights[len(_LAYER) * layer :][: len(_LAYER)]
            inputs, inputs_bias, out, out_bias, scale, shift, up, up_bias, down, down_bias, scale2, shift2 = mine
            y = self._attention(_linear(x, inputs, inputs_bias), batch, hidden)
            y = functional.dropout(_linear(y, out, out_bias), drop, self.training)
            x = _normed(x + y, scale, shift, config.layer_norm_eps)
            y = _linear(functional.gelu(_linear(x, up, up_bias)), down, down_bias)
            x = _normed(x + functional.dropout(y, drop, self.training), scale2, shift2, config.layer_norm_eps)
        return x

    def _attention(self, inputs: torch.Tensor, batch: Batch, hidden: torch.Tensor | None) -> torch.Tensor:
        heads, size = self.config.num_attention_heads, self.config.hidden_size
        drop = self.config.attention_probs_dropout_prob if self.training else 0.0
        if hidden is None:
            parts = inputs.view(-1, 3, heads, size // heads).unbind(1)
            return _flash(*parts, batch.starts, batch.width, drop).view(self.copies, -1, size)
        spread = _Moved.apply(inputs.view(-1, 3 * size), batch.spread, batch.packed)
        query, key, value = spread.view(-1, batch.width, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
        with sdpa_kernel(ATTENTION):
            y = functional.scaled_dot_product_attention(query, key, value, attn_mask=hidden, dropout_p=drop)
        y = y.transpose(1, 2).reshape(-1, size)
        return _Moved.apply(y, batch.packed, batch.spread).view(self.copies, -1, size)

    def whole(self) -> torch.Tensor:
        """Every copy's whole table of words, (copies, vocabulary, width)."""
        if self.used is None:
            return self.words.detach()
        table = self.encoder[0].get_input_embeddings().weight.detach()
        table = table.expand(self.copies, *table.shape).clone()
        table[:, self.used] = self.words.detach()
        return table

    def give_back(self, copy: int = 0) -> None:
        """Put one copy's weights into the encoder that this was made of."""
        encoder = self.encoder[0]
        with torch.no_grad():
            encoder.get_input_embeddings().weight.copy_(self.whole()[copy])
            encoder.get_parameter("embeddings.position_embeddings.weight").copy_(self.positions[copy])
            encoder.get_parameter("embeddings.token_type_embeddings.weight")[:1].copy_(self.kind[copy])
            for part, value in zip(("weight", "bias"), self.norm[copy], strict=True):
                encoder.get_parameter(f"embeddings.LayerNorm.{part}").copy_(value)
            pieces = self.layers[copy].split(self.sizes)
            for names, piece, shape in zip(self.names, pieces, self.shapes, strict=True):
                for name, value in zip(names, piece.view(shape).chunk(len(names)), strict=True):
                    encoder.get_parameter(name).copy_(value)


def _flash(query, key, value, starts: torch.Tensor, most: int, drop: float) -> torch.Tensor:
    """Attention within stretches of at most `most` word pieces, see `Batch.starts`; queries, keys and values (t, heads, width of
    a head). The operator beneath nested tensors' attention: `torch.nn.attention.varlen` knows no dropout."""
    return torch.ops.aten._flash_attention_forward(query, key, value, starts, starts, most, most, drop, False, False)[0]


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """(copies, t, out) of (copies, t, in), weights (copies, out, in) and biases (copies, 1, out)."""
    return torch.baddbmm(bias, x, weight.transpose(1, 2))


def _normed(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Layer normalisation with a scale and a shift (copies, 1, width) of each copy's own."""
    if len(scale) == 1:
        return functional.layer_norm(x, x.shape[-1:], scale.flatten(), shift.flatten(), epsilon)
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:], eps=epsilon), scale)


class Classifiers(nn.Module):
    """A stack with its pooling, dropout and a linear layer a copy, as `training.Classifier` has them."""

    def __init__(self, encoder: nn.Module, pooling: str, n_classes: int, seeds: Sequence[int], words: np.ndarray | None = None):
        super().__init__()
        self.stack, self.pooling = Stack(encoder, len(seeds), words, pooling == "pooler"), pooling
        heads = [training.new_head(encoder.config.hidden_size, n_classes, seed).to(encoder.device) for seed in seeds]
        self.weight = nn.Parameter(torch.stack([head.weight.detach() for head in heads]))
        self.bias = nn.Parameter(torch.stack([head.bias.detach() for head in heads])[:, None])

    def forward(self, batch: Batch, kind: torch.dtype, weights: Weights = None, words: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (copies, texts, classes), float32."""
        weights = weights or self.stack.weights(kind)
        pooled = self._pooled(self.stack(batch, kind, weights, words), batch, weights)
        return _linear(functional.dropout(pooled, training.DROPOUT, self.training), self.weight, self.bias)

    def _pooled(self, hidden: torch.Tensor, batch: Batch, weights: list[torch.Tensor]) -> torch.Tensor:
        copies, size = len(hidden), hidden.shape[-1]
        hidden = hidden.view(-1, size)
        if self.pooling == "pooler":
            first = hidden.index_select(0, batch.first).view(copies, -1, size)
            return torch.tanh(_linear(first, *weights[-2:])).float()
        sums = hidden.new_zeros(len(batch.lengths) + 1, size, dtype=torch.float32)
        sums = sums.index_add(0, batch.text, hidden.float())[:-1]
        return (sums / batch.lengths.clamp(min=1)[:, None]).view(copies, -1, size)


def fine_tune(
    encoder: nn.Module,
    pooling: str,
    tokens: Sequence[training.Tokens],
    labels: Sequence[np.ndarray],
    n_classes: int,
    *,
    learning_rate: float,
    batch_size: int,
    updates: int,
    schedule: str = "constant",
    seeds: Sequence[int],
    bits: str = "fp32",
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[Classifiers, np.ndarray]:
    """Train a copy of `encoder`, which stays as it is, on each of several sets of labelled texts of the same size, as
    `training.train` does with each of `seeds`; the copies, and the losses (updates, copies).

    `progress(update, updates, mean loss)` hears of several updates at a time. torch.OutOfMemoryError where they do not fit
    together.
    """
    where, copies, n = encoder.device, len(tokens), len(tokens[0])
    ids = np.concatenate([some.ids for some in tokens])
    offsets = np.cumsum(np.concatenate([[0], *(some.lengths for some in tokens)]))
    used, inverse = np.unique(ids, return_inverse=True)
    together = training.Tokens(inverse.astype(np.int32), offsets, 0)
    model = Classifiers(encoder, pooling, n_classes, seeds, used.astype(np.int64)).train()
    targets = np.concatenate(labels).astype(np.int64)
    rngs, queues = [np.random.default_rng(seed) for seed in seeds], [[] for _ in seeds]
    sizes, kind = (len(used), encoder.config.max_position_embeddings), precision(bits)
    lying = flash_fits(where, kind, encoder.config)

    def batches() -> Packed:
        for copy in range(copies):
            queues[copy] = queues[copy] or training.epoch(tokens[copy].lengths, batch_size, rngs[copy])
        rows = [queue.pop(0) + n * copy for copy, queue in enumerate(queues)]
        batch, _ = pack(together, rows, *sizes, lying)
        wanted = np.full((copies, batch.texts), -100)
        for copy, some in enumerate(rows):
            wanted[copy, : len(some)] = targets[some]
        return batch.beside(wanted.ravel(), np.array([len(some) for some in rows]))

    def losses(batch: Batch) -> torch.Tensor:
        wanted, numbers = batch.more
        loss = functional.cross_entropy(model(batch, kind).flatten(0, 1), wanted.long(), reduction="none", ignore_index=-100)
        return loss.view(copies, -1).sum(1) / numbers

    rates = [learning_rate * training.rate(schedule, update, updates) for update in range(updates)]
    with training.seeded(seeds[0], where), Updates(model, losses) as spend:
        return model, spend(batches, rates, progress)


def precision(bits: str) -> torch.dtype:
    """What to multiply in."""
    return torch.bfloat16 if bits == "bf16" else torch.float32


@contextlib.contextmanager
def _told_alike() -> Iterator[None]:
    """Too little memory for a graph itself is told in another way than for tensors; here in theirs."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "out of memory" not in str(error):
            raise
        raise torch.OutOfMemoryError(str(error)) from None


@functools.cache
def _aside(where: torch.device) -> "torch.cuda.Stream":
    """The stream to record on: always the same one, since the libraries keep memory for each."""
    return torch.cuda.Stream(where)


class Updates:
    """Updates of a model, where `losses(batch)` is each copy's loss, (copies,).

    With `recording`, as on a GPU, the kernels of an update are recorded when a batch lies as one before it, and played
    back for every further one: one call then starts them all. What is recorded has memory of its own; where that is too
    much, it goes on without. Within a `with`, which gives the memory back.
    """

    def __init__(self, model: nn.Module, losses: Callable[[Batch], torch.Tensor], recording: bool | None = None):
        self.where = next(model.parameters()).device
        self.recording = self.where.type == "cuda" if recording is None else recording
        rate = torch.zeros((), device=self.where)  # where a recorded kernel finds it
        self.optimiser = training.adam(model, rate, capturable=self.where.type == "cuda")
        self.losses, self.seen, self.pool = losses, set(), None
        self.recorded: dict[Layout, tuple] = {}

    def __enter__(self) -> "Updates":
        return self

    def __exit__(self, *_) -> None:
        self._forget()

    def _forget(self) -> None:
        """Give all graphs' memory back, together: one alone would take a workspace that the others still use."""
        self._wait()
        self.recorded.clear()
        self.pool = None
        torch.cuda.empty_cache()

    def __call__(
        self,
        batches: Callable[[], Packed],
        rates: Sequence[float],
        progress: Callable[[int, int, float], None] | None = None,
    ) -> np.ndarray:
        """One update a rate, each of the next of `batches()`; (updates, copies) losses."""
        found, told = [], 0
        for update, rate in enumerate(rates):
            self.optimiser.param_groups[0]["lr"].fill_(rate)
            found.append(self._update(batches()))
            if (update + 1) % LOOK == 0 or update + 1 == len(rates):
                for loss in torch.stack(found[told:]).mean(1).tolist():  # waits for the device
                    told += 1
                    if not math.isfinite(loss):
                        raise InputError(f"the loss of update {told} is not a number; use --precision fp32, or another encoder")
                    if progress:
                        progress(told, len(rates), loss)
        return torch.stack(found).double().cpu().numpy()

    def _update(self, batch: Packed) -> torch.Tensor:
        array, layout = batch.array, batch.layout
        if self.where.type == "cuda":  # without waiting for what the device is doing
            array = array.pin_memory().to(self.where, non_blocking=True)
        if self.recording:
            with contextlib.suppress(torch.OutOfMemoryError):
                return self._played(array, layout)
            self.recording = False
            self.optimiser.zero_grad()
            self._forget()
        return self._step(array, layout)

    def _played(self, array: torch.Tensor, layout: Layout) -> torch.Tensor:
        if layout not in self.seen:  # kernels are loaded, and the optimiser's averages made: that is not to be recorded
            loss = self._step(array, layout)
            self.seen.add(layout)
            self._wait()
            torch.cuda.empty_cache()
            return loss
        with _told_alike():
            if layout not in self.recorded:
                self.recorded[layout] = self._record(layout)
            graph, inputs, loss = self.recorded[layout]
            told = torch.empty_like(loss)  # before it is played: what fails for want of memory is done again, unrecorded
            inputs.copy_(array)
            graph.replay()
            told.copy_(loss)  # at once: another graph of the pool may use its memory
        return told

    def _wait(self) -> None:
        """Until the device has done all that it was given, as PyTorch has it before memory is given back or a graph recorded."""
        if self.where.type == "cuda":
            torch.cuda.synchronize(self.where)

    def _step(self, array: torch.Tensor, layout: Layout) -> torch.Tensor:
        loss = self.losses(Batch.of(array, layout))
        loss.sum().backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()

    def _record(self, layout: Layout) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]:
        """The kernels of an update, which are not started yet, the array that they read and the losses that they write."""
        graph, inputs = torch.cuda.CUDAGraph(), torch.zeros(sum(layout[0]), dtype=torch.int32, device=self.where)
        self._wait()
        aside = _aside(self.where)
        aside.wait_stream(torch.cuda.current_stream(self.where))
        with torch.cuda.stream(aside):
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            try:
                loss = self._step(inputs, layout)
            except BaseException:
                with contextlib.suppress(RuntimeError):  # of half a graph
                    graph.capture_end()
                raise
            graph.capture_end()
        self.pool = graph.pool()
        torch.cuda.current_stream(self.where).wait_stream(aside)
        return graph, inputs, loss


@torch.inference_mode()
def predict(model: Classifiers, tokens: training.Tokens, bits: str = "fp32") -> np.ndarray:
    """Every copy's logits of n texts, float32 (copies, n, classes), in their order; dropout off. torch.OutOfMemoryError where
    not even a small part of them fits."""
    model.eval()
    stack, where, kind, most = model.stack, model.weight.device, precision(bits), PART
    weights, words, order = stack.weights(kind), stack.whole(), np.argsort(-tokens.lengths, kind="stable")
    outputs, parts, lying = [], [], flash_fits(where, kind, stack.config)
    while len(order):
        size = max(1, most // stack.copies // rounded(tokens.lengths[order[0]] + 1))
        try:
            batch, _ = pack(tokens, [order[:size]] * stack.copies, words.shape[1], stack.positions.shape[1], lying)
            outputs.append(model(Batch.of(batch.array.to(where), batch.layout), kind, weights, words))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            most = size * stack.copies * rounded(tokens.lengths[order[0]] + 1) // 2
            continue
        parts.append(order[:size])
        order = order[size:]
    together = torch.cat(outputs, 1).cpu().numpy()
    out = np.empty_like(together)
    out[:, np.concatenate(parts)] = together
    return out
