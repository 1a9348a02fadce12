"""The programs that people keep their calendar, contacts and tasks with, on the files that pimsync keeps: khal, khard and todoman list what came
from the server, and what they add, edit and delete arrives there, seen from another machine that synchronizes the same mailbox; what is done there
reaches them.

    tests/interop/pim.py PIMSYNC

Needs khal, khard and todoman (the Debian packages of those names).
"""

import atexit
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ACCOUNT = "demo@example.org"


class Machine:
    """A machine with the account on it."""

    def __init__(self, program, home, url):
        home.mkdir()
        self.program, self.home = program, home
        self.environment = {
            "PIMSYNC_ROOT": str(home / "root"),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "TZ": "Europe/Berlin",
        }
        (home / "password").write_text("demo")
        setup = ("setup", ACCOUNT, "--server", url, "--password-file", str(home / "password"), "--non-interactive", "--no-sync")
        self.run(program, *setup)
        self.sync()
        self.tree = next((home / "root").glob("Identities/*/Database")) / "Exchange" / ACCOUNT

    def run(self, *command, typed=None):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, input=typed)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def sync(self):
        """One synchronisation; what it did."""
        account = json.loads(self.run(self.program, "sync", "--json"))["accounts"][0]
        return {what: count for what, count in account["total"].items() if count}

    def texts(self, folder):
        return [path.read_text() for path in sorted((self.tree / folder).glob("*.*"))]

    def one(self, folder, text):
        """The one file of the folder with that text."""
        found = [path for path in (self.tree / folder).glob("*.*") if text in path.read_text()]
        assert len(found) == 1, f"{text!r} is in {found}"
        return found[0]

    def edit(self, folder, old, new):
        path = self.one(folder, old)
        path.write_text(path.read_text().replace(old, new))


def agree(here, there, **did):
    """What was done here arrives there, and nothing is left to do."""
    done = here.sync()
    assert done == did, f"{done} is not {did}"
    there.sync()
    assert here.sync() == {} and there.sync() == {}


def khal(here, there):
    config = here.home / "khal.conf"
    config.write_text(
        f"[calendars]\n[[work]]\npath = {here.tree}/Calendar\ntype = calendar\n\n"
        "[locale]\ntimeformat = %H:%M\ndateformat = %d.%m.%Y\nlongdateformat = %d.%m.%Y\ndatetimeformat = %d.%m.%Y %H:%M\n"
        "longdatetimeformat = %d.%m.%Y %H:%M\ndefault_timezone = Europe/Berlin\nlocal_timezone = Europe/Berlin\n\n"
        f"[sqlite]\npath = {here.home}/khal.db\n\n[default]\ndefault_calendar = work\n"
    )
    program = ("khal", "-c", str(config))
    listed = here.run(*program, "list", "01.01.2026", "730d")
    events = len(here.texts("Calendar"))
    assert events > 5 and len(listed.splitlines()) > events, f"khal lists too little: {listed}"

    here.run(*program, "new", "-a", "work", "-l", "Garden", "02.03.2027", "16:00", "17:00", "Tea with khal", "::", "Green")
    agree(here, there, uploaded=1)
    tea = there.one("Calendar", "SUMMARY:Tea with khal").read_text()
    assert "LOCATION:Garden" in tea and "TZID=Europe/Berlin:20270302T160000" in tea, tea
    here.run(*program, "new", "-a", "work", "--repeat", "weekly", "--until", "01.06.2027", "05.04.2027", "10:00", "11:00", "Weekly khal")
    agree(here, there, uploaded=1)
    assert "RRULE:FREQ=WEEKLY" in there.one("Calendar", "Weekly khal").read_text()

    here.run(*program, "edit", "--show-past", "Tea with khal", typed="s\nTea and cake\nq\n")
    agree(here, there, changed_there=1)
    there.one("Calendar", "SUMMARY:Tea and cake")
    there.edit("Calendar", "LOCATION:Garden", "LOCATION:Kitchen")
    agree(there, here, changed_there=1)
    shown = here.run(*program, "list", "--format", "{title} at {location}", "02.03.2027", "1d")
    assert "Tea and cake at Kitchen" in shown, shown
    here.run(*program, "edit", "--show-past", "Tea and cake", typed="D\ny\n")
    agree(here, there, deleted_there=1)
    assert not any("Tea and cake" in text for text in there.texts("Calendar"))
    print(f"khal: {events} events listed, two added, one edited on both sides, one deleted")


