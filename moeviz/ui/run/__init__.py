"""The visitor’s run on a page: its address, its knobs, its live picture, and what is said about it."""
