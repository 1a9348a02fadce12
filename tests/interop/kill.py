"""Kills the program at random moments of a two-way synchronisation, restarts it each time, and looks whether everything ends whole.

    tests/interop/kill.py PIMSYNC [KILLS] [SEED]

Half of 5,000 messages come down and half go up; when a run ends before it is killed, both sides are changed again. In the end each message must be
on both sides exactly once, in the same folder, with the same flags, and nothing may be left to do. Needs nothing but Python.
"""

import collections
import pathlib
import random
import re
import sys
import tempfile
import time

from embedded import ACCOUNT, Server
from kills import come_to_rest, kill_often, set_up

EACH_WAY = 2500
FOLDERS = ["Inbox", "Archive", "Archive/Letters"]


def mime(number, lines):
    text = "All of this has to be there in the end.\r\n" * lines
    return (
        f"From: ada@example.org\r\nTo: {ACCOUNT}\r\nSubject: Number {number}\r\nMessage-ID: <{number}@kill.example>\r\n"
        f"Date: Sat, 03 Jan 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n{text}end-{number}\r\n"
    ).encode()


class Tree:
    """The account's directory."""

    def __init__(self, root):
        self.root = root
        for folder in FOLDERS:
            for part in ("cur", "new", "tmp"):
                (root / folder / part).mkdir(parents=True, exist_ok=True)

    def files(self):
        return [path for path in self.root.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")]

    def add(self, numbers, dice):
        for number in numbers:
            folder = self.root / dice.choice(FOLDERS)
            (folder / "new" / f"{number}.kill").write_bytes(mime(number, dice.randrange(200)))

    def messages(self):
        found = []
        for path in self.files():
            text = path.read_bytes()
            name = re.search(rb"(?im)^message-id: *(\S+)", text)[1].decode()
            number = name.strip("<>").split("@")[0]
            assert f"end-{number}".encode() in text, f"{path} is torn"
            letters = path.name.partition(":2,")[2]
            folder = path.parent.parent.relative_to(self.root).as_posix()
            found.append((folder, name, "S" in letters, "F" in letters))
        return found


def change(dice, server, tree, expected, numbers):
    """Everybody goes on working."""
    new = [next(numbers) for _ in range(400)]
    tree.add(new[:200], dice)
    folders = server.folders()
    server.add(folders[dice.choice([folder for folder in FOLDERS if folder in folders])], [mime(number, 20) for number in new[200:]])
    expected.update(new)
    files = [path for path in tree.files() if path.parent.name == "cur" and "Deleted Items" not in path.parts]
    dice.shuffle(files)
    for path in files[:300]:
        key, _, letters = path.name.partition(":2,")
        letters = letters.replace("F", "") if "F" in letters else "".join(sorted("F" + letters))
        path.rename(path.with_name(f"{key}:2,{letters}"))
    for path in files[300:330]:
        # What is deleted goes to the server's Deleted Items, and comes from there: it stays one message.
        path.unlink()
    for path in files[330:400]:
        path.rename(tree.root / dice.choice(FOLDERS) / "cur" / path.name)
    _, ids = server.messages()
    server.mark_read(dice.sample(sorted(ids.values()), min(200, len(ids))))


def main():
    program = sys.argv[1]
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        server = Server(program, str(home / "server.db"))
        try:
            play(program, server, home, dice, kills)
        finally:
            server.stop()


def play(program, server, home, dice, kills):
    server.create_folder(None, "Archive")
    server.create_folder(server.folders()["Archive"], "Letters")
    numbers = iter(range(1, 1 << 30))
    expected = set()
    for at, folder in enumerate(FOLDERS):
        new = [next(numbers) for _ in range(at, EACH_WAY, len(FOLDERS))]
        server.add(server.folders()[folder], [mime(number, dice.randrange(200)) for number in new])
        expected.update(new)
    environment, database = set_up(program, server, home)
    tree = Tree(database / "Exchange" / ACCOUNT)
    new = [next(numbers) for _ in range(EACH_WAY)]
    tree.add(new, dice)
    expected.update(new)

    began = time.monotonic()
    ended = kill_often([program, "sync"], environment, kills, dice, lambda: change(dice, server, tree, expected, numbers))
    print(f"{kills} kills, {ended} runs to the end; {len(tree.files())} messages here, {len(server.messages()[0])} there, of {len(expected)}")
    come_to_rest(program, environment)

    here, there = tree.messages(), server.messages()[0]
    for where, messages in (("here", here), ("there", there)):
        counts = collections.Counter(name for _, name, _, _ in messages)
        names = {f"<{number}@kill.example>" for number in expected}
        assert not names - counts.keys(), f"lost {where}: {sorted(names - counts.keys())[:5]}"
        assert not counts.keys() - names, f"came back {where}: {sorted(counts.keys() - names)[:5]}"
        doubled = [name for name, count in counts.items() if count > 1]
        assert not doubled, f"doubled {where}: {doubled[:5]}"
    assert sorted(here) == sorted(there), f"the sides differ: {sorted(set(here) ^ set(there))[:6]}"
    conflicts = list((database / "On My Computer").glob("Conflicts/*/*")) if (database / "On My Computer").is_dir() else []
    assert not conflicts, f"there are conflicts: {conflicts[:3]}"
    print(f"{len(here)} messages whole after {time.monotonic() - began:.0f} s")


main()
