#!/usr/bin/env python3
"""Signs in by tokens of an authority of somebody else's (oidc-provider): device code, PKCE, client credentials, rotation, revocation.

    tests/interop/oauth.py PIMSYNC MODULES

MODULES is a copy of tests/interop/oauth in which `npm install` ran. Needs node and the packages pyspnego and cryptography.
"""

import html
import http.cookiejar
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from acceptor import Certificates
from sign_in import ANNA, Embedded, Machine

SECRET = "Program-Secret-9182"
# Who the door says it is where a program shows a token; it may act as the owner of any mailbox.
PROGRAM = "program@example.org"


class Authority:
    """The provider, and a browser that knows how to walk through its pages."""

    def __init__(self, modules, certificate, ca_file, embedded):
        script = pathlib.Path(modules) / "provider.js"
        user, password = embedded.user
        command = ["node", str(script), str(certificate), embedded.url, f"{user}:{password}", f"{PROGRAM}:demo"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if not said:
            raise SystemExit(self.process.stderr.read())
        places = json.loads(said)
        self.issuer, self.ews = places["issuer"], places["ews"]
        # Its warnings must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.tls = ssl.create_default_context(cafile=str(ca_file))

    def browser(self):
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        return urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.tls), cookies, urllib.request.ProxyHandler({}))

    def pull(self, lever):
        with urllib.request.urlopen(f"{self.issuer}/test/{lever}", context=self.tls) as answer:
            return json.load(answer)

    def seen(self):
        return self.pull("look")

    def walk(self, url, who, code=None, declines=False):
        """Signs in and agrees, form by form, until a page has none; that page."""
        browser = self.browser()
        answer = browser.open(url)
        while True:
            page, at = answer.read().decode(), answer.geturl()
            form = re.search(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page, re.S)
            abort = re.search(r'href="([^"]*/abort)"', page)
            if declines and abort:
                return browser.open(urllib.parse.urljoin(at, html.unescape(abort[1]))).read().decode()
            if not form or not at.startswith(self.issuer):
                return page
            fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form[2]))
            if 'name="login"' in form[2]:
                fields.update(login=who, password="any")
            if 'name="user_code"' in form[2]:
                fields["user_code"] = fields.get("user_code") or code
            data = urllib.parse.urlencode(fields).encode()
            answer = browser.open(urllib.parse.urljoin(at, html.unescape(form[1])), data)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Place:
    """All that a test takes."""

    def __init__(self, program, modules, home):
        self.program, self.home, self.made = program, home, 0
        self.certificates = Certificates(home)
        users = f"{ANNA}:demo,{PROGRAM}:demo"
        self.embedded = Embedded(program, users, ["--impersonators", PROGRAM])
        certificate, self.ca_file, _ = self.certificates.issue()
        self.authority = Authority(modules, certificate, self.ca_file, self.embedded)

    def machine(self):
        self.made += 1
        door = type("Door", (), {"url": self.authority.ews})
        return Machine(self.program, self.home / f"root-{self.made}", door, self.ca_file)

    def setup(self, machine, *more, client="person", scope="openid profile offline_access ews"):
        arguments = ["setup", ANNA, "--server", self.authority.ews, "--auth", "oauth2", "--client-id", client]
        arguments += ["--authority", self.authority.issuer, "--scope", scope, "--ca-file", str(self.ca_file), "--no-sync", *more]
        return machine.start(*arguments)

    def stop(self):
        self.authority.stop()
        self.embedded.stop()


def invited(process, pattern):
    """What the person is told, as soon as it is there."""
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(pattern, said)
        if found:
            return found
    raise AssertionError(f"nobody is invited: {said}")


def sign_in_by_device(place, machine, code=0, **how):
    process = place.setup(machine)
    found = invited(process, r"open (https\S+) in any browser, and enter the code (\S+) ")
    place.authority.walk(found[1], how.pop("who", ANNA), code=found[2], **how)
    return machine.end(process, code)


def tokens(machine):
    file = machine.root / "Secrets/Main" / ANNA
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text().split("\n")


def end_tokens(machine):
    """Makes the kept access token one that has to be renewed."""
    file = machine.root / "Secrets/Main" / ANNA
    lines = tokens(machine)
    lines[3] = "1 2"
    file.write_text("\n".join(lines))


def by_device(place):
    place.authority.pull("slow/1")
    machine = place.machine()
    process = place.setup(machine)
    found = invited(process, r"open (https\S+) in any browser, and enter the code (\S+) ")
    # The person takes time, in which it is asked, and asked to slow down.
    began = time.monotonic()
    while place.authority.seen()["pending"] == 0 and time.monotonic() < began + 30:
        time.sleep(0.2)
    place.authority.walk(found[1], ANNA, code=found[2])
    machine.end(process)
    assert time.monotonic() - began > 14, "it waited five seconds, then ten"
    seen = place.authority.seen()
    assert seen["tooQuick"] == 0 and seen["pending"] == 1, seen
    machine.sync()
    assert machine.messages() == 40, machine.messages()
    print("device code: pending, slow_down, signed in and synchronized")
    return machine


