"""When series take place: the server's calendar view of a series and an independent library's expansion of its file name the same instants, over ten
years, in ten zones with different rules. Random series with exceptions are made on the server and in files, brought across by whole syncs, then
changed on both sides, exceptions taken back included, and compared again.

    tests/interop/expansion.py PIMSYNC [SERIES [SEED]]

Needs icalendar and recurring-ical-events.
"""

import collections
import datetime
import html
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import zoneinfo

import icalendar
import recurring_ical_events

import embedded

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
FROM, UNTIL = datetime.datetime(2026, 1, 1, tzinfo=UTC), datetime.datetime(2036, 1, 1, tzinfo=UTC)
PER_CALENDAR = 50
ZONES = {
    "Europe/Berlin": "W. Europe Standard Time",
    "Europe/London": "GMT Standard Time",
    "America/New_York": "Eastern Standard Time",
    "America/St_Johns": "Newfoundland Standard Time",
    "America/Santiago": "Pacific SA Standard Time",
    "Australia/Lord_Howe": "Lord Howe Standard Time",
    "Pacific/Auckland": "New Zealand Standard Time",
    "Asia/Jerusalem": "Israel Standard Time",
    "Africa/Cairo": "Egypt Standard Time",
    "Asia/Kolkata": "India Standard Time",
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
CODES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
MONTHS = "January February March April May June July August September October November December".split()
INDEXES = {"First": "1", "Second": "2", "Third": "3", "Fourth": "4", "Last": "-1"}
SETS = {"Day": range(7), "Weekday": range(5), "WeekendDay": range(5, 7)}


class Machine:
    """A machine that synchronizes the mailbox."""

    def __init__(self, program, home, url):
        home.mkdir()
        self.program = program
        self.environment = {"PIMSYNC_ROOT": str(home / "root"), "HOME": str(home), "TZ": "Europe/Berlin"}
        (home / "password").write_text("demo")
        account = ("setup", embedded.ACCOUNT, "--server", url, "--password-file", str(home / "password"), "--non-interactive", "--no-sync")
        self.run(*account)
        self.sync()
        self.calendars = next((home / "root").glob("Identities/*/Database")) / "Exchange" / embedded.ACCOUNT / "Calendar"

    def run(self, *command):
        done = subprocess.run((self.program, *command), env=self.environment, capture_output=True, text=True)
        assert done.returncode in (0, 3), f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def sync(self):
        """One synchronisation; what it did."""
        account = json.loads(self.run("sync", "--json"))["accounts"][0]
        assert not account["notices"], account["notices"][:5]
        return {what: count for what, count in account["total"].items() if count}


class Series:
    """A random series: when it begins, how long it takes, and how it repeats, in both languages."""

    def __init__(self, chance, uid):
        self.uid, self.zone = uid, chance.choice(list(ZONES))
        self.all_day = chance.random() < 0.2
        # The hours at which clocks change count more often than others.
        hour = chance.choice([0, 1, 2, 3, chance.randrange(24), chance.randrange(24)])
        self.time = datetime.time(0, 0) if self.all_day else datetime.time(hour, chance.choice([0, 15, 30, 45]))
        self.minutes = chance.choice([1440, 1440, 2880]) if self.all_day else chance.choice([0, 30, 60, 90, 240, 1200])
        self.first = datetime.date(2026, 1, 1) + chance.randrange(9 * 365) * DAY
        kind = chance.choice(["daily", "weekly", "weekly", "absolute", "relative", "yearly", "relative-yearly"])
        getattr(self, kind.replace("-", "_"))(chance)
        self.is_dense = kind in ("daily", "weekly")
        self.range(chance)

    def daily(self, chance):
        every = chance.choice([3, 3, 4, 5, 7, 10, 31, 100]) if self.minutes > 1200 else chance.choice([1, 1, 2, 3, 10, 45, 365])
        self.pattern = f"<t:DailyRecurrence><t:Interval>{every}</t:Interval></t:DailyRecurrence>"
        self.rule = f"FREQ=DAILY;INTERVAL={every}"

    def weekly(self, chance):
        every, first = chance.choice([1, 1, 2, 3, 4, 9]), chance.choice([0, 6, 3])
        # Where an occurrence takes more than a day, the next one must not be on the day after.
        days = [chance.randrange(7)] if self.minutes > 1200 else sorted(chance.sample(range(7), chance.randint(1, 4)))
        names = " ".join(DAYS[day] for day in days)
        self.pattern = (
            f"<t:WeeklyRecurrence><t:Interval>{every}</t:Interval><t:DaysOfWeek>{names}</t:DaysOfWeek>"
            f"<t:FirstDayOfWeek>{DAYS[first]}</t:FirstDayOfWeek></t:WeeklyRecurrence>"
        )
        self.rule = f"FREQ=WEEKLY;INTERVAL={every};BYDAY={','.join(CODES[day] for day in days)};WKST={CODES[first]}"
        self.begin(lambda day: day.weekday() in days)

    def absolute(self, chance):
        every, day = chance.choice([1, 1, 2, 3, 6, 13]), chance.choice([1, 15, 28, 29, 30, 31, chance.randint(1, 28)])
        self.pattern = f"<t:AbsoluteMonthlyRecurrence><t:Interval>{every}</t:Interval><t:DayOfMonth>{day}</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>"
        self.rule = f"FREQ=MONTHLY;INTERVAL={every};" + (f"BYMONTHDAY={day}" if day <= 28 else "BYMONTHDAY=-1")
        self.begin(lambda at: at.day == day if day <= 28 else (at + DAY).day == 1)

    def yearly(self, chance):
        month, day = chance.randint(1, 12), chance.choice([1, 28, chance.randint(1, 28)])
        self.pattern = f"<t:AbsoluteYearlyRecurrence><t:DayOfMonth>{day}</t:DayOfMonth><t:Month>{MONTHS[month - 1]}</t:Month></t:AbsoluteYearlyRecurrence>"
        self.rule = f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}"
        self.begin(lambda at: (at.month, at.day) == (month, day))

    def relative_days(self, chance):
        index = chance.choice(list(INDEXES))
        named = chance.choice(DAYS * 2 + list(SETS))
        days = SETS.get(named) or [DAYS.index(named)]
        by = f"BYDAY={','.join(CODES[day] for day in days)};BYSETPOS={INDEXES[index]}"
        if named in DAYS and chance.random() < 0.5:
            by = f"BYDAY={INDEXES[index]}{CODES[days[0]]}"

        def is_it(at):
            month = [at.replace(day=1) + count * DAY for count in range(31)]
            month = [day for day in month if day.month == at.month and day.weekday() in days]
            return at == month[-1 if index == "Last" else int(INDEXES[index]) - 1]

        return f"<t:DaysOfWeek>{named}</t:DaysOfWeek><t:DayOfWeekIndex>{index}</t:DayOfWeekIndex>", by, is_it

    def relative(self, chance):
        every, (words, by, is_it) = chance.choice([1, 1, 2, 3, 5]), self.relative_days(chance)
        self.pattern = f"<t:RelativeMonthlyRecurrence><t:Interval>{every}</t:Interval>{words}</t:RelativeMonthlyRecurrence>"
        self.rule = f"FREQ=MONTHLY;INTERVAL={every};{by}"
        self.begin(is_it)

    def relative_yearly(self, chance):
        month, (words, by, is_it) = chance.randint(1, 12), self.relative_days(chance)
        self.pattern = f"<t:RelativeYearlyRecurrence>{words}<t:Month>{MONTHS[month - 1]}</t:Month></t:RelativeYearlyRecurrence>"
        self.rule = f"FREQ=YEARLY;BYMONTH={month};{by}"
        self.begin(lambda at: at.month == month and is_it(at))

    def begin(self, is_it):
        """Moves the start to the first occurrence: what a file means whose first day is none of the rule is not the same everywhere."""
        while not is_it(self.first):
            self.first += DAY

    def range(self, chance):
        ends = ["count", "until"] if self.is_dense else ["count", "until", "never"]
        end = chance.choice(ends)
        start = f"<t:StartDate>{self.first}</t:StartDate>"
        if end == "count":
            self.count = chance.randint(1, 40)
            self.ends = f"<t:NumberedRecurrence>{start}<t:NumberOfOccurrences>{self.count}</t:NumberOfOccurrences></t:NumberedRecurrence>"
            self.rule += f";COUNT={self.count}"
        elif end == "until":
            last = self.first + chance.randint(1, 150 if self.is_dense else 3000) * DAY
            self.ends = f"<t:EndDateRecurrence>{start}<t:EndDate>{last}</t:EndDate></t:EndDateRecurrence>"
            if self.all_day:
                self.rule += f";UNTIL={last:%Y%m%d}"
            else:
                until = datetime.datetime.combine(last, self.time, zoneinfo.ZoneInfo(self.zone)).astimezone(UTC)
                self.rule += f";UNTIL={until:%Y%m%dT%H%M%SZ}"
        else:
            self.ends = f"<t:NoEndRecurrence>{start}</t:NoEndRecurrence>"

    def element(self):
        start = datetime.datetime.combine(self.first, self.time)
        end = start + datetime.timedelta(minutes=self.minutes)
        zone = html.escape(ZONES[self.zone], quote=True)
        return (
            f"<t:CalendarItem><t:Subject>As ever</t:Subject><t:ReminderIsSet>false</t:ReminderIsSet><t:UID>{self.uid}</t:UID>"
            f"<t:Start>{start.isoformat()}</t:Start><t:End>{end.isoformat()}</t:End><t:IsAllDayEvent>{str(self.all_day).lower()}</t:IsAllDayEvent>"
            f'<t:Recurrence>{self.pattern}{self.ends}</t:Recurrence><t:StartTimeZone Id="{zone}"/><t:EndTimeZone Id="{zone}"/></t:CalendarItem>'
        )

    def begins_in_a_gap(self):
        """Whether the clocks skip the first start or its end: such a file is held, since the server knows the time of day by them."""
        start = datetime.datetime.combine(self.first, self.time)
        zone = zoneinfo.ZoneInfo(self.zone)
        shown = lambda at: at.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        return not self.all_day and any(shown(at) != at for at in (start, start + datetime.timedelta(minutes=self.minutes)))

    def put(self, event, name, at):
        """A time of the series, as its file says it."""
        event.add(name, at.date() if self.all_day else at.replace(tzinfo=zoneinfo.ZoneInfo(self.zone)))

    def calendar(self, chance):
        """The file that another program would write, some exceptions in it."""
        calendar = icalendar.Calendar()
        calendar.add("version", "2.0")
        calendar.add("prodid", "-//expansion//EN")
        master = self.event("As ever", datetime.datetime.combine(self.first, self.time), self.minutes)
        master.add("rrule", icalendar.vRecur.from_ical(self.rule))
        calendar.add_component(master)
        days = sorted({at.replace(tzinfo=None) for at in self.starts(calendar)})
        chosen = chance.sample(days[1:-1], min(len(days[1:-1]), chance.randint(0, 5)))
        for number, at in enumerate(chosen):
            if number % 2:
                self.put(master, "exdate", at)
                continue
            moved = at if self.all_day else self.moved(chance, at)
            override = self.event(f"Different {number}", moved, self.minutes)
            self.put(override, "recurrence-id", at)
            calendar.add_component(override)
        if chance.random() < 0.5 and not self.all_day:
            calendar.add_missing_timezones()
        return calendar

    def moved(self, chance, at):
        """Another time of the same day."""
        return at.replace(hour=chance.randrange(24), minute=chance.choice([0, 20, 40]))

    def event(self, summary, start, minutes):
        event = icalendar.Event()
        event.add("uid", self.uid)
        event.add("dtstamp", datetime.datetime(2026, 1, 1, tzinfo=UTC))
        event.add("summary", summary)
        self.put(event, "dtstart", start)
        self.put(event, "dtend", start + datetime.timedelta(minutes=minutes))
        return event

    def starts(self, calendar):
        for event in recurring_ical_events.of(calendar).between(FROM, UNTIL):
            at = event["dtstart"].dt
            yield at if isinstance(at, datetime.datetime) else datetime.datetime.combine(at, self.time)


