"""Short names that several rooms write: of knobs, and of what a history records."""

LETTERS = {"num_experts": "N", "top_k": "k", "balance_coef": "λ"}
"""The knobs that are known by a letter."""
SHORT_KNOBS = {**LETTERS, "learning_rate": "rate", "capacity_factor": "seats"}
"""What stands beside a curve or on a twin where a label would be too long."""
HISTORY = ("task_loss", "balance_loss", "train_metric", "test_metric", "cv_load", "dead_experts", "specialization")
"""What is recorded of each run, for tables and files."""
CHARTED = (*HISTORY, "balance_coef", "dropped_share", "random_drop", "unserved_share")
"""What a frame tells over time of each run."""
LAYERED = ("cv_load", "dead_experts", "specialization", "dropped_share", "unserved_share")
"""Of what is charted: what is told of each layer where a model has several."""
GHOST_CURVES = ("task_loss", "balance_loss", "test_metric", "cv_load", "dead_experts", "specialization")
"""Of what is charted: what is drawn gray of a ghost."""
