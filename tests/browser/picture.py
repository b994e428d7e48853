"""Takes the picture of a report for the README: from its head to its first chart.

usage: picture.py REPORT.html PICTURE.png
"""

import base64
import pathlib
import sys
import tempfile

from look import Look, browser

WIDTH = 1000

page, picture = map(pathlib.Path, sys.argv[1:3])
with tempfile.TemporaryDirectory() as profile:
    driver = browser(profile)
    try:
        Look(driver, picture.parent).view(WIDTH, "screen", "light")
        driver.get(page.resolve().as_uri())
        end = driver.execute_script("return document.querySelector('figure svg.chart').getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": round(end) + 12, "scale": 1}
        asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        picture.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]))
    finally:
        driver.quit()
