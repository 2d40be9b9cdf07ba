"""Training and inference of this package beside transformers' Trainer: texts a second, memory, and the accuracy kept.

    python benchmarks/training.py             # all of these, in this order, but for the last
    python benchmarks/training.py speed       # three ways to train and to predict -> benchmarks/training.csv
    python benchmarks/training.py accuracy    # ours and a plain loop, same samples -> benchmarks/training_accuracy.csv
    python benchmarks/training.py fixed       # what a run costs beside its updates -> benchmarks/training_fixed.csv
    python benchmarks/training.py together    # several processes at once -> benchmarks/training_together.csv
    python benchmarks/training.py parts       # on a GPU: what the profile `paper` is made of -> benchmarks/training_parts.csv
    python benchmarks/training.py padding     # word pieces of a text, with and without padding -> benchmarks/training_padding.csv
    python benchmarks/training.py grid        # for hours: all that a profile lacks, timed -> benchmarks/training_grid.csv

The ways are `authors` (a Trainer set up as the paper's authors train: single precision, every text padded to the longest of the
set), `tuned` (a Trainer with bf16 where the machine is quicker by it, padding to the longest of a batch, and batches of like
length) and `ours`; on a GPU also `side_by_side`, five models at once, of which each has its share of the time. Each has a
process of its own, a little untimed work to warm up, the same texts and the same number of updates, and all the cores.
`matrix_share` is the model's arithmetic over the time, as a share of what large matrix products reach on the same device in the
quicker of bf16 and fp32, in the best of the ways' processes. `accuracy` has the models side by side on processors as well,
where the library trains them one by one. All files but that of `together` keep what other machines measured. `together` divides
the cores among processes that do the same work at once, as several processes of one grid do. `parts` also measures a model of
BERT base's shape, whose weights are random, since speed does not depend on them. `grid` computes into the store for good, with
`--processes` of them, in as many goes as it takes. AG News and ISEAR must be at hand, see `cluster-tune data`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from machine import processor  # beside this file

HERE = Path(__file__).resolve().parent
WAYS = ("authors", "tuned", "ours")
COPIES = {"ours": 1, "side_by_side": 5}  # models trained at once; on a GPU this is how the repetitions of a grid are trained
BATCH, LENGTH, RATE = 64, 128, 3e-5
FIRST = 2  # updates before the clock starts
SHAPES = {"minilm": "MiniLM", "bert-base": "BERT base's shape"}  # what `parts` measures
USUAL = ("speed", "accuracy", "fixed", "together", "parts", "padding")  # what is measured where no command is given
SOME = 3000  # texts to predict there


# ---- what is trained


def data(dataset: str, texts: int) -> tuple:
    """Encoder, training texts and test texts (at most `texts` of each), and a target for every training text."""
    from cluster_tune import datasets, encoders

    loaded = datasets.load(dataset)
    train, test = loaded.train.head(texts), loaded.test.head(texts)
    codes = pd.Categorical(train["label"], categories=loaded.classes).codes.astype(np.int64)
    return encoders.resolve("minilm"), train["text"], test["text"], codes


def classifier(encoder, device):
    """The encoder under a new linear layer, as transformers' own model class has it at heart."""
    from cluster_tune import encoders, training

    return training.Classifier(encoders.model(encoder), encoder.pooling, 50, seed=0).to(device)


def ours(encoder, texts, others, codes, updates: int, device, copies: int = 1) -> dict:
    """Seconds of `updates` updates and of a pass over `others`, with this package; where copies are trained side by side
    the share of one."""
    from cluster_tune import encoders, inference, stacked, training

    bits = training.precision(device)
    model = classifier(encoder, device)
    training.suit(model.encoder)
    tokenizer = encoders.tokenizer(encoder)
    tokens, unseen = (training.tokenise(tokenizer, part, LENGTH) for part in (texts, others))
    how = {"learning_rate": RATE, "batch_size": BATCH, "bits": bits}
    packed = stacked.fits(model.encoder)
    predict = stacked.predict if packed else training.predict

    def train(updates: int):
        if not packed:
            training.train(model, tokens, codes, updates=updates, **how)
            return model
        parts = [tokens] * copies, [codes] * copies, model.head.out_features
        return stacked.fine_tune(model.encoder, encoder.pooling, *parts, seeds=range(copies), updates=updates, **how)[0]

    predict(train(FIRST), unseen.take(np.arange(min(BATCH, len(unseen)))), bits=bits)
    began = time.perf_counter()
    trained_model = train(updates)
    trained = time.perf_counter()
    predict(trained_model, unseen, bits=bits)
    seconds = {"train": (trained - began) / copies, "predict": (time.perf_counter() - trained) / copies}
    by_onnx = version("onnxruntime") if inference.worth(model.encoder, unseen, bits) else None
    return {**seconds, "precision": bits, "onnxruntime": by_onnx}


