"""Every page in headless Chromium, by the W3C WebDriver protocol of Debian's chromedriver.

SALUS_READY: the JSON line of `salus demo --format json`; SALUS_SHOTS: a folder for pictures.
Prints `ok NAME` lines; exits 1 with a line that begins `failed`.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

READY = json.loads(os.environ["SALUS_READY"])
SHOTS = os.environ.get("SALUS_SHOTS", ".")
WAIT_S = 15
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def fail(why):
    print("failed pages:", why)
    sys.exit(1)


class Browser:
    def __init__(self, javascript=True, width=1280):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.base = "http://127.0.0.1:" + line.rstrip().rstrip(".").split()[-1]
                break
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                f"--window-size={width},1400"]
        options = {"args": args}
        if not javascript:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": True, "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + made["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method,
                                         headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            fail(f"{method} {path}: {error.read().decode()[:300]}")

    def do(self, method, path, body=None):
        return self.call(method, self.session + path, body)

    def open(self, path):
        self.do("POST", "/url", {"url": READY["url"] + path})

    def find(self, css):
        return self.do("POST", "/elements", {"using": "css selector", "value": css})

    def one(self, css):
        found = self.find(css)
        if not found:
            fail(f"no `{css}` on {self.where()}: {self.text('body')[:300]}")
        return found[0][ELEMENT]

    def text(self, css):
        return self.do("GET", f"/element/{self.one(css)}/text")

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


def send(message):
    """One message over MLLP; returns the answer."""
    host, port = READY["mllp"][0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as link:
        link.sendall(b"\x0b" + message.encode() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += link.recv(4096)
    return answer.decode()


def oddities():
    """A document, which is kept but on no chart, and something that is no message at all."""
    kept = send("MSH|^~\\&|DOCUMENTS|STSALUS|SALUS|STSALUS|20261122010000||MDM^T02^MDM_T02|PAGES1|P|2.5\r"
                "EVN|T02|20261122010000\rPID|1||SL100007^^^STSALUS^MR\rTXA|1|DS|TX\rOBX|1|TX|||A letter\r")
    if "MSA|AA|PAGES1" not in kept:
        fail(f"a document was not taken: {kept}")
    if "MSA|AR" not in send("hello world"):
        fail("what is no message was not refused")
    print("ok oddities sent")


def charts(browser):
    return [link for link in browser.links("main a[href*='/patients/']") if "?" not in link]


def nurse(javascript):
    browser = Browser(javascript)
    tag = "script" if javascript else "no-script"
    browser.sign_in("nurse")
    browser.page("/now", f"now-{tag}")
    browser.page("/patients", f"patients-{tag}")
    mine = charts(browser)
    if not mine:
        fail("the nurse sees no patient of her ward")
    path = mine[0]
    browser.page(path, f"chart-{tag}")
    order = [browser.do("GET", f"/element/{e[ELEMENT]}/text") for e in browser.find("main h2")]
    print("ok chart order:", ", ".join(order))
    if not browser.find("main a[href*='/record/']"):
        fail("no value on the chart leads to its proof")
    mark = browser.links("main a[href*='/record/']")[0]
    browser.page(mark, f"event-{tag}")
    browser.page("/record", f"record-{tag}")
    browser.page("/flow", f"flow-{tag}")
    seen = browser.complaints() if javascript else []
    if seen:
        fail(f"the browser complains: {seen[:3]}")
    browser.quit()
    return path


def strangers(path):
    """A privacy officer is refused the nurse's patient, with the reason, and opens a message."""
    browser = Browser()
    browser.sign_in("privacy-officer")
    browser.page(path, "refused")
    if not browser.find("main"):
        fail("a refusal has no page")
    said = browser.text("main").lower()
    if "may" not in said and "refused" not in said and "not allowed" not in said:
        fail(f"the refusal gives no reason: {said[:200]}")
    browser.page("/flow", "flow-privacy-officer")
    links = browser.links("main a[href*='/flow/']")
    if not links:
        fail("the privacy officer sees no message that was kept")
    browser.page(links[0], "message-masked")
    if browser.find("ol.segments"):
        fail("the message is shown without a reason")
    browser.type("main [name=reason]", "checking what this feed sends")
    browser.click("main form button")
    browser.until(lambda: browser.find("ol.segments"), "the message is not shown after a reason")
    browser.shot("message-shown")
    print("ok message shown after a reason")
    browser.quit()


def administrator():
    browser = Browser()
    browser.sign_in("administrator")
    browser.page("/now", "now-administrator")
    browser.page("/settings/people", "people")
    browser.quit()


def narrow(path):
    browser = Browser(width=500)
    browser.sign_in("nurse")
    for page, name in [("/patients", "patients-narrow"), (path, "chart-narrow")]:
        browser.page(page, name)
        wide = browser.do("POST", "/execute/sync", {
            "script": "return document.documentElement.scrollWidth - window.innerWidth", "args": []})
        if wide > 1:
            fail(f"{page} is {wide} px wider than a narrow window")
    browser.open(path)
    printed = browser.do("POST", "/print", {"page": {"width": 21.0, "height": 29.7}})
    with open(os.path.join(SHOTS, "chart.pdf"), "wb") as file:
        file.write(base64.b64decode(printed))
    print("ok narrow and print")
    browser.quit()


oddities()
nurse(javascript=False)
chart = nurse(javascript=True)
strangers(chart)
administrator()
narrow(chart)
