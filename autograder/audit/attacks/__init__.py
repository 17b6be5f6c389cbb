"""Every attack against every configuration that can be made on this machine: what each protection is worth, counted.

`_field` is what runs inside a configuration: it attacks, and judges by what is there afterwards. `_sites` makes the
configurations: users, containers, protections switched off. `_table` shows what came of it.
"""

from autograder.audit.attacks._sites import Campaign, campaigns
from autograder.audit.attacks._table import show

__all__ = ["Campaign", "campaigns", "show"]
