"""What several test files share: an encoder small enough to train in a test, and texts that it can learn."""

import numpy as np
import pandas as pd
import pytest

WORDS = {"sea": "boat wave sail tide shore fish".split(), "sky": "cloud wing star wind bird moon".split()}
COMMON = "the a of in and over under with".split()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A random BERT of two narrow layers with its tokenizer, as save_pretrained leaves them."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *COMMON, *WORDS["sea"], *WORDS["sky"]]
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=128, **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sea_and_sky():
    """400 texts of two topics, of 4 to 20 words: a frame with `text` and `label`."""
    rng = np.random.default_rng(0)
    labels = rng.choice(list(WORDS), 400)
    texts = [" ".join(rng.choice(WORDS[label] + COMMON, rng.integers(4, 21))) for label in labels]
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Results, models and caches in folders of the test; the folder of the results."""
    for name in ("results", "models", "cache", "logs"):
        monkeypatch.setenv(f"CLUSTER_TUNE_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("CLUSTER_TUNE_DATA", raising=False)
    return tmp_path / "results"
