"""Encoders in ONNX Runtime, held against PyTorch on the same input: vectors for every pooling, logits, and where it is used."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from cluster_tune import encoders, inference, training


def bert(**changes) -> BertModel:
    """An encoder of three layers with weights large enough that each part of it tells."""
    torch.manual_seed(3)
    shape = {"vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 40,
             "max_position_embeddings": 32, "initializer_range": 0.4}  # fmt: skip
    model = BertModel(BertConfig(**shape | changes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)  # norms and biases start as ones and zeros
    return model


def some_tokens(seed: int = 0, texts: int = 90, most: int = 31) -> training.Tokens:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, most, texts)
    return training.Tokens(rng.integers(0, 60, lengths.sum()).astype(np.int32), np.append(0, np.cumsum(lengths)), 0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@pytest.mark.parametrize("changes", [{}, {"layer_norm_eps": 0.05}, {"num_attention_heads": 4, "num_hidden_layers": 1}], ids=str)
def test_the_vectors_are_those_of_pytorch(pooling, changes):
    model, tokens = bert(**changes), some_tokens()
    assert inference.fits(model)
    ids, mask = tokens.batch(np.arange(len(tokens)))
    with torch.inference_mode():
        expected = training._pooled(model, pooling, ids, mask).numpy()
    found = inference.vectors(model, pooling, tokens)
    assert expected.std() > 0.1 and np.allclose(found, expected, atol=2e-5)


def test_the_pretrained_encoder_gives_the_same_embeddings(monkeypatch, sea_and_sky):
    known = encoders.resolve("minilm")
    model = encoders.model(known)
    tokens = training.tokenise(encoders.tokenizer(known), sea_and_sky["text"][:50], 128)
    plain = training.embed(model, known.pooling, tokens)
    used = spied(monkeypatch)
    assert np.abs(training.embed(model, known.pooling, tokens) - plain).max() < 1e-5
    assert used == [known.pooling]


def spied(monkeypatch) -> list:
    """Where it is worth it for any number of word pieces: the poolings that ONNX Runtime was asked for."""
    used, vectors = [], inference.vectors
    monkeypatch.setattr(inference, "WORTH", 0)
    monkeypatch.setattr(inference, "vectors", lambda *what: used.append(what[1]) or vectors(*what))
    return used


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_the_vectors_do_not_depend_on_the_cores_and_the_parts(cores, monkeypatch):
    model, tokens = bert(), some_tokens()
    whole = inference.vectors(model, "mean", tokens)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    monkeypatch.setattr(inference, "PART", 40)
    assert np.allclose(inference.vectors(model, "mean", tokens), whole, atol=1e-6)
    alone = [inference.vectors(model, "mean", tokens.take(np.array([row])))[0] for row in range(5)]
    assert np.allclose(alone, whole[:5], atol=1e-6)


def test_what_stops_in_one_part_stops_all(monkeypatch):
    tokens, asked, batch = some_tokens(), [], training.Tokens.batch

    def stops(self, rows, step):
        asked.append(len(rows))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return batch(self, rows, step)

    monkeypatch.setattr(training.Tokens, "batch", stops)
    monkeypatch.setattr(inference, "PART", 1)
    with pytest.raises(KeyboardInterrupt):
        inference.vectors(bert(), "mean", tokens)
    assert len(asked) < len(tokens)


def test_predictions_are_the_same_before_and_after_training(monkeypatch):
    tokens, labels = some_tokens(), np.arange(90) % 3
    model = training.Classifier(bert(), "pooler", 3, seed=0)
    before = training.predict(model, tokens)
    used = spied(monkeypatch)
    assert np.abs(training.predict(model, tokens) - before).max() < 2e-5 and used == ["pooler"]
    training.train(model, tokens, labels, learning_rate=1e-2, batch_size=30, updates=3, seed=0)
    quick = training.predict(model, tokens)
    monkeypatch.setattr(inference, "fits", lambda encoder: False)
    assert np.abs(training.predict(model, tokens) - quick).max() < 2e-5 < np.abs(quick - before).max()


def test_few_texts_and_other_precisions_stay_with_pytorch(monkeypatch):
    model, tokens, used = bert(), some_tokens(), spied(monkeypatch)
    training.embed(model, "mean", tokens, bits="bf16")
    monkeypatch.setattr(inference, "WORTH", len(tokens.ids) + 1)
    training.embed(model, "mean", tokens)
    assert not used
    monkeypatch.setattr(inference, "WORTH", len(tokens.ids))
    training.embed(model, "mean", tokens)
    assert used == ["mean"]


def test_only_what_computes_as_bert_does_fits(monkeypatch):
    assert not inference.fits(bert(hidden_act="relu")) and not inference.fits(bert().double())
    assert not inference.plain_bert(BertConfig(is_decoder=True))
    model = bert()
    monkeypatch.setattr(inference.platform, "machine", lambda: "arm64")
    assert not inference.fits(model)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_packages_pytorch_predicts(missing, monkeypatch):
    used = spied(monkeypatch)
    monkeypatch.setattr(inference, "find_spec", lambda name: None if name == missing else name)
    assert training.embed(bert(), "mean", some_tokens()).shape == (90, 24) and not used
