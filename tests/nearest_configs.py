"""For strategies of tests: any values of knobs as the nearest config that the rules between knobs allow."""

from __future__ import annotations

import random
from typing import Any

from moeviz.config import RunConfig


def nearest(values: dict[str, Any]) -> RunConfig:
    """As `RunConfig.nearest`; while tested, beartype looks at random items of lists, which Hypothesis must not see."""
    state = random.getstate()
    config, _ = RunConfig().nearest(**values)
    random.setstate(state)
    return config
