"""What a program does to a directory, system call by system call, and what of it a power failure leaves.

`record` runs a program under strace and gives the list of all that it did below a directory. `Disk` holds a tree as a file system does, in inodes and
entries, and takes such a list in part: what survives is up to its caller, since that is what a power failure decides.

What is assumed of the file system is what Linux's with a journal keep, and no more: a rename happens whole or not at all; nothing of a file is durable
but what was there when a later fsync of it, or syncfs, began; nothing of a directory but what was done before such an fsync of it. To sync a file does not
make its name durable.
"""

import bisect
import dataclasses
import os
import pathlib
import re
import subprocess

WRITES = "write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate"
NAMES = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,mknod,mknodat"
SYNCS = "fsync,fdatasync,syncfs,sync,sync_file_range,msync"
DESCRIPTORS = "open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,lseek"
# None of them is expected, and what is not understood must not be overlooked.
OTHERS = "sendfile,copy_file_range,splice,fallocate,mmap,utimensat,chdir,io_uring_setup,io_submit"
TRACED = ",".join((WRITES, NAMES, SYNCS, DESCRIPTORS, OTHERS))


@dataclasses.dataclass
class Op:
    """One thing that was done. `nodes` are the inodes whose fsync makes it durable."""

    kind: str  # write, truncate, time: of a file's content; names: of directories' entries; sync; server
    nodes: tuple
    detail: tuple = ()
    # The inodes that came into being.
    made: tuple = ()
    makes_dir: bool = False
    # For a sync: what came before this place was there when it began.
    covers: int = 0
    # The place of the sync that made it durable.
    settled: float = float("inf")

    def is_content(self):
        return self.kind in ("write", "truncate", "time")

    def is_done(self):
        """Whether it can be left half done, or undone: all but syncs and what the server did."""
        return self.kind not in ("sync", "server")


@dataclasses.dataclass
class Node:
    """A file's content, or a directory's entries."""

    entries: dict | None = None
    content: bytearray = dataclasses.field(default_factory=bytearray)
    time: float = 0

    def copy(self):
        entries = None if self.entries is None else dict(self.entries)
        return Node(entries, bytearray(self.content), self.time)


class Disk:
    """A tree. Inode 0 is its top."""

    def __init__(self, nodes=None):
        self.nodes = nodes or {0: Node(entries={})}

    @classmethod
    def read(cls, top):
        """The tree as it lies there, and what the system calls its inodes: (device, number) for each of ours."""
        disk, known = cls(), {}

        def take(path, own):
            found = path.stat()
            known[own] = (found.st_dev, found.st_ino)
            disk.nodes[own].time = found.st_mtime
            for entry in sorted(path.iterdir()) if path.is_dir() else []:
                child = len(disk.nodes)
                disk.nodes[own].entries[entry.name] = child
                is_dir = entry.is_dir()
                disk.nodes[child] = Node(entries={}) if is_dir else Node(content=bytearray(entry.read_bytes()))
                take(entry, child)

        take(pathlib.Path(top), 0)
        return disk, known

    def copy(self):
        return Disk({own: node.copy() for own, node in self.nodes.items()})

    def find(self, parts, start=0):
        """The inode at a path, or None."""
        at = start
        for part in parts:
            entries = self.nodes[at].entries
            if entries is None or part not in entries:
                return None
            at = entries[part]
        return at

    def make(self, op):
        """The inodes that come into being, empty and nowhere."""
        for made in op.made:
            self.nodes[made] = Node(entries={}) if op.makes_dir else Node()

    def do(self, op):
        if op.kind == "write":
            at, data, time = op.detail
            node = self.nodes[op.nodes[0]]
            if len(node.content) < at:
                node.content.extend(bytes(at - len(node.content)))
            node.content[at : at + len(data)] = data
            node.time = time
        elif op.kind == "truncate":
            length, time = op.detail
            node = self.nodes[op.nodes[0]]
            del node.content[length:]
            node.content.extend(bytes(length - len(node.content)))
            node.time = time
        elif op.kind == "time":
            self.nodes[op.nodes[0]].time = op.detail[0]
        elif op.kind == "names":
            for directory, name, old, new in op.detail:
                entries = self.nodes[directory].entries
                if new is not None:
                    entries[name] = new
                elif entries.get(name) == old:
                    del entries[name]

    def files(self):
        """Every path and inode that can be reached from the top."""
        waiting = [((), 0)]
        while waiting:
            path, own = waiting.pop()
            yield path, own
            entries = self.nodes[own].entries or {}
            waiting.extend((path + (name,), child) for name, child in entries.items())

    def write_to(self, top, change):
        """Puts the tree on a real disk. `change` may alter a file's content. Returns the new (device, number) of each inode."""
        top, known = pathlib.Path(top), {}
        for path, own in self.files():
            node, real = self.nodes[own], top.joinpath(*path)
            if node.entries is not None:
                real.mkdir(mode=0o700, parents=True)
            else:
                real.write_bytes(change(path, bytes(node.content)))
                real.chmod(0o600)
                os.utime(real, (node.time, node.time))
            found = real.stat()
            known[own] = (found.st_dev, found.st_ino)
        return known


