"""Outgoing actions as calls of X's API ("Manage Posts", "Manage DMs", "Hide replies")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from channelmix.errors import AuthorizationLost, Rejected, RetryLater, Uncertain
from channelmix.hookspecs import Budget
from channelmix.payloads import ident, obj
from channelmix.records import Action, Draft, Kind, Limits, Message, Outgoing, Receipt, limits_for

from channelmix_twitter.client import Api, Refusal
from channelmix_twitter.media import Uploads
from channelmix_twitter.parsing_posts import link
from channelmix_twitter.policy import Verdict


@frozen(kw_only=True)
class Sender:
    """Sends for one account."""

    api: Api
    account: str
    handle: str
    limits: tuple[Limits, ...]
    budget: Budget
    uploads: Uploads
    paid: set[str]
    """The send keys of calls that were paid and not made: X was asked for patience, say."""

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Carry out one outgoing part.

        Raises: `Rejected` where nobody may answer, before any call; `Uncertain` for a refusal
        that may be because of the part's own earlier attempt; and what `Api.send` raises.
        """
        refuse_locked(outgoing)
        # Read before the call: while files go up, time passes.
        again = self.may_be_there(outgoing, self.api.clock.now())
        try:
            receipt = await _ACTIONS[outgoing.action](self, outgoing)
        except (RetryLater, AuthorizationLost):
            raise  # not carried out: what was paid and uploaded is good for the next time
        except Refusal as refusal:
            self._over(outgoing)
            # X refuses what was said just before, with the same status as all it forbids.
            if again and refusal.verdict is Verdict.REFUSED:
                raise Uncertain(str(refusal)) from refusal
            raise
        except BaseException:
            self._over(outgoing)
            raise
        self._over(outgoing)
        return receipt

    def _over(self, outgoing: Outgoing) -> None:
        """Forget a call that was made: the next one costs again."""
        self.paid.discard(outgoing.token)
        self.uploads.forget(outgoing.token)

    def may_be_there(self, outgoing: Outgoing, now: datetime) -> bool:
        """Say whether an earlier attempt may have arrived after all, though it was not found."""
        limits, first = self._limits(outgoing), outgoing.first_sent_at
        return first is not None and limits is not None and now - first >= limits.settle

    def _limits(self, outgoing: Outgoing) -> Limits | None:
        kind = outgoing.target.kind if outgoing.target else None
        return limits_for(self.limits, outgoing.action, kind)

    async def _pay(self, outgoing: Outgoing) -> None:
        """Take what this one call costs from the budget, once. Raises: `RetryLater`."""
        limits = self._limits(outgoing)
        if limits is None or limits.cost is None or outgoing.token in self.paid:
            return
        part = Draft(
            channel=outgoing.channel,
            action=outgoing.action,
            text=outgoing.text,
            attachments=outgoing.attachments,
            # What goes on below our own post is not summoned by anybody.
            target=None if outgoing.previous else outgoing.target,
        )
        await self.budget.spend(limits.cost(part), reply=True)
        self.paid.add(outgoing.token)

    async def post(self, outgoing: Outgoing) -> Receipt:
        """Publish a post: an answer, or one of our own."""
        body: dict[str, Any] = {"text": outgoing.text} if outgoing.text else {}
        if outgoing.action is Action.PUBLIC_REPLY or outgoing.previous:
            body["reply"] = {"in_reply_to_tweet_id": answered(outgoing)}
        if outgoing.attachments:
            media = await self.uploads.all(self.api, outgoing, direct=False)
            body["media"] = {"media_ids": media}
        await self._pay(outgoing)
        made = await self._made("/2/tweets", body, "id")
        return Receipt(ids=(made,), url=link(made, self.handle))

    async def direct(self, outgoing: Outgoing) -> Receipt:
        """Send a direct message: into a conversation, or to who wrote in public."""
        target = target_of(outgoing)
        body: dict[str, Any] = {"text": outgoing.text} if outgoing.text else {}
        if outgoing.attachments:
            media = await self.uploads.all(self.api, outgoing, direct=True)
            body["attachments"] = [{"media_id": one} for one in media]
        await self._pay(outgoing)
        path = f"/2/dm_conversations/{conversation(target)}/messages"
        return Receipt(ids=(await self._made(path, body, "dm_event_id"),))

    async def hide(self, outgoing: Outgoing) -> Receipt:
        """Hide a reply, or show it again."""
        await self._pay(outgoing)
        path = f"/2/tweets/{newest(target_of(outgoing))}/hidden"
        await self.api.send("PUT", path, {"hidden": outgoing.action is Action.HIDE})
        return Receipt()

    async def delete(self, outgoing: Outgoing) -> Receipt:
        """Delete a post of ours; X lets nobody delete another's."""
        await self._pay(outgoing)
        await self.api.send("DELETE", f"/2/tweets/{own(outgoing)}")
        return Receipt()

    async def _made(self, path: str, body: Any, name: str) -> str:
        told = obj((await self.api.send("POST", path, body)).get("data"))
        made = ident(told.get(name))
        if made is None:
            raise Uncertain(f"POST {path}: the answer names no {name}")
        return made


def refuse_locked(outgoing: Outgoing) -> None:
    """Refuse what X lets nobody answer, before X does: a refused call may cost, too."""
    answering = outgoing.action in {Action.PUBLIC_REPLY, Action.PRIVATE_REPLY}
    target = outgoing.target
    private = target is not None and target.kind is Kind.DIRECT_MESSAGE
    if target is None or target.no_reply is None or not answering:
        return
    if outgoing.action is Action.PUBLIC_REPLY or private:
        raise Rejected(target.no_reply)


def newest(target: Message) -> str:
    """Return the id of a post as it stands: an edit has an id of its own."""
    return target.revision or target.id


def answered(outgoing: Outgoing) -> str:
    """Return the post that a part answers: in a thread, the part before."""
    return outgoing.previous or newest(target_of(outgoing))


def conversation(target: Message) -> str:
    """Return where a direct message goes, as a part of the path."""
    if target.kind is Kind.DIRECT_MESSAGE:
        return target.thread
    if target.author is None:
        raise Rejected("X does not tell who wrote this, so nobody can be written to")
    return f"with/{target.author.id}"


def target_of(outgoing: Outgoing) -> Message:
    """Return what is acted on."""
    if outgoing.target is None:
        raise Rejected(f"{outgoing.action}: there is no message to act on")
    return outgoing.target


def own(outgoing: Outgoing) -> str:
    """Return the id of our own post to delete."""
    if outgoing.own_id is None:
        raise Rejected(f"{outgoing.action}: X lets us delete only our own: say which")
    return outgoing.own_id


_ACTIONS: Mapping[Action, Callable[[Sender, Outgoing], Awaitable[Receipt]]] = {
    Action.PUBLIC_REPLY: Sender.post,
    Action.PUBLISH: Sender.post,
    Action.PRIVATE_REPLY: Sender.direct,
    Action.HIDE: Sender.hide,
    Action.UNHIDE: Sender.hide,
    Action.DELETE: Sender.delete,
}
