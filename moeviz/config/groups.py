"""Which runs fit together, so that they can be watched side by side."""

from __future__ import annotations

from collections.abc import Sequence

from moeviz.config.run_config import RunConfig


def comparable(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The configs, if their runs can be watched side by side; else ValueError (rule, value, remedy).

    Runs of one shape always can. Others, which may have different numbers of experts, must be twins in their data.
    """
    configs = list(configs)
    if not configs:
        raise ValueError("a training needs at least one run: got none; pass [RunConfig()]")
    different = len({config.data() for config in configs})
    if different > 1 and len({config.bucket() for config in configs}) > 1:
        raise ValueError(
            "runs of several shapes must share task, seed, noise, num_classes and train_share to be watched side by "
            f"side: got {different} different ones among {len(configs)} configs; open one group for each"
        )
    return configs
