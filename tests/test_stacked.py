"""Copies side by side: each is what `training` makes of it alone, and predictions are those of the encoder itself."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from cluster_tune import encoders, intertraining, stacked, training
from cluster_tune.errors import InputError


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(stacked, "DEVICES", ("cpu",))


@pytest.fixture
def bare(tiny_folder):
    """A tiny BERT without dropout, in which two ways of training can be compared digit by digit."""
    encoder = encoders.model(encoders.resolve(str(tiny_folder)))
    return without_dropout(encoder)


def without_dropout(encoder):
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    encoder.config.hidden_dropout_prob = encoder.config.attention_probs_dropout_prob = 0.0
    return encoder


@pytest.fixture(params=["spread out", "lying"])
def either_way(request, monkeypatch):
    """Attention to texts that are spread out, and to texts as they lie, with a stand-in for the GPU's kernel."""
    if request.param == "lying":
        monkeypatch.setattr(stacked, "flash_fits", lambda *_: True)
        monkeypatch.setattr(stacked, "_flash", stretch_by_stretch)


def stretch_by_stretch(query, key, value, starts, most, drop):
    """What the kernel computes, which goes through each stretch up to its limit: the rest has no number."""
    found = torch.full_like(query, torch.nan)
    pieces = [slice(start, min(end, start + most)) for start, end in itertools.pairwise(starts.tolist()) if end > start]
    rows = []
    for piece in pieces:
        q, k, v = (part[piece].transpose(0, 1) for part in (query, key, value))
        rows.append(nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=drop).transpose(0, 1))
    where = torch.cat([torch.arange(piece.start, piece.stop) for piece in pieces])
    return found.index_copy(0, where, torch.cat(rows))


@pytest.fixture(autouse=True)
def no_dropout_before_the_head(monkeypatch):
    monkeypatch.setattr(training, "DROPOUT", 0.0)


@pytest.fixture(scope="module")
def tokens(tiny_folder, sea_and_sky):
    return training.tokenise(encoders.tokenizer(encoders.resolve(str(tiny_folder))), sea_and_sky["text"], 16)


@pytest.fixture(scope="module")
def labels(sea_and_sky):
    return np.unique(sea_and_sky["label"], return_inverse=True)[1]


HOW = {"learning_rate": 1e-3, "batch_size": 8, "updates": 7, "schedule": "linear"}


def alone(folder, pooling, tokens, labels, seed):
    model = training.Classifier(without_dropout(encoders.model(encoders.resolve(str(folder)))), pooling, 2, seed)
    losses = training.train(model, tokens, labels, seed=seed, **HOW)
    return model, losses


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_each_copy_is_the_model_trained_alone(either_way, tiny_folder, bare, tokens, labels, pooling):
    rng, before = np.random.default_rng(0), training.copy_of(bare.state_dict())
    samples = [rng.permutation(len(tokens))[:20] for _ in range(3)]
    models, losses = stacked.fine_tune(
        bare, pooling, [tokens.take(rows) for rows in samples], [labels[rows] for rows in samples], 2, seeds=[4, 5, 6], **HOW
    )
    found = stacked.predict(models, tokens)
    assert losses.shape == (7, 3) and found.shape == (3, len(tokens), 2)
    for copy, rows in enumerate(samples):
        model, expected = alone(tiny_folder, pooling, tokens.take(rows), labels[rows], 4 + copy)
        np.testing.assert_allclose(losses[:, copy], expected, rtol=1e-4)
        np.testing.assert_allclose(found[copy], training.predict(model, tokens), atol=1e-4)
    assert all((bare.state_dict()[name] == value).all() for name, value in before.items())


def test_a_copy_given_back_is_the_encoder_trained_alone(tiny_folder, bare, tokens, labels):
    models, _ = stacked.fine_tune(bare, "pooler", [tokens, tokens], [labels, labels], 2, seeds=[1, 4], **HOW)
    models.stack.give_back(1)
    model, _ = alone(tiny_folder, "pooler", tokens, labels, 4)
    for name, value in model.encoder.state_dict().items():
        torch.testing.assert_close(bare.state_dict()[name], value, atol=1e-4, rtol=0)
    np.testing.assert_allclose(
        stacked.predict(models, tokens)[1], training.predict(model, tokens), atol=1e-4
    )


def test_predictions_do_not_depend_on_the_parts(either_way, bare, tokens, labels, monkeypatch):
    models, _ = stacked.fine_tune(bare, "mean", [tokens, tokens], [labels, labels], 2, seeds=[1, 2], **HOW)
    whole = stacked.predict(models, tokens)
    monkeypatch.setattr(stacked, "PART", 100)
    np.testing.assert_allclose(stacked.predict(models, tokens), whole, atol=1e-5)