def trainer(encoder, texts, others, codes, updates: int, device, tuned: bool) -> dict:
    """The same with transformers' Trainer."""
    import torch
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    from cluster_tune import encoders, training

    class Wrapped(torch.nn.Module):
        """What a Trainer wants of a model: its inputs by name, and the loss with the logits."""

        def __init__(self):
            super().__init__()
            self.inner = classifier(encoder, device)

        def forward(self, input_ids, attention_mask, labels=None):
            logits = self.inner(input_ids, attention_mask)
            loss = None if labels is None else torch.nn.functional.cross_entropy(logits.float(), labels)
            return {"loss": loss, "logits": logits} if labels is not None else {"logits": logits}

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == FIRST:
                self.began = time.perf_counter()

    tokenizer = encoders.tokenizer(encoder)
    bits = tuned and training.precision(device) == "bf16"
    rows = {"truncation": True, "max_length": LENGTH, "padding": False if tuned else "longest"}
    feed = [
        [{"input_ids": ids, "attention_mask": mask, "labels": int(code)} for ids, mask, code in zip(
            *(tokenizer(list(part), **rows)[key] for key in ("input_ids", "attention_mask")), labels, strict=True)]
        for part, labels in ((texts, codes), (others, np.zeros(len(others), int)))
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        work = Trainer(
            Wrapped(),
            TrainingArguments(
                folder, max_steps=FIRST + updates, per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH,
                learning_rate=RATE, lr_scheduler_type="constant", weight_decay=0.0, adam_epsilon=1e-6, max_grad_norm=0.0,
                bf16=bits, bf16_full_eval=False, use_cpu=device.type == "cpu", save_strategy="no", report_to=[],
                logging_strategy="no", disable_tqdm=True, seed=0,
                train_sampling_strategy="group_by_length" if tuned else "random",
            ),
            train_dataset=feed[0],
            data_collator=DataCollatorWithPadding(tokenizer),
            callbacks=[clock],
        )  # fmt: skip
        work.train()
        trained = time.perf_counter()
        # Texts of like length together, for the tuned one: what a practised user does before predicting.
        unseen = sorted(feed[1], key=lambda row: -len(row["input_ids"])) if tuned else feed[1]
        work.predict(unseen[:BATCH])
        before = time.perf_counter()
        work.predict(unseen)
        predicted = time.perf_counter()
    return {"train": trained - clock.began, "predict": predicted - before, "precision": "bf16" if bits else "fp32"}


def matrix_rate(device, size: int = 4096) -> float:
    """Operations a second of a large matrix product on the device: the best of five in bf16 and five in fp32."""
    import torch

    size = size if device.type == "cuda" else 2048
    bf16 = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()  # a processor without it takes minutes a product
    seconds = []
    for kind in (torch.bfloat16, torch.float32) if bf16 else (torch.float32,):
        a = torch.randn(size, size, device=device, dtype=kind)
        for _ in range(6):
            began = time.perf_counter()
            (a @ a).sum().item()
            seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds)


def arithmetic(encoder, texts, length: int = LENGTH) -> tuple[float, float]:
    """Operations of a forward pass over one text on average, without padding: the matrices', and attention's."""
    from cluster_tune import encoders, training

    config = encoders.model(encoder).config
    lengths = training.tokenise(encoders.tokenizer(encoder), texts, length).lengths.astype(float)
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    matrices = layers * (4 * width * width + 2 * width * inner)
    return 2 * (matrices * lengths.mean() + 2 * layers * width * (lengths**2).mean())


# ---- the commands


