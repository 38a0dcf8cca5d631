"""Payload → raw events → inbounds: what the plugin's `split` and `ingest` call. Pure."""

from __future__ import annotations

from functools import partial

from channelmix_meta import parsing, parsing_split
from channelmix_meta.parsing import Language
from channelmix_meta.parsing_messaging import READERS, messaging

from channelmix_instagram.parsing_changes import FIELDS, referral
from channelmix_instagram.parsing_graph import graph, is_comment

LANGUAGE = Language(
    object="instagram",
    foreign="not an account of Instagram",
    fields=FIELDS,
    graph=graph,
    messaging=partial(messaging, readers={**READERS, "referral": referral}),
)

split = partial(parsing_split.split, is_comment=is_comment)
ingest = partial(parsing.ingest, language=LANGUAGE)
