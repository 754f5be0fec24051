"""Words and starting points of the pages, as data."""
