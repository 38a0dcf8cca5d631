from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_twitter.plugin import Twitter
from channelmix_twitter.simulator_kit import XKit


class TestConformance(Conformance):
    plugin = Twitter
    config = {
        "user_id": "1400000000000000001",
        "handle": "stadtwerke",
        "client_id": "client-id",
        "client_secret": "secret-of-the-client",
        "consumer_key": "consumer-key",
        "consumer_secret": "consumer-secret-of-the-app",
        "access_token": "1400000000000000001-token",
        "access_token_secret": "secret-of-the-token",
        "budget": 100.0,
    }
    fixtures = Path(__file__).parent / "payloads"
    simulator = XKit
    deviations = {
        "C206": "X gives an edited post whole, under a new id with its history, so it is read as a "
        "newer version of the first one",
    }