def responses(answer):
    """What was answered for each item of a request: the text, or nothing where it was refused."""
    parts = re.split(r"<m:\w+ResponseMessage ", answer)[1:]
    return [part if part.startswith('ResponseClass="Success"') else None for part in parts]


class Mailbox(embedded.Server):
    def try_each(self, request):
        """Asks for several things of which some may be refused."""
        try:
            return responses(self.ask(request))
        except AssertionError as refusal:
            return responses(str(refusal))

    def make_calendar(self, name):
        answer = self.ask(
            '<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderId><m:Folders><t:CalendarFolder>'
            f"<t:DisplayName>{name}</t:DisplayName></t:CalendarFolder></m:Folders></m:CreateFolder>"
        )
        return re.search(r'<t:FolderId [^>]*?Id="([^"]+)"', answer)[1]

    def calendars(self):
        answer = self.ask(
            '<m:FindFolder Traversal="Shallow"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
            '<m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindFolder>'
        )
        found = re.findall(r"<t:CalendarFolder>(.*?)</t:CalendarFolder>", answer, re.S)
        return {re.search(r"<t:DisplayName>(.*?)<", one)[1]: re.search(r'<t:FolderId [^>]*?Id="([^"]+)"', one)[1] for one in found}

    def create(self, folder, all_series):
        """Makes series; their ids by UID. Some have no occurrence at all, and are refused."""
        items = "".join(series.element() for series in all_series)
        found = self.try_each(
            '<m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId>'
            f'<t:FolderId Id="{folder}"/></m:SavedItemFolderId><m:Items>{items}</m:Items></m:CreateItem>'
        )
        ids = [found and re.search(r'<t:ItemId [^>]*?Id="([^"]+)"', found)[1] for found in found]
        return {series.uid: own for series, own in zip(all_series, ids) if own}

    def except_some(self, ids, chance):
        """Deletes occurrences, moves some and renames some; what the server refuses stays as it is."""
        chosen = [(own, number) for own in ids.values() for number in chance.sample(range(1, 16), chance.randint(0, 5))]
        deleted, changed = chosen[::2], chosen[1::2]
        each = "".join(f'<t:OccurrenceItemId RecurringMasterId="{own}" InstanceIndex="{number}"/>' for own, number in deleted)
        done = [self.try_each(
            f'<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>{each}</m:ItemIds></m:DeleteItem>'
        )] if deleted else []
        each = "".join(f'<t:OccurrenceItemId RecurringMasterId="{own}" InstanceIndex="{number}"/>' for own, number in changed)
        found = self.try_each(
            '<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="calendar:Start"/>'
            '<t:FieldURI FieldURI="calendar:End"/><t:FieldURI FieldURI="calendar:IsAllDayEvent"/></t:AdditionalProperties></m:ItemShape>'
            f"<m:ItemIds>{each}</m:ItemIds></m:GetItem>"
        ) if changed else []
        changes = ""
        for (own, number), item in zip(changed, found):
            if item is None:
                continue
            start, end = (time(item, name) for name in ("Start", "End"))
            shift = datetime.timedelta(minutes=chance.choice([0, 0, 30, -30, 60, -60, 180, 1440, -1440]))
            updates = field("item:Subject", f"<t:Subject>Different {number}</t:Subject>")
            if shift and "<t:IsAllDayEvent>false<" in item:
                longer = datetime.timedelta(minutes=chance.choice([0, 0, 15]))
                updates += field("calendar:Start", f"<t:Start>{start + shift:%Y-%m-%dT%H:%M:%SZ}</t:Start>")
                updates += field("calendar:End", f"<t:End>{end + shift + longer:%Y-%m-%dT%H:%M:%SZ}</t:End>")
            changes += (
                f'<t:ItemChange><t:OccurrenceItemId RecurringMasterId="{own}" InstanceIndex="{number}"/>'
                f"<t:Updates>{updates}</t:Updates></t:ItemChange>"
            )
        if changes:
            done.append(self.try_each(
                '<m:UpdateItem ConflictResolution="AlwaysOverwrite" SendMeetingInvitationsOrCancellations="SendToNone">'
                f"<m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem>"
            ))
        return sum(1 for some in done for one in some if one)

    def view(self, folder, begin, end):
        """What takes place, by the server's own expansion: (UID, start, end, subject)."""
        answer = self.ask(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="calendar:UID"/><t:FieldURI FieldURI="calendar:Start"/>'
            '<t:FieldURI FieldURI="calendar:End"/></t:AdditionalProperties></m:ItemShape>'
            f'<m:CalendarView StartDate="{begin:%Y-%m-%dT%H:%M:%SZ}" EndDate="{end:%Y-%m-%dT%H:%M:%SZ}"/>'
            f'<m:ParentFolderIds><t:FolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>'
        )
        if 'IncludesLastItemInRange="false"' in answer:
            middle = begin + (end - begin) / 2
            return self.view(folder, begin, middle) | self.view(folder, middle, end)
        found = re.findall(r"<t:CalendarItem>(.*?)</t:CalendarItem>", answer, re.S)
        text = lambda item, name: html.unescape(re.search(f"<t:{name}>(.*?)</t:{name}>", item)[1])
        return {(text(item, "UID"), time(item, "Start"), time(item, "End"), text(item, "Subject")) for item in found}

    def occurrences(self, folder):
        year = datetime.timedelta(days=700)
        found, begin = set(), FROM
        while begin < UNTIL:
            found |= self.view(folder, begin, min(begin + year, UNTIL))
            begin += year
        return {one for one in found if FROM <= one[1] < UNTIL}


