from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_youtube.plugin import YouTube
from channelmix_youtube.simulator import YouTubeSimulator


class TestConformance(Conformance):
    plugin = YouTube
    config = {
        "channel_id": "UCstadtwerkeMusterstadt1",
        "client_id": "1234.apps.googleusercontent.com",
        "client_secret": "secret-of-the-client",
        "hub_secret": "secret-of-the-hub",
    }
    fixtures = Path(__file__).parent / "payloads"
    simulator = YouTubeSimulator
    deviations = {
        "C206": "an edited comment comes as the same comment in a later version, never as an event",
        "C215": "only new videos are pushed; comments come by poll alone",
    }
