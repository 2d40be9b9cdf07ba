"""Inter-training: what it does to the encoder, masking by its rates, and masked words against transformers' own model."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from cluster_tune import encoders, intertraining, training
from cluster_tune.errors import InputError

SPECIAL = {"mask": 4, "cls": 2, "sep": 3}


@pytest.fixture
def tiny(tiny_folder):
    return encoders.model(encoders.resolve(str(tiny_folder)))


@pytest.fixture(scope="module")
def tokens(tiny_folder, sea_and_sky):
    return training.tokenise(encoders.tokenizer(encoders.resolve(str(tiny_folder))), sea_and_sky["text"], 16)


def random_tokens(n=500, length=30, vocabulary=100):
    rng = np.random.default_rng(0)
    rows = [np.concatenate([[2], rng.integers(5, vocabulary, length - 2), [3]]) for _ in range(n)]
    return training.Tokens(np.concatenate(rows).astype(np.int32), np.arange(n + 1) * length, 0)


def test_masking_chooses_and_replaces_at_berts_rates():
    tokens = random_tokens()
    masked, words = intertraining.mask(tokens, SPECIAL, 100, seed=0)
    chosen = words >= 0
    per_text = chosen.reshape(500, 30).sum(1)
    assert set(per_text) == {round(0.15 * 28)}  # 28 word pieces that are not special
    assert (words[chosen] == tokens.ids[chosen]).all()
    assert (masked.ids[~chosen] == tokens.ids[~chosen]).all()
    assert not np.isin(words, [2, 3]).any()
    assert not (masked.ids == 0).any()  # the padding is no word, though one of the hundred
    became = masked.ids[chosen]
    share = (became == 4).mean(), (became == tokens.ids[chosen]).mean()
    assert share[0] == pytest.approx(0.8, abs=0.035)  # four standard deviations of 2,000 draws
    assert share[1] == pytest.approx(0.1 + 0.1 / 100, abs=0.027)


def test_masking_spreads_over_all_places_and_differs_between_duplicates():
    tokens = random_tokens()
    ways = [intertraining.mask(tokens, SPECIAL, 100, seed=(0, i))[1] >= 0 for i in range(5)]
    places = sum(way.reshape(500, 30).sum(0) for way in ways)[1:-1]
    assert places.min() > 0.6 * places.mean() and places.max() < 1.4 * places.mean()
    assert all((ways[i] != ways[j]).any() for i in range(5) for j in range(i))
    assert (ways[0] == (intertraining.mask(tokens, SPECIAL, 100, seed=(0, 0))[1] >= 0)).all()


def test_even_the_shortest_text_has_a_masked_word():
    tokens = training.Tokens(np.array([2, 7, 3, 2, 8, 9, 3], np.int32), np.array([0, 3, 7]), 0)
    words = intertraining.mask(tokens, SPECIAL, 100, seed=0)[1]
    assert words[1] == 7 and sorted(words[3:]) in ([-1, -1, -1, 8], [-1, -1, -1, 9])


def masked_lm():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForMaskedLM(config)


def test_masked_words_are_learned_as_transformers_own_model_learns_them():
    theirs, tokens = masked_lm(), random_tokens(40)
    ours = masked_lm()  # the same weights: the generator is set in it
    weights = head_of(ours)
    encoder = ours.bert
    losses = intertraining.on_masked_words(
        encoder, tokens, SPECIAL, learning_rate=1e-3, batch_size=40, epochs=3, duplicates=2, head=weights
    )
    optimiser = torch.optim.Adam(theirs.parameters(), lr=1e-3, eps=1e-6)
    theirs.train()
    for epoch in range(3):
        masked, words = intertraining.mask(tokens, SPECIAL, 100, seed=(0, epoch % 2))
        ids, labels = (torch.from_numpy(x.astype(np.int64)).view(40, 30) for x in (masked.ids, words))
        loss = theirs(input_ids=ids, labels=labels.masked_fill(labels < 0, -100)).loss
        assert losses[epoch] == pytest.approx(loss.item(), rel=1e-4)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for name, value in theirs.bert.state_dict().items():
        torch.testing.assert_close(encoder.state_dict()[name], value, rtol=1e-2, atol=2e-4)


def head_of(model):
    head = model.cls.predictions
    return {"dense.weight": head.transform.dense.weight, "dense.bias": head.transform.dense.bias,
            "norm.weight": head.transform.LayerNorm.weight, "norm.bias": head.transform.LayerNorm.bias,
            "bias": head.bias}  # fmt: skip


def test_the_maskings_are_gone_through_in_turn():
    """At a rate of 0, without dropout and with one batch an epoch, the loss tells one masking from another."""
    model, tokens = masked_lm(), random_tokens(40)
    with torch.no_grad():
        head_of(model)["bias"].normal_(0, 3)  # else all words are about as likely, whichever are masked
    losses = intertraining.on_masked_words(
        model.bert, tokens, SPECIAL, learning_rate=0.0, batch_size=40, epochs=12, duplicates=5, head=head_of(model)
    )
    assert losses[5:10] == pytest.approx(losses[:5], rel=1e-5) and losses[10:] == pytest.approx(losses[:2], rel=1e-5)
    assert np.diff(np.sort(losses[:5])).min() > 1e-3


def test_the_decoder_is_the_table_of_embeddings(tiny, tokens):
    """Every word's embedding learns, for it is in the sum over the vocabulary, though it may never be read."""
    table = tiny.get_input_embeddings().weight
    before = table.detach().clone()
    predictor = intertraining.WordPredictor(tiny, None, 0)
    assert [name for name, value in predictor.named_parameters() if value.shape == table.shape] == [
        "encoder.embeddings.word_embeddings.weight"
    ]
    learn(tiny, tokens, epochs=1)
    assert tiny.get_input_embeddings().weight is table
    unread = np.setdiff1d(np.arange(len(table)), [*tokens.ids, SPECIAL["mask"]])
    assert len(unread) and (table != before).any(1).all()


