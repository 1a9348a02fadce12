#!/usr/bin/env python3
"""Backs an identity up again and again while it is synchronized and another program flags and moves its messages, and rehearses each archive.

    tests/interop/soak.py PIMSYNC [--backups N] [--seed S] [--watch]

With --watch one `pimsync watch` keeps both sides in step meanwhile, instead of one sync after the other.

No message is ever deleted, so that each archive must hold each message exactly once, must restore, and no backup has anything to complain of but that the
directory never held still.
In the end both sides have all of them, once.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

FLAGS = "FRS"


class Soak:
    def __init__(self, program, root, seed, watches):
        self.program, self.root, self.seed, self.watches = program, root, seed, watches
        self.environment = {**os.environ, "PIMSYNC_ROOT": str(root), "TZ": "UTC"}
        self.account = root / "Identities/Main/Database/Exchange/demo@example.org"
        self.stop = threading.Event()
        self.counts = {"renames": 0, "moves": 0, "syncs": 0, "restless": 0}
        self.errors = []

    def run(self, *arguments, codes=(0,), accepts=lambda done: False):
        done = subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode not in codes and not accepts(done):
            raise RuntimeError(f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def was_restless(self, done):
        """Whether a backup has nothing to complain of but that the directory never held still. What was there all the time is in the archive then, too."""
        restless = done.returncode == 3 and done.stderr.startswith("pimsync: 1 file not archived") and "did not hold still" in done.stderr
        self.counts["restless"] += restless
        return restless and len(done.stderr.splitlines()) == 1

    def messages(self, number):
        """The Message-IDs of an archive's messages, each with its paths."""
        listed = json.loads(self.run("restore", str(number), "--list", "--json"))["listed"]
        found = {}
        for item in listed:
            if item["kind"] == "message":
                found.setdefault(item["id"] or item["path"], []).append(item["path"])
        return found

    def meddle(self):
        """Flags and moves messages, as mail readers do."""
        chance = random.Random(self.seed)
        folders = [path for path in self.account.rglob("cur") if "Drafts" not in path.parts]
        while not self.stop.is_set():
            folder = chance.choice(folders)
            names = os.listdir(folder)
            if not names:
                continue
            name = chance.choice(names)
            base, _, info = name.partition(":2,")
            flags = set(info) ^ {chance.choice(FLAGS)}
            to = chance.choice(folders) if chance.random() < 0.1 else folder
            try:
                os.rename(folder / name, to / f"{base}:2,{''.join(sorted(flags))}")
            except FileNotFoundError:
                continue
            self.counts["renames" if to == folder else "moves"] += 1
            time.sleep(0.002)

    def keep_in_step(self):
        if self.watches:
            self.watch()
        else:
            self.sync()

    def watch(self):
        command = [self.program, "watch", "--json"]
        watch = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = threading.Thread(target=lambda: self.count(watch.stdout))
        lines.start()
        while not self.stop.wait(0.2) and watch.poll() is None:
            pass
        watch.terminate()
        told = watch.stderr.read()
        lines.join()
        if watch.wait() != 0:
            self.errors.append(RuntimeError(f"watch ended with {watch.returncode}: {told}"))

    def count(self, lines):
        for line in lines:
            line = json.loads(line)
            self.counts["syncs"] += line["event"] == "run"
            if line["event"] == "run" and line["error"]:
                self.errors.append(RuntimeError(f"watch: {line['error']}"))

    def sync(self):
        while not self.stop.is_set():
            try:
                self.run("sync", codes=(0, 3))
                self.counts["syncs"] += 1
            except RuntimeError as error:
                self.errors.append(error)
                return

    def back_up(self, backups, wanted):
        for number in range(1, backups + 1):
            if self.errors:
                return
            self.run("backup", "--keep-last", "20", accepts=self.was_restless)
            self.run("backup", "verify", "--rehearse")
            self.compare(self.messages(number), wanted, f"archive {number}")

    @staticmethod
    def compare(found, wanted, where):
        wrong = {each: found.get(each) for each in wanted if len(found.get(each, [])) != len(wanted[each])}
        if wrong or found.keys() != wanted.keys():
            raise RuntimeError(f"{where}: {wrong}, {found.keys() ^ wanted.keys()}")

    def end(self, wanted):
        """Both sides agree, and have everything once."""
        for _ in range(3):
            self.run("sync", codes=(0, 3))
        planned = json.loads(self.run("sync", "--dry-run", "--json")).get("planned", [])
        if planned:
            raise RuntimeError(f"a sync has still something to do: {planned}")
        self.run("backup", "--full")
        newest = json.loads(self.run("backup", "list", "--json"))["archives"][-1]["number"]
        self.compare(self.messages(newest), wanted, "in the end")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--backups", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--watch", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        soak = Soak(os.path.abspath(options.program), pathlib.Path(place), options.seed, options.watch)
        soak.run("setup", "--demo")
        if options.watch:
            # A demo account's settings say no less than another's.
            config = soak.root / "Identities/Main/Database/identity.toml"
            config.write_text(config.read_text() + "\npoll_interval = 10\npush_delay = 1\n")
        soak.run("backup")
        wanted = soak.messages(1)
        (soak.root / "Identities/Main/Backups").rename(soak.root / "first")
        threads = [threading.Thread(target=soak.meddle), threading.Thread(target=soak.keep_in_step)]
        for thread in threads:
            thread.start()
        # From the first run of a watch on.
        while options.watch and not soak.counts["syncs"] and not soak.errors:
            time.sleep(0.1)
        began = time.monotonic()
        try:
            soak.back_up(options.backups, wanted)
        finally:
            soak.stop.set()
            for thread in threads:
                thread.join()
        if soak.errors:
            raise soak.errors[0]
        took = time.monotonic() - began
        soak.end(wanted)
        print(
            f"{options.backups} backups of {len(wanted)} messages in {took:.0f} s, each rehearsed, during {soak.counts['syncs']} syncs, "
            f"{soak.counts['renames']} renames and {soak.counts['moves']} moves: each held each message once; {soak.counts['restless']} never saw the "
            "directory hold still"
        )


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
