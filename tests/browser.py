"""A headless Chromium, driven over its DevTools pipe with the standard library alone."""

import importlib.resources
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from select import select

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The browser reads commands from descriptor 3 and answers on 4; they are put there in a process of their own.
LAUNCH = """import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]  # out of the way of 3 and 4
os.dup2(pipes[0], 3), os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
OPTIONS = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --hide-scrollbars".split()
SECONDS = 60  # that an answer may take
AXE = importlib.resources.files("axe_core_python") / "axe.min.js"  # checks a page against WCAG and good practice


class Page:
    """One tab. `events` holds everything that the browser reported: requests, exceptions, console messages."""

    def __init__(self, read, write):
        self.read, self.write, self.number, self.session, self.rest, self.events = read, write, 0, None, b"", []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """The result of one command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def _receive(self):
        end = time.monotonic() + SECONDS
        while b"\0" not in self.rest:
            ready, _, _ = select([self.read], [], [], max(end - time.monotonic(), 0))
            part = os.read(self.read, 1 << 20) if ready else b""
            assert part, "the browser does not answer"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, url, width=1400, height=900, dark=False):
        """Load `url` in a window of that size and wait until it is there."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        self.send("Page.navigate", url=url)
        while self.run("document.readyState !== 'complete' || location.href === 'about:blank'"):
            time.sleep(0.02)
        self.settle()

    def run(self, code):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def settle(self):
        """Wait until the page has been painted."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, key):
        """Press a key such as ArrowRight, as a person does."""
        codes = {"End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])
        self.settle()

    def violations(self):
        """What axe-core finds on this page: a rule, and where it is broken."""
        self.run(AXE.read_text(encoding="utf-8") + ";0")
        lines = (
            "axe.run().then(found => found.violations.map(rule => rule.id + ': ' + rule.nodes.map(node => node.html)))"
        )
        return self.run(lines)

    def reported(self, method):
        return [event["params"] for event in self.events if event.get("method") == method]


@contextmanager
def open_page(profile):
    """A `Page` of a browser of its own, whose files go into the folder `profile`."""
    commands, answers = os.pipe(), os.pipe()
    command = [sys.executable, "-c", LAUNCH, str(commands[0]), str(answers[1]), CHROMIUM, *OPTIONS]
    command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        command, pass_fds=(commands[0], answers[1]), cwd=profile, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(commands[0])
    os.close(answers[1])
    try:
        page = Page(answers[0], commands[1])
        yield page
        page.session = None
        page.send("Browser.close")
    finally:
        os.close(commands[1])
        os.close(answers[0])
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
