#!/usr/bin/env python3
"""Backs up into the buckets of an S3-compatible server of somebody else's that runs on this machine, and restores from there.

    tests/interop/s3.py PIMSYNC [S3S-FS]

The server is moto, or the program s3s-fs where that is named. Needs the packages moto[server] and boto3, and age.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import boto3
from botocore.exceptions import ClientError

KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "Sesame-4711-open", "AWS_REGION": "us-east-1"}


class Server:
    """An S3-compatible server, and a client of somebody else's that looks at what is in it."""

    def __init__(self, url):
        self.url = url
        self.client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def objects(self, bucket):
        listed = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {each["Key"]: each["Size"] for each in listed}


class Moto(Server):
    """On a port that it finds itself."""

    name = "moto"

    def __init__(self):
        command = [sys.executable, "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
            if found:
                super().__init__(found[1])
                break
        else:
            sys.exit("the server does not start")
        # It logs each request: nobody may leave it waiting for that.
        self.log = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def uploads(self):
        return self.client.list_multipart_uploads(Bucket="mail").get("Uploads", [])

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.wait()


class S3sFs(Server):
    """Keeps objects as files, and checks signatures."""

    name = "s3s-fs"

    def __init__(self, program, root):
        self.root = root
        root.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keys = ["--access-key", KEYS["AWS_ACCESS_KEY_ID"], "--secret-key", KEYS["AWS_SECRET_ACCESS_KEY"]]
        command = [program, "--host", "127.0.0.1", "--port", str(port), *keys, str(root)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().__init__(f"http://127.0.0.1:{port}")
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("the server does not start")

    def uploads(self):
        return [path for path in self.root.rglob("*") if path.is_file() and path.name.startswith(".upload")]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Machine:
    def __init__(self, program, root, server):
        self.program, self.root = os.path.abspath(program), root
        self.database = root / "Identities/Main/Database"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PIMSYNC_"))},
            "PIMSYNC_ROOT": str(root),
            "TZ": "UTC",
            "AWS_ENDPOINT_URL": server.url,
            **KEYS,
        }

    def run(self, *arguments, code=0, **environment):
        surroundings = {**self.environment, **environment}
        surroundings = {name: value for name, value in surroundings.items() if value is not None}
        done = subprocess.run([self.program, *arguments], env=surroundings, capture_output=True, text=True, timeout=300)
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{' '.join(arguments)}: {done.returncode}, not {code}\n{said}"
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in said, f"{' '.join(arguments)} tells the secret"
        return said

    def restored(self, number, target, to):
        self.run("restore", str(number), "--from", target, "--to", str(to))
        return tree(to)


def tree(top):
    files = [path for path in top.rglob("*") if path.is_file() and not path.name.startswith("state.db")]
    return {str(path.relative_to(top)): (path.read_bytes(), int(path.stat().st_mtime)) for path in files}


def backs_up_and_restores(machine, server, home):
    server.client.create_bucket(Bucket="mail")
    target = "s3://mail/my/machine"
    notes = machine.database / "On My Computer/Notes"
    (notes / "large.md").write_bytes(os.urandom(30_000_000))
    machine.run("backup", "--to", target, "--verify")
    first = tree(machine.database)
    (notes / "new.md").write_text("new\n")
    made = json.loads(machine.run("backup", "--to", target, "--json"))["targets"][0]
    assert made["builds_upon"] == [1] and made["stored"] < made["files"], made
    assert machine.restored(1, target, home / "one") == first
    assert machine.restored(2, target, home / "two") == tree(machine.database)
    machine.run("restore", f"{target}/{made['archive'].rpartition('/')[2]}", "--to", str(home / "three"))
    assert tree(home / "three") == tree(machine.database)
    names = sorted(server.objects("mail"))
    assert [name[-14:] for name in names] == ["000001.tar.zst", "000002.tar.zst"], names
    # What stock tools make of it.
    (home / "first.tar.zst").write_bytes(server.client.get_object(Bucket="mail", Key=names[0])["Body"].read())
    (home / "by-tar").mkdir()
    subprocess.run(["tar", "--zstd", "-xf", home / "first.tar.zst", "-C", home / "by-tar"], check=True)
    assert tree(home / "by-tar/Database") == first
    return target, names


def watches_and_prunes(machine, server, target):
    machine.run("backup", "verify", "--from", target, "--all", "--read-data")
    machine.run("backup", "verify", "--from", target, "--rehearse")
    assert not machine.run("status", "--max-age", "1h", "--target", target + "/")
    said = machine.run("status")
    assert f"{target}: 000002" in said and "verified" in said, said
    listed = json.loads(machine.run("backup", "list", "--from", target, "--json"))
    assert [each["number"] for each in listed["archives"]] == [1, 2], listed
    for _ in range(2):
        machine.run("backup", "--full", "--to", target)
    machine.run("backup", "prune", "--from", target, "--keep-last", "1", "--dry-run")
    assert len(server.objects("mail")) == 4
    machine.run("backup", "prune", "--from", target, "--keep-last", "1")
    # The newest, the newest that was verified, and what that one builds upon.
    assert sorted(name[-14:-8] for name in server.objects("mail")) == ["000001", "000002", "000004"]


def notices_damage(machine, server, target, names, home):
    whole = server.client.get_object(Bucket="mail", Key=names[0])["Body"].read()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 8
    server.client.put_object(Bucket="mail", Key=names[0], Body=bytes(changed))
    assert "000001" in machine.run("backup", "verify", "1", "--from", target, "--read-data", code=1)
    server.client.put_object(Bucket="mail", Key=names[0], Body=whole[: len(whole) // 2])
    assert "no whole archive" in machine.run("backup", "verify", "1", "--from", target, code=1)
    machine.run("restore", "1", "--from", target, "--salvage", "--to", str(home / "salvaged"), code=3)
    assert (home / "salvaged").is_dir()
    server.client.put_object(Bucket="mail", Key=names[0], Body=whole)


def encrypts(machine, server, home):
    subprocess.run(["age-keygen", "-o", home / "key"], check=True, stderr=subprocess.DEVNULL)
    recipient = subprocess.run(["age-keygen", "-y", home / "key"], check=True, capture_output=True, text=True).stdout.strip()
    target = "s3://mail/sealed"
    machine.run("backup", "--to", target, "--encrypt-to", recipient)
    (machine.database / "On My Computer/Notes/newest.md").write_text("newest\n")
    made = json.loads(machine.run("backup", "--to", target, "--encrypt-to", recipient, "--verify", "--json"))["targets"][0]
    assert made["builds_upon"] == [1] and made["verified"], made
    machine.run("restore", "--from", target, "--to", str(home / "sealed"), code=1)
    machine.run("restore", "--from", target, "--to", str(home / "sealed"), "--age-identity", str(home / "key"))
    assert tree(home / "sealed") == tree(machine.database)
    stored = [name for name in server.objects("mail") if name.startswith("sealed/")]
    assert len(stored) == 2 and all(name.endswith(".tar.zst.age") for name in stored), stored


def says_what_is_wrong(machine):
    assert "NoSuchBucket" in machine.run("backup", "--to", "s3://nobody/x", code=1)
    # A port on which nobody listens.
    assert "refused" in machine.run("backup", "--to", "s3://mail/x", code=6, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "AWS_ACCESS_KEY_ID" in machine.run("backup", "--to", "s3://mail/x", code=2, AWS_ACCESS_KEY_ID=None)
    assert "https" in machine.run("backup", "--to", "s3://mail/x", code=2, AWS_ENDPOINT_URL="http://storage.example.org")


def gets_credentials_from_a_command(machine, server):
    printed = {
        "Version": 1,
        "AccessKeyId": KEYS["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": KEYS["AWS_SECRET_ACCESS_KEY"],
        "Expiration": "2099-01-01T00:00:00Z",
    }
    script = machine.root / "credentials.json"
    script.write_text(json.dumps(printed, indent=2))
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    machine.run("backup", "--to", "s3://mail/command", PIMSYNC_S3_CREDENTIALS_COMMAND=f"cat '{script}'", **none)
    assert any(name.startswith("command/") for name in server.objects("mail"))
    script.write_text(KEYS["AWS_SECRET_ACCESS_KEY"])
    said = machine.run("backup", "--to", "s3://mail/c2", code=1, PIMSYNC_S3_CREDENTIALS_COMMAND=f"cat '{script}'", **none)
    assert "credential_process" in said, said


def never_overwrites(server):
    """What we rely on: this server refuses to make an object of parts where one is."""
    server.client.put_object(Bucket="mail", Key="taken", Body=b"first")
    upload = server.client.create_multipart_upload(Bucket="mail", Key="taken")["UploadId"]
    part = server.client.upload_part(Bucket="mail", Key="taken", UploadId=upload, PartNumber=1, Body=b"second")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    try:
        server.client.complete_multipart_upload(
            Bucket="mail", Key="taken", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        )
        print("this server takes no condition with the last request of an upload; pimsync looks before it")
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412, error
    server.client.abort_multipart_upload(Bucket="mail", Key="taken", UploadId=upload)


def main():
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        server = S3sFs(sys.argv[2], home / "objects") if len(sys.argv) > 2 else Moto()
        try:
            machine = Machine(sys.argv[1], home / "root", server)
            machine.run("setup", "--demo")
            target, names = backs_up_and_restores(machine, server, home)
            watches_and_prunes(machine, server, target)
            notices_damage(machine, server, target, names, home)
            encrypts(machine, server, home)
            says_what_is_wrong(machine)
            gets_credentials_from_a_command(machine, server)
            never_overwrites(server)
            assert not server.uploads(), f"an upload was left behind: {server.uploads()}"
            stored = [path for path in machine.root.rglob("*") if path.is_file()]
            secret = KEYS["AWS_SECRET_ACCESS_KEY"].encode()
            told = [path for path in stored if path.name != "credentials.json" and secret in path.read_bytes()]
            assert not told, f"the secret is in {told}"
        finally:
            server.stop()
    print(f"archives went into a bucket of {server.name}, were verified, pruned, damaged and encrypted there, and came back")


main()