def khard(here, there):
    config = here.home / "khard.conf"
    config.write_text(
        f"[addressbooks]\n[[work]]\npath = {here.tree}/Contacts\n\n[general]\ndefault_action = list\neditor = vi\nmerge_editor = vi\n\n"
        "[vcard]\npreferred_version = 3.0\n"
    )
    program = ("khard", "-c", str(config))
    contacts = len(here.texts("Contacts"))
    listed = here.run(*program, "list", "--parsable").splitlines()
    assert len(listed) == contacts > 3, f"khard lists {len(listed)} of {contacts}"

    new = "First name : Karla\nLast name : Hard\nEmail :\n    work : karla@example.org\nPhone :\n    cell : 0170\nNote : by khard\n"
    template = here.home / "new.yaml"
    template.write_text(new)
    here.run(*program, "new", "-a", "work", "-i", str(template))
    agree(here, there, uploaded=1)
    karla = there.one("Contacts", "karla@example.org").read_text()
    assert "Hard;Karla" in karla and "0170" in karla, karla
    there.edit("Contacts", "karla@example.org", "karla@example.com")
    agree(there, here, changed_there=1)
    assert "karla@example.com" in here.run(*program, "email", "--parsable", "Karla")
    template.write_text(new.replace("Hard", "Harder").replace("karla@example.org", "karla@example.com"))
    here.run(*program, "edit", "-i", str(template), "Karla", typed="y\n")
    agree(here, there, changed_there=1)
    there.one("Contacts", "Harder;Karla")
    here.run(*program, "remove", "--force", "Karla")
    agree(here, there, deleted_there=1)
    assert not any("Karla" in text for text in there.texts("Contacts"))
    print(f"khard: {contacts} contacts listed, one added, edited on both sides and deleted")


def todoman(here, there):
    config = here.home / "todoman.py"
    config.write_text(f'path = "{here.tree}/Tasks*"\ndefault_list = "Tasks"\ncache_path = "{here.home}/todoman.db"\ndate_format = "%Y-%m-%d"\n')
    program = ("todoman", "--config", str(config))
    tasks = len(here.texts("Tasks"))
    listed = json.loads(here.run(*program, "--porcelain", "list", "--status", "ANY"))
    assert len(listed) == tasks > 3, f"todoman lists {len(listed)} of {tasks}"

    def number(summary):
        found = json.loads(here.run(*program, "--porcelain", "list", "--status", "ANY", "--grep", summary))
        assert len(found) == 1, found
        return str(found[0]["id"])

    here.run(*program, "new", "--list", "Tasks", "--due", "2027-03-02", "--priority", "high", "Paint the fence")
    agree(here, there, uploaded=1)
    paint = there.one("Tasks", "SUMMARY:Paint the fence").read_text()
    assert "20270302" in paint and "PRIORITY:" in paint, paint
    there.edit("Tasks", "SUMMARY:Paint the fence", "SUMMARY:Paint the gate")
    agree(there, here, changed_there=1)
    here.run(*program, "done", number("Paint the gate"))
    agree(here, there, changed_there=1)
    assert "STATUS:COMPLETED" in there.one("Tasks", "Paint the gate").read_text()
    here.run(*program, "delete", "--yes", number("Paint the gate"))
    agree(here, there, deleted_there=1)
    assert not any("Paint the gate" in text for text in there.texts("Tasks"))
    print(f"todoman: {tasks} tasks listed, one added, edited there, done here and deleted")


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        command = [program, "demo-server", "--messages", "100", "--store", str(place / "server.db")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(server.kill)
        url = server.stdout.readline().strip()
        here, there = (Machine(program, place / name, url) for name in ("here", "there"))
        khal(here, there)
        khard(here, there)
        todoman(here, there)


main()
