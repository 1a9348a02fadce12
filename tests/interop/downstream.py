"""The programs that people read their mail with, on the tree that pimsync keeps: notmuch indexes it, neomutt moves, flags and deletes in it, mbsync
copies it and leaves its traces there; neomutt sends through it, and reads groups as aliases. What they do has to arrive on the server, and nothing of what they leave may do harm.

    tests/interop/downstream.py PIMSYNC

Needs notmuch, neomutt and mbsync (Debian: notmuch, neomutt, isync).
"""

import atexit
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

ACCOUNT = "demo@example.org"


class Home:
    def __init__(self, program, home):
        self.program, self.home = program, home
        self.environment = {"PIMSYNC_ROOT": str(home / "root"), "HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        command = [program, "demo-server", "--messages", "300", "--store", str(home / "server.db")]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.server.kill)
        url = self.server.stdout.readline().strip()
        (home / "password").write_text("demo")
        self.run(program, "setup", ACCOUNT, "--server", url, "--password-file", str(home / "password"), "--non-interactive", "--no-sync")
        self.sync()
        self.tree = next((home / "root").glob("Identities/*/Database")) / "Exchange" / ACCOUNT

    def run(self, *command, ok=(0,)):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode in ok, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def sync(self):
        """One synchronisation; what it did."""
        account = json.loads(self.run(self.program, "sync", "--json"))["accounts"][0]
        return {what: count for what, count in account["total"].items() if count}

    def files(self, folder=None):
        base = self.tree / folder if folder else self.tree
        parts = ("cur", "new")
        found = (path for path in base.rglob("*") if path.is_file() and path.parent.name in parts)
        return [path for path in found if not folder or path.parent.parent == base]


def message_id(path):
    return re.search(rb"(?im)^message-id:\s*(\S+)", path.read_bytes())[1].decode()


def notmuch(home):
    (home.home / ".notmuch-config").write_text(f"[database]\npath={home.tree}\n[user]\nname=Demo\nprimary_email={ACCOUNT}\n[new]\ntags=unread\n")
    home.run("notmuch", "new")
    indexed = home.run("notmuch", "search", "--output=files", "*").split("\n")
    indexed = {line for line in indexed if line}
    files = {str(path) for path in home.files()}
    assert indexed == files, f"notmuch: {sorted(indexed ^ files)[:3]}"
    # It writes tags into the files' names as flags.
    home.run("notmuch", "config", "set", "maildir.synchronize_flags", "true")
    some = home.run("notmuch", "search", "--output=messages", "--limit=3", "folder:Inbox and tag:unread").split()
    home.run("notmuch", "tag", "+flagged", "--", *" or ".join(some).split())
    did = home.sync()
    assert did.get("changed_there", 0) == len(some), f"notmuch: {did}"
    assert home.sync() == {}
    print(f"notmuch: {len(files)} messages indexed, {len(some)} flagged")


def neomutt(home):
    inbox = sorted(home.files("Inbox"))
    moved, flagged, gone = (message_id(path) for path in inbox[:3])
    before = len(home.files())
    keys = "".join(
        f"<tag-pattern>~i \"{number}\"<enter><tag-prefix>{action}<untag-pattern>.<enter>"
        for number, action in (
            (flagged, "<flag-message>"),
            (moved, "<save-message>=Archive/2019<enter>"),
            (gone, "<delete-message>"),
        )
    )
    rc = home.home / "neomuttrc"
    rc.write_text(
        f'set folder="{home.tree}"\nset spoolfile="=Inbox"\nset mbox_type=Maildir\nset confirmappend=no\nset confirmcreate=no\nset delete=yes\n'
        f"set quit=yes\nset sort=date\nset move=no\nset resume_draft_files=no\nset wait_key=no\nset auto_tag=no\n"
    )
    push = keys.replace('"', '\\"')
    command = ["neomutt", "-n", "-F", str(rc), "-f", "=Inbox", "-e", f'push "{push}<sync-mailbox><quit>"']
    on_terminal(command, {**home.environment, "TERM": "xterm"})
    did = home.sync()
    # What is deleted goes to the server's Deleted Items, and comes from there.
    assert did == {"changed_there": 1, "moved_there": 1, "deleted_there": 1, "downloaded": 1}, f"neomutt: {did}"
    assert home.sync() == {}
    archived = {message_id(path) for path in home.files("Archive/2019")}
    left = {message_id(path): path.name for path in home.files("Inbox")}
    assert moved in archived and moved not in left and gone not in left and "F" in left[flagged].partition(":2,")[2]
    assert gone in {message_id(path) for path in home.files("Deleted Items")}
    assert len(home.files()) == before, f"neomutt: {before} messages before, {len(home.files())} after"
    print("neomutt: one moved, one flagged, one deleted, and the server followed")


def aliases(home):
    """Groups as aliases, with names that neomutt would run, look up or cut off if they were not protected."""
    mark = home.home / "was-run"
    hostile = rf"""`touch {mark}` $HOME # \"Ben\"\\, <b@y>; 'q'"""
    home.run(home.program, "group", "create", "Crew A", "Anna Berg <anna@example.org>", f'"{hostile}" <ben@example.org>', "a`b`$c#@example.org")
    written = home.home / "groups"
    written.write_text(home.run(home.program, "group", "expand", "--format", "mutt"))
    rc = home.home / "neomuttrc-groups"
    rc.write_text(f"source {written}\n")
    shown = home.run("neomutt", "-n", "-F", str(rc), "-A", "Crew-A")
    expected = f'Anna Berg <anna@example.org>, "{hostile}" <ben@example.org>, a`b`$c#@example.org'
    assert " ".join(shown.split()) == expected, f"neomutt: {shown}"
    assert not mark.exists(), "neomutt ran a program out of a name"
    print("neomutt: a group with hostile names is an alias and no more")


def on_terminal(command, environment):
    """Runs a program that wants a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, environment)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:
        pass
    _, status = os.waitpid(child, 0)
    assert status == 0, f"{command[0]} ended with {status}: {shown[-2000:]!r}"


def mbsync(home):
    before = sorted(message_id(path) for path in home.files())
    rc = home.home / "mbsyncrc"
    copy = home.home / "copy"
    copy.mkdir()
    rc.write_text(
        f"MaildirStore tree\nPath {home.tree}/\nInbox {home.tree}/Inbox\nSubFolders Verbatim\n\n"
        f"MaildirStore copy\nPath {copy}/\nInbox {copy}/Inbox\nSubFolders Verbatim\n\n"
        "Channel all\nFar :tree:\nNear :copy:\nPatterns *\nCreate Near\nSync Pull\nSyncState *\n"
    )
    home.run("mbsync", "-c", str(rc), "-a")
    traces = [path for path in home.tree.rglob("*") if path.name in (".uidvalidity", ".mbsyncstate", ".isyncuidmap.db")]
    numbered = [path for path in home.files() if ",U=" in path.name]
    assert traces and numbered, "mbsync left no traces; this shows nothing"
    # What other tools leave beside the messages.
    for name in ("dovecot-uidlist", "dovecot.index.log", "subscriptions", "maildirfolder", ".mbsyncstate.lock"):
        (home.tree / "Inbox" / name).write_text("3 V1 N1\n")
    did = home.sync()
    assert did == {}, f"mbsync: {did}"
    after = sorted(message_id(path) for path in home.files())
    assert before == after, "mbsync: messages were lost or doubled"
    assert all(path.exists() for path in traces), "mbsync: its own files were removed"
    assert home.sync() == {}
    print(f"mbsync: {len(numbered)} files renamed and {len(traces)} files left by it, nothing came of it")


def sending(home):
    """neomutt sends through pimsync: one to ourselves, with somebody who gets it blind."""
    rc = home.home / "sendrc"
    rc.write_text(
        f'set sendmail="{home.program} send -i"\nset record=""\nset from="{ACCOUNT}"\nset use_from=yes\nset envelope_from=yes\n'
        "set sendmail_wait=0\n"
    )
    before = len(home.files("Inbox")), len(home.files("Sent Items"))
    text = home.home / "text"
    text.write_text("Hello from neomutt\n.\nand good bye\n")
    with text.open() as body:
        command = ["neomutt", "-n", "-F", str(rc), "-s", "sent by neomutt", "-b", "blind@example.org", "--", ACCOUNT]
        done = subprocess.run(command, stdin=body, env=home.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"neomutt: {done.returncode}\n{done.stdout}{done.stderr}"
    assert len(home.files("Sent Items")) == before[1] + 1, "its copy is not in Sent Items"
    assert home.sync() == {"downloaded": 1}
    found = [path for path in home.files("Inbox") if b"sent by neomutt" in path.read_bytes()]
    assert len(home.files("Inbox")) == before[0] + 1 and len(found) == 1, f"neomutt: {found}"
    received = found[0].read_bytes()
    assert b"and good bye" in received and b"blind@example.org" not in received, received.decode()
    print("neomutt: one sent, its copy in Sent Items, and who got it blind is told to nobody")


def main():
    with tempfile.TemporaryDirectory() as place:
        home = Home(sys.argv[1], pathlib.Path(place))
        notmuch(home)
        neomutt(home)
        sending(home)
        aliases(home)
        mbsync(home)


main()
