"""Takes the power away at every moment of a two-way synchronisation, and looks whether the next run puts everything right.

    tests/interop/power.py PIMSYNC [--images N] [--all] [--seed S] [--jobs J] [--only RUN:PLACE:LOSS]
    tests/interop/power.py PIMSYNC --forget-syncs [--images N] [--seed S]

Four synchronisations (the first one, one with changes of every kind on both sides, one that moves and removes folders, one of contacts, notes and events
that are new and changed on both sides) are run under strace. From what
each did, the disk is made anew as a power failure after any of its calls could have left it; the server, which keeps its power, is put back to what it
was at that moment. Then `pimsync sync` has to bring both sides to just what they were when no power failed: everything there, everything once, and
nothing left to do.

There are five ways to lose power at one moment, since a disk writes what was not synced in any order (LOSSES). --images bounds how many disks are tried,
drawn by --seed (600 unless told otherwise); --all tries each. --only repeats one. --forget-syncs takes no sync but those of state.db for done, so
that mail must get lost: it fails when nothing is found. Needs Python and strace.
"""

import argparse
import base64
import collections
import dataclasses
import hashlib
import http.client
import http.server
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import disk
from embedded import ACCOUNT, Server
from entries import There

DATABASE = ("Identities", "Main", "Database")
# Seconds until the power is back and somebody synchronizes again. A lock of dovecot-keywords counts as left over after two minutes.
BACK_AFTER = 180
CHANGING = re.compile(rb"<(?:\w+:)?((?:Create|Update|Move|Copy|Delete|Empty|Send|Mark|Archive)\w+)[ >]")


# -- the server, and what it was at each moment


class Relay(http.server.ThreadingHTTPServer):
    """Stands before the server. After each request that changes something, and before its answer goes out, a copy of the store is kept."""

    daemon_threads = True

    def __init__(self, server, store, copies):
        self.target = urllib.parse.urlsplit(server.url)
        self.store, self.copies = store, copies
        self.lock = threading.Lock()
        self.events = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{self.target.path}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def keep(self):
        """Keeps a copy, and gives its number."""
        number = len(list(self.copies.iterdir()))
        with sqlite3.connect(self.store) as store, sqlite3.connect(self.copies / str(number)) as copy:
            store.backup(copy)
        store.close()
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.close()
        return number

    def pass_on(self, body, headers):
        # One after the other: so a copy holds what was answered, and no more.
        with self.lock:
            there = http.client.HTTPConnection(self.target.netloc)
            there.request("POST", self.target.path, body, headers)
            answer = there.getresponse()
            text = answer.read()
            there.close()
            if CHANGING.search(body.split(b"Body>", 1)[-1][:200]):
                number = self.keep()
                self.events.append((time.time(), number))
            return answer, text


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length", "connection")}
        answer, text = self.server.pass_on(body, headers)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


# -- the two sides


def mime(name, text="", lines=3):
    filler = "All of this has to be there in the end.\r\n" * lines
    return (
        f"From: ada@example.org\r\nTo: {ACCOUNT}\r\nSubject: {name}\r\nMessage-ID: <{name}@power.example>\r\n"
        f"Date: Sat, 03 Jan 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n{filler}{text}\r\nend-{name}\r\n"
    ).encode()


