#!/usr/bin/env python3
"""Signs in by NTLM and Negotiate to an acceptor of somebody else's (pyspnego) behind TLS.

    tests/interop/sign_in.py PIMSYNC

Needs the packages pyspnego and cryptography.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes

from acceptor import PKCS1, PSS, Acceptor, Certificates

ANNA = "anna@example.org"
PASSWORD = "Sesame-4711-öffne-dich"


class Embedded:
    """The embedded Exchange behind the door."""

    def __init__(self, program, users=f"{ANNA}:demo", more=()):
        command = [program, "demo-server", "--messages", "40", "--users", users, *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.user = (ANNA, "demo")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Machine:
    def __init__(self, program, root, door, ca_file):
        self.program, self.root, self.door, self.ca_file = program, root, door, ca_file
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PIMSYNC_")}
        self.environment.update(PIMSYNC_ROOT=str(root), TZ="UTC")

    def start(self, *arguments, password=""):
        command = [self.program, *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        process.stdin.write(password)
        process.stdin.close()
        return process

    def end(self, process, code=0):
        said = process.stdout.read() + process.stderr.read()
        process.wait(300)
        process.stdout.close()
        process.stderr.close()
        assert process.returncode == code, f"{process.args}: {process.returncode}, not {code}\n{said}"
        assert PASSWORD not in said, f"{process.args} tells the password"
        return said

    def setup(self, *more, code=0, password=PASSWORD, user=ANNA):
        arguments = ["setup", ANNA, "--server", self.door.url, "--user", user, "--ca-file", str(self.ca_file), "--password-stdin"]
        return self.end(self.start(*arguments, "--no-sync", *more, password=password + "\n"), code)

    def sync(self):
        return self.end(self.start("sync", "--json"))

    def settings(self):
        return (self.root / "Identities/Main/Database/identity.toml").read_text()

    def messages(self):
        top = self.root / "Identities/Main/Database/Exchange"
        return sum(1 for path in top.rglob("*") if path.parent.name in ("cur", "new"))


class House:
    """All that a test takes, with a fresh machine and a fresh door each time."""

    def __init__(self, program, home):
        self.program, self.home, self.made = program, home, 0
        self.certificates = Certificates(home)
        self.embedded = Embedded(program)

    def machine(self, door, ca_file):
        self.made += 1
        return Machine(self.program, self.home / f"root-{self.made}", door, ca_file)

    def door(self, scheme, binding="own", hash_algorithm=hashes.SHA256(), rsa_padding=None, **more):
        file, ca_file, own = self.certificates.issue(hash_algorithm, rsa_padding)
        binding = own if binding == "own" else binding
        door = Acceptor(self.embedded.url, self.embedded.user, file, scheme, binding, **more)
        return door, self.machine(door, ca_file)


def signs_in(house, scheme):
    for binding in ("own", None):
        door, machine = house.door(scheme, binding)
        machine.setup()
        assert f'auth = "{scheme.lower()}"' in machine.settings(), machine.settings()
        assert door.connections <= 3 and door.proofs == 1, (door.connections, door.proofs)
        machine.sync()
        assert machine.messages() == 40, machine.messages()
        assert door.requests > 10 and door.refused == 0 and door.proofs <= 6, vars(door)
        assert not door.faults, door.faults
        door.stop()
    print(f"{scheme}: signed in and synchronized, with and without channel binding required")


def knows_certificates(house, scheme):
    for algorithm, rsa_padding in [(hashes.SHA384(), None), (hashes.SHA512(), PKCS1), (hashes.SHA384(), PSS)]:
        door, machine = house.door(scheme, hash_algorithm=algorithm, rsa_padding=rsa_padding)
        machine.setup()
        assert door.refused == 0 and not door.faults, vars(door)
        door.stop()
    print(f"{scheme}: bound to certificates signed with ECDSA and SHA-384, RSA and SHA-512, RSA-PSS and SHA-384")


def is_refused(house, scheme):
    for what, binding, password in [("another channel", os.urandom(32), PASSWORD), ("a wrong password", "own", "sesame")]:
        door, machine = house.door(scheme, binding)
        said = machine.setup(code=4, password=password)
        assert "refused the sign-in" in said and "sesame" not in said, said
        assert door.proofs == door.refused == 1, (what, door.proofs, door.refused)
        assert not machine.root.exists(), "something was written"
        door.stop()
    # An account whose password was changed meanwhile is not locked by many requests at once.
    door, machine = house.door(scheme)
    machine.setup()
    secret = next((machine.root / "Secrets").rglob(ANNA))
    secret.write_text("sesame\n")
    proofs = door.proofs
    machine.end(machine.start("sync"), 4)
    assert door.proofs == proofs + 1, (proofs, door.proofs)
    door.stop()
    print(f"{scheme}: what is bound to another channel, and a wrong password, are refused, and tried once")


def survives_cuts(house, scheme):
    for step in ("hello", "challenge", "proof"):
        door, machine = house.door(scheme, cuts=[None, step, None, step])
        machine.setup()
        machine.sync()
        assert machine.messages() == 40 and door.refused == 0 and not door.cuts, (step, vars(door))
        assert not door.faults, door.faults
        door.stop()
    print(f"{scheme}: connections dropped in mid-handshake are made anew")


def signs_in_side_by_side(house, scheme):
    door, first = house.door(scheme)
    machines = [first] + [house.machine(door, first.ca_file) for _ in range(7)]
    for machine in machines:
        machine.setup()
    for machine, process in [(machine, machine.start("sync")) for machine in machines]:
        machine.end(process)
        assert machine.messages() == 40
    assert door.refused == 0 and not door.faults, vars(door)
    door.stop()
    print(f"{scheme}: eight at once, {door.connections} connections, none refused")


def signs_in_each_time(house, scheme):
    door, machine = house.door(scheme, forgets=True)
    machine.setup()
    machine.sync()
    assert machine.messages() == 40 and door.refused == 0 and door.proofs == door.requests, vars(door)
    door.stop()
    print(f"{scheme}: a server that forgets who signed in is told with each request")


def knows_domains(house, scheme):
    door, machine = house.door(scheme)
    machine.setup(user="EXAMPLE\\anna")
    assert door.refused == 0, vars(door)
    door.stop()
    print(f"{scheme}: DOMAIN\\name signs in")


def main(program):
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        users = home / "users"
        users.write_text(f":{ANNA}:{PASSWORD}\nEXAMPLE:anna:{PASSWORD}\n")
        os.environ["NTLM_USER_FILE"] = str(users)
        house = House(os.path.abspath(program), home)
        try:
            for scheme in ("NTLM", "Negotiate"):
                signs_in(house, scheme)
                knows_certificates(house, scheme)
                is_refused(house, scheme)
                survives_cuts(house, scheme)
                signs_in_each_time(house, scheme)
                knows_domains(house, scheme)
                signs_in_side_by_side(house, scheme)
        finally:
            house.embedded.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
