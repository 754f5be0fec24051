"""A worker process: trains the runs that it is given in fair turns, and draws their frames."""
