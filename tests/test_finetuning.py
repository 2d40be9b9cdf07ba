"""Fine-tuning: a few labels teach a tiny model two topics."""

import numpy as np

from cluster_tune import design, encoders, finetuning, stats, training


def test_a_few_labels_teach_two_topics(tiny_folder, sea_and_sky):
    encoder = encoders.resolve(str(tiny_folder))
    tokens = training.tokenise(encoders.tokenizer(encoder), sea_and_sky["text"], 32)
    gold = (sea_and_sky["label"] == "sky").to_numpy().astype(int)
    recipe = design.recipe("trained", learning_rate=3e-3, min_updates=60)
    rows = np.arange(64)
    model = finetuning.fine_tune(encoders.model(encoder), "mean", tokens.take(rows), gold[rows], 2, recipe, seed=0)
    rest = np.arange(64, 400)
    predicted = training.predict(model, tokens.take(rest)).argmax(1)
    assert stats.score(gold[rest], predicted, 2)["accuracy"] > 0.9
