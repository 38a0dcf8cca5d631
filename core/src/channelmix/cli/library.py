"""The help library: list it, search it, and what it offers to a ticket."""

from __future__ import annotations

from collections.abc import Sequence

import click

from channelmix.cli import desks, output
from channelmix.cli.call import Call
from channelmix.library import Question
from channelmix.store.library import ArticleLine


@click.command("library")
@click.argument("question", required=False)
@click.option("--channel", help="Only what this channel published.")
@desks.limit
@desks.as_json
@click.pass_obj
def library_command(
    call: Call, /, *, question: str | None, channel: str | None, limit: int, as_json: bool
) -> None:
    """List or search what we published that helps: videos, pins, photos, posts of a blog.

    With QUESTION what answers it best comes first, with how sure that is; else the newest.
    """
    if question is not None and channel is not None:
        raise click.UsageError("--channel is for the list; a question is asked of all channels")
    found: Sequence[tuple[float | None, ArticleLine]]
    if question is None:
        lines = desks.on_desk(call, lambda desk: desk.articles(channel=channel, limit=limit))
        found = [(None, line) for line in lines]
    else:
        asked = Question(text=question)
        found = desks.on_desk(call, lambda desk: desk.search_articles(asked, most=limit))
    if as_json:
        output.print_json([{"confidence": sure, **output.plain(line)} for sure, line in found])
    else:
        _print_table(found)


def _print_table(found: Sequence[tuple[float | None, ArticleLine]]) -> None:
    listing = output.table("sure", "channel", "published", "title*", "link*")
    for sure, line in found:
        article = line.article
        output.row(
            listing,
            None if sure is None else f"{sure:.2f}",
            line.channel,
            f"{article.published_at:%Y-%m-%d}",
            article.title,
            article.url,
        )
    output.show(listing, empty="There is no such article in the help library.")


@click.command("suggest")
@desks.ticket_id
@desks.as_json
@click.pass_obj
def suggest_command(call: Call, ticket_id: int, *, as_json: bool) -> None:
    """Offer answers to a ticket, the surest first: from the help library and from plugins.

    Nothing is sent; `channelmix reply` does that.
    """
    found = desks.on_desk(call, lambda desk: desk.suggest(ticket_id))
    if as_json:
        output.print_json(found)
        return
    listing = output.table("sure", "from", "answer*")
    for one in found:
        output.row(listing, f"{one.confidence:.2f}", one.source, one.text)
    output.show(listing, empty="There is no suggestion.")
