"""Training of many runs of one shape in lockstep: `Training(configs).step(200)`."""

from moeviz.training.core import Training, train
from moeviz.training.snapshot import Snapshot

__all__ = ["Snapshot", "Training", "train"]
