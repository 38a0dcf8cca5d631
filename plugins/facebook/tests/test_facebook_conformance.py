from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_facebook.plugin import Facebook
from channelmix_facebook.simulator import FacebookSimulator


class TestConformance(Conformance):
    plugin = Facebook
    config = {
        "page_id": "101010101010101",
        "access_token": "EAAtokenOfThePage",
        "app_secret": "secret-of-the-app",
        "verify_token": "our-own-word",
        "app_id": "990000000000001",
    }
    fixtures = Path(__file__).parent / "payloads"
    simulator = FacebookSimulator
