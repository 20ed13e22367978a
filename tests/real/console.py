"""A person at the console: set-up, accounts, sign-in, consent. Forms as a browser sends them."""

import os
import re
from html import unescape

import requests
from common import CA, FHIR, RUN, failed

ROOT = FHIR.removesuffix("/fhir")
PASSWORD = f"nine lanterns {RUN}"
OWN = f"ten lanterns {RUN}"


def browser():
    session = requests.Session()
    session.trust_env = False
    session.verify = CA
    return session


def csrf(page):
    found = re.search(r'name="csrf" value="([^"]*)"', page.text)
    if not found:
        failed("console", f"no form on {page.url}: {page.status_code}")
    return found[1]


def administrator():
    """The first administrator, made through the link that the server printed."""
    session = browser()
    who = {"name": "Ada Admin", "account": "ada", "password": PASSWORD, "again": PASSWORD}
    session.get(os.environ["SALUS_SETUP"])
    made = session.post(f"{ROOT}/setup", data=who, allow_redirects=False)
    if made.status_code != 303:
        failed("console set-up", f"{made.status_code} {made.text[:300]}")
    page = session.get(f"{ROOT}/account/step-up")
    proof = {"csrf": csrf(page), "password": PASSWORD, "next": "/settings/people"}
    proved = session.post(f"{ROOT}/account/step-up", data=proof, allow_redirects=False)
    if proved.status_code != 303:
        failed("console step-up", f"{proved.status_code} {proved.text[:300]}")
    return session


def person(admin, account, role, wards, practitioner):
    page = admin.get(f"{ROOT}/settings/people")
    who = {
        "csrf": csrf(page), "name": account.title(), "account": account, "role": role,
        "wards": wards, "practitioner": practitioner, "password": PASSWORD,
    }
    saved = admin.post(f"{ROOT}/settings/people", data=who, allow_redirects=False)
    if saved.status_code != 303 or "step-up" in saved.headers["location"]:
        failed("console people", f"{saved.status_code} {saved.text[:300]}")


def sign_in(account):
    session = browser()
    who = {"account": account, "password": PASSWORD}
    answer = session.post(f"{ROOT}/sign-in", data=who, allow_redirects=False)
    if answer.status_code != 303:
        # Whoever was here before has chosen a password of their own.
        who["password"] = OWN
        answer = session.post(f"{ROOT}/sign-in", data=who, allow_redirects=False)
    if answer.status_code != 303:
        failed("console sign-in", f"{answer.status_code} {answer.text[:300]}")
    page = session.get(f"{ROOT}/account")
    if "Choose a password of your own" in page.text:
        own = {"csrf": csrf(page), "current": PASSWORD, "password": OWN, "again": OWN}
        changed = session.post(f"{ROOT}/account/password", data=own, allow_redirects=False)
        if changed.status_code != 303:
            failed("console password", f"{changed.status_code} {changed.text[:300]}")
    return session


def hidden(page):
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    fields = {name: unescape(value) for name, value in found}
    fields.update({name: "yes" for name in re.findall(r'name="(scope-\d+)"', page.text)})
    return fields


def agree(session, url, patient=None):
    """Opens what an app asks for, chooses the patient, agrees; returns where the answer goes."""
    page = session.get(url)
    if patient and "For which patient" in page.text:
        links = [unescape(link) for link in re.findall(r'href="(/oauth/authorize[^"]*)"', page.text)]
        mine = [link for link in links if f"patient={patient}" in link]
        if not mine:
            failed("console patient", f"{patient} is not offered: {links}")
        page = session.get(ROOT + mine[0])
    if "in your name" not in page.text:
        failed("console consent", f"{page.status_code} {page.url} {page.text[-600:]}")
    fields = {**hidden(page), "answer": "yes"}
    # Sign-out is a form of every page; its token is that of the session, as this one's is.
    answer = session.post(f"{ROOT}/oauth/authorize", data=fields, allow_redirects=False)
    if answer.status_code != 303:
        failed("console consent", f"{answer.status_code} {answer.text[:300]}")
    return answer.headers["Location"]
