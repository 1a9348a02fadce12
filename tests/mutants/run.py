"""Breaks the program on purpose, one rule at a time, and looks whether the tests notice.

    tests/mutants/run.py            every mutant of mutants.txt (an hour or more)
    tests/mutants/run.py NAME...    some
    tests/mutants/run.py --check    only whether each still fits the code

Works on a copy in target/mutants, so nothing here is changed. A mutant that the tests do not notice, and one that does not compile, is a failure.
"""

import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
COPY = TOP / "target" / "mutants"
TAKEN_ALONG = ("Cargo.toml", "Cargo.lock", "src", "tests", "benches", "examples", "man", "completions", "README.md")


def mutants():
    text = (pathlib.Path(__file__).parent / "mutants.txt").read_text()
    for block in re.split(r"(?m)^== ", text)[1:]:
        head, old, new = re.split(r"(?m)^(?:<<<<|----|>>>>)\n?", block)[0:3]
        name, file, tests = head.strip().split("\n")
        yield name, file, tests.removeprefix("tests: ").split(), old, new


def fits(file, old):
    return (TOP / file).read_text().count(old)


def copy():
    COPY.mkdir(parents=True, exist_ok=True)
    for name in TAKEN_ALONG:
        source, target = TOP / name, COPY / name
        if source.is_dir():
            # Times are kept, so that cargo makes anew what was changed, and nothing else.
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=copy_changed)
            for path in target.rglob("*"):
                if path.is_file() and not (source / path.relative_to(target)).exists():
                    path.unlink()
        else:
            copy_changed(source, target)


def copy_changed(source, target):
    source, target = pathlib.Path(source), pathlib.Path(target)
    if not target.exists() or source.read_bytes() != target.read_bytes():
        shutil.copy(source, target)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=COPY, capture_output=True, text=True)


def program(test):
    """The program that holds a test: `engine/mail` is the module `mail` of `engine`."""
    return test.split("/")[0]


def try_out(name, file, tests, old, new):
    path = COPY / file
    sound = path.read_text()
    path.write_text(sound.replace(old, new, 1))
    try:
        programs = {program(test) for test in tests}
        chosen = [word for name in sorted(programs) for word in (["--lib"] if name == "lib" else ["--test", name])]
        built = cargo("test", "--locked", "--no-run", *chosen)
        if built.returncode:
            errors = [line for line in built.stderr.split("\n") if line.startswith("error")]
            return f"does not compile: {errors[:2]}"
        parts = [test.split("/")[1] + "::" for test in tests if "/" in test]
        ran = cargo("test", "--locked", *chosen, "--", *(parts if len(parts) == len(tests) else []))
        if ran.returncode == 0:
            return "SURVIVED"
        failed = re.findall(r"(?m)^test (\S+) \.\.\. FAILED", ran.stdout)
        print(f"{name}: caught by {', '.join(failed[:3])}{' …' if len(failed) > 3 else ''}", flush=True)
        return None
    finally:
        path.write_text(sound)


def main():
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    chosen = [mutant for mutant in mutants() if not wanted or mutant[0] in wanted]
    lost = [f"{name}: fits {fits(file, old)} times" for name, file, _, old, _ in chosen if fits(file, old) != 1]
    if lost or "--check" in sys.argv:
        print("\n".join(lost) or f"{len(chosen)} mutants fit")
        return bool(lost)
    copy()
    failures = []
    for mutant in chosen:
        if trouble := try_out(*mutant):
            failures.append(mutant[0])
            print(f"{mutant[0]}: {trouble}", flush=True)
    print(f"{len(chosen) - len(failures)} of {len(chosen)} caught")
    return bool(failures)


sys.exit(main())
