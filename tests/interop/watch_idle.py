#!/usr/bin/env python3
"""What a watch costs while nothing happens: processor time, memory, and requests.

    tests/interop/watch_idle.py PIMSYNC [--messages N] [--minutes M]

PIMSYNC is to be a release build. Fails where ten minutes cost more than is promised: 0.1 % of a processor, 48 MB of memory.
"""

import argparse
import collections
import os
import pathlib
import sys
import tempfile
import time

from watching import Machine, Server, Watch

SHARE = 0.001
MEGABYTES = 48


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        server = Server(program, home, options.messages)
        server.begin()
        machine = Machine(program, home, server)
        machine.run("sync", "--quiet")
        # What is asked from here on is counted.
        server.end()
        server.begin(record=home / "record")
        watch = Watch(machine)
        try:
            watch.wait_for(lambda _, line: line["event"] == "listening" and line["how"] == "streaming", 300)
            # The round after it.
            time.sleep(15)
            before = len(os.listdir(home / "record"))
            began, processor = time.monotonic(), watch.processor_seconds()
            most = watch.resident_megabytes()
            while time.monotonic() - began < options.minutes * 60:
                time.sleep(5)
                most = max(most, watch.resident_megabytes())
            took, processor = time.monotonic() - began, watch.processor_seconds() - processor
            names = sorted(name for name in os.listdir(home / "record") if name.endswith("-request.xml"))[before // 2 :]
        finally:
            watch.end()
            server.end()
    operations = collections.Counter(name.split("-")[1] for name in names)
    print(
        f"{options.messages} messages, {took:.0f} s: {processor:.2f} s of processor time ({100 * processor / took:.3f} %), {most:.0f} MB at most, "
        f"{sum(operations.values())} requests ({', '.join(f'{count} {name}' for name, count in sorted(operations.items()))})"
    )
    if processor > SHARE * took or most > MEGABYTES:
        sys.exit("that is more than is promised")


if __name__ == "__main__":
    main()
