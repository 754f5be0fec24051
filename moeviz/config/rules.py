"""Rules between knobs: what breaks one is refused, or mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moeviz.config.knob import Knob, Value
from moeviz.config.router_facts import ROUTER_INFO

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Complaint:
    """A knob that does not fit the others: the rule, what was found, the remedy, and the nearest value that fits."""

    name: str
    rule: str
    got: str
    remedy: str
    value: Value
    why: str  # the rule in a page's words

    def __str__(self) -> str:
        return f"{self.name} {self.rule}: got {self.got}; {self.remedy}"

    @property
    def notice(self) -> str:
        """What was done about it."""
        return f"{self.name} {self.rule}: got {self.got}; using {self.name}={str(self.value).lower()}"


Rule = Callable[[Values], Complaint | None]


def only_where_used(knobs: Iterable[Knob]) -> Rule:
    """A knob of other routers stays at its default."""
    special = [each for each in knobs if each.routers]

    def rule(values: Values) -> Complaint | None:
        router = values["router"]
        for each in special:
            value = values[each.name]
            if value != each.default and router not in each.routers:
                return Complaint(
                    each.name, f"must be {each.write(each.default)} for router={router}",
                    f"{each.name}={each.write(value)}",
                    f"leave it at {each.write(each.default)}, or use {', '.join(each.routers)}",
                    each.default, "this router has no use for it",
                )  # fmt: skip
        return None

    return rule


def enough_experts(values: Values) -> Complaint | None:
    """A router that is defined for two choices needs two experts."""
    router, experts = values["router"], values["num_experts"]
    wanted = ROUTER_INFO[router].k
    if not wanted.isdigit() or experts >= int(wanted):
        return None
    rule, got = f"must be at least {wanted} for router={router}", f"num_experts={experts}"
    return Complaint("num_experts", rule, got, "add experts", int(wanted), f"this router needs at least {wanted}")


def at_most_all(values: Values) -> Complaint | None:
    """k experts cannot be chosen among fewer."""
    k, experts = values["top_k"], values["num_experts"]
    if k <= experts:
        return None
    got = f"top_k={k}, num_experts={experts}"
    remedy, why = "lower top_k or add experts", "it must be at most N"
    return Complaint("top_k", "must be at most num_experts", got, remedy, experts, why)


def the_routers_k(values: Values) -> Complaint | None:
    """Some routers are defined for one k only."""
    router, k = values["router"], values["top_k"]
    wanted = ROUTER_INFO[router].k
    if wanted == "any" or k == (only := values["num_experts"] if wanted == "N" else int(wanted)):
        return None
    rule = f"must be {only} for router={router}"
    return Complaint("top_k", rule, f"top_k={k}", f"pass {only}, or use top_k", only, f"this router has k = {wanted}")


def equal_expert_groups(values: Values) -> Complaint | None:
    """Groups of experts have one size."""
    groups, experts = values["expert_groups"], values["num_experts"]
    if experts % groups == 0:
        return None
    got, nearest = f"expert_groups={groups}", largest_divisor(experts, groups)
    remedy, why = f"use a divisor of {experts}", "N must be a multiple of it"
    return Complaint("expert_groups", f"must divide num_experts={experts}", got, remedy, nearest, why)


def enough_kept_groups(values: Values) -> Complaint | None:
    """The groups that a token may use are some of all, and hold at least k experts."""
    kept, groups, k = values["kept_groups"], values["expert_groups"], values["top_k"]
    least = -(-k * groups // values["num_experts"])  # rounded up
    if least <= kept <= groups:
        return None
    rule = f"must be from {least} to {groups} for top_k={k} and expert_groups={groups}"
    got, nearest = f"kept_groups={kept}", min(max(kept, least), groups)
    return Complaint("kept_groups", rule, got, "keep enough groups for k", nearest, "the groups must hold k experts")


def equal_token_groups(values: Values) -> Complaint | None:
    """Groups of tokens have one size."""
    groups, tokens = values["token_groups"], values["batch_size"]
    if tokens % groups == 0:
        return None
    got, nearest = f"token_groups={groups}", largest_divisor(tokens, groups)
    remedy, why = f"use a divisor of {tokens}", "the batch size must be a multiple of it"
    return Complaint("token_groups", f"must divide batch_size={tokens}", got, remedy, nearest, why)


def largest_divisor(number: int, most: int) -> int:
    """The largest number up to `most` that divides it."""
    return next(each for each in range(min(number, most), 0, -1) if number % each == 0)


# In this order: what one of them mends, no later one breaks.
BETWEEN_KNOBS: tuple[Rule, ...] = (
    enough_experts, at_most_all, the_routers_k, equal_expert_groups, enough_kept_groups, equal_token_groups
)  # fmt: skip


def complaint(values: Values, rules: Iterable[Rule]) -> Complaint | None:
    """The first rule that these knobs break."""
    return next((broken for rule in rules if (broken := rule(values)) is not None), None)


def mended(values: Values, rules: Iterable[Rule]) -> tuple[dict[str, Any], list[Complaint]]:
    """The nearest knobs that break no rule, and a complaint for each knob that had to change."""
    nearest, said = dict(values), []
    while (broken := complaint(nearest, rules)) is not None:
        nearest[broken.name] = broken.value
        said.append(broken)
    return nearest, said
