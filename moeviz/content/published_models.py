"""Published mixtures of experts: their shapes, the parameters that follow from them, and the figures they are known by.

Shapes are those of the released configurations, or of the paper where it has a table of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moeviz.config.knob import knob, knobs_of


def _count(default: int, high: int, label: str, help: str, low: int = 0) -> Any:
    return knob(default, low=low, high=high, label=label, help=help)


@dataclass(frozen=True)
class Shapes:
    """All sizes of a Transformer with experts that its number of parameters depends on."""

    num_experts: int = _count(8, 65536, "Experts (N)", "Among which the gate of a layer chooses.", 1)
    top_k: int = _count(2, 65536, "Active experts (k)", "That work on each token.", 1)
    num_shared: int = _count(0, 64, "Shared experts", "That work on every token, of the same size as the others.")
    width: int = _count(4096, 65536, "Width (D)", "Numbers of one token between the layers.", 1)
    hidden_width: int = _count(14336, 262144, "Hidden units (H)", "Of each expert, between its matrices.", 1)
    matrices: int = knob(
        3, low=2, high=3, label="Matrices of an expert", help="Two, or three where one half gates the other (SwiGLU)."
    )
    moe_layers: int = _count(32, 1000, "Layers with experts", "Feed-forward layers that are a mixture.")
    dense_layers: int = _count(
        0, 1000, "Layers without", "Feed-forward layers of one network that works on every token."
    )
    dense_width: int = _count(14336, 262144, "Hidden units without experts", "Of those layers.")
    attention_blocks: int = _count(
        32, 1000, "Attention blocks", "One for each layer; in a decoder that reads an encoder, two."
    )
    num_heads: int = _count(32, 1024, "Heads", "Of attention: queries.", 1)
    num_key_heads: int = _count(8, 1024, "Key and value heads", "Fewer than heads where several share one.", 1)
    head_width: int = _count(128, 4096, "Width of a head", "Numbers of a query, a key and a value.", 1)
    query_rank: int = _count(
        0, 65536, "Rank of queries", "Latent attention squeezes queries to so many numbers; 0 = no."
    )
    key_rank: int = _count(
        0, 65536, "Rank of keys and values", "Latent attention: of keys and values together; 0 = no."
    )
    position_width: int = _count(
        0, 4096, "Positions of a head", "Latent attention: numbers beside it that say where a token is."
    )
    vocabulary: int = _count(32000, 1_000_000, "Vocabulary", "Words, or pieces of words.", 1)
    tables: int = knob(2, low=1, high=2, label="Tables of words", help="One for in and out together, or two.")


SHAPE_KNOBS = knobs_of(Shapes)


@dataclass(frozen=True)
class Published:
    """A model: its shapes, the figures its makers give in billions of parameters, and where they are from."""

    label: str
    shapes: Shapes
    total: float
    active: float | None
    source: str
    why: str = ""  # the figures differ from ours

    def __post_init__(self) -> None:
        if self.shapes.top_k > self.shapes.num_experts:
            raise ValueError(f"top_k must be at most num_experts: got {self.shapes}; check the shapes of {self.label}")


ROUNDED = "What is left is rounding, and norms, which are not counted."

PUBLISHED: dict[str, Published] = {
    "mixtral_8x7b": Published("Mixtral 8x7B", Shapes(), 46.7, 12.9, "arXiv 2401.04088, and Mistral's news", ROUNDED),
    "mixtral_8x22b": Published(
        "Mixtral 8x22B",
        Shapes(width=6144, hidden_width=16384, moe_layers=56, attention_blocks=56, num_heads=48, vocabulary=32768),
        141, 39, "Mistral's announcement, April 2024", ROUNDED,
    ),
    "dbrx": Published(
        "DBRX",
        Shapes(num_experts=16, top_k=4, width=6144, hidden_width=10752, moe_layers=40, attention_blocks=40,
               num_heads=48, vocabulary=100352),
        132, 36, "Databricks' announcement, March 2024", ROUNDED,
    ),
    "grok_1": Published(
        "Grok-1",
        Shapes(width=6144, hidden_width=32768, moe_layers=64, attention_blocks=64, num_heads=48, vocabulary=131072,
               tables=1),
        314, 78.5, "xAI's release, March 2024: 314 billion, a quarter of the weights active on a token",
        "A quarter is 2 of 8 experts; but attention and the table of words work on every token, too.",
    ),
    "olmoe": Published(
        "OLMoE-1B-7B",
        Shapes(num_experts=64, top_k=8, width=2048, hidden_width=1024, moe_layers=16, attention_blocks=16,
               num_heads=16, num_key_heads=16, vocabulary=50304),
        6.9, 1.3, "arXiv 2409.02060", ROUNDED,
    ),
    "qwen_moe": Published(
        "Qwen1.5-MoE-A2.7B",
        Shapes(num_experts=60, top_k=4, num_shared=4, width=2048, hidden_width=1408, moe_layers=24,
               attention_blocks=24, num_heads=16, num_key_heads=16, vocabulary=151936),
        14.3, 2.7, "Qwen's announcement, March 2024; its one shared network is as large as four experts", ROUNDED,
    ),
    "qwen3_30b": Published(
        "Qwen3-30B-A3B",
        Shapes(num_experts=128, top_k=8, width=2048, hidden_width=768, moe_layers=48, attention_blocks=48,
               num_heads=32, num_key_heads=4, vocabulary=151936),
        30.5, 3.3, "arXiv 2505.09388 and the model card", ROUNDED,
    ),
    "qwen3_235b": Published(
        "Qwen3-235B-A22B",
        Shapes(num_experts=128, top_k=8, hidden_width=1536, moe_layers=94, attention_blocks=94, num_heads=64,
               num_key_heads=4, vocabulary=151936),
        235, 22, "arXiv 2505.09388", ROUNDED,
    ),
    "deepseek_16b": Published(
        "DeepSeekMoE 16B",
        Shapes(num_experts=64, top_k=6, num_shared=2, width=2048, hidden_width=1408, moe_layers=27, dense_layers=1,
               dense_width=10944, attention_blocks=28, num_heads=16, num_key_heads=16, vocabulary=102400),
        16.4, 2.8, "arXiv 2401.06066", ROUNDED,
    ),
    "deepseek_v3": Published(
        "DeepSeek-V3",
        Shapes(num_experts=256, top_k=8, num_shared=1, width=7168, hidden_width=2048, moe_layers=58, dense_layers=3,
               dense_width=18432, attention_blocks=61, num_heads=128, num_key_heads=128, query_rank=1536,
               key_rank=512, position_width=64, vocabulary=129280),
        671, 37, "arXiv 2412.19437",
        "Of the two tables of words a token reads one row of the first, which is counted whole here.",
    ),
    "gshard_600b": Published(
        "GShard, 2,048 experts in 36 layers",
        Shapes(num_experts=2048, width=1024, hidden_width=8192, matrices=2, moe_layers=18, dense_layers=18,
               dense_width=8192, attention_blocks=54, num_heads=16, num_key_heads=16, vocabulary=96000, tables=1),
        600, None, "arXiv 2006.16668, table 1 and appendix A.2",
        "The abstract says “beyond 600 billion”, and the experts alone are 618. Every second layer of encoder and "
        "decoder has them; 64,000 words come in, 32,000 go out.",
    ),
    "switch_base_128": Published(
        "Switch-Base, 128 experts",
        Shapes(num_experts=128, top_k=1, width=768, hidden_width=2048, moe_layers=12, dense_layers=12,
               dense_width=2048, attention_blocks=36, num_heads=12, num_key_heads=12, head_width=64,
               vocabulary=32128, tables=1),
        7.4, 0.223, "arXiv 2101.03961: 7.4 billion, at the cost of T5-Base with its 223 million",
        "The gates of 12 layers are 1 million more. Every second layer of encoder and decoder has experts.",
    ),
}  # fmt: skip


# ---- counted --------------------------------------------------------------------------------------------------------


def expert(shapes: Shapes) -> int:
    """Parameters of one expert: its matrices."""
    return shapes.matrices * shapes.width * shapes.hidden_width


def attention(shapes: Shapes) -> int:
    """Parameters of one attention block: queries, keys, values and the way out; squeezed where it has ranks."""
    heads, width = shapes.num_heads * shapes.head_width, shapes.width
    if not shapes.key_rank:
        return 2 * width * heads + 2 * width * shapes.num_key_heads * shapes.head_width
    asked = shapes.num_heads * (shapes.head_width + shapes.position_width)
    queries = shapes.query_rank * (width + asked) if shapes.query_rank else width * asked
    keys = width * (shapes.key_rank + shapes.position_width) + 2 * shapes.key_rank * heads
    return queries + keys + heads * width


def parts(shapes: Shapes, num_experts: int) -> dict[str, int]:
    """Parameters by part, of a model in which so many experts of each layer are counted; without norms and biases."""
    return {
        "experts": shapes.moe_layers * num_experts * expert(shapes),
        "shared": shapes.moe_layers * shapes.num_shared * expert(shapes),
        "dense layers": shapes.dense_layers * shapes.matrices * shapes.width * shapes.dense_width,
        "attention": shapes.attention_blocks * attention(shapes),
        "gates": shapes.moe_layers * shapes.width * shapes.num_experts,
        "words": shapes.tables * shapes.vocabulary * shapes.width,
    }


def total(shapes: Shapes) -> int:
    """All parameters, which must be in memory."""
    return sum(parts(shapes, shapes.num_experts).values())


def active(shapes: Shapes) -> int:
    """The parameters that one token uses: k experts of each layer instead of N, and all else."""
    return sum(parts(shapes, shapes.top_k).values())
