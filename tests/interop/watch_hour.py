#!/usr/bin/env python3
"""An hour of a watch beside the demo server, seen from outside: whether what its log says came in the promised times.

    tests/interop/watch_hour.py PIMSYNC [--minutes M] [--like exchange|gromox]

Each round of four minutes tries each promise: what changes on the server is in the files within 5 seconds; local changes of a folder go out one minute
after the first of them, together with those that followed; those of Sent Items at once; all folders are checked each minute; and after an outage of the
server everything is in step again, without having been asked for.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

from watching import Machine, Server, Watch

TOLD = 5
# On a busy machine a run takes its time, too.
SLACK = 8


class Hour:
    def __init__(self, machine, server, watch):
        self.machine, self.server, self.watch = machine, server, watch
        self.told, self.pushed, self.at_once, self.broken = [], [], [], []
        self.outages = []

    def promise(self, kept, text):
        if not kept:
            self.broken.append(text)
            print(f"broken: {text}", flush=True)

    def change_there(self, name):
        began = time.monotonic()
        self.server.deliver(name)
        while not self.machine.has("Inbox", name) and time.monotonic() - began < 90:
            time.sleep(0.05)
        took = time.monotonic() - began
        self.told.append(took)
        self.promise(took <= TOLD, f"a change on the server was in the files after {took:.1f} s")

    def change_here(self, name):
        """Two changes, half a minute apart: they go out together, a minute after the first."""
        began = time.monotonic()
        self.machine.put("Inbox", f"{name}-1")
        time.sleep(30)
        self.machine.put("Inbox", f"{name}-2")
        is_push = lambda at, line: at > began and line["event"] == "run" and line["total"]["uploaded"] > 0
        at, line = self.watch.wait_for(is_push, 120)
        took = at - began
        self.pushed.append(took)
        self.promise(60 <= took + 1 and took <= 60 + SLACK, f"a local change went out after {took:.1f} s")
        self.promise(line["total"]["uploaded"] == 2, f"{line['total']['uploaded']} of two changes went out together")

    def send_here(self, name):
        began = time.monotonic()
        self.machine.put("Sent Items", name)
        is_push = lambda at, line: at > began and line["event"] == "run" and line["total"]["uploaded"] > 0
        took = self.watch.wait_for(is_push, 120)[0] - began
        self.at_once.append(took)
        self.promise(took <= SLACK, f"a change in Sent Items went out after {took:.1f} s")

    def fail(self, name):
        """The server is away for a while; what happened meanwhile on both sides comes through by itself."""
        self.server.end()
        self.machine.put("Inbox", f"{name}-here")
        time.sleep(45)
        self.server.begin()
        began = time.monotonic()
        self.server.deliver(f"{name}-there")
        while not self.machine.has("Inbox", f"{name}-there") and time.monotonic() - began < 180:
            time.sleep(0.2)
        took = time.monotonic() - began
        self.outages.append((began - 45, began + took))
        self.promise(took < 90, f"{took:.1f} s after an outage not everything was in step")

    def check_intervals(self, began, ended):
        """The checks of all folders, but for those that an outage delayed."""
        checks = [at for at, line in self.watch.runs(began) if not line["only"] and at < ended]
        gaps = [(at, after - at) for at, after in zip(checks, checks[1:])]
        disturbed = lambda at, gap: any(at < end + 60 and at + gap > begin for begin, end in self.outages)
        calm = [gap for at, gap in gaps if not disturbed(at, gap)]
        self.promise(all(gap <= 60 + SLACK for gap in calm), f"{max(calm, default=0):.1f} s passed between two checks")
        return len(checks), max(calm, default=0)


def spread(times):
    times = sorted(times)
    return f"{len(times)}: median {times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s" if times else "none"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--like", default="exchange", choices=["exchange", "gromox"])
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        server = Server(program, home, 200, options.like)
        server.begin()
        machine = Machine(program, home, server)
        machine.run("sync", "--quiet")
        watch = Watch(machine)
        print(f"watching {server.url}", flush=True)
        hour = Hour(machine, server, watch)
        try:
            watch.wait_for(lambda _, line: line["event"] == "listening" and line["how"] == "streaming", 120)
            time.sleep(5)
            began, number = time.monotonic(), 0
            while time.monotonic() - began < options.minutes * 60:
                number += 1
                hour.change_here(f"here-{number}")
                hour.send_here(f"sent-{number}")
                hour.change_there(f"there-{number}")
                if number % 5 == 1:
                    hour.fail(f"outage-{number}")
                # What watch writes into a folder itself counts as a change of it, too: the next one made here is to be the first.
                time.sleep(70)
            checks, longest = hour.check_intervals(began, time.monotonic())
        finally:
            watch.end()
        machine.run("sync", "--full")
        again = machine.run("sync")
        hour.promise("nothing to do" in again, f"something was left to do: {again}")
        server.end()
    print(
        f"{options.minutes:g} minutes: there to here {spread(hour.told)}; here to there {spread(hour.pushed)}; Sent Items {spread(hour.at_once)}; "
        f"{checks} checks, at most {longest:.1f} s apart; {len(hour.outages)} outages"
    )
    if hour.broken:
        sys.exit(f"{len(hour.broken)} promises were broken")


if __name__ == "__main__":
    main()
