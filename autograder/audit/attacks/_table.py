"""The table of attacks by configuration, and below it what succeeded where, and what came of that."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.audit.attacks._sites import Campaign

GROUPS = {
    "reads": "reading",
    "proc": "/proc",
    "writes": "writing",
    "effects": "reaching out",
    "submissions": "submissions",
}


SHOWN = 3  # gains of one attack


def show(campaigns: Sequence[Campaign], console: Console) -> int:
    """Print everything.

    Returns:
        How many attacks succeeded where none may.
    """
    table = Table(title="attacks that succeeded, of those tried", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for name in ("configuration", *GROUPS.values(), "all", "grading is"):
        words = name in ("configuration", "grading is")
        table.add_column(name, justify="left" if words else "right", min_width=13 if words else 5)
    for campaign in campaigns:
        table.add_row(escape(campaign.site.name), *_counts(campaign), escape(_fate(campaign)))
    console.print(table)
    for campaign in campaigns:
        _named(campaign, console)
    return sum(len(_winners(campaign)) for campaign in campaigns if campaign.whole)


def _winners(campaign: Campaign) -> set[tuple[str, str]]:
    return {(attack, group) for attack, group, _ in campaign.breaches}


def _counts(campaign: Campaign) -> list[str]:
    won = Counter(group for _, group in _winners(campaign))
    cells = [f"{won[group]}/{campaign.attacks[group]}" if campaign.attacks[group] else "–" for group in GROUPS]
    total = f"{won.total()}/{campaign.attacks.total()}" if campaign.attacks else "–"
    return [*cells, f"[red]{total}[/]" if won and campaign.whole else total]


def _fate(campaign: Campaign) -> str:
    if campaign.missing:
        return f"not to be had here: {campaign.missing}"
    if campaign.refused:
        return "refused"
    return "refused; here for proof" if campaign.site.lifted else f"stamped “{campaign.level}”"


def _named(campaign: Campaign, console: Console) -> None:
    if campaign.refused:
        console.print(f"\n[bold]{escape(campaign.site.name)}[/]: {escape(campaign.refused)}", highlight=False)
    if campaign.breaches:
        console.print(f"\n[bold]{escape(campaign.site.name)}[/], what succeeded:", highlight=False)
    gains: dict[str, list[str]] = {}
    for attack, _, gain in campaign.breaches:
        gains.setdefault(attack, []).append(gain)
    for attack, won in gains.items():
        more = f"; {len(won) - SHOWN} more" if len(won) > SHOWN else ""
        console.print(f"  {escape(attack)}: {escape('; '.join(won[:SHOWN]))}{more}", highlight=False, soft_wrap=True)
