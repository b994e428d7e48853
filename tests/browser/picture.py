"""Takes the picture of a report for the documentation: from its head to its first chart, or to the element that a CSS
selector names.

usage: picture.py REPORT.html PICTURE.png [SELECTOR]
"""

import base64
import pathlib
import sys
import tempfile

from look import Look, browser

WIDTH = 1000

page, picture = map(pathlib.Path, sys.argv[1:3])
last = sys.argv[3] if len(sys.argv) > 3 else "figure svg.chart"
with tempfile.TemporaryDirectory() as profile:
    driver = browser(profile)
    try:
        Look(driver, picture.parent).view(WIDTH, "screen", "light")
        driver.get(page.resolve().as_uri())
        bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom"
        end = driver.execute_script(bottom, last)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": round(end) + 12, "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        picture.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]))
    finally:
        driver.quit()
