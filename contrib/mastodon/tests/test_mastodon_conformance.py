from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_mastodon.plugin import Mastodon
from channelmix_mastodon.simulator import MastodonSimulator


class TestMastodon(Conformance):
    plugin = Mastodon
    config = {
        "server": "https://social.example",
        "account": "stadtwerke@social.example",
    }
    fixtures = Path(__file__).parent / "fixtures"
    simulator = MastodonSimulator
