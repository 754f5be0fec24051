"""What pages are made of: widgets for knobs, the visitor’s live run, the live picture, and shown code."""
