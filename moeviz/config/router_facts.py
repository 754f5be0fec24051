"""What pages and rules must know of each router, and of what balances it (they run in `moeviz.routers`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RouterInfo:
    """What pages and rules must know of a router without running it (the router itself is in `moeviz.routers`)."""

    label: str
    story: str
    k: str = "any"  # the k that it is defined for: any, a number, or N
    seats: bool = False  # whether its experts can have a limited number of places
    batchwise: bool = False  # whether a token's choice always depends on the other tokens of its batch
    skips: bool = False  # whether a second choice that would weigh little may be skipped at random in training
    weights: str = "after"  # how those of a token come about: one of ADD_UP, or "form", which gate_form settles
    choice: str = "scores"  # who decides: the scores alone | scores with a bias | the experts | a table | nobody

    @property
    def by_scores(self) -> bool:
        """Whether each token takes the experts with its own largest scores (with a bias or without)."""
        return self.choice in ("scores", "bias")

    @property
    def name(self) -> str:
        """The label without what explains it."""
        return self.label.partition(":")[0].partition(" (")[0]


ROUTER_INFO: dict[str, RouterInfo] = {
    "top_k": RouterInfo(
        "top-k (the article's)", "The k most probable experts compute the token.", seats=True, weights="form"
    ),
    "noisy_top_k": RouterInfo(
        "noisy top-k (Shazeer 2017)", "Noise on the scores, of a learned size, lets experts that are just behind win."
    ),
    "switch": RouterInfo(
        "Switch: one expert, seats", "One expert, weighted by its own probability.", k="1", seats=True, weights="plain"
    ),
    "gshard": RouterInfo(
        "GShard: two experts, seats", "The two best experts; a second that would weigh little is often skipped.",
        k="2", seats=True, skips=True, weights="renormalized",
    ),
    "mixtral": RouterInfo("Mixtral: softmax among the chosen", "The k largest scores, then a softmax among them."),
    "deepseek_v3": RouterInfo(
        "DeepSeek-V3: balanced by a bias", "A bias that no gradient touches helps experts with little work.",
        weights="sigmoid", choice="bias",
    ),
    "expert_choice": RouterInfo(
        "expert choice: experts pick tokens", "Each expert takes the tokens that want it most.", batchwise=True,
        weights="plain", choice="experts",
    ),
    "hash": RouterInfo(
        "hash: a fixed table", "A fixed table of small cells of the input decides; nothing is learned.",
        weights="table", choice="table",
    ),
    "soft": RouterInfo(
        "Soft MoE: mixtures of tokens", "Each expert computes one mixture of all tokens; nothing is chosen.", k="N",
        batchwise=True, weights="mixture", choice="nobody",
    ),
}  # fmt: skip
ADD_UP = {"plain": False, "renormalized": True, "after": True, "sigmoid": False, "table": True, "mixture": True}
"""How a token's weights come about, and whether they always add up to 1: the probabilities as they are, or divided by
the sum of the chosen; a softmax among the chosen; from a sigmoid of each score; equal, by a table; a softmax of all."""
BALANCED_VALUES = {"squared": 0.0, "switch": 1.0, "gshard": 1.0, "importance": 0.0, "load": 0.0}
"""What each loss that measures balance reads where all is even."""
TREATMENTS: dict[str, str | None] = {"kill": "killed", "freeze": "frozen", "free": None}
"""What can be done to one expert while it trains, and what it is afterwards."""
ROUTER_NAMES = tuple(ROUTER_INFO)
SEATED = tuple(name for name, info in ROUTER_INFO.items() if info.seats)
