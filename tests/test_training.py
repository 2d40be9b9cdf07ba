"""Training: batches and rates by hand, the loop against a plain one in torch, and what it must leave alone."""

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
    assert ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


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
    rates = [training._rate("linear", update, 20) for update in range(20)]
    assert rates[:3] == [0.5, 1.0, 18 / 19]
    assert rates[-1] == pytest.approx(1 / 19)
    assert [training._rate("constant", update, 20) for update in (0, 19)] == [1.0, 1.0]


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


def test_progress_hears_of_every_update(tiny, tokens, labels):
    heard = []
    losses = training.train(
        classifier(tiny), tokens, labels, learning_rate=1e-3, batch_size=100, updates=3,
        progress=lambda *facts: heard.append(facts),
    )  # fmt: skip
    assert heard == [(i + 1, 3, loss) for i, loss in enumerate(losses)]


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_predictions_do_not_depend_on_the_batch(tiny, tokens, pooling):
    model = classifier(tiny, pooling).eval()
    together = training.predict(model, tokens.take(np.arange(20)), batch_size=7)
    with torch.no_grad():
        alone = np.concatenate([model(*tokens.batch(np.array([row]))).numpy() for row in range(20)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_embeddings_are_the_mean_or_the_first_token(tiny, tokens):
    some = tokens.take(np.arange(5))
    with torch.no_grad():
        last = [tiny(some.batch(np.array([row]))[0]).last_hidden_state[0] for row in range(5)]
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
