"""Cluster & Tune, reproduced: inter-training on clusters between pretraining and fine-tuning.

One module per stage of the paper; CONTRIBUTING.md has the map. Importing the package loads nothing heavy.
"""

__version__ = "0.1.0"
