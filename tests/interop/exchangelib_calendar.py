"""Runs exchangelib against the embedded Exchange: events, series, occurrences, meetings.
Usage: exchangelib_calendar.py URL ADDRESS PASSWORD"""

from datetime import date, timedelta

from exchangelib import Attendee, CalendarItem, EWSDateTime, EWSTimeZone, ExtendedProperty, FileAttachment, Mailbox
from exchangelib.errors import ErrorItemNotFound, ErrorOccurrenceCrossingBoundary
from exchangelib.folders import Calendar
from exchangelib.recurrence import (
    AbsoluteMonthlyPattern,
    AbsoluteYearlyPattern,
    DailyPattern,
    EndDatePattern,
    NoEndPattern,
    NumberedPattern,
    Recurrence,
    RelativeMonthlyPattern,
    RelativeYearlyPattern,
    WeeklyPattern,
)

from exchangelib_steps import run, step

BERLIN = EWSTimeZone("Europe/Berlin")
UTC = EWSTimeZone("UTC")


class Uid(ExtendedProperty):
    distinguished_property_set_id = "PublicStrings"
    property_name = "interop-uid"
    property_type = "String"


CalendarItem.register("interop_uid", Uid)


def at(*parts):
    return EWSDateTime(*parts, tzinfo=BERLIN)


def calendar(account):
    return account.calendar / "Interop"


def event(account, subject, start, end, **more):
    item = CalendarItem(account=account, folder=calendar(account), subject=subject, start=start, end=end, **more)
    return item.save(send_meeting_invitations="SendToNone")


def save(item, *fields):
    item.save(update_fields=list(fields), send_meeting_invitations="SendToNone")


@step
def a_calendar_of_its_own(account):
    Calendar(parent=account.calendar, name="Interop").save()
    account.root.clear_cache()
    assert calendar(account).folder_class == "IPF.Appointment"


@step
def files_of_events(account):
    item = event(account, "Review", at(2026, 7, 3, 9), at(2026, 7, 3, 10), location="Hall")
    item.attach(FileAttachment(name="Plan für Juli.txt", content=b"The plan", content_type="text/plain"))
    item.attach(FileAttachment(name="plan.png", content=b"PNG", is_inline=True, content_id="plan@1"))
    read = calendar(account).get(subject="Review")
    assert sorted((file.name, file.content) for file in read.attachments) == [("Plan für Juli.txt", b"The plan"), ("plan.png", b"PNG")]
    assert {file.name: file.content_id for file in read.attachments}["plan.png"] == "plan@1"
    # A change of the event leaves them alone, and each has its own way out.
    read.location = "Garden"
    save(read, "location")
    read = calendar(account).get(subject="Review")
    read.detach(next(file for file in read.attachments if file.name == "plan.png"))
    read = calendar(account).get(subject="Review")
    assert [file.name for file in read.attachments] == ["Plan für Juli.txt"] and read.location == "Garden"
    read.delete()


@step
def single_events(account):
    folder = calendar(account)
    item = event(
        account,
        "Dentist",
        at(2026, 7, 1, 9),
        at(2026, 7, 1, 10),
        location="Quay 4",
        body="Bring card",
        categories=["Private"],
        sensitivity="Private",
        legacy_free_busy_status="OOF",
        reminder_is_set=True,
        reminder_minutes_before_start=30,
        uid="dentist@example.org",
        interop_uid="dentist",
    )
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.start == at(2026, 7, 1, 9) and read.end == at(2026, 7, 1, 10), read
    assert read._start_timezone.ms_id == "W. Europe Standard Time", read._start_timezone
    assert (read.uid, read.type, read.location) == ("dentist@example.org", "Single", "Quay 4"), read
    assert (read.legacy_free_busy_status, read.sensitivity) == ("OOF", "Private")
    assert read.reminder_minutes_before_start == 30 and read.body == "Bring card" and read.interop_uid == "dentist"
    read.start = at(2026, 12, 1, 9)
    read.end = at(2026, 12, 1, 11)
    read.location = None
    save(read, "start", "end", "location")
    read = folder.get(interop_uid="dentist")
    assert read.start.astimezone(UTC) == EWSDateTime(2026, 12, 1, 8, tzinfo=UTC) and read.location is None, read
    read.delete(send_meeting_cancellations="SendToNone")
    assert folder.all().count() == 0


@step
def all_day_events(account):
    folder = calendar(account)
    item = event(account, "Holiday", date(2026, 8, 3), date(2026, 8, 5), is_all_day=True)
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.is_all_day and (read.start, read.end) == (date(2026, 8, 3), date(2026, 8, 5)), (read.start, read.end)
    folder.wipe()


