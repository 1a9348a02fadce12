#!/usr/bin/env python3
"""Checks the licences and names of all dependencies against deny.toml. Reads `cargo metadata --format-version 1` from standard input."""

import json
import re
import sys
import tomllib
from pathlib import Path


def tokens(expression):
    # Old crates write "MIT/Apache-2.0" where they mean "or".
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    text = re.sub(r"(\S+)\s+WITH\s+(\S+)", r"\1+WITH+\2", text)
    return [token.replace("+WITH+", " WITH ") for token in text.split()]


def allowed(expression, allow):
    """Whether an SPDX expression can be satisfied with the licences in `allow`. AND binds closer than OR."""
    rest = tokens(expression)

    def either():
        result = both()
        while rest and rest[0] == "OR":
            rest.pop(0)
            result = both() or result
        return result

    def both():
        result = one()
        while rest and rest[0] == "AND":
            rest.pop(0)
            result = one() and result
        return result

    def one():
        token = rest.pop(0)
        if token == "(":
            result = either()
            rest.pop(0)
            return result
        return token in allow

    return either() and not rest


def main():
    settings = tomllib.loads((Path(__file__).parents[2] / "deny.toml").read_text())
    allow = set(settings["licenses"]["allow"])
    banned = {entry["name"] for entry in settings["bans"]["deny"]}
    packages = json.load(sys.stdin)["packages"]
    faults = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            faults.append(f"{name}: no licence is given")
        elif not allowed(package["license"], allow):
            faults.append(f"{name}: {package['license']} is not allowed")
        if package["name"] in banned:
            faults.append(f"{name} is banned")
        # None is this package; anything else but a registry is somebody's branch.
        if package["source"] is not None and not package["source"].startswith("registry+"):
            faults.append(f"{name} comes from {package['source']}")
    for fault in faults:
        print(f"licences: {fault}", file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    assert allowed("MIT OR (GPL-3.0-only AND ISC)", {"MIT"})
    assert not allowed("MIT AND GPL-3.0-only", {"MIT"})
    assert allowed("Apache-2.0 WITH LLVM-exception", {"Apache-2.0 WITH LLVM-exception"})
    assert not allowed("Apache-2.0 WITH LLVM-exception", {"Apache-2.0"})
    sys.exit(main())
