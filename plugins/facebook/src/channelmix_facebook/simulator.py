"""Facebook on the wire, for tests and for the demo: one page, its people, its refusals.

    sim = FacebookSimulator(clock=clock)
    async with sim.online() as url:          # the `api_url` of the channel
        sim.webhook = "http://127.0.0.1:8000/webhooks/page"
        post = sim.post("We open at nine.")
        sim.comment(post, "Mira Sommer", "Where is my parcel?")
        await sim.flush()                    # or let `sim.run()` deliver in a task

It answers as the Graph API documents, and refuses parameters and fields that do not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import define, field
from channelmix.testing.simulator import Request
from channelmix_meta.simulator_fields import FILES

from channelmix_facebook.health import FIELDS, PERMISSIONS
from channelmix_facebook.simulator_fields import CATALOGUE
from channelmix_facebook.simulator_reading import PageReader
from channelmix_facebook.simulator_script import Script
from channelmix_facebook.simulator_world import Comment, Post
from channelmix_facebook.simulator_writing import Writer

_NEEDS: Mapping[tuple[str, str], str] = {
    ("GET", "feed"): "pages_read_engagement",
    ("GET", "tagged"): "pages_read_user_content",
    ("GET", "ratings"): "pages_read_user_content",
    ("GET", "conversations"): "pages_messaging",
    ("GET", "comments"): "pages_read_user_content",
    ("GET", "Comment"): "pages_read_user_content",
    ("GET", "PagePost"): "pages_read_engagement",
    ("GET", "blocked"): "pages_manage_engagement",
    ("POST", "messages"): "pages_messaging",
    ("POST", "comments"): "pages_manage_engagement",
    ("POST", "likes"): "pages_manage_engagement",
    ("POST", "blocked"): "pages_manage_engagement",
    ("POST", "Comment"): "pages_manage_engagement",
    ("DELETE", "Comment"): "pages_manage_engagement",
    ("POST", "feed"): "pages_manage_posts",
    ("POST", "photos"): "pages_manage_posts",
    ("POST", "PagePost"): "pages_manage_posts",
    ("DELETE", "PagePost"): "pages_manage_posts",
}
"""By method, and by edge or type of object: Meta's "Permissions Reference" and "Posts" guide.

Banning is our reading: the guide "Manage a Page" has a list for all its calls together.
"""


@define(eq=False, kw_only=True, slots=False)
class FacebookSimulator(Script):
    """One simulated page."""

    object_name: ClassVar[str] = "page"
    platform: ClassVar[str] = "messenger"

    access_token: str = "EAAsimulatedPageToken"  # noqa: S105 - the simulator's own, opens nothing
    permissions: set[str] = field(factory=lambda: set(PERMISSIONS))
    fields: set[str] = field(factory=lambda: set(FIELDS))

    def call(
        self, request: Request, object_id: str, edge: str | None, params: Mapping[str, str]
    ) -> Any:
        """Answer one authentic call."""
        target = self._reader().find(object_id)
        needed = _NEEDS.get((request.method, edge or target.kind))
        self.permitted(needed, of_conversations=needed == "pages_messaging")
        if request.method == "GET":
            return self._reader().answer(object_id, edge, params)
        CATALOGUE.check_params(request.method, target.kind, edge, params)
        writer = Writer(
            world=self.world, now=self.clock.now(), witness=self, human_agent=self.human_agent
        )
        files = {name: value for name, value in params.items() if name in FILES}
        return writer.write(request.method, target.thing, edge, params, files)

    def _reader(self) -> PageReader:
        app = {"id": self.app_id, "name": "Desk", "subscribed_fields": sorted(self.fields)}
        return PageReader(
            world=self.world,
            catalogue=CATALOGUE,
            now=self.clock.now(),
            link=self.link,
            platform=self.platform,
            subscribed=[app] if self.fields else [],
        )

    # the writer tells what the page did

    def commented(self, comment: Comment) -> None:
        """Tell of a comment by the page."""
        self.tell_comment(comment, "add")

    def posted(self, post: Post) -> None:
        """Tell of a post by the page."""
        self.changed(post, "add")
