"""The part of X's query language that rules for customer service use ("Build a query").

Words, phrases, `@name`, `from:`, `to:`, `conversation_id:`, `url:`, `is:`, `OR`, `-` and
parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from channelmix_twitter.simulator_world import Post

_TOKENS = re.compile(r'\(|\)|-(?=\S)|(?:[\w]+:)?"[^"]*"|[^\s()]+')
Test = Callable[[Post], bool]
NAMED = {"from", "to", "conversation_id", "url", "is"}
KINDS = {"retweet", "quote", "reply"}


class QueryError(Exception):
    """A query that X would not take."""


def compiled(query: str) -> Test:
    """Return what tells whether a post matches. Raises: `QueryError`."""
    tokens = iter([*_TOKENS.findall(query), ")"])
    test = _either(tokens)
    if next(tokens, None) is not None:
        raise QueryError("there is a parenthesis too many")
    return test


def _either(tokens: Iterator[str]) -> Test:
    """Read up to the closing parenthesis: `OR` binds less than standing side by side."""
    groups: list[list[Test]] = [[]]
    negated = False
    for token in tokens:
        if token == ")":  # noqa: S105 - as below
            if not all(groups):
                raise QueryError("there is nothing beside an OR, or in parentheses")
            return lambda post: any(all(test(post) for test in group) for group in groups)
        if token == "OR":  # noqa: S105 - a word of the query language
            groups.append([])
        elif token == "-":  # noqa: S105 - as above
            negated = True
        else:
            test = _either(tokens) if token == "(" else _one(token)  # noqa: S105 - as above
            groups[-1].append(_not(test) if negated else test)
            negated = False
    raise QueryError("a parenthesis is missing")


def _not(test: Test) -> Test:
    return lambda post: not test(post)


def _one(token: str) -> Test:
    name, colon, value = token.partition(":")
    value = value.strip('"').lower()
    if not colon:
        word = re.compile(rf"(?<!\w){re.escape(token.strip(chr(34)))}(?!\w)", re.IGNORECASE)
        return lambda post: word.search(post.whole) is not None
    if name not in NAMED or (name == "is" and value not in KINDS):
        raise QueryError(f"there is no operator {token}")
    return {
        "from": lambda post: post.author.called(value),
        "to": lambda post: post.answered is not None and post.answered.called(value),
        "conversation_id": lambda post: post.conversation == value,
        "url": lambda post: value in " ".join(re.findall(r"https?://\S+", post.whole)).lower(),
        "is": lambda post: (
            {
                "retweet": post.retweeted,
                "quote": post.quoted,
                "reply": post.replied_to,
            }[value]
            is not None
        ),
    }[name]
