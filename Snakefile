# The grid as jobs, for one machine, for SLURM or for Kubernetes: book/reproduce.md has the commands. Every rule is one
# command of cluster-tune. A job of the rule `runs` is a group of runs that share an inter-trained model; what it finds
# finished is not computed again. With --config: profile=cpu encoder=minilm datasets=isear,ag_news gpu=1 threads=4 mlm_epochs=5
import re

from cluster_tune import design

PROFILE, ENCODER = config.get("profile", "smoke"), config.get("encoder", "minilm")
CHOSEN = str(config.get("datasets", ""))
GROUPS = {design.group(run): run.dataset for run in design.runs(PROFILE, filter(None, CHOSEN.split(",")), ENCODER)}
DATASETS = sorted(set(GROUPS.values()))
WORDS = f"--mlm-epochs {config['mlm_epochs']}" if config.get("mlm_epochs") else ""
HOW = f"--device cuda {WORDS}" if config.get("gpu") else WORDS  # a job that finds no GPU ends at once
DONE = f"_build/jobs/{PROFILE}"  # an empty file for each job that has ended well; results/ has the records


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


rule runs:
    input:
        lambda wildcards: f"{DONE}/data/{GROUPS[wildcards.group]}",
    output:
        touch(DONE + "/runs/{group}"),
    params:
        datasets=f"--datasets {CHOSEN}" if CHOSEN else "",
    threads: int(config.get("threads", 1))
    resources:
        mem_mb=8000,
        runtime=600,
        **({"gpu": 1} if config.get("gpu") else {}),
    shell:
        "OMP_NUM_THREADS={threads} cluster-tune grid --profile {PROFILE} --encoder {ENCODER} {params.datasets}"
        " {HOW} --only {wildcards.group}"


rule page:
    input:
        lambda wildcards: [f"{DONE}/runs/{group}" for group in GROUPS if GROUPS[group] == wildcards.dataset],
    output:
        touch(DONE + "/pages/{dataset}"),
    resources:
        mem_mb=8000,
        runtime=120,
    shell:
        "cluster-tune page --all --profile {PROFILE} --encoder {ENCODER} {WORDS} --datasets {wildcards.dataset}"
