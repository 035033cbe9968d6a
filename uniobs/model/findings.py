"""All verdict rules on one target."""

from collections.abc import Collection
from typing import Any

from uniobs.errors import UniobsError
from uniobs.model import registry
from uniobs.model.guest import Verdict

FINDING = 5  # a severity below this is a finding


def findings(target: Any, skip: Collection[str] = ()) -> tuple[list[Verdict], list[str]]:
    """(verdicts, worst first; what could not be looked at, and why)."""
    found: list[Verdict] = []
    unknown: list[str] = []
    for name, rule in registry.load_all(registry.VERDICTS):
        if name in skip:
            continue
        try:
            found.extend(rule(target))
        except UniobsError as error:
            text = str(error)
            if text not in unknown:
                unknown.append(text)
    found.sort(key=lambda verdict: (verdict.severity, verdict.name))
    return found, unknown
