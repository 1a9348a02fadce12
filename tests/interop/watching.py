"""A demo server and a watch beside it, seen from outside."""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.request

ADDRESS = "demo@example.org"
ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>{}</s:Body></s:Envelope>'
)


def message(name):
    return (
        f"From: Ada <ada@example.org>\nTo: {ADDRESS}\nSubject: {name}\nDate: Tue, 03 Nov 2026 10:00:00 +0000\n"
        f"Message-ID: <{name}@example.org>\n\n{name}\n"
    )


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """The embedded Exchange, on the same port and store each time that it begins."""

    def __init__(self, program, home, messages, like="exchange"):
        self.program, self.home, self.messages, self.like = program, home, messages, like
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/EWS/Exchange.asmx"
        self.process = None

    def begin(self, record=None):
        command = [self.program, "demo-server", "--listen", f"127.0.0.1:{self.port}", "--store", self.home / "exchange.db"]
        command += ["--messages", str(self.messages), "--like", self.like]
        command += ["--record", record] if record else []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline(), "the server does not begin"

    def end(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def deliver(self, name):
        """A message comes into Inbox, as another client would put it there."""
        mime = base64.b64encode(message(name).encode()).decode()
        request = (
            '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/></m:SavedItemFolderId>'
            f'<m:Items><t:Message><t:MimeContent CharacterSet="UTF-8">{mime}</t:MimeContent><t:IsRead>false</t:IsRead></t:Message></m:Items>'
            "</m:CreateItem>"
        )
        sign_in = base64.b64encode(f"{ADDRESS}:demo".encode()).decode()
        headers = {"Content-Type": "text/xml; charset=utf-8", "Authorization": f"Basic {sign_in}"}
        asked = urllib.request.Request(self.url, ENVELOPE.format(request).encode(), headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert b"NoError" in answer.read()


class Machine:
    """An identity with an account on the server."""

    def __init__(self, program, home, server):
        self.program, self.home = program, home
        self.environment = {**os.environ, "PIMSYNC_ROOT": str(home / "root"), "TZ": "UTC"}
        (home / "password").write_text("demo")
        self.run("setup", ADDRESS, "--server", server.url, "--password-file", home / "password", "--non-interactive", "--no-sync")
        self.account = home / "root/Identities/Main/Database/Exchange" / ADDRESS

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def put(self, folder, name):
        """A mail program delivers a message here: written beside, then renamed into place."""
        draft, place = self.account / folder / "tmp" / name, self.account / folder / "cur" / f"{name}:2,S"
        draft.write_text(message(name))
        draft.rename(place)

    def has(self, folder, name):
        """Whether a message lies here that came from the server."""
        files = [file for part in ("cur", "new") for file in (self.account / folder / part).iterdir()]
        wanted = f"Subject: {name}\n".encode()
        return any(wanted in file.read_bytes().replace(b"\r\n", b"\n") for file in sorted(files, key=lambda file: -file.stat().st_mtime)[:20])


class Watch:
    """A watch that runs, and all that it says, each line with the moment in which it came."""

    def __init__(self, machine):
        command = [machine.program, "watch", "--json"]
        self.process = subprocess.Popen(
            command, env=machine.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.lines, self.changed = [], threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append((time.monotonic(), json.loads(line)))
                self.changed.notify_all()

    def runs(self, since=0.0):
        with self.changed:
            return [(at, line) for at, line in self.lines if line["event"] == "run" and at >= since]

    def wait_for(self, wanted, patience):
        """The moment of the first line, from now on or before, that is wanted."""
        with self.changed:
            found = lambda: next(((at, line) for at, line in self.lines if wanted(at, line)), None)
            assert self.changed.wait_for(found, timeout=patience), "watch does not say what was waited for"
            return found()

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_megabytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0
        self.reader.join()
