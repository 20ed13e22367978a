"""People in headless Chromium: passkeys with its virtual authenticator, single sign-on through a real
OpenID provider (oidc-provider, npm), and a staff directory that ends their access (SCIM).

SALUS_BIN: the program; SALUS_SHOTS: a folder for pictures. Prints `ok NAME` lines; exits 1 with a
line that begins `failed`.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

BIN = os.environ["SALUS_BIN"]
WORK = Path(tempfile.mkdtemp())
HERE = Path(__file__).resolve().parent


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


PORT, MLLP_PORT, IDP_PORT = free_port(), free_port(), free_port()
URL = f"https://localhost:{PORT}"
# `browser.py` reads the server's address when it is imported.
os.environ["SALUS_READY"] = json.dumps({"url": URL, "mllp": [f"127.0.0.1:{MLLP_PORT}"], "sign_ins": []})

from browser import Browser, fail  # noqa: E402

CONFIG = f"""
data = "{WORK}/data"
[https]
listen = "127.0.0.1:{PORT}"
url = "{URL}"
[mllp]
listen = ["127.0.0.1:{MLLP_PORT}"]
[web.oidc]
issuer = "http://127.0.0.1:{IDP_PORT}"
name = "St. Salus sign-on"
client_secret_file = "{WORK}/secret"
second_factor = "provider"
accounts = "made"
roles = [{{ claim = "groups", value = "icu-nurses", role = "nurse", wards = ["ICU"] }}]
"""
(WORK / "secret").write_text("a secret of the provider's & ours\n")
(WORK / "secret").chmod(0o600)
(WORK / "salus.toml").write_text(CONFIG)
STARTED = []


def start(args, ready, **more):
    process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, **more)
    STARTED.append(process)
    line = process.stdout.readline()
    if ready not in line:
        fail(f"{args[0]} does not start: {line}")
    return line


def command(*args):
    done = subprocess.run([BIN, "--config", WORK / "salus.toml", "--format", "json", *args],
                          capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"{args}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


TRUST = []


def trust():
    """Chromium has no passkeys where the certificate is not trusted: so the server's own is."""
    file = next(WORK.glob("data/**/certificate.pem"))
    script = """const key = new crypto.X509Certificate(require("fs").readFileSync(process.argv[1])).publicKey;
        console.log(crypto.createHash("sha256").update(key.export({type: "spki", format: "der"})).digest("base64"))"""
    done = subprocess.run(["node", "-e", script, file], capture_output=True, text=True, check=True)
    TRUST.append("--ignore-certificate-errors-spki-list=" + done.stdout.strip())


def authenticator(browser):
    """A virtual authenticator with user verification (WebAuthn Level 3, section 11)."""
    return browser.do("POST", "/webauthn/authenticator", {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserConsenting": True, "isUserVerified": True})


def passkeys(setup):
    browser = Browser(more=TRUST)
    authenticator(browser)
    browser.open(setup)
    for name, text in [("name", "Tomás Órtiz"), ("account", "tomas"),
                       ("password", "four words of night"), ("again", "four words of night")]:
        browser.type(f"input[name={name}]", text)
    browser.click("main form button")
    browser.until(lambda: browser.where() == "/account", "the first administrator is not asked for a second factor")
    browser.shot("account-enrol")
    print("ok a password alone only leads to the account page")
    browser.type("form.passkey input[name=name]", "This test")
    browser.click("form.passkey button")
    browser.until(lambda: "done=passkey" in browser.where(), "the passkey is not added")
    browser.shot("account-passkey")
    print("ok passkey registered")
    browser.page("/settings/people", "people-first")
    browser.click(".who form button")
    browser.until(lambda: browser.where() == "/sign-in", "no sign-out")
    browser.shot("sign-in")
    browser.click("form.passkey button")
    browser.until(lambda: browser.where() == "/now", "the passkey does not sign in")
    print("ok signed in with a passkey")
    browser.open("/account/step-up?next=/settings/people")
    browser.shot("step-up")
    browser.click("form.passkey button")
    browser.until(lambda: browser.where() == "/settings/people", "the passkey does not step up")
    print("ok stepped up with a passkey")
    browser.page("/account/app", "app")
    complaints = browser.complaints()
    if complaints:
        fail(f"the browser complains: {complaints[:3]}")
    return browser


def sso(account):
    browser = Browser(more=TRUST)
    browser.open("/sign-in?next=/patients")
    browser.click("a.button")
    browser.until(lambda: browser.find("input[name=login]"), "the provider's page does not come")
    browser.type("input[name=login]", account)
    browser.type("input[name=password]", "any")
    browser.click("button[type=submit]")
    browser.until(lambda: not browser.find("input[name=login]"), "the provider does not go on")
    if "/interaction/" in browser.do("GET", "/url"):
        browser.click("button[type=submit]")
    browser.until(lambda: browser.where() == "/patients", "single sign-on does not lead back")
    browser.shot("sso-patients")
    print("ok single sign-on", account)
    return browser


def directory(token):
    def scim(method, path, body=None):
        return requests.request(method, URL + "/scim/v2" + path, json=body, timeout=30,
                                verify=str(next(WORK.glob("data/**/certificate.pem"))),
                                headers={"authorization": f"Bearer {token}"})
    return scim


def main():
    salus = start([BIN, "serve", "--config", str(WORK / "salus.toml"), "--format", "json"], "setup")
    start(["node", str(HERE / "oidc_provider.mjs")], "ready",
          env={**os.environ, "PORT": str(IDP_PORT), "SALUS_URL": URL}, stderr=subprocess.DEVNULL)
    trust()
    setup = json.loads(salus)["setup"].removeprefix(URL)
    administrator = passkeys(setup)
    token = command("client", "add", "hr", "--scope", "system/scim")["token"]
    scim = directory(token)
    made = scim("POST", "/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                                   "userName": "nora", "displayName": "Nora N.", "roles": [{"value": "nurse"}]})
    if made.status_code != 201:
        fail(f"SCIM: {made.status_code} {made.text}")
    found = scim("GET", '/Users?filter=userName eq "nora"').json()
    if found["totalResults"] != 1:
        fail(f"SCIM: {found}")
    print("ok SCIM made somebody")
    nora, rita = sso("nora"), sso("rita")
    ended = scim("PATCH", "/Users/nora", {"Operations": [{"op": "replace", "path": "active", "value": False}]})
    if ended.json()["active"]:
        fail(f"SCIM: {ended.text}")
    nora.open("/now")
    nora.until(lambda: nora.where().startswith("/sign-in"), "nora's session goes on after she left")
    print("ok SCIM ends a session at once")
    (WORK / "left.csv").write_text(f"account,left\nrita,{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - 5))}\n")
    command("people", "leavers", str(WORK / "left.csv"))
    rita.open("/now")
    rita.until(lambda: rita.where().startswith("/sign-in"), "rita's session goes on after she left")
    print("ok a list of leavers ends a session at once")
    administrator.page("/settings/people", "people-left")
    if "Access ended" not in administrator.text("main"):
        fail("the lag is not shown")
    print("ok the lag is shown")
    for browser in (administrator, nora, rita):
        browser.quit()


try:
    main()
finally:
    for process in STARTED:
        process.terminate()
sys.exit(0)
