"""The names of experts."""


def letter(expert_id: int) -> str:
    """The name of an expert for as long as it lives: A to Z, then AA, AB, … (ids are never given twice)."""
    if expert_id < 0:
        raise ValueError(f"expert_id must be at least 0: got expert_id={expert_id}; pass the id, not a missing value")
    name = ""
    while expert_id >= 0:
        name = chr(ord("A") + expert_id % 26) + name
        expert_id = expert_id // 26 - 1
    return name
