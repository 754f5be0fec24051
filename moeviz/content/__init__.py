"""Words and starting points of the pages, as data: presets, questions, methods, notes, twins, published models."""
