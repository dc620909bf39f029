"""A quality gate: one measurement against its limit, and the table of them all."""

from collections.abc import Sequence
from dataclasses import dataclass

FINDINGS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One measurement: a figure against a limit, and the places that spoil it."""

    name: str
    figure: str
    limit: str
    passed: bool
    findings: tuple[str, ...] = ()
    warn_only: bool = False

    @property
    def verdict(self) -> str:
        if self.passed:
            return "pass"
        return "warn" if self.warn_only else "FAIL"


def render(gates: Sequence[Gate]) -> str:
    """One row a gate, then the findings of those that did not pass."""
    rows = [("gate", "figure", "limit", "")]
    rows += [(gate.name, gate.figure, gate.limit, gate.verdict) for gate in gates]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {figure:>{widths[1]}}  {limit:>{widths[2]}}  {verdict}".rstrip()
        for name, figure, limit, verdict in rows
    ]
    for gate in gates:
        if not gate.passed:
            lines += ["", f"{gate.verdict} {gate.name}", *list_findings(gate.findings)]
    return "\n".join(lines)


def list_findings(findings: Sequence[str]) -> list[str]:
    shown = [f"  {finding}" for finding in findings[:FINDINGS_SHOWN]]
    hidden = len(findings) - len(shown)
    return [*shown, f"  and {hidden} more"] if hidden else shown
