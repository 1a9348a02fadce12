"""Runs the program again and again, and kills it at random moments."""

import signal
import subprocess
import time


def kill_often(command, environment, kills, dice, change):
    """Runs a command until it was killed so often; calls `change` after each run that came to its end. Returns how many did."""
    killed, ended = 0, 0
    # Runs get longer until some come to their end: so they are killed everywhere, on slow machines, too.
    longest = 0.5
    while killed < kills:
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            told, _ = run.communicate(timeout=dice.uniform(0.01, longest))
            assert run.returncode == 0, f"a run that was not killed failed with {run.returncode}: {told}"
            ended += 1
            longest /= 1.5
            change()
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            killed += 1
            longest *= 1.07
    assert ended, "no run came to its end, so most of the work was never killed; try more kills"
    return ended


def watch_often(command, environment, kills, dice, change):
    """Lets a watch run until it was killed so often, while `change` goes on; now and then it is told to end instead. Returns how often it was."""
    killed, ended = 0, 0
    while killed < kills:
        watch = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        over = time.monotonic() + dice.uniform(0.05, 6)
        while time.monotonic() < over and watch.poll() is None:
            change()
            time.sleep(min(dice.uniform(0, 1), max(0, over - time.monotonic())))
        assert watch.poll() is None, f"the watch ended by itself with {watch.returncode}: {watch.stderr.read()}"
        is_told = dice.random() < 0.15
        watch.send_signal(signal.SIGTERM if is_told else signal.SIGKILL)
        _, told = watch.communicate(timeout=120)
        assert not is_told or watch.returncode == 0, f"a watch that was told to end ended with {watch.returncode}: {told}"
        killed, ended = killed + (not is_told), ended + is_told
    return ended


def set_up(program, server, home):
    """An account on the server; returns the environment for the program and the Database directory."""
    (home / "password").write_text("demo")
    environment = {"PIMSYNC_ROOT": str(home / "root"), "PATH": "/usr/bin:/bin"}
    command = [program, "setup", "demo@example.org", "--server", server.url, "--password-file", str(home / "password")]
    subprocess.run([*command, "--non-interactive", "--no-sync"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment, next((home / "root").glob("Identities/*/Database"))


def come_to_rest(program, environment):
    """A last run that does all that is left, and one that finds nothing to do."""
    last = subprocess.run([program, "sync", "--full"], env=environment, capture_output=True, text=True)
    assert last.returncode == 0, f"the last run failed with {last.returncode}: {last.stderr}"
    again = subprocess.run([program, "sync"], env=environment, capture_output=True, text=True)
    assert "nothing to do" in again.stdout, f"something was left to do: {again.stdout}{again.stderr}"
