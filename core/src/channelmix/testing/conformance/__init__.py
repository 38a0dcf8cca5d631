"""The conformance kit: what every plugin has to do, asked of yours.

    class TestConformance(Conformance):
        plugin = StatusPage
        config = {"page_id": "p1", "token": "secret"}
        fixtures = Path(__file__).parent / "fixtures"
        simulator = StatusPageSimulator

Four levels: it loads, it reads correctly, it replies well, it is well kept. What does not apply is
left out by itself: a plugin without `poll` is not asked to poll. Nothing here reaches the internet.
"""

from channelmix.testing.conformance.registry import Check
from channelmix.testing.conformance.suite import (
    Conformance,
    ConformanceWarning,
    NotConform,
    Result,
    checks,
    run,
)

__all__ = [
    "Check",
    "Conformance",
    "ConformanceWarning",
    "NotConform",
    "Result",
    "checks",
    "run",
]
