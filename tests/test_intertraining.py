"""Inter-training: the clusters are learned, the layer that predicts them is gone, and the pooler stays."""

import numpy as np
import pytest
import torch

from cluster_tune import encoders, intertraining, training


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_clusters_are_learned_and_their_layer_is_dropped(tiny_folder, sea_and_sky, pooling):
    encoder = encoders.resolve(str(tiny_folder))
    tokens = training.tokenise(encoders.tokenizer(encoder), sea_and_sky["text"], 32)
    clusters = np.where(sea_and_sky["label"] == "sky", 7, 3)  # numbers need not start at zero or be dense
    model = encoders.model(encoder)
    before = training.copy_of(model.state_dict())
    losses = intertraining.on_clusters(model, pooling, tokens, clusters, learning_rate=1e-3, batch_size=16, epochs=4)
    assert len(losses) == 4 * 25
    assert losses[0] == pytest.approx(np.log(2), abs=0.1) and losses[-10:].mean() < 0.4
    after = model.state_dict()
    assert after.keys() == before.keys()
    changed = not torch.equal(before["pooler.dense.weight"], after["pooler.dense.weight"])
    assert changed == (pooling == "pooler")
