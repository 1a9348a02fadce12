"""What the scripts that drive exchangelib share: the account, and steps that run in their order."""

import sys

from exchangelib import Account, Build, Configuration, Credentials, DELEGATE, Version

STEPS = []


def step(function):
    STEPS.append(function)
    return function


def open_account(url, address, password):
    configuration = Configuration(
        service_endpoint=url,
        credentials=Credentials(address, password),
        auth_type="basic",
        version=Version(build=Build(15, 2, 1544, 11), api_version="Exchange2016"),
    )
    return Account(primary_smtp_address=address, config=configuration, autodiscover=False, access_type=DELEGATE)


def run():
    """Runs the steps. Arguments of the script: URL ADDRESS PASSWORD."""
    account = open_account(*sys.argv[1:4])
    for one in STEPS:
        one(account)
        print(f"ok {one.__name__}")
