"""Many runs of one shape in lockstep: steps, live knobs, measurements, and the views that are drawn.

`Training(configs).step(200)` trains; `snapshot(want=…)` draws.
"""

from moeviz.training.buckets import Buckets, opened
from moeviz.training.lockstep import step_together
from moeviz.training.loop import train
from moeviz.training.training import Training
from moeviz.training.views.snapshot import Snapshot

__all__ = ["Buckets", "Snapshot", "Training", "opened", "step_together", "train"]