def test_clusters_and_masked_words_are_learned_as_without_it(either_way, tiny_folder, bare, tokens, labels, monkeypatch):
    special = {"mask": 4, "cls": 2, "sep": 3}

    def both(encoder):
        words = intertraining.on_masked_words(
            encoder, tokens, special, learning_rate=1e-4, batch_size=8, epochs=2, duplicates=2, seed=3
        )
        clusters = intertraining.on_clusters(
            encoder, "mean", tokens, labels, learning_rate=1e-4, batch_size=8, epochs=2, seed=3
        )
        return words, clusters

    plain = without_dropout(encoders.model(encoders.resolve(str(tiny_folder))))
    expected = both(plain)
    monkeypatch.setattr(stacked, "DEVICES", ("cpu",))
    assert stacked.fits(bare)
    for found, wanted in zip(both(bare), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(bare.state_dict()[name], value, atol=1e-3, rtol=0)


def test_in_bf16_and_with_dropout_it_learns(either_way, here, tiny_folder, tokens, labels, monkeypatch):
    monkeypatch.setattr(training, "DROPOUT", 0.1)
    encoder = encoders.model(encoders.resolve(str(tiny_folder)))
    how = HOW | {"updates": 60, "schedule": "constant", "bits": "bf16"}
    models, losses = stacked.fine_tune(encoder, "mean", [tokens] * 2, [labels] * 2, 2, seeds=[0, 0], **how)
    assert (losses[-5:].mean(0) < losses[:5].mean(0) / 2).all()
    assert (losses[:, 0] != losses[:, 1]).any()  # the same seed and texts: dropout alone tells them apart
    assert (stacked.predict(models, tokens, "bf16").argmax(2) == labels).mean() > 0.9
    _, same = stacked.fine_tune(encoder, "mean", [tokens] * 2, [labels] * 2, 2, seeds=[0, 0], **how)
    assert (same == losses).all()


def test_samples_whose_batches_differ_in_size_are_weighed_right(either_way, tiny_folder, bare, tokens, labels, monkeypatch):
    """With many texts the last, smaller batch comes at another place in every copy."""
    monkeypatch.setattr(training, "POOL", 1)
    rng = np.random.default_rng(1)
    samples = [rng.permutation(len(tokens))[:21] for _ in range(3)]
    _, losses = stacked.fine_tune(
        bare, "mean", [tokens.take(rows) for rows in samples], [labels[rows] for rows in samples], 2, seeds=[0, 1, 2], **HOW
    )
    for copy, rows in enumerate(samples):
        np.testing.assert_allclose(losses[:, copy], alone(tiny_folder, "mean", tokens.take(rows), labels[rows], copy)[1], rtol=1e-4)


def test_a_loss_that_is_not_a_number_is_refused(bare, tokens, labels):
    with torch.no_grad():
        bare.get_input_embeddings().weight[:] = float("nan")
    with pytest.raises(InputError, match="the loss of update 1 is not a number"):
        stacked.fine_tune(bare, "mean", [tokens], [labels], 2, seeds=[0], **HOW)


def test_a_processor_and_other_encoders_go_the_usual_way(bare, monkeypatch):
    assert not stacked.fits(bare)
    monkeypatch.setattr(stacked, "DEVICES", ("cpu",))
    assert stacked.fits(bare)
    bare.config.model_type = "distilbert"
    assert not stacked.fits(bare)


def test_masked_words_that_do_not_fit_packed_are_learned_in_parts(here, bare, tokens, tmp_path, monkeypatch):
    """Memory runs out in the second epoch; what was kept of the first is of another way to train, and is not mistaken."""
    how = {"learning_rate": 1e-4, "batch_size": 8, "epochs": 2, "duplicates": 2, "seed": 3, "checkpoint": tmp_path / "words.part"}
    plain, calls = stacked.Updates.__call__, []

    def short(*args):
        calls.append(args)
        if len(calls) == 2:
            raise torch.OutOfMemoryError
        return plain(*args)

    monkeypatch.setattr(stacked.Updates, "__call__", short)
    before = training.copy_of(bare.state_dict())
    losses = intertraining.on_masked_words(bare, tokens, {"mask": 4, "cls": 2, "sep": 3}, **how)
    assert len(calls) == 2 and len(losses) == 2 * -(-len(tokens) // 8)
    monkeypatch.setattr(stacked, "DEVICES", ())
    bare.load_state_dict(before)
    how |= {"checkpoint": None}
    np.testing.assert_array_equal(losses, intertraining.on_masked_words(bare, tokens, {"mask": 4, "cls": 2, "sep": 3}, **how))


def test_packed_masked_words_go_on_from_their_last_epoch(here, bare, tokens, tmp_path):
    how = {"learning_rate": 1e-4, "batch_size": 8, "duplicates": 2, "seed": 3, "checkpoint": tmp_path / "words.part"}
    special, before = {"mask": 4, "cls": 2, "sep": 3}, training.copy_of(bare.state_dict())
    whole = intertraining.on_masked_words(bare, tokens, special, epochs=2, **how | {"checkpoint": None})
    bare.load_state_dict(before)

    def stop(update, updates, loss):
        if update > updates // 2 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intertraining.on_masked_words(bare, tokens, special, epochs=2, progress=stop, **how)
    heard = []
    again = intertraining.on_masked_words(bare, tokens, special, epochs=2, progress=lambda *told: heard.append(told), **how)
    np.testing.assert_array_equal(again, whole)
    assert heard[0][0] == len(whole) // 2 + 1


def test_masked_words_begun_unpacked_go_on_so(here, bare, tokens, tmp_path, monkeypatch):
    """A file of a processor, or of a card whose memory was too small, is gone on from and not begun anew."""
    how = {"learning_rate": 1e-4, "batch_size": 8, "duplicates": 2, "seed": 3, "checkpoint": tmp_path / "words.part"}
    special, heard = {"mask": 4, "cls": 2, "sep": 3}, []

    def stop(update, updates, loss):
        if update > updates // 2 + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as processor:
        processor.setattr(stacked, "DEVICES", ())
        with pytest.raises(KeyboardInterrupt):
            intertraining.on_masked_words(bare, tokens, special, epochs=2, progress=stop, **how)
    losses = intertraining.on_masked_words(bare, tokens, special, epochs=2, progress=lambda *told: heard.append(told), **how)
    assert heard[0][0] == len(losses) // 2 + 1
    heard.clear()
    again = intertraining.on_masked_words(bare, tokens, special, epochs=2, progress=lambda *told: heard.append(told), **how)
    assert not heard
    np.testing.assert_array_equal(again, losses)


def test_a_file_that_is_damaged_is_told(here, bare, tokens, tmp_path):
    (tmp_path / "words.part").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is damaged; delete it"):
        intertraining.on_masked_words(bare, tokens, {"mask": 4, "cls": 2, "sep": 3}, learning_rate=1e-4, batch_size=8, epochs=1,
                                      duplicates=1, checkpoint=tmp_path / "words.part")  # fmt: skip


def test_predictions_that_do_not_fit_are_made_in_smaller_parts(bare, tokens, labels, monkeypatch):
    models, _ = stacked.fine_tune(bare, "mean", [tokens, tokens], [labels, labels], 2, seeds=[1, 2], **HOW)
    whole, plain, sizes = stacked.predict(models, tokens), stacked.pack, []

    def short(tokens, rows, *where):
        sizes.append(len(rows[0]))
        if sizes[-1] > 50:
            raise torch.OutOfMemoryError
        return plain(tokens, rows, *where)

    monkeypatch.setattr(stacked, "pack", short)
    np.testing.assert_allclose(stacked.predict(models, tokens), whole, atol=1e-5)
    assert max(sizes) > 50 and sum(size for size in sizes if size <= 50) == len(tokens)
    monkeypatch.setattr(stacked, "pack", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(torch.OutOfMemoryError):
        stacked.predict(models, tokens)


class Recorded:
    """What stands in for a CUDA graph where there is none: it computes anew, from the inputs that it was made with."""

    def __init__(self, updates, layout, inputs):
        self.replayed, self.loss = 0, torch.zeros(2)
        self.compute = lambda: updates._step(inputs, layout)

    def replay(self):
        self.replayed += 1
        self.loss.copy_(self.compute())


def learned(encoder, tokens, labels, copies=2, **how):
    """The losses of forty updates of so many copies."""
    how = HOW | {"updates": 40, "seeds": range(1, copies + 1)} | how
    return stacked.fine_tune(encoder, "mean", [tokens] * copies, [labels] * copies, 2, **how)[1]


def set_recording(monkeypatch, recording):
    """All updates from here on are recorded, or none."""
    plain = stacked.Updates.__init__
    monkeypatch.setattr(stacked.Updates, "__init__", lambda self, model, losses: plain(self, model, losses, recording))


def test_updates_are_recorded_once_a_layout_and_played_back(here, bare, tokens, labels, monkeypatch):
    graphs, expected = {}, learned(bare, tokens, labels)

    def record(self, layout):
        assert layout not in graphs
        inputs = torch.zeros(sum(layout[0]), dtype=torch.int32)
        graphs[layout] = Recorded(self, layout, inputs)
        return graphs[layout], inputs, graphs[layout].loss

    monkeypatch.setattr(stacked.Updates, "_record", record)
    set_recording(monkeypatch, True)
    np.testing.assert_array_equal(learned(bare, tokens, labels), expected)
    assert 0 < len(graphs) < 20 < sum(graph.replayed for graph in graphs.values()) < 40


@pytest.mark.parametrize("n", [1, 3, 40])
def test_stretches_leave_no_word_piece_out(tokens, n):
    rows = [np.arange(n), np.arange(max(1, n // 2))]
    packed, there = stacked.pack(tokens, rows, 100, 16, lying=True)
    ids, starts, size = packed.parts[0], packed.parts[7], np.diff(packed.parts[7])
    assert starts[0] == 0 and starts[-1] == len(ids) and (size >= 0).all() and size.max() <= packed.width
    of = np.searchsorted(starts, there, side="right")  # each text is a stretch of its own
    texts = np.concatenate([np.repeat(some + copy * len(tokens), tokens.lengths[some]) for copy, some in enumerate(rows)])
    assert len(np.unique(np.stack([of, texts]), axis=1).T) == len(np.unique(of)) == len(np.unique(texts)) == sum(map(len, rows))


@pytest.mark.parametrize("length", [1, 8, 9, 63, 64, 65, 127, 128, 500, 3_001, 40_000])
def test_lengths_are_rounded_up_by_an_eighth_at_most(length):
    found = stacked.rounded(length)
    assert found >= length and found % stacked.STEP == 0 and found - length < max(stacked.STEP, length / 8 + 1)
    assert stacked.rounded(found) == found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("bits", ["fp32", "bf16"])
@pytest.mark.parametrize("copies", [1, 2])
def test_on_a_gpu_what_is_played_back_is_what_was_recorded(tiny_folder, tokens, labels, monkeypatch, bits, copies):
    encoder = encoders.model(encoders.resolve(str(tiny_folder))).cuda()
    found = learned(encoder, tokens, labels, copies, bits=bits)
    set_recording(monkeypatch, False)
    expected = learned(encoder, tokens, labels, copies, bits=bits)
    np.testing.assert_allclose(found, expected, atol=1e-4 if bits == "fp32" else 3e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="flash attention needs a GPU")
@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("copies", [1, 2])
def test_on_a_gpu_texts_as_they_lie_are_read_as_spread_out(tokens, labels, monkeypatch, recording, copies):
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128}
    encoder = without_dropout(BertModel(BertConfig(**shape, vocab_size=int(tokens.ids.max()) + 1))).cuda()
    set_recording(monkeypatch, recording)
    assert stacked.flash_fits(encoder.device, torch.bfloat16, encoder.config)
    found = learned(encoder, tokens, labels, copies, bits="bf16")
    monkeypatch.setattr(stacked, "flash_fits", lambda *_: False)
    np.testing.assert_allclose(found, learned(encoder, tokens, labels, copies, bits="bf16"), atol=3e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU that lags behind needs a GPU")
@pytest.mark.parametrize("copies", [1, 2])
def test_on_a_gpu_that_lags_behind_the_same_is_learned(tiny_folder, tokens, labels, monkeypatch, copies):
    encoder = without_dropout(encoders.model(encoders.resolve(str(tiny_folder)))).cuda()
    expected, update = learned(encoder, tokens, labels, copies, bits="bf16"), stacked.Updates._update

    def late(self, batch):
        torch.cuda._sleep(20_000_000)  # cycles, some ten milliseconds
        return update(self, batch)

    monkeypatch.setattr(stacked.Updates, "_update", late)
    np.testing.assert_allclose(learned(encoder, tokens, labels, copies, bits="bf16"), expected, atol=3e-2)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError("CUDA error: out of memory")])
def test_updates_go_on_unrecorded_where_there_is_no_memory_for_it(here, bare, tokens, labels, monkeypatch, error):
    tried, expected = [], learned(bare, tokens, labels)

    def short(self, layout):
        tried.append(self)
        raise error

    monkeypatch.setattr(stacked.Updates, "_record", short)
    set_recording(monkeypatch, True)
    np.testing.assert_array_equal(learned(bare, tokens, labels), expected)
    assert len(tried) == 1 and not tried[0].recording
    monkeypatch.setattr(stacked.Updates, "_record", lambda *_: (_ for _ in ()).throw(RuntimeError("another error")))
    with pytest.raises(RuntimeError, match="another error"):
        learned(bare, tokens, labels)