def serve(way: str, dataset: str, texts: int, updates: int) -> None:
    """The measured process: one way, its seconds and its peak of memory as JSON."""
    from cluster_tune import training

    device = training.device("auto")
    inputs = data(dataset, texts)
    found = ours(*inputs, updates, device, COPIES[way]) if way in COPIES else trainer(*inputs, updates, device, way == "tuned")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    operations, rate = arithmetic(inputs[0], inputs[1]), matrix_rate(device)
    share = 3 * operations * updates * BATCH / found["train"] / rate
    if device.type == "cuda":
        import torch

        peak = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps({
        "way": way, "dataset": dataset, "device": device.type, "precision": found["precision"],
        "onnxruntime": found.get("onnxruntime"),
        "updates": updates, "test_texts": len(inputs[2]),
        "train_seconds": found["train"], "predict_seconds": found["predict"],
        "train_texts_a_second": updates * BATCH / found["train"],
        "predict_texts_a_second": len(inputs[2]) / found["predict"],
        "matrix_share": share, "matrix_rate": rate, "peak_mb": peak, "load": os.getloadavg()[0],
    }), flush=True)  # fmt: skip


def speed(dataset: str, texts: int, updates: int) -> pd.DataFrame:
    """Every way in turn, each in a process of its own, and its ratio to ours."""
    from cluster_tune import training

    rows = []
    for way in (*WAYS, "side_by_side") if training.device("auto").type == "cuda" else WAYS:
        rows += served(1, way, dataset, texts, updates)
        print(f"{way}: {rows[-1]['train_texts_a_second']:.0f} texts/s trained, "
              f"{rows[-1]['predict_texts_a_second']:.0f} texts/s predicted, {rows[-1]['peak_mb']:.0f} MB", flush=True)
    frame = pd.DataFrame(rows)
    rates = frame.pop("matrix_rate")  # of one machine: what differs is how busy it was, and the best is nearest to what it can
    frame["matrix_share"] *= rates / rates.max()
    mine = frame.set_index("way").loc["ours"]
    for what in ("train", "predict"):
        frame[f"ours_is_{what}_times"] = mine[f"{what}_texts_a_second"] / frame[f"{what}_texts_a_second"]
    return stamped(frame)


