"""Kills the program at random moments of a two-way synchronisation, restarts it each time, and looks whether everything ends whole.

    tests/interop/kill.py PIMSYNC [KILLS] [SEED] [--watch]

Half of 5,000 messages come down and half go up; when a run ends before it is killed, both sides are changed again. With --watch it is a watch that is
killed, and both sides are changed while it runs. In the end each message must be
on both sides exactly once, in the same folder, with the same flags, and nothing may be left to do. Needs nothing but Python.
"""

import collections
import contextlib
import pathlib
import random
import re
import sys
import tempfile
import time

from embedded import ACCOUNT, Server
from kills import come_to_rest, kill_often, set_up, watch_often

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


def change(dice, server, tree, expected, numbers, much=400):
    """Everybody goes on working. What a watch just gave another name, or what just left its folder, is let alone."""
    half, flagged, moved = much // 2, much * 3 // 4, much * 33 // 40
    new = [next(numbers) for _ in range(much)]
    tree.add(new[:half], dice)
    folders = server.folders()
    server.add(folders[dice.choice([folder for folder in FOLDERS if folder in folders])], [mime(number, 20) for number in new[half:]])
    expected.update(new)
    files = [path for path in tree.files() if path.parent.name == "cur" and "Deleted Items" not in path.parts]
    dice.shuffle(files)
    for path in files[:flagged]:
        key, _, letters = path.name.partition(":2,")
        letters = letters.replace("F", "") if "F" in letters else "".join(sorted("F" + letters))
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f"{key}:2,{letters}"))
    for path in files[flagged:moved]:
        # What is deleted goes to the server's Deleted Items, and comes from there: it stays one message.
        path.unlink(missing_ok=True)
    for path in files[moved:much]:
        with contextlib.suppress(FileNotFoundError):
            path.rename(tree.root / dice.choice(FOLDERS) / "cur" / path.name)
    _, ids = server.messages()
    for name in dice.sample(sorted(ids), min(half, len(ids))) if much < 100 else []:
        # One by one: another may have been moved meanwhile.
        with contextlib.suppress(AssertionError):
            server.mark_read([ids[name]])
    if much >= 100:
        server.mark_read(dice.sample(sorted(ids.values()), min(half, len(ids))))


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--watch"]
    program = arguments[0]
    kills = int(arguments[1]) if len(arguments) > 1 else 50
    seed = int(arguments[2]) if len(arguments) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        server = Server(program, str(home / "server.db"))
        try:
            play(program, server, home, dice, kills, "--watch" in sys.argv)
        finally:
            server.stop()


def play(program, server, home, dice, kills, is_watch):
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
    if is_watch:
        with (database / "identity.toml").open("a") as settings:
            settings.write("poll_interval = 10\npush_delay = 1\n")
        ended = watch_often([program, "watch", "--quiet"], environment, kills, dice, lambda: change(dice, server, tree, expected, numbers, 20))
    else:
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