def time(item, name):
    return datetime.datetime.fromisoformat(re.search(f"<t:{name}>(.*?)Z</t:{name}>", item)[1]).replace(tzinfo=UTC)


def field(path, value):
    return f'<t:SetItemField><t:FieldURI FieldURI="{path}"/><t:CalendarItem>{value}</t:CalendarItem></t:SetItemField>'


def expanded(path, zones):
    """What takes place, by the library's expansion of a file."""
    calendar = icalendar.Calendar.from_ical(path.read_bytes())
    found = set()
    for event in recurring_ical_events.of(calendar).between(FROM - DAY, UNTIL + DAY):
        uid = str(event["uid"])

        def instant(at):
            if not isinstance(at, datetime.datetime):
                # Whole days are from midnight to midnight where the series is.
                at = datetime.datetime.combine(at, datetime.time(0, 0), zones[uid])
            return at.astimezone(UTC)

        start, end = instant(event["dtstart"].dt), instant(event["dtend"].dt)
        if FROM <= start < UNTIL:
            found.add((uid, start, end, str(event["summary"])))
    return found


def compare(mailbox, machine, zones, told):
    """Compares both sides of all calendars; how many series and occurrences there are."""
    series = occurrences = 0
    for name, folder in sorted(mailbox.calendars().items()):
        files = sorted((machine.calendars / name).glob("*.ics"))
        here = set().union(*(expanded(path, zones) for path in files)) if files else set()
        there = mailbox.occurrences(folder)
        if here != there:
            missing = collections.Counter(one[0] for one in here ^ there)
            uid = min(missing)
            path = next((path for path in files if uid in path.read_text()), None)
            words = lambda some: "\n  ".join(str(one[1:]) for one in sorted(some) if one[0] == uid)
            raise SystemExit(
                f"{told}: {len(missing)} series of {name} differ; {uid} takes place only by its file:\n  {words(here - there)}\n"
                f"only on the server:\n  {words(there - here)}\n{path and path.read_text()}"
            )
        series, occurrences = series + len(files), occurrences + len(here)
    print(f"{told}: {occurrences} occurrences of {series} series are the same", flush=True)
    return series