def essence(content):
    """What of a message has to be the same everywhere: its text."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n").partition(b"\n\n")[2].strip()).hexdigest()[:12]


class Tree:
    """The account's directory, as other programs change it."""

    def __init__(self, root, program=None):
        self.program = program
        self.database = root.joinpath(*DATABASE)
        self.top = self.database / "Exchange" / ACCOUNT

    def make_folder(self, folder):
        for part in ("cur", "new", "tmp"):
            (self.top / folder / part).mkdir(parents=True, exist_ok=True)

    def add(self, folder, name, letters=None, **more):
        self.make_folder(folder)
        part, end = ("new", "") if letters is None else ("cur", f":2,{letters}")
        (self.top / folder / part / f"{name}.power{end}").write_bytes(mime(name, **more))

    def files(self):
        return [path for path in self.top.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")]

    def find(self, name):
        return next(path for path in self.files() if f"<{name}@power.example>".encode() in path.read_bytes())

    def flag(self, name, letters):
        path = self.find(name)
        path.rename(path.parent.parent / "cur" / f"{path.name.partition(':2,')[0]}:2,{letters}")

    def move(self, name, folder):
        path = self.find(name)
        path.rename(self.top / folder / "cur" / path.name)

    def edit(self, name, text):
        path = self.find(name)
        draft = path.parent.parent / "tmp" / "editor"
        draft.write_bytes(mime(name, text))
        draft.rename(path)

    def write(self, path, content):
        (self.top / path).write_bytes(content)

    def replace(self, path, old, new):
        self.write(path, (self.top / path).read_bytes().replace(old, new))

    def entries(self):
        """What the files of contacts, events and notes say, but for what is made up for each: sorted."""
        found = []
        for folder, pattern in (("Contacts", "*.vcf"), ("Calendar", "*.ics"), ("Notes", "*.md")):
            for path in self.top.joinpath(folder).glob("*"):
                assert path.match(pattern), f"{path} was left over"
                text = re.sub(r"(?m)^(UID|DTSTAMP):.*\r?\n", "", path.read_bytes().decode())
                found.append((folder, hashlib.sha256(text.encode()).hexdigest()[:12], text[:300]))
        return sorted(found)

    def messages(self):
        """(folder, Message-ID, read, flagged, text) of everything, sorted."""
        found = []
        for path in self.files():
            content = path.read_bytes()
            name = re.search(rb"(?im)^message-id: *(\S+)", content)
            letters = path.name.partition(":2,")[2]
            folder = path.parent.parent.relative_to(self.top).as_posix()
            found.append((folder, name[1].decode() if name else path.name, "S" in letters, "F" in letters, essence(content)))
        return sorted(found)

    def conflicts(self):
        found = (path for path in (self.database / "On My Computer").rglob("*") if path.is_file() and path.parent.name in ("cur", "new"))
        return sorted(essence(path.read_bytes()) for path in found)

    def categories(self):
        """Which messages have a letter of a category, and what the letters mean there."""
        found = []
        for path in self.files():
            letters = [letter for letter in path.name.partition(":2,")[2] if letter.islower()]
            if letters:
                lines = (path.parent.parent / "dovecot-keywords").read_text().splitlines()
                names = dict(line.split(" ", 1) for line in lines)
                found.append((essence(path.read_bytes()), sorted(names[str(ord(letter) - ord("a"))] for letter in letters)))
        return sorted(found)


def there(server):
    """The same of the server."""
    found, ids = server.messages()
    contents = server.contents(ids.values())
    return sorted((*message, essence(contents[ids[message[1]]])) for message in found)


def both(server, tree):
    return {
        "here": tree.messages(),
        "there": there(server),
        "folders there": sorted(server.folders()),
        "folders here": sorted(path.parent.relative_to(tree.top).as_posix() for path in tree.top.rglob("cur")),
        "conflicts": tree.conflicts(),
        "categories": tree.categories(),
        "entries": tree.entries(),
        "contacts and notes there": sorted(map(str, There(server).told().items())),
        "events there": There(server).series(),
    }


# -- what people do between the runs


def before_first(server, tree):
    server.create_folder(None, "Archive")
    server.create_folder(server.folders()["Archive"], "Letters")
    server.create_folder(None, "Projects")
    folders = server.folders()
    server.add(folders["Inbox"], [mime(f"inbox-{number}") for number in range(20)] + [mime("large", lines=4000)])
    server.add(folders["Archive"], [mime(f"archive-{number}") for number in range(4)])
    server.add(folders["Archive/Letters"], [mime(f"letter-{number}") for number in range(3)])
    server.add(folders["Projects"], [mime(f"project-{number}") for number in range(3)])
    for number in range(3):
        tree.add("Inbox", f"mine-{number}")
        tree.add("Drafts", f"draft-{number}", "DS")
    tree.add("Archive", "mine-read", "S")
    tree.add("Archive", "mine-flagged", "FS")
    tree.add("Plans", "plan-0", "S")
    tree.add("Plans", "plan-1", "S")
    tree.add("Plans/Old", "plan-old", "S")


def before_second(server, tree):
    folders, (_, ids) = server.folders(), server.messages()
    there_is = lambda *names: [ids[f"<{name}@power.example>"] for name in names]
    server.add(folders["Inbox"], [mime(f"later-{number}") for number in range(3)])
    server.update(there_is("inbox-0", "inbox-1"), "message:IsRead", "<t:IsRead>false</t:IsRead>")
    server.update(there_is("inbox-2", "archive-0"), "item:Categories", "<t:Categories><t:String>Blue</t:String></t:Categories>")
    server.move(there_is("inbox-3", "large"), folders["Archive"])
    server.delete(there_is("inbox-4", "letter-0"))
    server.rename_folder(folders["Projects"], "Undertakings")
    server.create_folder(None, "Travel")
    server.add(server.folders()["Travel"], [mime("ticket")])
    text = lambda name, words: f"<t:MimeContent>{base64.b64encode(mime(name, words)).decode()}</t:MimeContent>"
    server.update(there_is("draft-0"), "item:MimeContent", text("draft-0", "edited there"))
    server.update(there_is("draft-2"), "item:MimeContent", text("draft-2", "edited there"))

    tree.add("Inbox", "new-0")
    tree.add("Inbox", "new-1", "S")
    tree.add("Archive/Letters", "new-2", "FS")
    tree.flag("inbox-5", "FS")
    tree.flag("inbox-0", "FS")
    tree.flag("archive-1", "")
    tree.move("inbox-6", "Archive")
    tree.move("archive-2", "Inbox")
    tree.move("letter-1", "Plans")
    tree.find("inbox-7").unlink()
    tree.find("archive-3").unlink()
    tree.edit("draft-1", "edited here")
    tree.edit("draft-2", "edited here")
    (tree.top / "Plans").rename(tree.top / "Pläne")


def before_third(server, tree):
    folders, (_, ids) = server.folders(), server.messages()
    there_is = lambda *names: [ids[f"<{name}@power.example>"] for name in names]
    server.delete_folder(folders["Travel"])
    server.move(there_is("inbox-8"), folders["Undertakings"])
    server.update(there_is("later-0"), "message:IsRead", "<t:IsRead>true</t:IsRead>")
    server.update(there_is("inbox-2"), "item:Categories", "<t:Categories><t:String>Red</t:String></t:Categories>")

    (tree.top / "Pläne").rename(tree.top / "Archive/Pläne")
    for name in ("letter-1", "plan-1", "project-0"):
        tree.move(name, "Inbox")
    tree.flag("inbox-5", "S")
    tree.find("inbox-7").unlink()
    tree.find("mine-read").unlink()
    for path in tree.files():
        if path.is_relative_to(tree.top / "Archive/Letters"):
            path.rename(tree.top / "Archive/cur" / path.name)
    shutil.rmtree(tree.top / "Archive/Letters")
    tree.add("Trips/2026", "trip", "S")


def card(number, word):
    return f"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:k{number}\r\nFN:Number {number}\r\nORG:{word}\r\nX-MINE:{number}\r\nEND:VCARD\r\n".encode()


def series(number, *files):
    attached = [f"ATTACH;ENCODING=BASE64;VALUE=BINARY;FILENAME={name}:{base64.b64encode(text.encode()).decode()}" for name, text in files]
    return "\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//power//EN", "BEGIN:VEVENT", f"UID:e{number}", "DTSTAMP:20260101T000000Z",
        f"SUMMARY:Number {number}", *attached, "DTSTART:20260105T100000Z", "DTEND:20260105T110000Z", "RRULE:FREQ=WEEKLY;COUNT=10",
        "EXDATE:20260119T100000Z", "END:VEVENT", "BEGIN:VEVENT", f"UID:e{number}", "DTSTAMP:20260101T000000Z",
        "RECURRENCE-ID:20260202T100000Z", f"SUMMARY:Other {number}", "DTSTART:20260202T120000Z", "DTEND:20260202T130000Z", "END:VEVENT",
        "END:VCALENDAR", "",
    ]).encode()  # fmt: skip


