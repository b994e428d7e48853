"""Opens reports in headless Chromium and looks for what a reader would stumble over.

usage: look.py REPORTS [PICTURES]     (REPORTS/*/{report,compare,capacity}.html and REPORTS/*/charts/*.svg)
"""

import base64
import json
import os
import pathlib
import shutil
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

sys.path.append(str(pathlib.Path(__file__).parent.parent / "python"))
import carriers  # noqa: E402

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-extensions --hide-scrollbars --allow-file-access-from-files""".split()
# name, width, medium, colour scheme
VIEWS = [
    ("light", 1280, "screen", "light"),
    ("dark", 1280, "screen", "dark"),
    ("narrow", 380, "screen", "light"),
    ("narrow-dark", 380, "screen", "dark"),
    ("print", 688, "print", "dark"),
]
# Seconds; longer than anything takes at low priority, so that only what hangs fails.
PATIENCE = 900
# Charts that a page has at least.
FEWEST = {"report.html": 12, "compare.html": 4, "capacity.html": 6}
# Finds every complaint about the page as it is shown; runs in the page.
LOOK = (pathlib.Path(__file__).parent / "look.js").read_text("utf-8")
# The accessibility checker, which the driver brings into the page: its own policy lets nothing in.
(AXE,) = carriers.texts("axe.min.js")
RULES = """const done = arguments[0], rules = {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]};
axe.run(document, rules).then(({violations, passes}) => done([passes.length, violations.map((v) =>
  `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target + " " + n.html.slice(0, 120)).join("; ")}`)]))"""


def browser(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # At low priority on a busy machine, a script or a page takes as long as it takes.
    options.timeouts = {"script": PATIENCE * 1000, "pageLoad": PATIENCE * 1000}
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


class Look:
    def __init__(self, driver, pictures):
        self.driver, self.pictures, self.complaints = driver, pictures, []

    def complain(self, where, what):
        self.complaints.append(f"{where}: {what}")

    def view(self, width, medium, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def logs(self, where, path):
        for entry in self.driver.get_log("browser"):
            self.complain(where, f"console: {entry['message']}")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                # The browser's own first page, which it opens by itself.
                if message["params"]["documentURL"].startswith("chrome://"):
                    continue
                if not url.startswith("data:") and url.split("#")[0] != path.as_uri():
                    self.complain(where, f"request: {url}")

    def accessible(self, where):
        """axe-core has no complaint, and had rules to apply."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        passes, violations = self.driver.execute_async_script(RULES)
        if passes < 10:
            self.complain(where, f"axe applied {passes} rules")
        for violation in violations:
            self.complain(where, f"axe: {violation}")

    def picture(self, name):
        height = min(self.driver.execute_script("return document.documentElement.scrollHeight"), 14000)
        width = self.driver.execute_script("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "optimizeForSpeed": True, "clip": clip}
        )
        (self.pictures / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def page(self, path):
        run = path.parent.name
        fewest = FEWEST[path.name]
        for name, width, medium, scheme in VIEWS:
            where = f"{run}, {name}"
            self.view(width, medium, scheme)
            self.driver.get(path.as_uri())
            for complaint in self.driver.execute_script(LOOK, medium == "print", fewest):
                self.complain(where, complaint)
            if self.pictures:
                self.picture(f"{run}-{name}")
            # The rules look at the document and its colours; width makes no difference to most of them.
            if name in ("light", "dark") or (name == "narrow" and run in ("failing", "crowded")):
                self.accessible(where)
            self.logs(where, path)
        self.switch(path, run)

    def switch(self, path, run):
        """The switch goes through its modes, and its choice outlives the page."""
        self.view(1280, "screen", "light")
        self.driver.get(path.as_uri())
        ground = "return getComputedStyle(document.body).backgroundColor"
        light = self.driver.execute_script(ground)
        button = self.driver.find_element("id", "theme")
        button.click()
        if self.driver.execute_script(ground) != light:
            self.complain(run, "the switch to light is dark")
        button.click()
        dark = self.driver.execute_script(ground)
        if dark == light:
            self.complain(run, "the switch to dark does nothing")
        self.driver.get(path.as_uri())
        if self.driver.execute_script(ground) != dark:
            self.complain(run, "the switch is not remembered")
        self.driver.find_element("id", "theme").click()
        copy = self.driver.find_element("css selector", "[data-copy=toml], [data-copy=command]")
        self.driver.execute_script("arguments[0].scrollIntoView()", copy)
        copy.click()
        selected = self.driver.execute_script("return getSelection().toString().length")
        if selected < 30:
            self.complain(run, "the copy button takes nothing")
        self.logs(run, path)

    def chart(self, path):
        where = f"{path.parent.parent.name}, {path.name}"
        self.view(1000, "screen", "light")
        self.driver.get(path.as_uri())
        for complaint in self.driver.execute_script(LOOK, False, 0):
            self.complain(where, complaint)
        self.logs(where, path)


def main(reports, pictures=None):
    # It has no clock, and the tests beside it have one.
    os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))
    pages = sorted(page for name in FEWEST for page in reports.glob(f"*/{name}"))
    with tempfile.TemporaryDirectory() as profile:
        driver = browser(profile)
        look = Look(driver, pictures)
        try:
            for page in pages:
                look.page(page)
            for chart in sorted(reports.glob("*/charts/*.svg")):
                look.chart(chart)
        finally:
            driver.quit()
    if look.complaints:
        print("\n".join(list(dict.fromkeys(look.complaints))[:80]))
        print(f"{len(look.complaints)} complaints")
        return 1
    print(f"{len(pages)} reports are sound")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