def replay(start, ops, survives):
    """The tree when of all that was done only what survives was."""
    disk = start.copy()
    # What a file or directory is does not depend on whether it can be reached.
    for op in ops:
        disk.make(op)
    for place, op in enumerate(ops):
        if op.is_done() and survives(place, op):
            disk.do(op)
    return disk


class Recorder:
    """Reads what strace wrote."""

    def __init__(self, top, start, ago):
        self.ago = ago
        self.top = tuple(pathlib.Path(top).parts)
        self.now = start.copy()
        self.ops = []
        self.times = []
        self.fds = {}
        self.offsets = {}
        self.appending = set()
        self.next = max(start.nodes) + 1

    # -- reading lines

    def read(self, trace):
        """Calls count when they end, but a close when it begins: from then on its number can be another file's."""
        begun = {}
        for line in trace:
            found = re.match(r"(\d+) +(\d+\.\d+) (.*)\n", line)
            process, time, text = found[1], float(found[2]), found[3]
            if text.startswith(("---", "+++")):
                continue
            if text.endswith("<unfinished ...>"):
                text = text.removesuffix("<unfinished ...>")
                begun[process] = (text, len(self.ops))
                if text.startswith("close("):
                    self.fds.pop(int(re.match(r"close\((\d+)", text)[1]), None)
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            covers = len(self.ops)
            if resumed:
                before, covers = begun.pop(process)
                text = before + resumed[1]
            call = re.match(r"(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)", text)
            assert call, f"not understood: {text[:200]}"
            if call[3].startswith("-") or call[3] == "?" or (resumed and call[1] == "close"):
                continue
            self.call(call[1], call[2], int(call[3], 0), time, covers)

    def call(self, name, arguments, result, time, covers):
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)]
        assert '"...' not in arguments, f"cut short: {name}"
        plain = [word.strip() for word in re.sub(r'"[^"]*"', '""', arguments).split(",")]
        handler = getattr(self, f"on_{name}", None)
        if handler:
            handler(plain, texts, result, time, covers)
        elif name in ("dup", "dup2", "dup3"):
            if int(plain[0]) in self.fds:
                self.fds[result] = self.fds[int(plain[0])]
        elif name in ("mmap", "chdir", "io_uring_setup", "io_submit", "sync_file_range", "msync"):
            assert name in ("mmap", "sync_file_range", "msync"), f"{name} is not understood"
            shared = name == "mmap" and "PROT_WRITE" in plain[2] and "MAP_SHARED" in plain[3] and int(plain[4]) in self.fds
            # SQLite's index of the WAL, which is made anew when nobody had it open.
            assert not shared or self.name_of(self.fds[int(plain[4])]).endswith("-shm"), f"mapped for writing: {arguments}"
        elif name not in ("lseek",):
            touched = [word for word in plain if word.isdigit() and int(word) in self.fds] or [text for text in texts if self.inside(text)]
            assert not touched, f"{name} is not understood: {arguments[:200]}"

    def note(self, kind, nodes, detail, time, **more):
        op = Op(kind, nodes, detail, **more)
        self.ops.append(op)
        self.times.append(time)
        self.now.make(op)
        self.now.do(op)

    # -- paths

    def inside(self, text):
        path = pathlib.PurePosixPath(os.fsdecode(text)).parts
        return path[: len(self.top)] == self.top

    def place(self, at, text):
        """(directory, name) of a path, or None where it is none of ours."""
        path = pathlib.PurePosixPath(os.fsdecode(text))
        if path.is_absolute():
            if not self.inside(text):
                return None
            start, parts = 0, path.parts[len(self.top) :]
        elif at != "AT_FDCWD" and int(at) in self.fds:
            start, parts = self.fds[int(at)], path.parts
        else:
            return None
        if not parts:
            return (start, None)
        directory = self.now.find(parts[:-1], start)
        assert directory is not None, f"{path} lies nowhere"
        return (directory, parts[-1])

    def at(self, place):
        directory, name = place
        return directory if name is None else self.now.nodes[directory].entries.get(name)

    def name_of(self, own):
        return next(("/".join(path) for path, node in self.now.files() if node == own), "")

    # -- calls

    def on_open(self, plain, texts, result, time, covers):
        self.opened("AT_FDCWD", texts[0], plain[1], result, time)

    def on_openat(self, plain, texts, result, time, covers):
        self.opened(plain[0], texts[0], plain[2], result, time)

    def on_creat(self, plain, texts, result, time, covers):
        self.opened("AT_FDCWD", texts[0], "O_CREAT|O_TRUNC", result, time)

    def opened(self, at, text, flags, fd, time):
        self.fds.pop(fd, None)
        place = self.place(at, text)
        if place is None:
            return
        assert not re.search("O_TMPFILE|O_D?SYNC", flags), f"{flags} is not understood"
        own = self.at(place)
        if own is None:
            assert "O_CREAT" in flags, f"{text} was opened and is not there"
            own, self.next = self.next, self.next + 1
            self.note("names", (place[0],), ((*place, None, own),), time, made=(own,))
        elif "O_TRUNC" in flags:
            self.note("truncate", (own,), (0, time - self.ago), time)
        self.fds[fd] = own
        self.offsets[fd] = 0
        (self.appending.add if "O_APPEND" in flags else self.appending.discard)(fd)

    def on_close(self, plain, texts, result, time, covers):
        self.fds.pop(int(plain[0]), None)

    def on_fcntl(self, plain, texts, result, time, covers):
        if plain[1].startswith("F_DUPFD") and int(plain[0]) in self.fds:
            self.fds[result] = self.fds[int(plain[0])]
            self.offsets[result] = self.offsets.get(int(plain[0]), 0)

    def on_lseek(self, plain, texts, result, time, covers):
        self.offsets[int(plain[0])] = result

    def on_write(self, plain, texts, result, time, covers):
        fd = int(plain[0])
        if fd not in self.fds:
            return
        own = self.fds[fd]
        at = len(self.now.nodes[own].content) if fd in self.appending else self.offsets[fd]
        self.note("write", (own,), (at, b"".join(texts)[:result], time - self.ago), time)
        self.offsets[fd] = at + result

    on_writev = on_write

    def on_pwrite64(self, plain, texts, result, time, covers):
        if int(plain[0]) in self.fds:
            self.note("write", (self.fds[int(plain[0])],), (int(plain[-1]), b"".join(texts)[:result], time - self.ago), time)

    on_pwritev = on_pwrite64

    def on_ftruncate(self, plain, texts, result, time, covers):
        if int(plain[0]) in self.fds:
            self.note("truncate", (self.fds[int(plain[0])],), (int(plain[1]), time - self.ago), time)

    def on_utimensat(self, plain, texts, result, time, covers):
        """The times of an open file. Only the second, of the change, matters."""
        if plain[0] != "AT_FDCWD" and int(plain[0]) in self.fds:
            seconds = re.findall(r"tv_sec=(-?\d+)", ",".join(plain))
            if seconds:
                self.note("time", (self.fds[int(plain[0])],), (float(seconds[-1]),), time)

    def on_fsync(self, plain, texts, result, time, covers):
        if int(plain[0]) in self.fds:
            self.note("sync", (self.fds[int(plain[0])],), (), time, covers=covers)

    on_fdatasync = on_fsync

    def on_syncfs(self, plain, texts, result, time, covers):
        self.note("sync", (), (), time, covers=covers)

    def on_sync(self, plain, texts, result, time, covers):
        self.note("sync", (), (), time, covers=covers)

    def on_mkdir(self, plain, texts, result, time, covers):
        self.make_dir("AT_FDCWD", texts[0], time)

    def on_mkdirat(self, plain, texts, result, time, covers):
        self.make_dir(plain[0], texts[0], time)

    def make_dir(self, at, text, time):
        place = self.place(at, text)
        if place is not None:
            own, self.next = self.next, self.next + 1
            self.note("names", (place[0],), ((*place, None, own),), time, made=(own,), makes_dir=True)

    def on_unlink(self, plain, texts, result, time, covers):
        self.remove("AT_FDCWD", texts[0], time)

    on_rmdir = on_unlink

    def on_unlinkat(self, plain, texts, result, time, covers):
        self.remove(plain[0], texts[0], time)

    def remove(self, at, text, time):
        place = self.place(at, text)
        if place is not None:
            self.note("names", (place[0],), ((*place, self.at(place), None),), time)

    def on_rename(self, plain, texts, result, time, covers):
        self.renamed(("AT_FDCWD", "AT_FDCWD"), texts, "", time)

    def on_renameat(self, plain, texts, result, time, covers):
        self.renamed((plain[0], plain[2]), texts, "", time)

    def on_renameat2(self, plain, texts, result, time, covers):
        self.renamed((plain[0], plain[2]), texts, plain[4], time)

    def renamed(self, ats, texts, flags, time):
        old, new = (self.place(at, text) for at, text in zip(ats, texts))
        if old is None and new is None:
            return
        assert old is not None and new is not None, f"renamed across the border: {texts}"
        one, other = self.at(old), self.at(new)
        back = (*old, None, other) if "EXCHANGE" in flags else (*old, one, None)
        self.note("names", (old[0], new[0]), (back, (*new, other, one)), time)

    def on_link(self, plain, texts, result, time, covers):
        self.linked(("AT_FDCWD", "AT_FDCWD"), texts, time)

    def on_linkat(self, plain, texts, result, time, covers):
        self.linked((plain[0], plain[2]), texts, time)

    def linked(self, ats, texts, time):
        old, new = (self.place(at, text) for at, text in zip(ats, texts))
        if new is not None:
            self.note("names", (new[0],), ((*new, None, self.at(old)),), time)


