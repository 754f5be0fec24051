"""Parts that several pages have: shown code, cards, questions, boxes for sizes, the dense network beside."""
