from pathlib import Path

from channelmix.testing.conformance import Conformance
from channelmix_blog.plugin import Blog
from channelmix_blog.simulator import BlogSimulator


class TestConformance(Conformance):
    plugin = Blog
    config = {
        "url": "https://blog.example.org",
        "wordpress": True,
        "user": "service",
        "application_password": "secret-of-the-user",
        "authors": ["Stadtwerke Musterstadt"],
    }
    fixtures = Path(__file__).parent / "payloads"
    simulator = BlogSimulator
    deviations = {
        "C206": "an edited comment comes as the same comment in a later version, never as an event",
    }