def test_a_head_of_the_encoder_s_own_is_used(tiny_folder, tmp_path):
    """Logits at the masked places, by way of the files, are those of the whole model, under old names as well."""
    import shutil

    from safetensors.torch import load_file, save_file

    folder, theirs = tmp_path / "own", masked_lm().eval()
    shutil.copytree(tiny_folder, folder)
    with torch.no_grad():
        for value in head_of(theirs).values():
            value.normal_()
    theirs.save_pretrained(folder)
    tokens = random_tokens(4)
    ids, seen = tokens.batch(np.arange(4))
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=seen).logits[:, 5]
    tensors = load_file(folder / "model.safetensors")
    for old in (False, True):
        if old:
            renamed = {name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta") for name in tensors}
            assert renamed != set(tensors)
            tensors = {n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v for n, v in tensors.items()}
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        encoder = encoders.resolve(str(folder))
        model = intertraining.WordPredictor(encoders.model(encoder), encoders.word_head(encoder), 0).eval()
        chosen = torch.zeros_like(ids, dtype=torch.bool)
        chosen[:, 5] = True
        with torch.no_grad():
            torch.testing.assert_close(model(ids, seen, chosen), expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_without_a_head_says_so(tiny_folder):
    assert encoders.word_head(encoders.resolve(str(tiny_folder))) == {}
    assert encoders.word_head(encoders.resolve("minilm")) == {}


def learn(encoder, tokens, **options):
    how = {"learning_rate": 1e-3, "batch_size": 100, "epochs": 4, "duplicates": 5, "seed": 1}
    return intertraining.on_masked_words(encoder, tokens, SPECIAL, **{**how, **options})


def test_masked_words_are_learned_better_with_every_epoch(tiny, tokens):
    losses = learn(tiny, tokens).reshape(4, -1).mean(1)
    assert losses[-1] < losses[0]


def test_an_interrupted_training_goes_on_to_the_same_weights(tiny, tokens, tmp_path):
    start, file = training.copy_of(tiny.state_dict()), tmp_path / "words.part"
    undisturbed = learn(tiny, tokens)
    weights = training.copy_of(tiny.state_dict())

    def stop(update, updates, loss):
        assert updates == 16
        if update == 11:  # in the third of four epochs
            raise KeyboardInterrupt

    tiny.load_state_dict(start)
    with pytest.raises(KeyboardInterrupt):
        learn(tiny, tokens, checkpoint=file, progress=stop)
    tiny.load_state_dict(start)
    heard = []
    again = learn(tiny, tokens, checkpoint=file, progress=lambda update, *_: heard.append(update))
    assert heard == list(range(9, 17))  # two epochs were kept
    assert again == pytest.approx(undisturbed)
    for name, value in weights.items():
        torch.testing.assert_close(tiny.state_dict()[name], value)
    tiny.load_state_dict(start)  # and what is finished is only read
    assert (learn(tiny, tokens, checkpoint=file, progress=lambda *_: pytest.fail("trained again")) == again).all()
    for name, value in weights.items():
        torch.testing.assert_close(tiny.state_dict()[name], value)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("spoil", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: whole[:8] + b"x" * 99])
def test_a_damaged_checkpoint_is_named(tiny, tokens, tmp_path, spoil):
    file = tmp_path / "words"
    learn(tiny, tokens, epochs=1, checkpoint=file)
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(InputError, match="words' is damaged; delete it"):
        learn(tiny, tokens, checkpoint=file)


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_clusters_are_learned_and_their_layer_is_dropped(tiny, tokens, sea_and_sky, pooling):
    clusters = np.where(sea_and_sky["label"] == "sky", 7, 3)  # numbers need not start at zero or be dense
    before = training.copy_of(tiny.state_dict())
    losses = intertraining.on_clusters(tiny, pooling, tokens, clusters, learning_rate=1e-3, batch_size=16, epochs=4)
    assert len(losses) == 4 * 25
    assert losses[0] == pytest.approx(np.log(2), abs=0.1) and losses[-10:].mean() < 0.4
    after = tiny.state_dict()
    assert after.keys() == before.keys()
    changed = not torch.equal(before["pooler.dense.weight"], after["pooler.dense.weight"])
    assert changed == (pooling == "pooler")
