"""Payload → raw events → inbounds: what the plugin's `split` and `ingest` call. Pure."""

from __future__ import annotations

from functools import partial

from channelmix_meta import parsing, parsing_split
from channelmix_meta.parsing import Language

from channelmix_facebook.parsing_changes import feed, mention, ratings
from channelmix_facebook.parsing_graph import graph
from channelmix_facebook.parsing_kinds import looks_like_comment

LANGUAGE = Language(
    object="page",
    foreign="not a page",
    fields={"feed": feed, "mention": mention, "ratings": ratings},
    graph=graph,
)

split = partial(parsing_split.split, is_comment=looks_like_comment)
ingest = partial(parsing.ingest, language=LANGUAGE)
