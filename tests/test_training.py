"""Training: batches and rates by hand, the loop against a plain one in torch, and what it must leave alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cluster_tune import encoders, training
from cluster_tune.errors import InputError


@pytest.fixture
def tiny(tiny_folder):
    """The tiny encoder without dropout, so that losses can be computed another way."""
    model = encoders.model(encoders.resolve(str(tiny_folder)))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    return model


@pytest.fixture(scope="module")
def tokens(tiny_folder, sea_and_sky):
    return training.tokenise(encoders.tokenizer(encoders.resolve(str(tiny_folder))), sea_and_sky["text"], 16)


@pytest.fixture(scope="module")
def labels(sea_and_sky):
    return (sea_and_sky["label"] == "sky").to_numpy().astype(int)


def classifier(encoder, pooling="mean", classes=2):
    model = training.Classifier(encoder, pooling, classes, seed=0)
    model.dropout.p = 0.0
    return model


def test_tokens_are_the_tokenizers_own(tiny_folder, sea_and_sky, tokens):
    tokenizer = encoders.tokenizer(encoders.resolve(str(tiny_folder)))
    assert tokens.lengths.max() == 16 and len(tokens) == 400
    for row in (0, 7, 399):
        expected = tokenizer(sea_and_sky["text"][row], truncation=True, max_length=16)["input_ids"]
        assert tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]].tolist() == expected
        assert tokens.take(np.array([3, row])).ids[tokens.lengths[3] :].tolist() == expected


def test_a_batch_is_padded_to_its_longest_text():
    tokens = training.Tokens(np.array([5, 6, 7, 8], np.int32), np.array([0, 1, 4]), pad=9)
    ids, mask = tokens.batch(np.array([0, 1]))
    assert ids.tolist() == [[5, 9, 9, 9], [6, 7, 8, 9]]  # three, rounded up to four
    assert mask.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]
    assert tokens.batch(np.array([0, 1]), step=1)[0].tolist() == [[5, 9, 9], [6, 7, 8]]


def test_parts_hold_every_row_once_and_no_more_word_pieces_than_allowed():
    lengths = np.random.default_rng(1).integers(3, 128, 500)
    tokens = training.Tokens(np.zeros(lengths.sum(), np.int32), np.append(0, np.cumsum(lengths)), 0)
    rows = np.arange(100, 400)
    parts = tokens.parts(rows, 1024)
    assert sorted(np.concatenate(parts)) == list(rows)
    assert max(tokens.batch(part)[0].numel() for part in parts) <= 1024
    assert max(tokens.batch(part, 1)[0].numel() for part in tokens.parts(rows, 1024, step=1)) <= 1024
    assert len(tokens.parts(rows, 1)) == 300  # a text longer than a part goes alone


def test_dropout_leaves_the_share_and_the_mean_it_should():
    layer, x = training.Dropout(0.1), torch.ones(1000, 999)
    with training.seeded(3, x.device):
        first = layer(x)
        second = layer(x)
    with training.seeded(3, x.device):
        again = layer(x)
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert first.unique().tolist() == pytest.approx([0, 1 / 0.9])
    assert (first == 0).float().mean().item() == pytest.approx(0.1, abs=0.0015)  # five standard deviations
    neighbours = (first[:, 1:] == 0) & (first[:, :-1] == 0)  # they share a draw: still independent
    assert neighbours.float().mean().item() == pytest.approx(0.01, abs=0.0005)
    layer.eval()
    assert layer(x) is x


def test_dropout_s_gradient_is_zero_where_the_output_is():
    x = torch.ones(4, 5, dtype=torch.bfloat16, requires_grad=True)
    y = training.Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_a_suited_encoder_computes_what_the_plain_one_does(tiny_folder, tokens):
    plain, suited = (encoders.model(encoders.resolve(str(tiny_folder))) for _ in range(2))
    training.suit(suited)
    kinds = {type(module) for module in suited.modules() if isinstance(module, torch.nn.Dropout)}
    assert kinds == {training.Dropout}
    some = tokens.take(np.arange(30))
    np.testing.assert_allclose(
        training.embed(suited, "mean", some), training.embed(plain, "mean", some), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_an_epoch_visits_every_text_once(n):
    lengths = np.random.default_rng(1).integers(3, 128, n)
    batches = training.epoch(lengths, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert len(batches) == -(-n // 8)


def test_many_texts_are_batched_by_length_and_a_few_are_not():
    lengths = np.random.default_rng(1).integers(3, 128, 1000)
    spread = [np.ptp(lengths[batch]) for batch in training.epoch(lengths, 8, np.random.default_rng(0))]
    assert np.mean(spread) < 10
    few = [np.ptp(lengths[batch]) for batch in training.epoch(lengths[:64], 8, np.random.default_rng(0))]
    assert np.mean(few) > 50


def test_the_linear_schedule_by_hand():
    rates = [training.rate("linear", update, 20) for update in range(20)]
    assert rates[:3] == [0.5, 1.0, 18 / 19]
    assert rates[-1] == pytest.approx(1 / 19)
    assert [training.rate("constant", update, 20) for update in (0, 19)] == [1.0, 1.0]


def plain_loop(model, tokens, labels, rate, batch, updates, seed):
    """The same training as anyone would write it: whole batches, the whole vocabulary, Adam."""
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, eps=1e-6)
    rng, queue, losses = np.random.default_rng(seed), [], []
    model.train()
    for _ in range(updates):
        queue = queue or training.epoch(tokens.lengths, batch, rng)
        rows = queue.pop(0)
        loss = torch.nn.functional.cross_entropy(model(*tokens.batch(rows)), torch.tensor(labels[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_the_loop_is_the_plain_loop(tiny, tokens, labels):
    start = training.copy_of(tiny.state_dict())
    some, few = tokens.take(np.arange(100)), labels[:100]
    ours = classifier(tiny)
    losses = training.train(ours, some, few, learning_rate=1e-3, batch_size=40, updates=12, seed=3)
    trained = training.copy_of(ours.state_dict())
    tiny.load_state_dict(start)
    plain = classifier(tiny)
    assert losses == pytest.approx(plain_loop(plain, some, few, 1e-3, 40, 12, 3), rel=1e-3)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(trained[name], value, rtol=1e-2, atol=1e-4)


def test_a_word_that_does_not_occur_keeps_its_embedding(tiny, tokens, labels):
    before = tiny.get_input_embeddings().weight.detach().clone()
    one = tokens.take(np.array([0]))
    training.train(classifier(tiny), one, labels[:1], learning_rate=1e-2, batch_size=1, updates=2)
    after = tiny.get_input_embeddings().weight
    moved = (after != before).any(1).numpy()
    assert set(np.flatnonzero(moved)) == set(one.ids)


def test_training_repeats_itself_and_leaves_the_global_generator_alone(tiny_folder, tokens, labels):
    encoder = encoders.model(encoders.resolve(str(tiny_folder)))
    start = training.copy_of(encoder.state_dict())

    def once():
        encoder.load_state_dict(start)
        model = training.Classifier(encoder, "mean", 2, seed=1)
        return training.train(model, tokens, labels, learning_rate=1e-3, batch_size=32, updates=4, seed=1)

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = once()
    assert torch.equal(torch.get_rng_state(), state)
    assert (first == once()).all()


class Small(torch.nn.Module):
    """An encoder on a device whose memory holds no more than a number of word pieces at once."""

    def __init__(self, encoder, room):
        super().__init__()
        self.inner, self.room, self.config, self.seen = encoder, room, encoder.config, []

    def forward(self, input_ids, attention_mask):
        self.seen.append(input_ids.numel())
        if input_ids.numel() > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return self.inner(input_ids=input_ids, attention_mask=attention_mask)

    def get_input_embeddings(self):
        return self.inner.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.inner.set_input_embeddings(value)


def test_short_memory_halves_the_parts_and_changes_nothing_else(tiny, tokens, labels):
    start, how = training.copy_of(tiny.state_dict()), {"learning_rate": 1e-3, "batch_size": 40, "updates": 5, "seed": 3}
    some, few = tokens.take(np.arange(100)), labels[:100]
    undisturbed = training.train(classifier(tiny), some, few, **how)
    model = classifier(tiny)
    weights, logits = training.copy_of(tiny.state_dict()), training.predict(model, some)
    tiny.load_state_dict(start)
    small = Small(tiny, room=100)
    model = classifier(small)
    assert training.train(model, some, few, **how) == pytest.approx(undisturbed, rel=1e-4)
    for name, value in weights.items():
        torch.testing.assert_close(tiny.state_dict()[name], value, rtol=1e-2, atol=1e-4)
    assert sum(size > 100 for size in small.seen) <= 5  # what did not fit is not tried again in each update
    np.testing.assert_allclose(training.predict(classifier(small), some), logits, atol=1e-2)


def test_a_text_that_does_not_fit_alone_is_refused(tiny, tokens, labels):
    with pytest.raises(InputError, match="word pieces does not fit the GPU's memory"):
        training.train(classifier(Small(tiny, 2)), tokens, labels, learning_rate=1e-3, batch_size=8, updates=1)


def test_progress_hears_of_every_update(tiny, tokens, labels):
    heard = []
    losses = training.train(
        classifier(tiny), tokens, labels, learning_rate=1e-3, batch_size=100, updates=3,
        progress=lambda *facts: heard.append(facts),
    )  # fmt: skip
    assert heard == [(i + 1, 3, loss) for i, loss in enumerate(losses)]


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_predictions_do_not_depend_on_the_parts(tiny, tokens, pooling, monkeypatch):
    model = classifier(tiny, pooling).eval()
    monkeypatch.setitem(training.PART, "cpu", 50)
    together = training.predict(model, tokens.take(np.arange(20)))
    with torch.no_grad():
        alone = np.concatenate([model(*tokens.batch(np.array([row]))).numpy() for row in range(20)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_embeddings_are_the_mean_or_the_first_token(tiny, tokens):
    some = tokens.take(np.arange(5))
    with torch.no_grad():
        alone = [torch.from_numpy(some.take(np.array([row])).ids.astype(np.int64)) for row in range(5)]
        last = [tiny(ids[None]).last_hidden_state[0] for ids in alone]
    np.testing.assert_allclose(training.embed(tiny, "mean", some), [layer.mean(0).numpy() for layer in last], atol=1e-5)
    np.testing.assert_allclose(training.embed(tiny, "pooler", some), [layer[0].numpy() for layer in last], atol=1e-5)


def test_devices_and_precisions_that_are_not_there():
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no GPU here; use --device cpu"):
            training.device("cuda")
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        training.device("gpu")
    with pytest.raises(InputError, match="unknown precision 'fp8'"):
        training.precision(torch.device("cpu"), "fp8")


SMALL = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
             max_position_embeddings=40, pad_token_id=1)  # fmt: skip


def of_kind(kind, **more):
    from transformers import AutoConfig, AutoModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModel.from_config(AutoConfig.for_model(kind, **SMALL, **more)).eval()


@pytest.fixture
def padded():
    """Word pieces of texts of unlike length, with 1 for padding and none of them 0."""
    lengths = np.array([3, 9, 5, 14, 7, 4])
    ids = np.random.default_rng(0).integers(2, 40, lengths.sum()).astype(np.int32)
    return training.Tokens(ids, np.append(0, np.cumsum(lengths)), pad=1)


@pytest.mark.parametrize("kind", training.SPELLED_OUT)
def test_attention_spelled_out_is_that_of_the_encoder(kind, padded):
    plain = training.embed(of_kind(kind), "mean", padded)
    suited = training.suit(of_kind(kind))
    assert suited.config._attn_implementation == "spelled_out"
    np.testing.assert_allclose(training.embed(suited, "mean", padded), plain, atol=1e-5)


def test_an_encoder_of_another_kind_keeps_its_own_attention():
    encoder = of_kind("albert", embedding_size=8)
    before = encoder.config._attn_implementation
    assert training.suit(encoder).config._attn_implementation == before


@pytest.mark.parametrize("kind", ["roberta", "camembert"])  # which count positions from the number of the padding
def test_a_small_vocabulary_changes_no_embedding(kind, padded):
    encoder = of_kind(kind)
    whole = training.embed(encoder, "mean", padded)
    with training._small_vocabulary(encoder, padded) as fewer:
        assert encoder.get_input_embeddings().num_embeddings < 40 and fewer.pad == 1
        np.testing.assert_allclose(training.embed(encoder, "mean", fewer), whole, atol=1e-6)


def test_embeddings_that_do_more_than_look_up_are_left_alone(padded):
    class Scaled(torch.nn.Embedding):
        """Some encoders multiply what they look up."""

    encoder = of_kind("roberta")
    own = Scaled(40, 16, padding_idx=1)
    encoder.set_input_embeddings(own)
    with training._small_vocabulary(encoder, padded) as same:
        assert same is padded and encoder.get_input_embeddings() is own


def test_a_row_that_may_look_at_nothing_has_weights_in_bf16():
    query = torch.ones(1, 1, 2, 4, dtype=torch.bfloat16)
    mask = torch.full((1, 1, 2, 2), torch.finfo(torch.float32).min)
    output, weights = training._attention(None, query, query, query, mask)
    assert weights.isfinite().all() and output.isfinite().all()


def test_a_loss_that_is_not_a_number_is_refused(tiny, tokens, labels):
    with torch.no_grad():
        tiny.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(InputError, match="loss of update 1 is not a number; use --precision fp32"):
        training.train(classifier(tiny), tokens, labels, learning_rate=1e-3, batch_size=8, updates=2)


def test_a_gpu_beyond_the_last_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert training.device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InputError, match="device 'cuda:9' asked for, but torch sees 1 of them"):
        training.device("cuda:9")
    with pytest.raises(InputError, match="unknown device 'meta'"):
        training.device("meta")


def test_a_share_of_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, share in (("auto", "15"), ("cuda", "10"), ("cuda:0", "99.5")):
        monkeypatch.setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", share)
        with pytest.raises(InputError, match=f"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE is {share}.*; unset it, or use --device cpu"):
            training.device(name)
    assert training.device("cpu") == torch.device("cpu")
    monkeypatch.setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "100")
    assert training.device("auto") == torch.device("cuda")


def test_bf16_that_a_gpu_only_emulates_is_not_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert training.precision(torch.device("cuda")) == "fp32"


@pytest.mark.parametrize("gpus, name, expected", [
    (0, "auto", ["auto"] * 4), (1, "cuda", ["cuda"] * 4), (2, "cpu", ["cpu"] * 4), (2, "cuda:1", ["cuda:1"] * 4),
    (3, "auto", ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]), (2, "cuda", ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]),
])
def test_several_gpus_are_dealt_out(gpus, name, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [training.dealt(name, which) for which in range(4)] == expected


@pytest.mark.parametrize("instructions, costs, expected", [
    (True, {torch.bfloat16: 1, torch.float32: 2}, "bf16"),
    (True, {torch.bfloat16: 2, torch.float32: 1}, "fp32"),  # an Intel Xeon whose AMX is switched off
    (False, {}, "fp32"),  # nothing to measure: KeyError if it were
])
def test_a_cpu_takes_bf16_only_if_it_is_quicker_by_it(instructions, costs, expected, monkeypatch):
    clock = [0.0]

    def linear(x, weight):
        clock[0] += costs[x.dtype]

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    training._quicker_in_bf16.cache_clear()
    try:
        assert training.precision(torch.device("cpu")) == expected
    finally:
        training._quicker_in_bf16.cache_clear()
