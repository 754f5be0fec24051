"""What the numbers of a trial say of a claim: one function for each, from the numbers of several seeds to a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Measured = dict[str, float]  # what a trial came to, by name
STATES = {"holds": "✓ Holds", "caveat": "◐ Holds in part", "fails": "✗ Does not hold here"}


@dataclass(frozen=True)
class Verdict:
    """What a trial says of a claim: one of STATES, and why in numbers."""

    state: str
    words: str


def mean(by_seed: Sequence[Measured], name: str) -> float:
    """Mean over seeds."""
    return statistics.fmean(each[name] for each in by_seed)


def judged(holds: bool, words: str, caveat: str = "") -> Verdict:
    """Holds or not; with a caveat, holds only so far."""
    if not holds:
        return Verdict("fails", words)
    return Verdict("caveat", f"{words} {caveat}") if caveat else Verdict("holds", words)


def efficient(by_seed: Sequence[Measured]) -> Verdict:
    sparse, dense = mean(by_seed, "accuracy_sparse"), mean(by_seed, "accuracy_dense")
    work = mean(by_seed, "flops_sparse") / mean(by_seed, "flops_dense")
    words = f"2 of 8 experts reach accuracy {sparse:.2f}, all 8 reach {dense:.2f}, with {work:.0%} of the operations."
    return judged(sparse > dense - 0.05 and work < 0.5, words)


def few(by_seed: Sequence[Measured]) -> Verdict:
    fewest, most = (min(each["fewest"] for each in by_seed), max(each["most"] for each in by_seed))
    return judged(fewest == most == 2, f"Every test input used {fewest:.0f} to {most:.0f} of 8 experts.")


def relevant(by_seed: Sequence[Measured]) -> Verdict:
    first, others = mean(by_seed, "first"), mean(by_seed, "others")
    words = f"Sent to the likeliest expert alone, an input has loss {first:.2f}; to one of the others {others:.2f}."
    return judged(all(each["first"] < each["others"] for each in by_seed), words)


def in_order(by_seed: Sequence[Measured]) -> Verdict:
    agree = mean(by_seed, "pairs_agree")
    return judged(
        all(each["first"] < each["others"] for each in by_seed),
        f"The likeliest expert is much better than the rest (loss {mean(by_seed, 'first'):.2f} against "
        f"{mean(by_seed, 'others'):.2f}).",
        f"Beyond it the order says little: of two experts the better one has the larger probability in {agree:.0%} of "
        "cases (chance: 50 %), since experts that were not chosen never learned this input.",
    )


def inactive(by_seed: Sequence[Measured]) -> Verdict:
    same, own = mean(by_seed, "others_unchanged"), mean(by_seed, "own_unchanged")
    words = (
        f"With an expert ruined, {same:.0%} of the inputs that had not chosen it kept their output bit for bit; "
        f"of those that had, {own:.0%}."
    )
    return judged(all(each["others_unchanged"] == 1 and each["own_unchanged"] == 0 for each in by_seed), words)


def dynamic(by_seed: Sequence[Measured]) -> Verdict:
    sets = mean(by_seed, "sets")
    return judged(
        all(each["sets"] > 1 for each in by_seed), f"The test inputs used {sets:.1f} different pairs of experts."
    )


def output_sum(by_seed: Sequence[Measured]) -> Verdict:
    worst, size = max(each["difference"] for each in by_seed), max(each["size"] for each in by_seed)
    words = f"Added up expert by expert, the output is the same to {worst:.1g} (the largest output is {size:.1f})."
    return judged(worst <= 1e-5 * size, words)


def softmax(by_seed: Sequence[Measured]) -> Verdict:
    error, least = max(each["sum_error"] for each in by_seed), min(each["least_probability"] for each in by_seed)
    words = f"Every input’s probabilities add up to 1 within {error:.0e}, and the smallest of all is {least:.0e}."
    return judged(error < 1e-5 and least >= 0, words)


def small_gate(by_seed: Sequence[Measured]) -> Verdict:
    gate, every, outputs = mean(by_seed, "gate"), mean(by_seed, "all"), mean(by_seed, "outputs")
    words = f"The gate has {gate:.0f} of the {every:,.0f} parameters ({gate / every:.1%}) and {outputs:.0f} outputs, N."
    return judged(gate < every / 10, words)


def top_k(by_seed: Sequence[Measured]) -> Verdict:
    wrong, nonzero = sum(each["wrong_order"] for each in by_seed), mean(by_seed, "nonzero")
    words = (
        f"On average {nonzero:.2f} of {mean(by_seed, 'experts'):.0f} weights are not 0; inputs with a left-out expert "
        f"that was likelier than a chosen one: {wrong:.0f}."
    )
    return judged(nonzero == 2 and wrong == 0, words)


def less_work(by_seed: Sequence[Measured]) -> Verdict:
    dense = statistics.median(each["dense"] for each in by_seed)
    words = f"Measured on this machine: all 16 experts take {dense:.1f} times as long as 2 of them."
    return judged(dense > 1.5, words, "The counted work is 8 times; sorting inputs by expert costs some of it.")


def memory(by_seed: Sequence[Measured]) -> Verdict:
    kept, used = mean(by_seed, "kept"), mean(by_seed, "used")
    less = mean(by_seed, "activations_dense") / mean(by_seed, "activations_sparse")
    return judged(
        less > 1, f"The numbers inside the experts shrink {less:.0f} times.",
        f"But the parameters stay: {kept:,.0f} must be kept in memory though one input uses {used:,.0f}.",
    )  # fmt: skip


def starving(by_seed: Sequence[Measured]) -> Verdict:
    least, most = mean(by_seed, "least_updates"), mean(by_seed, "most_updates")
    words = f"Without a balance loss the busiest expert learned in {most:.0%} of the steps, the idlest in {least:.0%}."
    return judged(all(each["least_updates"] < 0.5 * each["most_updates"] for each in by_seed), words)


def collapse(by_seed: Sequence[Measured]) -> Verdict:
    busiest, dead = mean(by_seed, "busiest_0"), mean(by_seed, "dead_0")
    words = (
        f"Without it the busiest of 8 experts does {busiest:.0%} of the work (fair: 12.5 %), and {dead:.1f} "
        "experts do none at all."
    )
    return judged(all(each["dead_0"] >= 1 for each in by_seed), words)


def balanced(by_seed: Sequence[Measured]) -> Verdict:
    words = (
        f"λ = 10 lowers the unevenness of the load from {mean(by_seed, 'cv_0'):.2f} to {mean(by_seed, 'cv_10'):.2f}, "
        f"and idle experts from {mean(by_seed, 'dead_0'):.1f} to {mean(by_seed, 'dead_10'):.1f}."
    )
    return judged(all(each["cv_10"] < 0.6 * each["cv_0"] and each["dead_10"] == 0 for each in by_seed), words)


def equal_counts(by_seed: Sequence[Measured]) -> Verdict:
    loss, load = mean(by_seed, "loss"), mean(by_seed, "cv_load")
    probability = mean(by_seed, "cv_probability")
    return judged(
        all(each["cv_probability"] < 0.1 for each in by_seed),
        f"λ = 100 from the start makes mean probabilities equal (unevenness {probability:.2f}, loss {loss:.5f}).",
        f"But the load does not: its unevenness is {load:.2f}. The formula weighs probabilities; it counts nothing.",
    )


def formula(by_seed: Sequence[Measured]) -> Verdict:
    off = max(abs(each["program"] - each["by_hand"]) / each["by_hand"] for each in by_seed)
    apart = max(abs(each["identity"] - each["by_hand"]) / each["by_hand"] for each in by_seed)
    words = (
        f"Plain loops over the formula give the program’s loss to {off:.0e}, and to {apart:.0e} it is the squared "
        "unevenness of importance divided by N."
    )
    return judged(off < 1e-5 and apart < 1e-5, words)


def weighted(by_seed: Sequence[Measured]) -> Verdict:
    names = ("0", "0.1", "1", "10")
    means = [mean(by_seed, f"cv_{name}") for name in names]
    listed = " / ".join(f"{each:.2f}" for each in means)
    words = f"Unevenness of the load at λ = 0 / 0.1 / 1 / 10: {listed}."
    return judged(means == sorted(means, reverse=True), words)


def costs(by_seed: Sequence[Measured]) -> Verdict:
    without, strong = mean(by_seed, "accuracy_0"), mean(by_seed, "accuracy_100")
    return judged(
        all(each["cv_100"] < each["cv_0"] for each in by_seed),
        f"λ = 100 lowers unevenness from {mean(by_seed, 'cv_0'):.2f} to {mean(by_seed, 'cv_100'):.2f}.",
        f"But where one group holds half the inputs it also lowers accuracy from {without:.2f} to {strong:.2f}: even "
        "use is not always right.",
    )


def linear_cost(by_seed: Sequence[Measured]) -> Verdict:
    twice_k = statistics.median(each["twice_k"] for each in by_seed)
    twice_n = statistics.median(each["twice_n"] for each in by_seed)
    words = f"Measured on this machine: twice the k takes {twice_k:.1f} times as long, twice the n {twice_n:.1f} times."
    return judged(
        1.3 < twice_k < 3 and 1.3 < twice_n < 3, words,
        "It is the experts’ cost: the gate adds N · n, and in a Transformer attention adds n².",
    )  # fmt: skip


def same_cost(by_seed: Sequence[Measured]) -> Verdict:
    more = statistics.median(each["four_times_experts"] for each in by_seed)
    words = f"Measured on this machine: 64 experts instead of 16, with k = 2, take {more:.1f} times as long."
    return judged(more < 2.5, words, "Each expert then has fewer inputs to share its weights’ way through memory.")


def capacity(by_seed: Sequence[Measured]) -> Verdict:
    accuracies = " / ".join(f"{mean(by_seed, f'accuracy_{count}'):.2f}" for count in (1, 4, 16))
    parameters = " / ".join(f"{mean(by_seed, f'parameters_{count}'):.0f}" for count in (1, 4, 16))
    words = (
        f"N = 1 / 4 / 16 linear experts, one of them for each input: accuracy {accuracies} with {parameters} "
        f"parameters, of which the chosen expert’s are always {mean(by_seed, 'expert_parameters_16'):.0f}."
    )
    return judged(all(each["accuracy_1"] < each["accuracy_4"] < each["accuracy_16"] for each in by_seed), words)


def flexible(by_seed: Sequence[Measured]) -> Verdict:
    spiral, curve, digits = (mean(by_seed, name) for name in ("spiral", "piecewise", "digits"))
    words = f"The same layer: spiral, accuracy {spiral:.2f}; a curve, R² {curve:.2f}; digits, accuracy {digits:.2f}."
    return judged(all(min(each.values()) > 0.9 for each in by_seed), words)


def kinds(by_seed: Sequence[Measured]) -> Verdict:
    names = {"mlp": "fully connected", "conv": "convolutional", "transformer": "Transformer layers"}
    words = ", ".join(f"{label} {mean(by_seed, name):.2f}" for name, label in names.items())
    least = min(min(each.values()) for each in by_seed)
    return judged(least > 0.5, f"Test accuracy among 16 classes (chance: .06), by kind of expert: {words}.")


def language(by_seed: Sequence[Measured]) -> Verdict:
    mixture, one = mean(by_seed, "loss_mixture"), mean(by_seed, "loss_one")
    work = mean(by_seed, "flops_mixture") / mean(by_seed, "flops_one")
    words = (
        f"Loss for a character of new text: mixture {mixture:.3f} nats, one network with as many active parameters "
        f"{one:.3f}, at {work:.2f} times its operations."
    )
    return judged(
        all(each["loss_mixture"] < each["loss_one"] for each in by_seed), words,
        "Better every time, but not by much at this size.",
    )  # fmt: skip


def pictures(by_seed: Sequence[Measured]) -> Verdict:
    mixture, one = mean(by_seed, "test_mixture"), mean(by_seed, "test_one")
    words = (
        f"Digits, test accuracy: mixture {mixture:.3f}; one network with as many active hidden units {one:.3f}. "
        f"Experts match the digits’ classes to {mean(by_seed, 'specialization'):.2f} (0-1)."
    )
    if abs(mixture - one) < 0.01:
        return Verdict(
            "caveat", f"{words} Experts do divide the work, but on data this easy generalization is the same."
        )
    return judged(mixture > one, words)


def modalities(by_seed: Sequence[Measured]) -> Verdict:
    with_both = sum(min(each["pictures_with"], each["words_with"]) >= 1 for each in by_seed)
    without = sum(min(each["pictures_without"], each["words_without"]) >= 1 for each in by_seed)
    words = (
        f"With entropy losses pictures and words each have an expert of their own in {with_both} of {len(by_seed)} "
        f"seeds (three quarters of its tokens or more); without them in {without}."
    )
    return judged(with_both == len(by_seed), words)


def optimal(by_seed: Sequence[Measured]) -> Verdict:
    best, chosen = mean(by_seed, "best"), mean(by_seed, "chosen_loss")
    lowest, random = mean(by_seed, "best_loss"), mean(by_seed, "random_loss")
    return judged(
        all(each["chosen_loss"] < 0.5 * each["random_loss"] for each in by_seed),
        f"The chosen expert’s loss is {chosen:.2f}; a random expert’s {random:.2f}.",
        f"But the best expert of all would have {lowest:.3f}, and the gate picks it for {best:.0%} of the inputs: it "
        "learns a good division of the work, not the optimum for each input.",
    )


def used(by_seed: Sequence[Measured]) -> Verdict:
    kept, used = mean(by_seed, "kept"), mean(by_seed, "used")
    words = f"16 experts of which 2 work: one input uses {used:,.0f} of {kept:,.0f} parameters ({used / kept:.0%})."
    return judged(used < 0.25 * kept, words)
