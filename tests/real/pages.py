"""Every page in headless Chromium, by the W3C WebDriver protocol of Debian's chromedriver.

SALUS_READY: the JSON line of `salus demo --format json`; SALUS_SHOTS: a folder for pictures.
Prints `ok NAME` lines; exits 1 with a line that begins `failed`.
"""

import base64
import os
import socket

from browser import ELEMENT, READY, SHOTS, WAIT_S, Browser, fail

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
    """A message of no known kind, which is kept but on no chart, and something that is no message at all."""
    kept = send("MSH|^~\\&|DOCUMENTS|STSALUS|SALUS|STSALUS|20261122010000||MDM^T99|PAGES1|P|2.5\r"
                "EVN|T02|20261122010000\rPID|1||SL100007^^^STSALUS^MR\rTXA|1|DS|TX\rOBX|1|TX|||A letter\r")
    if "MSA|AA|PAGES1" not in kept:
        fail(f"a message of no known kind was not taken: {kept}")
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
    browser.page("/flow/connect", f"connect-{tag}")
    if not browser.find("section#ehr pre.copy"):
        fail("there is nothing to be copied")
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
    links = browser.links("main a[href*='/flow/']:not([href$='/connect'])")
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


def gone():
    """A list goes from the screen when its session ends in another tab; what was typed stays unseen."""
    browser = Browser()
    browser.sign_in("nurse")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    run = lambda script: browser.do("POST", "/execute/sync", {"script": script, "args": []})
    browser.open("/patients")
    browser.type("input[name=name]", "half a name")
    typing = browser.do("GET", "/window")
    listed = browser.do("POST", "/window/new", {"type": "tab"})["handle"]
    browser.do("POST", "/window", {"handle": listed})
    browser.open("/patients")
    other = browser.do("POST", "/window/new", {"type": "tab"})["handle"]
    browser.do("POST", "/window", {"handle": other})
    browser.open("/now")
    browser.click("form[action='/sign-out'] button")
    browser.until(lambda: browser.where().startswith("/sign-in"), "the nurse is not signed out")
    browser.do("POST", "/window", {"handle": listed})
    run(look)
    words = "Your session pauses or has ended"
    browser.until(lambda: words in run("return document.documentElement.innerText"), "a list stays on the screen")
    if run("return document.querySelectorAll('main, header').length"):
        fail("a list is still in the page when its session has ended")
    browser.do("POST", "/window", {"handle": typing})
    run(look)
    browser.until(lambda: words in run("return document.documentElement.innerText"), "a form stays on the screen")
    if run("return getComputedStyle(document.body).display") != "none":
        fail("a form with what was typed is still seen when its session has ended")
    browser.shot("gone")
    print("ok pages go when their session ends")
    browser.quit()


oddities()
nurse(javascript=False)
chart = nurse(javascript=True)
strangers(chart)
administrator()
narrow(chart)
gone()
