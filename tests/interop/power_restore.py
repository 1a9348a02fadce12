"""Takes the power away at every moment of a `restore --into`, and looks whether the identity is the old one or the new one, and never a part of either.

    tests/interop/power_restore.py PIMSYNC [--images N] [--seed S] [--forget-syncs]

A restore over an identity that is there is run under strace. From what it did, the disk is made anew as a power failure after any of its calls could
have left it, in the five ways of power.py. Then `Database` has to be just what it was before, or just what came back; or it is missing, and what it was
before lies whole beside it. The archive has to be as it was, and a second restore has to bring everything back. --forget-syncs takes no sync for done, so
that something must get lost: it fails when nothing is found. Needs Python and strace.
"""

import argparse
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import disk
from power import LOSSES, Recording, environment, fingerprint, mime, same

HOME = pathlib.Path("Identities/Main")


def run(program, root, *arguments):
    return subprocess.run([program, *arguments], env=environment(root), capture_output=True, text=True, timeout=120)


def contents(top):
    """All files, but for state.db, which no restore brings back."""
    files = (path for path in top.rglob("*") if path.is_file() and not path.name.startswith("state.db"))
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


def without_marker(found):
    return {path: content for path, content in found.items() if path != ".pimsync"}


def asides(home):
    return [path for path in home.iterdir() if path.name.startswith("Database-until-")]


class Story:
    """A recorded restore, and what was there before and after it."""

    def __init__(self, program, home):
        root, self.program = home / "root", program
        self.check(run(program, root, "setup", "--demo", "--no-sync"))
        local = root / HOME / "Database/On My Computer"
        for number in range(12):
            (local / f"Inbox/cur/{number}.power:2,S").write_bytes(mime(f"here-{number}", lines=number * 40))
        (local / "Notes/large.md").write_bytes(os.urandom(5 << 20))
        self.check(run(program, root, "backup"))
        (local / "Inbox/cur/0.power:2,S").unlink()
        (local / "Notes/later.md").write_text("written after the backup\n")
        self.old = contents(root / HOME / "Database")
        self.archive = contents(root / HOME / "Backups")
        start, known = disk.Disk.read(root)
        command = [program, "restore", "--into", "Main"]
        ops, done, now = disk.record(command, environment(root), root, str(home / "trace"), start, [], 180)
        self.check(done)
        same(now, root)
        self.new = contents(root / HOME / "Database")
        assert without_marker(self.new) != without_marker(self.old)
        self.recording = Recording("restore", "", start, known, ops, 0, {})

    @staticmethod
    def check(done):
        assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}{done.stderr}"

    def trouble(self, root):
        """What is wrong with a disk, or None."""
        home = root / HOME
        database = home / "Database"
        whole_asides = [contents(path) == self.old for path in asides(home)]
        if contents(home / "Backups") != self.archive:
            return "the archive is not what it was"
        if database.exists():
            found = contents(database)
            if found not in (self.old, self.new):
                return f"Database is neither the old nor the new one: {self.differing(found)}"
            if found == self.new and not any(whole_asides):
                return "the old Database is not whole any more"
        elif not any(whole_asides):
            return "there is no Database, and the old one lies nowhere"
        again = run(self.program, root, "restore", "--into", "Main")
        if again.returncode != 0:
            return f"a second restore failed: {again.stderr}"
        if without_marker(contents(database)) != without_marker(self.new):
            return "a second restore does not bring everything back"
        if not any(contents(path) == self.old for path in asides(home)):
            return "the old Database is gone after a second restore"
        left = sorted(path.name for path in home.iterdir() if path.name.startswith("."))
        return f"something is left behind: {left}" if ".restoring" in left else None

    def differing(self, found):
        paths = found.keys() | self.old.keys() | self.new.keys()
        odd = [path for path in paths if found.get(path) not in (self.old.get(path), self.new.get(path))]
        return sorted(odd)[:4] or "a mixture"


STORIES = []


def try_out(work):
    options, home, (prefix, loss) = work
    story = STORIES[0]
    place = pathlib.Path(tempfile.mkdtemp(dir=home))
    try:
        story.recording.image(prefix, loss, options.seed).write_to(place / "root", lambda path, content: content)
        return prefix, loss, story.trouble(place / "root")
    except Exception as error:  # Told with its case.
        return prefix, loss, f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(place)


def cases(recording, seed):
    """Every different disk: many moments leave the same."""
    seen = {}
    for prefix in recording.prefixes(False):
        for loss in LOSSES:
            seen.setdefault(fingerprint(recording.image(prefix, loss, seed), 0), (prefix, loss))
    return list(seen.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--forget-syncs", action="store_true")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    print(f"seed {options.seed}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        STORIES.append(Story(options.program, home))
        recording = STORIES[0].recording
        if options.forget_syncs:
            disk.settle(recording.ops, lambda op: False)
        chosen = cases(recording, options.seed)
        total = len(chosen)
        if total > options.images:
            chosen = random.Random(options.seed).sample(chosen, options.images)
        wrong = 0
        with multiprocessing.Pool(os.cpu_count()) as pool:
            for prefix, loss, trouble in pool.imap_unordered(try_out, [(options, home, case) for case in chosen]):
                if trouble:
                    wrong += 1
                    print(f"{prefix}:{loss}: {trouble}", flush=True)
        print(f"{len(chosen) - wrong} of {len(chosen)} are whole ({total} different disks) after {time.monotonic() - began:.0f} s")
    return bool(wrong) != options.forget_syncs


if __name__ == "__main__":
    sys.exit(main())
