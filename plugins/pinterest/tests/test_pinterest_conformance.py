from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_pinterest.plugin import Pinterest
from channelmix_pinterest.simulator import PinterestSimulator


class TestConformance(Conformance):
    plugin = Pinterest
    config = {
        "username": "stadtwerke_musterstadt",
        "client_id": "1234567",
        "client_secret": "secret-of-the-app",
        "board": "900001",
    }
    fixtures = Path(__file__).parent / "payloads"
    simulator = PinterestSimulator
    deviations = {
        "C210": "the network hands out no customer's words, only how many comments there are",
        "C314": "a pin needs a picture, and the kit has none: see test_pinterest_publishing.py",
    }
