"""Runs exchangelib, which knows nothing of pimsync, against the embedded Exchange: subscriptions that are asked, and ones that tell at once.
Usage: exchangelib_notifications.py URL ADDRESS PASSWORD"""

import threading

from exchangelib import Message
from exchangelib.errors import ErrorInvalidWatermark, ErrorSubscriptionNotFound
from exchangelib.properties import CreatedEvent, DeletedEvent, ModifiedEvent, MovedEvent, StatusEvent

from exchangelib_steps import run, step


def mail(account, subject):
    item = Message(account=account, folder=account.inbox, subject=subject, body="text")
    item.save()
    return item


def of_items(notifications, kind):
    return [event for one in notifications for event in one.events if isinstance(event, kind) and event.item_id]


@step
def pull(account):
    with account.pull_subscription(timeout=10) as (subscription, watermark):
        first = list(account.inbox.get_events(subscription, watermark))
        assert [type(event) for event in first[0].events] == [StatusEvent], first
        assert first[0].previous_watermark == watermark and first[0].more_events is False
        item = mail(account, "pulled")
        created = item.id
        item.subject = "pulled again"
        item.save(update_fields=["subject"])
        item.move(to_folder=account.drafts)
        moved = item.id
        item.delete()
        told = list(account.inbox.get_events(subscription, watermark))
        assert [event.item_id.id for event in of_items(told, CreatedEvent)] == [created]
        assert [event.item_id.id for event in of_items(told, ModifiedEvent)] == [created]
        (moving,) = of_items(told, MovedEvent)
        assert moving.item_id.id == moved and moving.old_item_id.id == created, moving
        assert moving.old_parent_folder_id.id == account.inbox.id and moving.parent_folder_id.id == account.drafts.id
        assert [event.item_id.id for event in of_items(told, DeletedEvent)] == [moved]
        last = told[-1].events[-1].watermark
        assert [type(event) for event in list(account.inbox.get_events(subscription, last))[0].events] == [StatusEvent]
        try:
            list(account.inbox.get_events(subscription, "AAAAAP//AAAAAAAAAQ=="))
        except ErrorInvalidWatermark:
            pass
        else:
            raise AssertionError("a watermark of what has not happened")
    try:
        list(account.inbox.get_events(subscription, last))
    except ErrorSubscriptionNotFound:
        pass
    else:
        raise AssertionError("a subscription that was ended")


@step
def streaming_what_waited(account):
    with account.inbox.streaming_subscription() as subscription:
        item = mail(account, "streamed")
        told = list(account.inbox.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1))
        assert item.id in [event.item_id.id for event in of_items(told, CreatedEvent)], told
        assert told[0].subscription_id == subscription
    try:
        list(account.inbox.get_streaming_events(subscription, connection_timeout=1))
    except ErrorSubscriptionNotFound:
        pass
    else:
        raise AssertionError("a subscription that was ended")


@step
def streaming_as_it_happens(account):
    """The connection is open when it happens: it is told within the minute that the connection lasts."""
    made = []
    with account.streaming_subscription() as subscription:
        # Whatever of the two comes first.
        thread = threading.Thread(target=lambda: made.append(mail(account, "while it listens").id))
        stream = account.inbox.get_streaming_events(subscription, connection_timeout=1)
        thread.start()
        for notification in stream:
            created = [event.item_id.id for event in of_items([notification], CreatedEvent)]
            thread.join()
            if made[0] in created:
                break
        else:
            raise AssertionError("nothing was told")
        stream.close()


run()