def take_back(path, chance):
    """Removes an exception from a file, as text: an EXDATE or an override."""
    text = path.read_bytes().decode()
    unfolded = text.replace("\r\n ", "")
    found = re.findall(r"EXDATE[^\r\n]*\r\n|BEGIN:VEVENT\r\n(?:(?!BEGIN:VEVENT).)*?RECURRENCE-ID(?:(?!BEGIN:VEVENT).)*?END:VEVENT\r\n", unfolded, re.S)
    if not found:
        return False
    path.write_bytes(unfolded.replace(chance.choice(found), "").encode())
    return True


def main(program, count=3000, seed=1):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        mailbox = Mailbox(pathlib.Path(program).resolve(), work / "store.db")
        try:
            machine = Machine(str(pathlib.Path(program).resolve()), work / "machine", mailbox.url)
            zones, ids, exceptions = {}, {}, 0
            for at in range(0, count // 2, PER_CALENDAR):
                some = [Series(chance, f"s{number:05}") for number in range(at, min(at + PER_CALENDAR, count // 2))]
                made = mailbox.create(mailbox.make_calendar(f"There {at:05}"), some)
                zones.update({series.uid: zoneinfo.ZoneInfo(series.zone) for series in some})
                exceptions += mailbox.except_some(made, chance)
                ids.update(made)
            did = machine.sync()
            assert did == {"downloaded": len(ids)}, f"{did}, and {len(ids)} series were made"
            compare(mailbox, machine, zones, f"server to file, {exceptions} exceptions")

            for at in range(0, count // 2, PER_CALENDAR):
                folder = machine.calendars / f"Here {at:05}"
                folder.mkdir()
                for number in range(at, min(at + PER_CALENDAR, count // 2)):
                    series = Series(chance, f"f{number:05}")
                    while series.begins_in_a_gap():
                        series = Series(chance, f"f{number:05}")
                    # Whole days are told in the zone of the machine.
                    zones[series.uid] = zoneinfo.ZoneInfo("Europe/Berlin" if series.all_day else series.zone)
                    (folder / f"{series.uid}.ics").write_bytes(series.calendar(chance).to_ical())
            did = machine.sync()
            assert did == {"uploaded": count // 2}, f"{did}, and {count // 2} files were written"
            compare(mailbox, machine, zones, "file to server")

            changed = mailbox.except_some({uid: ids[uid] for uid in chance.sample(sorted(ids), count // 20)}, chance)
            files = sorted(machine.calendars.glob("Here *0/*.ics"))
            taken = sum(take_back(path, chance) for path in chance.sample(files, count // 20))
            did = machine.sync()
            assert did.get("changed_there") == taken and not machine.sync(), f"{did}, and {taken} files were changed"
            compare(mailbox, machine, zones, f"changed on both sides, {changed} exceptions more and {taken} taken back")
        finally:
            mailbox.stop()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
