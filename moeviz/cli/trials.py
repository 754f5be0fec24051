"""`trials`: the experiments behind the article's claims, as JSON lines."""

from moeviz.experiments.claims.trials import add_flags, run

__all__ = ["add_flags", "run"]
