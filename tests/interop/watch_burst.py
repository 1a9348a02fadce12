#!/usr/bin/env python3
"""Many messages come here at once while a watch runs: each is on the server once, and the watch is calm again.

    tests/interop/watch_burst.py PIMSYNC [--messages N]

They are delivered into two folders by two programs, while the server is away for a part of the time; and a third of them is flagged meanwhile.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

from watching import ADDRESS, Machine, Server, Watch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        server = Server(program, home, 20)
        server.begin()
        machine = Machine(program, home, server)
        config = home / "root/Identities/Main/Database/identity.toml"
        config.write_text(config.read_text() + "\npoll_interval = 10\npush_delay = 5\n")
        machine.run("sync", "--quiet")
        watch = Watch(machine)
        watch.wait_for(lambda _, line: line["event"] == "run" and not line["only"], 120)
        began = time.monotonic()

        def deliver(folder, numbers):
            for number in numbers:
                machine.put(folder, f"burst-{number}")
                if number % 3 == 0:
                    file = machine.account / folder / "cur" / f"burst-{number}:2,S"
                    file.rename(file.with_name(f"burst-{number}:2,FS"))

        half = options.messages // 2
        programs = [
            threading.Thread(target=deliver, args=("Inbox", range(half))),
            threading.Thread(target=deliver, args=("Archive/2019", range(half, options.messages))),
        ]
        for one in programs:
            one.start()
        for one in programs:
            one.join()
        written = time.monotonic() - began
        server.end()
        time.sleep(15)
        server.begin()
        uploaded = lambda: sum(line["total"]["uploaded"] for _, line in watch.runs(began))
        while uploaded() < options.messages and time.monotonic() - began < 1800:
            time.sleep(1)
        took, count = time.monotonic() - began, uploaded()
        most = watch.resident_megabytes()
        watch.end()
        again = machine.run("sync", "--full")
        status = json.loads(machine.run("status", "--json"))
        folders = {folder["path"]: folder for folder in status["accounts"][0]["folders"]}
        counted = sum(folders[path]["server_items"] - before for path, before in (("Inbox", 0), ("Archive/2019", 0)))
        files = sum(len(list((machine.account / path / "cur").iterdir())) for path in ("Inbox", "Archive/2019"))
        server.end()
    print(f"{options.messages} messages written in {written:.1f} s were on the server after {took:.1f} s; {most:.0f} MB; account {ADDRESS}")
    problems = []
    if count < options.messages:
        problems.append(f"{count} were uploaded")
    if counted != files:
        problems.append(f"the server counts {counted}, {files} files are here")
    if "uploaded" in again or "downloaded" in again:
        problems.append(f"something was left to do: {again}")
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
