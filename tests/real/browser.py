"""Headless Chromium by the W3C WebDriver protocol of Debian's chromedriver.

SALUS_READY: the JSON line of `salus demo --format json`; SALUS_SHOTS: a folder for pictures.
"""

import atexit
import base64
import json
import os
import subprocess
import sys
import time
import urllib.request

READY = json.loads(os.environ["SALUS_READY"])
SHOTS = os.environ.get("SALUS_SHOTS", ".")
WAIT_S = 15
DRIVER_STARTS = 5
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def fail(why):
    print("failed pages:", why)
    sys.exit(1)


class Stale(Exception):
    """An element is of a page that is not there any more."""


class Browser:
    def __init__(self, javascript=True, width=1280, more=()):
        # chromedriver takes one free port for two address families, and ends when only one has it.
        for _ in range(DRIVER_STARTS):
            self.driver = subprocess.Popen(
                ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            said = ""
            for line in self.driver.stdout:
                said += line
                if "started successfully on port" in line:
                    self.base = "http://127.0.0.1:" + line.rstrip().rstrip(".").split()[-1]
                    break
            else:
                self.driver.wait()
                continue
            break
        else:
            fail(f"chromedriver does not start: {said[-300:]}")
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                f"--window-size={width},1400", *more]
        options = {"args": args}
        if not javascript:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": True, "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + made["sessionId"]
        # Also after `fail`: the driver ends its browser when it is asked to end.
        atexit.register(self.driver.terminate)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method,
                                         headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            told = error.read().decode()
            if "stale element reference" in told:
                raise Stale from error
            fail(f"{method} {path}: {told[:300]}")

    def do(self, method, path, body=None):
        return self.call(method, self.session + path, body)

    def open(self, path):
        self.do("POST", "/url", {"url": READY["url"] + path})

    def find(self, css):
        return self.do("POST", "/elements", {"using": "css selector", "value": css})

    def one(self, css):
        # Between two pages, while a form is on its way, there is a moment with neither.
        end = time.monotonic() + WAIT_S
        while not (found := self.find(css)):
            if time.monotonic() >= end:
                fail(f"no `{css}` on {self.where()}: {self.source()[:300]}")
            time.sleep(0.1)
        return found[0][ELEMENT]

    def source(self):
        return self.do("GET", "/source")

    def text(self, css):
        for _ in range(20):
            try:
                return self.do("GET", f"/element/{self.one(css)}/text")
            except Stale:
                # Another page came in between: what is there now is asked for.
                continue
        fail(f"`{css}` on {self.where()} is never there for long")

    def type(self, css, text):
        self.do("POST", f"/element/{self.one(css)}/value", {"text": text})

    def click(self, css):
        self.do("POST", f"/element/{self.one(css)}/click", {})

    def where(self):
        return self.do("GET", "/url")[len(READY["url"]):]

    def links(self, css="a[href]"):
        found = [self.do("GET", f"/element/{e[ELEMENT]}/attribute/href") for e in self.find(css)]
        return [link.removeprefix(READY["url"]) for link in found]

    def until(self, seen, what):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if seen():
                return
            time.sleep(0.1)
        fail(f"{what}: {self.where()}: {self.text('body')[:300]}")

    def shot(self, name):
        with open(os.path.join(SHOTS, name + ".png"), "wb") as file:
            file.write(base64.b64decode(self.do("GET", "/screenshot")))

    def complaints(self):
        log = self.do("POST", "/se/log", {"type": "browser"})
        return [one["message"] for one in log if one["level"] == "SEVERE" and "403" not in one["message"]]

    def sign_in(self, role):
        who = next(one for one in READY["sign_ins"] if one["role"] == role)
        self.open("/sign-in")
        self.type("input[name=account]", who["login"])
        self.type("input[name=password]", who["password"])
        # Enter, as somebody would who uses the keyboard alone.
        self.type("input[name=password]", "\ue007")
        self.until(lambda: self.where() != "/sign-in", f"{role} does not get in")
        print("ok sign-in", role)

    def page(self, path, name):
        self.open(path)
        if len(self.find("h1")) != 1:
            fail(f"{path} has not one h1")
        self.shot(name)
        print("ok page", name, "-", self.text("h1"))

    def quit(self):
        self.do("DELETE", "")
        self.driver.terminate()
