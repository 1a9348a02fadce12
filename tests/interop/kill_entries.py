"""Kills the program at random moments while contacts, events and notes go both ways, restarts it each time, and looks whether everything ends whole.

    tests/interop/kill_entries.py PIMSYNC [KILLS] [SEED]

In the end each must be on both sides exactly once and say the same, series with their exceptions, and nothing may be left to do. Needs nothing but
Python.
"""

import collections
import pathlib
import random
import re
import sys
import tempfile
import time

from embedded import ACCOUNT, Server
from entries import There
from kills import come_to_rest, kill_often, set_up

EACH_WAY = 250
EVENTS = 60


class Here:
    """The account's directory."""

    def __init__(self, root):
        self.root = root
        for folder in ("Contacts", "Calendar", "Notes"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def add(self, number):
        (self.root / f"Contacts/k{number}.vcf").write_bytes(
            f"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:k{number}\r\nFN:Number {number}\r\nORG:W0\r\nX-MINE:{number}\r\nEND:VCARD\r\n".encode()
        )
        (self.root / f"Notes/Note {number}.md").write_bytes(f"Note {number}\nW0".encode())

    def add_series(self, number):
        lines = [
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//kill//EN", "BEGIN:VEVENT", f"UID:e{number}", "DTSTAMP:20260101T000000Z",
            f"SUMMARY:Number {number}", "DTSTART:20260105T100000Z", "DTEND:20260105T110000Z", "RRULE:FREQ=WEEKLY;COUNT=10",
            "EXDATE:20260119T100000Z", "END:VEVENT", "BEGIN:VEVENT", f"UID:e{number}", "DTSTAMP:20260101T000000Z",
            "RECURRENCE-ID:20260202T100000Z", f"SUMMARY:Other {number}", "DTSTART:20260202T120000Z", "DTEND:20260202T130000Z", "END:VEVENT",
            "END:VCALENDAR", "",
        ]  # fmt: skip
        (self.root / f"Calendar/e{number}.ics").write_bytes("\r\n".join(lines).encode())

    def told(self):
        """What contacts and notes say, by their numbers."""
        found = collections.defaultdict(list)
        for path in self.root.glob("Contacts/*.vcf"):
            text = path.read_text()
            assert text.endswith("END:VCARD\n"), f"{path} is torn"
            found["contact", int(re.search(r"FN:Number (\d+)", text)[1])].append(re.search(r"(?m)^ORG:(\w+)", text)[1])
        for path in self.root.glob("Notes/*.md"):
            title, word = path.read_text().split("\n")
            found["note", int(title.removeprefix("Note "))].append(word.strip())
        return found

    def edit(self, number, word):
        for path in self.root.glob("Contacts/*.vcf"):
            text = path.read_bytes()
            if f"FN:Number {number}\r\n".encode() in text:
                path.write_bytes(re.sub(rb"ORG:\w+", f"ORG:{word}".encode(), text))
        for path in self.root.glob("Notes/*.md"):
            if path.read_bytes().split(b"\n")[0].strip() == f"Note {number}".encode():
                path.write_bytes(f"Note {number}\n{word}".encode())
                path.rename(path.with_name(f"{number} {word}.md"))


def main():
    program = sys.argv[1]
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        server = Server(program, str(home / "server.db"))
        try:
            play(program, server, home, random.Random(seed), kills)
        finally:
            server.stop()


def play(program, server, home, dice, kills):
    there = There(server)
    count = EACH_WAY
    there.add(range(count))
    environment, database = set_up(program, server, home)
    here = Here(database / "Exchange" / ACCOUNT)
    for number in range(count, 2 * count):
        here.add(number)
    for number in range(EVENTS):
        here.add_series(number)
    words = {number: "W0" for number in range(2 * count)}
    rounds = iter(range(1, 1 << 30))

    def change():
        """Everybody goes on working: odd numbers are edited here, even ones there."""
        word = f"W{next(rounds)}"
        chosen = dice.sample(sorted(words), 40)
        for number in chosen:
            words[number] = word
            if number % 2:
                here.edit(number, word)
        there.edit({number for number in chosen if number % 2 == 0}, word)

    began = time.monotonic()
    ended = kill_often([program, "sync"], environment, kills, dice, change)
    come_to_rest(program, environment)
    for where, told in (("here", here.told()), ("there", there.told())):
        for number, word in words.items():
            for kind in ("contact", "note"):
                assert told[kind, number] == [word], f"{kind} {number} is {told[kind, number]} {where}, not {word}"
        assert len(told) == 2 * len(words), f"{len(told)} {where}"
    whole_series(here, there)
    conflicts = [path for path in (database / "On My Computer/Conflicts").glob("*") if path.is_file()]
    assert not conflicts, f"there are conflicts: {conflicts[:3]}"
    print(f"{kills} kills, {ended} runs to the end: {2 * len(words) + EVENTS} entries whole after {time.monotonic() - began:.0f} s")


def whole_series(here, there):
    files = [path.read_text() for path in here.root.glob("Calendar/*.ics")]
    assert len(files) == EVENTS, f"{len(files)} series here"
    for text in files:
        assert text.count("BEGIN:VEVENT") == 2 and text.count("EXDATE") == 1, f"a series lost its exceptions here: {text}"
    items = there.items("calendar", ["item:Subject", "calendar:ModifiedOccurrences", "calendar:DeletedOccurrences"])
    subjects = {re.search(r"<t:Subject>(.*?)</t:Subject>", item)[1] for item in items}
    assert len(items) == EVENTS and len(subjects) == EVENTS, f"{len(items)} series there, {len(subjects)} different"
    for item in items:
        counts = (item.count("<t:Occurrence>"), item.count("<t:DeletedOccurrence>"))
        assert counts == (1, 1), f"a series has {counts[0]} changed and {counts[1]} deleted occurrences there: {item}"


main()
