from pathlib import Path

from channelmix.testing.conformance import Conformance
from simulator import StatusPageSimulator
from statuspage import StatusPage


class TestStatusPage(Conformance):
    plugin = StatusPage
    config = {"page_id": "p1", "token": "a-token", "webhook_secret": "a-secret"}
    fixtures = Path(__file__).parent / "fixtures"
    simulator = StatusPageSimulator
    level = 3