def rotates(place, machine):
    before = place.authority.seen()["rotated"]
    known = {tokens(machine)[1]}
    for _ in range(3):
        end_tokens(machine)
        machine.sync()
        known.add(tokens(machine)[1])
    assert len(known) == 4, "each refresh token is used once, and another comes"
    # Eight processes whose token ends at once.
    end_tokens(machine)
    for process in [machine.start("doctor") for _ in range(8)]:
        machine.end(process)
    seen = place.authority.seen()
    assert seen["rotated"] - before == 4 and seen["reused"] == 0, (before, seen)
    print("rotation: each refresh token is shown once, and one renewal serves eight processes")


def is_dropped(place, machine):
    before = place.authority.seen()
    place.authority.pull("end")
    machine.sync()
    seen = place.authority.seen()
    assert seen["refused"] == before["refused"] + 1, (before, seen)
    assert seen["grants"]["refresh_token"] == before["grants"]["refresh_token"] + 1, (before, seen)
    print("a token that the server drops is replaced after one refusal")


def expires(place):
    place.authority.pull("lives/3")
    machine = place.machine()
    sign_in_by_device(place, machine)
    before = place.authority.seen()
    time.sleep(3.5)
    machine.sync()
    place.authority.pull("lives/3600")
    seen = place.authority.seen()
    assert seen["refused"] == before["refused"], "an expired token is not shown"
    assert seen["grants"]["refresh_token"] > before["grants"].get("refresh_token", 0), seen
    print("a token that has expired is renewed, and not shown")


def is_revoked(place, machine):
    # Another copy of the tokens was used meanwhile, and then this one: the provider lets nobody in any more.
    file = machine.root / "Secrets/Main" / ANNA
    old = file.read_text()
    end_tokens(machine)
    machine.sync()
    file.write_text(old)
    end_tokens(machine)
    said = machine.end(machine.start("sync"), 4)
    assert "invalid_grant" in said and "pimsync setup" in said, said
    assert old.split("\n")[1] not in said, "the refresh token is told"
    process = machine.start("setup", ANNA, "--no-sync")
    found = invited(process, r"open (https\S+) in any browser, and enter the code (\S+) ")
    place.authority.walk(found[1], ANNA, code=found[2])
    machine.end(process)
    machine.sync()
    print("a revoked sign-in is told, and setup mends it")


def is_declined(place):
    machine = place.machine()
    said = sign_in_by_device(place, machine, code=4, declines=True)
    assert "declined" in said, said
    said = sign_in_by_device(place, machine, code=4, who="ben@example.org")
    assert "it is ben@example.org who signed in" in said, said
    assert not machine.root.exists(), "something was written"
    print("who declines, and somebody else, are not signed in")


def by_browser(place):
    machine = place.machine()
    process = place.setup(machine, "--grant", "browser")
    url = invited(process, r"(https://localhost\S+)")[1]
    page = place.authority.walk(url, ANNA)
    assert "This window can be closed" in page, page
    machine.end(process)
    before = place.authority.seen()["grants"].get("refresh_token", 0)
    end_tokens(machine)
    machine.sync()
    assert machine.messages() == 40 and place.authority.seen()["grants"]["refresh_token"] == before + 1
    print("browser: PKCE over the loopback redirect, and renewed")


def by_application(place):
    machine = place.machine()
    secret = place.home / "program-secret"
    secret.write_text(SECRET + "\n")
    more = ["--grant", "application", "--password-file", str(secret)]
    said = machine.end(place.setup(machine, *more, client="program", scope="ews"))
    assert SECRET not in said
    machine.sync()
    seen = place.authority.seen()
    assert machine.messages() == 40 and seen["grants"]["client_credentials"] >= 2, seen
    assert seen["anchors"] == [ANNA], "each request is led to the owner's mailbox"
    trace = place.home / "trace"
    machine.end(machine.start("sync", "--trace-soap", str(trace)))
    requests = [path.read_text() for path in trace.rglob("*-request*") if "Envelope" in path.read_text()]
    assert requests and all(f"<t:PrimarySmtpAddress>{ANNA}<" in request for request in requests), "all act as the owner"
    secret.write_text("wrong\n")
    said = machine.end(place.setup(machine, *more, client="program", scope="ews"), 4)
    assert "invalid_client" in said, said
    print("application: client credentials, acting as the owner of the mailbox; a wrong secret is refused")


def main(program, modules):
    with tempfile.TemporaryDirectory() as home:
        place = Place(os.path.abspath(program), modules, pathlib.Path(home))
        try:
            machine = by_device(place)
            rotates(place, machine)
            is_dropped(place, machine)
            is_revoked(place, machine)
            expires(place)
            is_declined(place)
            by_browser(place)
            by_application(place)
        finally:
            place.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
