"""Many runs of one shape in lockstep: steps, live knobs, measurements, and the views that are drawn.

`Training(configs).step(200)` trains; `snapshot(want=…)` draws.
"""

from moeviz.training.buckets import Buckets, opened
from moeviz.training.loop import train
from moeviz.training.snapshot import Snapshot
from moeviz.training.together import step_together
from moeviz.training.training import Training

__all__ = ["Buckets", "Snapshot", "Training", "opened", "step_together", "train"]
