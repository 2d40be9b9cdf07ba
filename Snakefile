# The grid as jobs, for one machine, for SLURM or for Kubernetes: book/reproduce.md has the commands. Every rule is one
# command of cluster-tune. A job of the rule `runs` is a group of runs that share an inter-trained model; what it finds
# finished is not computed again. With --config: profile=cpu encoder=minilm datasets=isear,ag_news gpu=1 threads=4 mlm_epochs=5
import hashlib
import re
from pathlib import Path

from cluster_tune import design, encoders, paths, reference

PROFILE, ENCODER = config.get("profile", "smoke"), config.get("encoder", "minilm")
CHOSEN = str(config.get("datasets", ""))
RUNS = {}
for run in design.runs(PROFILE, filter(None, CHOSEN.split(",")), ENCODER):
    RUNS.setdefault(design.group(run), []).append(run)
GROUPS = {group: runs[0].dataset for group, runs in RUNS.items()}
VECTORS = {group for group, runs in RUNS.items() if any(reference.needs_glove(run.clustering) for run in runs)}
DATASETS = sorted(set(GROUPS.values()))
WORDS = f"--mlm-epochs {config['mlm_epochs']}" if config.get("mlm_epochs") else ""
DEVICE = "--device cuda" if config.get("gpu") else ""  # a job that finds no GPU ends at once
# What else decides which runs there are to do: where they are stored, by which recipes, and from which weights.
FROM = encoders.fingerprint(encoders.resolve(ENCODER)) if Path(ENCODER).is_dir() else ENCODER
ALSO = hashlib.sha256(repr((str(paths.results()), design.RECIPES, FROM)).encode()).hexdigest()[:16]
DONE = f"_build/jobs/{PROFILE}"  # an empty file for each job that has ended well; results/ has the records
FETCHED = DONE + "/encoders/" + re.sub(r"[^\w.-]+", "-", ENCODER)


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),


rule gather:
    input:
        expand(DONE + "/runs/{group}", group=GROUPS),
    localrule: True
    shell:
        "cluster-tune gather"


rule pages:
    input:
        expand(DONE + "/pages/{dataset}", dataset=DATASETS),


rule data:
    output:
        touch(DONE + "/data/{dataset}"),
    localrule: True  # where there is a network
    shell:
        "cluster-tune data {wildcards.dataset}"


rule glove:
    output:
        touch(DONE + "/glove"),
    localrule: True  # as the data
    shell:
        "cluster-tune data glove"


rule encoder:
    output:
        touch(FETCHED),
    localrule: True  # as the data
    shell:
        "cluster-tune grid --profile smoke --datasets docstrings-small --encoder {ENCODER} --dry-run"


rule runs:
    input:
        FETCHED,
        lambda wildcards: f"{DONE}/data/{GROUPS[wildcards.group]}",
        lambda wildcards: [DONE + "/glove"] if wildcards.group in VECTORS else [],
    output:
        touch(DONE + "/runs/{group}"),
    params:  # other ones make a job that has ended run again: with more epochs, or runs that the profile did not have
        datasets=f"--datasets {CHOSEN}" if CHOSEN else "",
        words=WORDS,
        also=ALSO,
        runs=lambda wildcards: hashlib.sha256(repr(RUNS[wildcards.group]).encode()).hexdigest()[:16],
    threads: int(config.get("threads", 1))
    resources:
        mem_mb=8000,
        runtime=600,
        **({"gpu": 1} if config.get("gpu") else {}),
    shell:
        "OMP_NUM_THREADS={threads} cluster-tune grid --profile {PROFILE} --encoder {ENCODER} {params.datasets}"
        " {DEVICE} {params.words} --only {wildcards.group}"


rule page:
    input:
        lambda wildcards: [f"{DONE}/runs/{group}" for group in GROUPS if GROUPS[group] == wildcards.dataset],
    output:
        touch(DONE + "/pages/{dataset}"),
    params:
        words=WORDS,
    resources:
        mem_mb=8000,
        runtime=120,
    shell:
        "cluster-tune page --all --profile {PROFILE} --encoder {ENCODER} {params.words} --datasets {wildcards.dataset}"
