"""Kills `pimsync send` and the sync that sends what waits at random moments, and looks whether each message arrives exactly once.

    tests/interop/kill_send.py PIMSYNC [MESSAGES] [SEED]

A message that was accepted (exit code 0) arrives once; one whose send was killed arrives once or never. Takes two minutes longer than that: so long a
message that may have been sent is left alone. Needs nothing but Python.
"""

import collections
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from embedded import ACCOUNT, Server
from kills import set_up

GRACE = 120


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 2**32
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        server = Server(program, str(home / "server.db"))
        environment, database = set_up(program, server, home)
        subprocess.run([program, "sync", "--quiet"], env=environment, check=True)
        accepted, killed, longest = [], [], 0.2
        for number in range(count):
            text = f"To: {ACCOUNT}\nSubject: letter-{number}-\n\ntext\n"
            run = subprocess.Popen([program, "send", "-t"], env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                _, said = run.communicate(text, timeout=dice.uniform(0.005, longest))
                assert run.returncode == 0, f"send failed with {run.returncode}: {said}"
                accepted.append(number)
                longest /= 1.2
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.communicate()
                killed.append(number)
                longest *= 1.2
            if number % 10 == 9:
                sync = subprocess.Popen([program, "sync", "--quiet"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                try:
                    sync.communicate(timeout=dice.uniform(0.01, 0.5))
                except subprocess.TimeoutExpired:
                    sync.send_signal(signal.SIGKILL)
                    sync.communicate()
        assert accepted and killed, f"{len(accepted)} accepted, {len(killed)} killed (seed {seed})"
        time.sleep(GRACE + 5)
        done = subprocess.run([program, "sync", "--full"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"the last sync failed with {done.returncode} (seed {seed}): {done.stdout}{done.stderr}"
        left = list((database / "Outgoing").glob("*"))
        assert not left, f"left (seed {seed}): {left}"
        for folder in ("Inbox", "Sent Items"):
            files = (path for part in ("cur", "new") for path in (database / "Exchange" / ACCOUNT / folder / part).iterdir())
            found = collections.Counter(int(re.search(rb"letter-(\d+)-", path.read_bytes())[1]) for path in files)
            twice = [number for number, times in found.items() if times > 1]
            missing = [number for number in accepted if number not in found]
            assert not twice and not missing, f"{folder} (seed {seed}): twice {twice}, missing {missing}"
            whole = len(found)
        server.stop()
        print(f"{len(accepted)} sends came to their end, {len(killed)} were killed, {whole} messages arrived, each once (seed {seed})")


main()