def beside_others(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame after the rows of `file` that other machines measured."""
    before = pd.read_csv(file) if file.is_file() else frame.head(0)
    return pd.concat([before[~before["machine"].isin(frame["machine"])], frame])


def served(processes: int, *work, **variables: str) -> list[dict]:
    """What so many processes measure that do the same work at once."""
    command = [sys.executable, __file__, "serve", *map(str, work)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", **variables}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(processes)]
    answers = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{' '.join(command)} failed")
    return [json.loads(answer.splitlines()[-1]) for answer in answers]


def together(dataset: str, texts: int, updates: int) -> pd.DataFrame:
    """Texts a second of all processes together, 1, 2, 4 and so on, up to one a core; of each the slowest counts."""
    cores, rows = os.cpu_count(), []
    for processes in (2**power for power in range(cores.bit_length())):
        threads = cores // processes
        found = pd.DataFrame(served(processes, "ours", dataset, texts, updates, OMP_NUM_THREADS=str(threads)))
        rates = {key: processes * found[key].min() for key in ("train_texts_a_second", "predict_texts_a_second")}
        rows.append({"dataset": dataset, "device": found["device"][0], "processes": processes, "threads": threads,
                     **rates, "peak_mb": found["peak_mb"].sum()})
        print(f"{processes} processes of {threads} threads: {rates['train_texts_a_second']:.0f} texts/s trained, "
              f"{rates['predict_texts_a_second']:.0f} texts/s predicted", flush=True)
    return stamped(pd.DataFrame(rows))


def accuracy(dataset: str, budget: int, repetitions: int) -> pd.DataFrame:
    """Test accuracies of ours, one model at a time and side by side, and of a plain loop on the same samples: whole batches,
    single precision, torch's dropout."""
    from cluster_tune import datasets, encoders, experiment, finetuning, sampling, stacked, training

    device, loaded, encoder = training.device("auto"), datasets.load(dataset), encoders.resolve("minilm")
    bits = training.precision(device)
    recipe, tokenizer = experiment.recipe_for("trained", encoder), encoders.tokenizer(encoder)
    tokens, unseen = (training.tokenise(tokenizer, part["text"], LENGTH) for part in (loaded.train, loaded.test))
    gold, asked = (pd.Categorical(part["label"], categories=loaded.classes).codes.astype(np.int64)
                   for part in (loaded.train, loaded.test))
    samples = [sampling.labelled_sample(len(tokens), budget, repetition) for repetition in range(repetitions)]
    parts = [tokens.take(sample) for sample in samples], [gold[sample] for sample in samples]
    models = finetuning.fine_tune_together(encoders.model(encoder).to(device), encoder.pooling, *parts, len(loaded.classes),
                                           recipe, seeds=range(repetitions), bits=bits)  # fmt: skip
    together = (stacked.predict(models, unseen, bits=bits).argmax(2) == asked).mean(1)
    rows = []
    for repetition, sample in enumerate(samples):
        few, labels = tokens.take(sample), gold[sample]
        fast = training.suit(encoders.model(encoder).to(device))
        model = finetuning.fine_tune(fast, encoder.pooling, few, labels, len(loaded.classes), recipe, seed=repetition, bits=bits)
        found = {"ours": (training.predict(model, unseen, bits=bits).argmax(1) == asked).mean()}
        model = plain(encoders.model(encoder).to(device), encoder.pooling, few, labels, len(loaded.classes), recipe, repetition)
        found["plain loop"] = (training.predict(model, unseen).argmax(1) == asked).mean()
        found["side_by_side"] = together[repetition]
        rows += [{"dataset": dataset, "budget": budget, "repetition": repetition, "way": way, "accuracy": score}
                 for way, score in found.items()]
        print({"repetition": repetition, **{way: round(float(score), 4) for way, score in found.items()}}, flush=True)
    return stamped(pd.DataFrame(rows))


def plain(encoder, pooling, tokens, labels, classes, recipe, seed):
    """Fine-tuning as anyone would write it first: whole padded batches, single precision, nothing clever."""
    import torch

    from cluster_tune import training

    model = training.Classifier(encoder, pooling, classes, seed).to(encoder.device)
    model.dropout = torch.nn.Dropout(training.DROPOUT)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, eps=1e-6)
    updates, rng, queue = recipe.updates(len(labels)), np.random.default_rng(1000 + seed), []
    model.train()
    torch.manual_seed(1000 + seed)
    for update in range(updates):
        queue = queue or np.array_split(rng.permutation(len(labels)), -(-len(labels) // recipe.batch_size))
        rows = queue.pop(0)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * training.rate(recipe.schedule, update, updates)
        ids, mask = (part.to(encoder.device) for part in tokens.batch(rows))
        loss = torch.nn.functional.cross_entropy(model(ids, mask), torch.tensor(labels[rows], device=encoder.device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def padding(dataset: str, texts: int) -> pd.DataFrame:
    """Word pieces a test text in prediction: as many as the texts have, and with the padding of the way `authors` and of the
    authors' own code, which reads up to 512 of a text and pads 32 texts at a time, as they come. No measurement: a count."""
    from cluster_tune import encoders, training

    encoder, _, others, _ = data(dataset, texts)
    short, long = (training.tokenise(encoders.tokenizer(encoder), others, length).lengths for length in (LENGTH, 512))
    batches = [long[at : at + 32] for at in range(0, len(long), 32)]
    own = sum(part.max() * len(part) for part in batches) / len(long)
    found = {"texts": short.mean(), "authors": short.max(), "authors' code": own}
    rows = [{"dataset": dataset, "test_texts": len(others), "way": way, "pieces": pieces} for way, pieces in found.items()]
    return pd.DataFrame(rows)


def fixed(dataset: str, budget: int = 64) -> pd.DataFrame:
    """Seconds of all that a run needs beside its updates: once a data set, and once a run."""
    import torch

    from cluster_tune import datasets, encoders, sampling, training

    device, encoder, rows = training.device("auto"), encoders.resolve("minilm"), []

    def clock(what: str, every: str, work):
        began = time.perf_counter()
        result = work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        rows.append({"dataset": dataset, "what": what, "every": every, "seconds": time.perf_counter() - began})
        print(f"{what}: {rows[-1]['seconds']:.2f} s, once a {every}", flush=True)
        return result

    loaded = clock("read the texts", "data set", lambda: datasets.load(dataset))
    model = clock("load the weights", "data set", lambda: training.suit(encoders.model(encoder).to(device)))
    tokenizer = encoders.tokenizer(encoder)
    tokens = clock("word pieces of all texts", "data set", lambda: [
        training.tokenise(tokenizer, part["text"], LENGTH) for part in (loaded.train, loaded.test)])
    kept = training.copy_of(model.state_dict())
    clock("put the weights back", "run", lambda: model.load_state_dict(kept))
    clock("draw the sample", "run", lambda: tokens[0].take(sampling.labelled_sample(len(tokens[0]), budget, 0)))
    return stamped(pd.DataFrame(rows))


def parts(dataset: str, copies: int = 5, profile: str = "paper") -> pd.DataFrame:
    """Seconds of each part that a profile is made of, five models side by side, and how many of it the profile has, as texts of
    this data set. Each is the mean over some, with what comes before the first of them: the copies, Adam, the recording."""
    import torch
    from transformers import BertConfig, BertModel

    from cluster_tune import datasets, design, encoders, intertraining, sampling, stacked, training

    device, encoder = training.device("auto"), encoders.resolve("minilm")
    if device.type != "cuda":
        print("parts: left out, they are measured on a GPU", flush=True)
        return pd.DataFrame()
    bits, tokenizer, loaded = training.precision(device), encoders.tokenizer(encoder), datasets.load(dataset)
    train, test = (training.tokenise(tokenizer, part["text"].head(SOME), LENGTH) for part in (loaded.train, loaded.test))
    targets, special = np.arange(SOME) % design.N_CLUSTERS, {"mask": tokenizer.mask_token_id, "cls": tokenizer.cls_token_id,
                                                             "sep": tokenizer.sep_token_id}
    samples = [sampling.labelled_sample(SOME, 512, repetition) for repetition in range(copies)]
    number, rows = counts(profile, dataset), []

    def clock(what: str, times: int, work, *first):
        work(*first)  # kernels are loaded
        torch.cuda.synchronize()
        began = time.perf_counter()
        result = work()
        torch.cuda.synchronize()
        rows.append({"dataset": dataset, "encoder": SHAPES[name], "what": what, "updates": times,
                     "seconds": (time.perf_counter() - began) / times, "profile": profile, "number": number[what]})
        return result

    for name in SHAPES:
        torch.cuda.reset_peak_memory_stats()
        model = encoders.model(encoder) if name == "minilm" else BertModel(BertConfig())
        model, pooling = training.suit(model.to(device)), encoder.pooling if name == "minilm" else "pooler"
        few = [train.take(sample) for sample in samples], [targets[sample] for sample in samples], design.N_CLUSTERS
        how = {"learning_rate": RATE, "bits": bits}
        for size in (64, 16):  # of 512 labels: with more, batches of 16 would be of texts of like length
            models, _ = clock(
                f"an update of five models, batches of {size}", 150,
                lambda updates=150, size=size, model=model, pooling=pooling, few=few, how=how: stacked.fine_tune(
                    model, pooling, *few, batch_size=size, updates=updates, seeds=range(copies), **how), FIRST)
        clock(f"predictions of five models for {SOME:,} texts", 1, lambda models=models: stacked.predict(models, test, bits))
        del models  # else their memory would be counted beside the next ones'
        how |= {"batch_size": BATCH}
        clock("an update on clusters", 40, lambda n=40 * BATCH, model=model, pooling=pooling, how=how: intertraining.on_clusters(
            model, pooling, train.take(np.arange(n)), targets[:n], epochs=1, **how), 2 * BATCH)
        clock("an update on masked words", 270, lambda epochs=9, model=model, how=how: intertraining.on_masked_words(
            model, train.take(np.arange(30 * BATCH)), special, epochs=epochs, duplicates=1, **how), 1)
        print(f"{SHAPES[name]}: {sum(row['seconds'] * row['number'] for row in rows[-5:]) / 3600:.2f} h, "
              f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)
    return stamped(pd.DataFrame(rows))


def counts(profile: str, dataset: str) -> dict[str, float]:
    """How many of each part a profile has, its repetitions side by side, the sizes of its data sets as in `results/`; each counts
    for the length of its texts over those of `dataset`."""
    from cluster_tune import datasets, design, results, tables

    found, begun, sizes = dict.fromkeys(
        ["an update of five models, batches of 64", "an update of five models, batches of 16",
         f"predictions of five models for {SOME:,} texts", "an update on clusters", "an update on masked words"], 0.0
    ), set(), results.sizes(list(datasets.shown()))  # fmt: skip
    read = tables.words_read(results.table("lengths", dataset=list(sizes)))
    for run in design.runs(profile):
        (train, test), recipe, long = sizes[run.dataset], design.RECIPES[run.recipe], read[run.dataset] / read[dataset]
        key = (run.dataset, run.setting, run.clustering, run.recipe, run.budget)
        stages = {(run.dataset, "words"): recipe.mlm_epochs if run.masks else 0,
                  (run.dataset, run.setting, run.clustering, design.family(run.recipe)): recipe.inter_epochs if run.clusters else 0}
        if key not in begun:
            found[f"an update of five models, batches of {recipe.batch_size}"] += recipe.updates(run.budget) * long
            found[f"predictions of five models for {SOME:,} texts"] += test / SOME * long
        for (stage, passes), what in zip(stages.items(), ("an update on masked words", "an update on clusters"), strict=True):
            if passes and stage not in begun:
                found[what] += passes * -(-train // BATCH) * long
                begun.add(stage)
        begun.add(key)
    return found


def grid(profile: str, processes: int, datasets: str = "") -> pd.DataFrame:
    """Seconds in which so many processes compute all that the store lacks of a profile, with their start, and from how many
    inter-trained models; `datasets` in another order than the profile's, or only some of them. Those first whose masked words take
    longest, no process is left with them in the end."""
    from cluster_tune import design, experiment

    before = set(experiment.survey(design.runs(profile))[1])
    began = time.perf_counter()
    command = [sys.executable, "-m", "cluster_tune", "grid", "--profile", profile, "--processes", str(processes)]
    command += ["--datasets", datasets] if datasets else []
    ended = subprocess.run(command).returncode
    seconds = time.perf_counter() - began
    if ended:  # as where a data set is not there: the rest was computed, and is measured
        print(f"grid: ended with {ended}, see above", flush=True)
    wanted, after, _ = experiment.survey(design.runs(profile))
    done = [run for run in after if run not in before]
    if not done:
        print("grid: nothing was computed, so there is nothing to measure", flush=True)
        return pd.DataFrame()
    on_clusters = {(run.dataset, run.setting, run.clustering, design.family(run.recipe)) for run in done if run.clusters}
    return stamped(pd.DataFrame([{
        "profile": profile, "runs": len(done), "of": len(wanted), "on_words": len({run.dataset for run in done if run.masks}),
        "on_clusters": len(on_clusters), "processes": processes, "seconds": seconds,
    }]))  # fmt: skip


def after_others(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, one go at a profile, after the goes of `file`. Those that the same machine had at the same profile go where they
    would be more runs than it has, together with this one: they filled another store."""
    before, row = pd.read_csv(file) if file.is_file() else frame.head(0), frame.iloc[0]
    same = (before["machine"] == row["machine"]) & (before["profile"] == row["profile"])
    return pd.concat([before[~same] if before.loc[same, "runs"].sum() + row["runs"] > row["of"] else before, frame])


def stamped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what it was measured on."""
    import torch

    unit = " with AMX" if torch.cpu._is_amx_tile_supported() else ""  # the name says neither
    unit = " without AVX-512" if torch.backends.cpu.get_cpu_capability() == "AVX2" else unit
    cores = f"{os.cpu_count()} cores, {processor()}{unit}"
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else cores
    return frame.assign(machine=machine, torch=torch.__version__, transformers=version("transformers"),
                        date=date.today().isoformat())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=(*USUAL, "grid", "serve"),
                        help="all but grid if not given")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--dataset", default=None)
    parser.add_argument("--texts", type=int, default=2560)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--budget", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--datasets", default="", help="of grid, with commas between them")
    given = parser.parse_args()
    if given.command == "serve":
        way, dataset, texts, updates = given.rest
        serve(way, dataset, int(texts), int(updates))
        return
    work = {
        "speed": ("training.csv", lambda: speed(given.dataset or "ag_news", given.texts, given.updates)),
        "accuracy": ("training_accuracy.csv", lambda: accuracy(given.dataset or "isear", given.budget, given.repetitions)),
        "fixed": ("training_fixed.csv", lambda: fixed(given.dataset or "ag_news", given.budget)),
        "together": ("training_together.csv", lambda: together(given.dataset or "ag_news", given.texts, given.updates)),
        "parts": ("training_parts.csv", lambda: parts(given.dataset or "ag_news")),
        "padding": ("training_padding.csv", lambda: padding(given.dataset or "ag_news", given.texts)),
        "grid": ("training_grid.csv", lambda: grid(given.profile, given.processes, given.datasets)),
    }
    for name, measure in map(work.get, [given.command] if given.command else USUAL):
        found = measure()
        if found.empty:
            continue
        if name not in ("training_together.csv", "training_padding.csv"):
            found = (after_others if name == "training_grid.csv" else beside_others)(HERE / name, found)
        found.to_csv(HERE / name, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