@step
def every_pattern_comes_back(account):
    folder = calendar(account)
    start = date(2026, 11, 2)
    patterns = [
        DailyPattern(interval=3),
        WeeklyPattern(interval=2, weekdays=["Monday", "Friday"], first_day_of_week="Monday"),
        AbsoluteMonthlyPattern(interval=1, day_of_month=31),
        RelativeMonthlyPattern(interval=2, weekday="Weekday", week_number="Last"),
        AbsoluteYearlyPattern(day_of_month=29, month="February"),
        RelativeYearlyPattern(weekday="Tuesday", week_number="Third", month="November"),
    ]
    boundaries = [
        NoEndPattern(start=start),
        EndDatePattern(start=start, end=date(2036, 1, 1)),
        NumberedPattern(start=start, number=7),
    ]
    for number, pattern in enumerate(patterns):
        boundary = boundaries[number % 3]
        recurrence = Recurrence(pattern=pattern, boundary=boundary)
        item = event(account, f"pattern {number}", at(2026, 11, 2, 9), at(2026, 11, 2, 10), recurrence=recurrence)
        read = folder.get(id=item.id, changekey=item.changekey)
        assert read.type == "RecurringMaster" and read.recurrence.pattern == pattern, read.recurrence
        assert type(read.recurrence.boundary) is type(boundary), read.recurrence
        assert read.first_occurrence.start.date() >= start
        assert (read.last_occurrence is None) == isinstance(boundary, NoEndPattern)
    folder.wipe()


@step
def occurrences(account):
    folder = calendar(account)
    recurrence = Recurrence(
        pattern=WeeklyPattern(interval=1, weekdays=["Monday", "Wednesday"]),
        boundary=NumberedPattern(start=date(2026, 10, 19), number=10),
    )
    item = event(
        account, "Team", at(2026, 10, 19, 9), at(2026, 10, 19, 10), recurrence=recurrence, location="Room 1", body="Agenda"
    )
    master = folder.get(id=item.id, changekey=item.changekey)
    third = master.occurrence(index=3)
    third.refresh()
    assert third.type == "Occurrence" and third.start == at(2026, 10, 26, 9), third
    third.start += timedelta(hours=4)
    third.end += timedelta(hours=4)
    third.subject = "Team, later"
    save(third, "start", "end", "subject")
    master.occurrence(index=5).delete(send_meeting_cancellations="SendToNone")
    master.refresh()
    assert [one.start for one in master.deleted_occurrences] == [at(2026, 11, 2, 9)], master.deleted_occurrences
    assert [one.original_start for one in master.modified_occurrences] == [at(2026, 10, 26, 9)]
    found = list(folder.view(start=at(2026, 10, 26), end=at(2026, 11, 5)))
    starts = [one.start.astimezone(BERLIN) for one in found]
    assert starts == [at(2026, 10, 26, 13), at(2026, 10, 28, 9), at(2026, 11, 4, 9)], starts
    assert [one.type for one in found] == ["Exception", "Occurrence", "Occurrence"]
    of_which = found[0].recurring_master()
    of_which.refresh()
    assert of_which.id == master.id
    beyond = master.occurrence(index=3)
    beyond.refresh()
    beyond.start += timedelta(days=3)
    beyond.end += timedelta(days=3)
    try:
        save(beyond, "start", "end")
    except ErrorOccurrenceCrossingBoundary:
        pass
    else:
        raise AssertionError("an occurrence passed its neighbour")
    master.refresh()
    master.delete(send_meeting_cancellations="SendToNone")
    try:
        beyond.refresh()
    except ErrorItemNotFound:
        pass
    else:
        raise AssertionError("a deleted series is there")


@step
def meetings(account):
    folder = calendar(account)
    item = event(
        account,
        "Plans",
        at(2026, 11, 2, 9),
        at(2026, 11, 2, 10),
        required_attendees=[Attendee(mailbox=Mailbox(email_address="bob@example.com"), response_type="Unknown")],
        optional_attendees=["eve@example.com"],
    )
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.is_meeting and not read.meeting_request_was_sent and read.my_response_type == "Organizer", read
    assert read.organizer.email_address == account.primary_smtp_address
    assert read.required_attendees[0].mailbox.email_address == "bob@example.com"
    assert read.optional_attendees[0].mailbox.email_address == "eve@example.com"
    assert account.sent.filter(subject="Plans").count() == 0
    read.delete(send_meeting_cancellations="SendToNone")


@step
def a_calendar_synchronizes(account):
    folder = calendar(account)
    assert not list(folder.sync_items(only_fields=["subject"]))
    item = event(account, "synced", at(2026, 11, 2, 9), at(2026, 11, 2, 10))
    changes = [(kind, one.subject) for kind, one in folder.sync_items(only_fields=["subject"])]
    assert changes == [("create", "synced")], changes
    item.subject = "synced again"
    save(item, "subject")
    assert [kind for kind, _ in folder.sync_items(only_fields=["subject"])] == ["update"]
    item.delete(send_meeting_cancellations="SendToNone")
    assert [kind for kind, _ in folder.sync_items(only_fields=["subject"])] == ["delete"]
    folder.delete()


@step
def the_sample_is_a_year(account):
    year = [at(2026, 1, 1), at(2027, 1, 1)]
    found = list(account.calendar.view(start=year[0], end=year[1]))
    assert len(found) > 60 and {"Single", "Occurrence", "Exception"} <= {one.type for one in found}
    assert any(one.is_all_day for one in found) and any(one.is_meeting for one in found)


run()
