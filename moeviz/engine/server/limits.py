"""How many runs a server trains at once."""

# One core gives 15 visitors what they came for, and 30 something that still moves (about half of it). The one process
# that forwards all frames sends about a thousand a second; with more runs than this pictures would stand still.
RUNS_PER_WORKER, RUNS_PER_SERVER = 30, 200


def most_runs(num_workers: int) -> int:
    """Of so many workers together."""
    return min(RUNS_PER_WORKER * num_workers, RUNS_PER_SERVER)
