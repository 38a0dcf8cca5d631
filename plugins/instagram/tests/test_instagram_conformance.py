from pathlib import Path
from typing import Literal

from attrs import define
from channelmix.testing.conformance import Conformance
from channelmix_instagram.plugin import Instagram
from channelmix_instagram.simulator import InstagramSimulator

CONFIG = {
    "account_id": "17841400000000001",
    "access_token": "EAAtokenOfThePage",
    "username": "stadtwerke.musterstadt",
    "app_secret": "secret-of-the-app",
    "verify_token": "our-own-word",
    "instagram_app_id": "990000000000001",
    "instagram_app_secret": "secret-of-the-instagram-app",
}
PAYLOADS = Path(__file__).parent / "payloads"


@define(eq=False, kw_only=True, slots=False)
class LoggedInAtInstagram(InstagramSimulator):
    login: Literal["facebook", "instagram"] = "instagram"


class TestConformance(Conformance):
    plugin = Instagram
    config = CONFIG
    fixtures = PAYLOADS
    simulator = InstagramSimulator


class TestConformanceWithLogInAtInstagram(Conformance):
    plugin = Instagram
    config = {**CONFIG, "login": "instagram"}
    fixtures = PAYLOADS
    simulator = LoggedInAtInstagram
    deviations = {
        "C312": "graph.instagram.com takes files by their address only; `review` says so before",
    }