def before_entries(server, tree):
    """New ones on both sides; synchronized, and then changed, so that the run under strace has some of everything."""
    there = There(server)
    there.add(range(6))
    there.add_series(0, [("plan.txt", "The plan")])
    tree.write("Contacts/k10.vcf", card(10, "W0"))
    tree.write("Notes/Note 10.md", b"Note 10\nW0")
    tree.write("Calendar/e10.ics", series(10, ("list.txt", "A list")))
    program, root = tree.program, tree.database.parents[2]
    done = subprocess.run([program, "sync"], env=environment(root), capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    there.add(range(20, 23))
    there.add_series(1, [("one.txt", "1"), ("two.txt", "2")])
    there.edit({0, 1}, "W1")
    for number in (11, 12):
        tree.write(f"Contacts/k{number}.vcf", card(number, "W0"))
        tree.write(f"Notes/Note {number}.md", f"Note {number}\nW0".encode())
    tree.write("Calendar/e11.ics", series(11, ("a.txt", "A"), ("b.txt", "B")))
    tree.write("Calendar/e10.ics", series(10, ("list.txt", "Another list")).replace(b"Number 10", b"Number 10 b"))
    tree.write("Contacts/k10.vcf", card(10, "W1"))
    tree.replace("Notes/Note 2.md", b"W0", b"W1")
    # The one and the other field of a contact, and the two deletions of an item that nobody edited.
    told = next(path for path in tree.top.glob("Contacts/*.vcf") if b"FN:Number 3\r" in path.read_bytes())
    told.write_bytes(told.read_bytes().replace(b"END:VCARD", b"NICKNAME:Three\r\nEND:VCARD"))
    there.edit({3}, "W1")
    (tree.top / "Notes/Note 4.md").unlink()
    [own] = [item for item in there.items("notes", ["item:Subject"]) if "<t:Subject>Note 5<" in item]
    server.delete(re.findall(r'<t:ItemId [^>]*?Id="([^"]+)"', own))


RUNS = {"first": before_first, "changes": before_second, "folders": before_third, "entries": before_entries}


# -- ways to lose power


def losses(seed, ops, prefix):
    """What survives of a prefix, in each way. Each is a function of a place and what was done there; what was synced survives always."""
    dice = random.Random(f"{seed}:{prefix}")
    names_until, bits = dice.randrange(prefix + 1), [dice.random() < 0.5 for _ in range(prefix)]
    durable = lambda op: op.settled < prefix
    return {
        # Everything was written in time.
        "nothing": lambda place, op: True,
        # What was not synced was not written.
        "unsynced": lambda place, op: durable(op),
        # Names were written, what is in the files was not: empty files, and old content.
        "contents": lambda place, op: durable(op) or not op.is_content(),
        # The contents were written, their names were not.
        "names": lambda place, op: durable(op) or op.is_content(),
        # Names up to some moment, and a part of the contents.
        "some": lambda place, op: durable(op) or (bits[place] if op.is_content() else place < names_until),
    }


# The recordings, by name: filled before the processes are made that try the images, so that each of those has them.
RECORDINGS = {}

LOSSES = ("nothing", "unsynced", "contents", "names", "some")


# -- recording


@dataclasses.dataclass
class Recording:
    """A run: the disk before it with the system's numbers of its inodes, all that was done, and how both sides were in the end."""

    name: str
    url: str
    start: disk.Disk
    known: dict
    ops: list
    first_store: int
    end: dict

    def prefixes(self, everything):
        """After which calls the power fails: each one, or those between which more happened than bytes were added to files."""
        for prefix in range(len(self.ops) + 1):
            last = self.ops[prefix - 1] if prefix else None
            if everything or prefix == len(self.ops) or not last or not last.is_content() or not self.ops[prefix].is_content():
                yield prefix

    def store_at(self, prefix):
        numbers = [op.detail[0] for op in self.ops[:prefix] if op.kind == "server"]
        return numbers[-1] if numbers else self.first_store

    def is_of_state(self, op):
        """Whether a sync is of state.db and its WAL, or of the directory that they lie in."""
        database = self.start.find(DATABASE)
        entries = list(self.start.nodes[database].entries.items())
        for names in (op.detail for op in self.ops if op.kind == "names"):
            entries.extend((name, new) for directory, name, _, new in names if directory == database)
        own = {own for name, own in entries if name.startswith("state.db")} | {database}
        return not own.isdisjoint(op.nodes)

    def image(self, prefix, loss, seed):
        return disk.replay(self.start, self.ops[:prefix], losses(seed, self.ops, prefix)[loss])


def fingerprint(image, store):
    found = hashlib.sha256(str(store).encode())
    for path, own in sorted(image.files()):
        if not path or not path[-1].endswith("-shm"):
            node = image.nodes[own]
            found.update(repr((path, node.entries is None, hashlib.sha256(node.content).digest())).encode())
    return found.digest()


def environment(root):
    return {"PIMSYNC_ROOT": str(root), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def record_all(program, home):
    """The three runs, each with an end to which every power failure in it has to lead."""
    store, copies, root = home / "server.db", home / "copies", home / "root"
    copies.mkdir()
    server = Server(program, str(store))
    try:
        relay = Relay(server, store, copies)
        (home / "password").write_text("demo")
        setup = [program, "setup", ACCOUNT, "--server", relay.url, "--password-file", str(home / "password"), "--non-interactive", "--no-sync"]
        subprocess.run(setup, env=environment(root), check=True, stdout=subprocess.DEVNULL)
        tree = Tree(root, program)
        for name, edit in RUNS.items():
            edit(server, tree)
            start, known = disk.Disk.read(root)
            first_store = relay.keep()
            relay.events.clear()
            trace = str(home / "trace")
            ops, done, now = disk.record([program, "sync"], environment(root), root, trace, start, relay.events, BACK_AFTER)
            assert done.returncode in (0, 3), f"the run {name} failed with {done.returncode}: {done.stderr}"
            same(now, root)
            known.update(identities(now, root))
            recording = Recording(name, relay.url, start, known, ops, first_store, both(server, tree))
            again = subprocess.run([program, "sync"], env=environment(root), capture_output=True, text=True)
            assert "nothing to do" in again.stdout, f"something was left to do after the run {name}: {again.stdout}{again.stderr}"
            kinds = collections.Counter(op.kind for op in ops)
            print(f"{name}: {done.stdout.splitlines()[0]}; {dict(kinds)}", flush=True)
            yield recording
        relay.shutdown()
    finally:
        server.stop()


def same(now, root):
    """What was recorded has to be what was done."""
    really, _ = disk.Disk.read(root)
    contents = lambda tree: {
        path: None if tree.nodes[own].entries is not None else bytes(tree.nodes[own].content)
        for path, own in tree.files()
        if not (path and path[-1].endswith("-shm"))
    }
    recorded, found = contents(now), contents(really)
    differing = [path for path in recorded.keys() | found.keys() if recorded.get(path, 0) != found.get(path, 0)]
    assert not differing, f"the recording is not what happened: {differing[:5]}"


def identities(now, root):
    """What the system calls the inodes of the recording that are still there."""
    return {own: (found.st_dev, found.st_ino) for path, own in now.files() for found in [root.joinpath(*path).stat()]}


# -- trying one image


@dataclasses.dataclass(frozen=True)
class Case:
    """One power failure."""

    run: str
    prefix: int
    loss: str

    def __str__(self):
        return f"{self.run}:{self.prefix}:{self.loss}"


def try_out(options, home, case):
    """Returns what is wrong, or None."""
    recording, program = RECORDINGS[case.run], options.program
    work = pathlib.Path(tempfile.mkdtemp(dir=home))
    root = work / "root"
    shutil.copy(home / "copies" / str(recording.store_at(case.prefix)), work / "server.db")
    server = Server(program, str(work / "server.db"))
    try:
        # The account's settings name the server's port, which is another one now.
        ports = [f":{urllib.parse.urlsplit(url).port}/".encode() for url in (recording.url, server.url)]
        settings = lambda path, content: content.replace(*ports) if path[-1] == "identity.toml" else content
        image = recording.image(case.prefix, case.loss, options.seed)
        known = image.write_to(root, settings)
        keep_identities(root, recording.known, known)
        return recover(program, server, root, recording.end)
    finally:
        server.stop()
        shutil.rmtree(work)


def keep_identities(root, before, now):
    """A real disk keeps its inode numbers, by which renamed directories are known; here they are new, so they are changed where they are noted."""
    path = root.joinpath(*DATABASE, "state.db")
    if not path.exists():
        return
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, "cannot change the inode numbers"
        return
    # Not closed, so that the WAL stays as the program will find it.
    code = 1
    try:
        state = sqlite3.connect(path, isolation_level=None)
        tables = state.execute("SELECT 1 FROM sqlite_master WHERE name = 'folder'").fetchall()
        # A number that was used twice means what is there.
        translated = {real: now[own] for own, real in before.items() if own in now}
        rows = state.execute("SELECT key, dev, ino FROM folder WHERE ino IS NOT NULL").fetchall() if tables else []
        if rows:
            state.execute("BEGIN")
            for (_, old), (_, new) in translated.items():
                state.execute("UPDATE entry SET ino = -? WHERE ino = ?", (new, old))
            state.execute("UPDATE entry SET ino = -ino WHERE ino < 0")
            for key, dev, ino in rows:
                state.execute("UPDATE folder SET dev = ?, ino = ? WHERE key = ?", (*translated.get((dev, ino), (0, 0)), key))
            state.execute("COMMIT")
        code = 0
    finally:
        os._exit(code)


def recover(program, server, root, end):
    run = lambda: subprocess.run([program, "sync"], env=environment(root), capture_output=True, text=True, timeout=120)
    first = run()
    if first.returncode not in (0, 3):
        return f"the next run failed with {first.returncode}: {first.stderr}"
    found = both(server, Tree(root))
    for what, wanted in end.items():
        if found[what] != wanted:
            lost = list((collections.Counter(map(str, wanted)) - collections.Counter(map(str, found[what]))).elements())
            more = list((collections.Counter(map(str, found[what])) - collections.Counter(map(str, wanted))).elements())
            return f"{what}: missing {lost[:4]}, too much {more[:4]}\n    {first.stdout.strip()}{first.stderr.strip()}"
    second = run()
    if second.returncode not in (0, 3) or "nothing to do" not in second.stdout:
        return f"the run after the next still had something to do: {second.stdout}{second.stderr}\n    after {first.stdout}{first.stderr}"
    return None


def guarded(work):
    options, home, case = work
    try:
        return case, try_out(options, home, case)
    except Exception as error:  # Told with its case.
        return case, f"{type(error).__name__}: {error}"


def cases(options, home):
    """Every different disk: many moments leave the same."""
    seen = set()
    for recording in record_all(options.program, home):
        RECORDINGS[recording.name] = recording
        if options.forget_syncs:
            disk.settle(recording.ops, recording.is_of_state)
        count = 0
        for prefix in recording.prefixes(options.all):
            for loss in LOSSES:
                mark = (recording.name, fingerprint(recording.image(prefix, loss, options.seed), recording.store_at(prefix)))
                if mark not in seen:
                    seen.add(mark)
                    count += 1
                    yield Case(recording.name, prefix, loss)
        print(f"{recording.name}: {count} different disks", flush=True)


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--forget-syncs", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", action="append", default=[])
    return parser.parse_args()


def main():
    options = read_options()
    print(f"seed {options.seed}")
    began = time.monotonic()
    memory = pathlib.Path("/dev/shm")
    fast = memory if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 29 else None
    with tempfile.TemporaryDirectory(dir=fast) as home:
        home = pathlib.Path(home)
        chosen = list(cases(options, home))
        total = len(chosen)
        if options.only:
            chosen = [case for case in chosen if str(case) in options.only]
        elif not options.all and total > options.images:
            chosen = random.Random(options.seed).sample(chosen, options.images)
        wrong = []
        with multiprocessing.Pool(options.jobs) as pool:
            for case, trouble in pool.imap_unordered(guarded, [(options, home, case) for case in chosen]):
                if trouble:
                    wrong.append(case)
                    print(f"{case}: {trouble}", flush=True)
        print(f"{len(chosen) - len(wrong)} of {len(chosen)} recovered ({total} different disks) after {time.monotonic() - began:.0f} s")
    return bool(wrong) != options.forget_syncs


if __name__ == "__main__":
    sys.exit(main())
