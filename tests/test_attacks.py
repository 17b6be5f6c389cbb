"""The table of attacks is counted, not claimed: it tells what succeeded, what was refused, and what cannot be made."""

import io
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from autograder.audit.attacks import Campaign, _container, _sites, campaigns, show
from autograder.audit.attacks._sites import SITES, Site
from autograder.errors import UsageError

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="makes configurations that take root")


def fought(site: str, only: str) -> dict[str, Campaign]:
    """Campaigns by the name of their site."""
    found = {campaign.site.name: campaign for campaign in campaigns(only, site, lambda name: None)}
    for campaign in found.values():
        if campaign.missing:
            pytest.skip(campaign.missing)
    return found


def shown(*found: Campaign) -> tuple[int, str]:
    """What the table says, on one line."""
    console = Console(file=io.StringIO(), width=250)
    wrong = show(found, console)
    assert isinstance(console.file, io.StringIO)
    return wrong, re.sub(r"\s+", " ", console.file.getvalue())


@ROOT_ONLY
@pytest.mark.parametrize("only", ["results_in_finaliser", "effects: a process"])
def test_with_everything_on_no_attack_succeeds(only: str) -> None:
    campaign = fought("root", only)["root"]
    assert campaign.attacks.total() == 1
    assert (campaign.level, campaign.breaches) == ("full", [])


@ROOT_ONLY
def test_what_a_lost_protection_lets_through_is_found_named_and_counted() -> None:
    process = fought("root, neither", "effects: a process")["root, neither"]
    assert process.breaches == [("effects: a process", "effects", "succeeded")]
    wrong, text = shown(process)
    assert wrong == 0, "weaker configurations are told of, not held to anything"
    assert "stamped “any”" in text
    assert "effects: a process: succeeded" in text


@ROOT_ONLY
def test_a_refused_configuration_is_shown_with_its_refusal_lifted() -> None:
    found = fought("not root, no Landlock", "writes: /tmp/")
    refused, lifted = found["not root, no Landlock"], found["not root, no Landlock, refusal lifted"]
    assert "landlock is missing here" in refused.refused
    assert not refused.attacks
    assert {gain for _, _, gain in lifted.breaches} == {"succeeded", "left /tmp/probe-of-deepgrade"}
    assert not Path("/tmp/probe-of-deepgrade").exists()
    assert "refused; here for proof" in shown(lifted)[1]


@ROOT_ONLY
def test_a_container_is_made_as_docker_makes_it() -> None:
    found = fought("Docker", "effects: a namespace")
    assert [campaign.level for campaign in found.values()] == ["full", "any"]
    assert all(not campaign.breaches for campaign in found.values())


def test_a_breach_where_nothing_is_switched_off_counts() -> None:
    strong, weak = Campaign(Site("strong"), "full"), Campaign(Site("weak", without=("seccomp",)), "any")
    for campaign in (strong, weak):
        campaign.attacks["reads"] = 3
        campaign.breaches += [("reads: open", "reads", "succeeded"), ("reads: open", "reads", "left a [red]file")]
    assert shown(strong, weak)[0] == 1
    assert "strong 1/3" in shown(strong, weak)[1]
    assert "left a [red]file" in shown(weak)[1]


def test_what_cannot_be_made_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_container, "runtime", lambda: None)
    found = list(campaigns("nothing", "Docker", lambda name: None))
    wanted = "install runc or crun" if os.geteuid() == 0 else "needs root"
    assert len(found) == 2
    assert all(wanted in campaign.missing for campaign in found)
    assert "not to be had here" in shown(*found)[1]


def test_without_the_attacks_it_says_where_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_sites, "_hostile", lambda: tmp_path / "none")
    with pytest.raises(UsageError, match="run this in a clone"):
        list(campaigns())


def test_names_of_configurations_tell_them_apart() -> None:
    assert len({site.name for site in SITES}) == len(SITES) >= 10