def settle(ops, believed=lambda op: True):
    """Notes for each thing done which sync made it durable, of those that are believed."""
    waiting = []
    for place, op in enumerate(ops):
        op.settled = float("inf")
        if op.kind == "sync" and believed(op):
            left = []
            for earlier in waiting:
                if earlier < op.covers and (not op.nodes or op.nodes[0] in ops[earlier].nodes):
                    ops[earlier].settled = place
                else:
                    left.append(earlier)
            waiting = left
        elif op.is_done():
            waiting.append(place)


def record(command, environment, top, trace, start, events, ago):
    """Runs a command and gives all that it did below `top`, which was `start`, with the `(time, number)` of `events` in between: those that have
    come by the time at which the command ends. Also gives its exit status, its output, and the tree as it ought to lie there now. What was written shows
as written so many seconds earlier."""
    strace = ["strace", "-f", "-ttt", "-xx", "-s", "100000000", "--seccomp-bpf", "-e", "signal=none", "-e", f"trace={TRACED}", "-o", trace]
    done = subprocess.run([*strace, *command], env=environment, capture_output=True, text=True)
    recorder = Recorder(top, start, ago)
    with open(trace) as lines:
        recorder.read(lines)
    ops = recorder.ops
    for time, number in events:
        # Inserted from the front to the back; what a sync covers moves along.
        place = bisect.bisect(recorder.times, time)
        recorder.times.insert(place, time)
        ops.insert(place, Op("server", (), (number,)))
        for op in ops[place + 1 :]:
            if op.covers > place:
                op.covers += 1
    settle(ops)
    return ops, done, recorder.now
