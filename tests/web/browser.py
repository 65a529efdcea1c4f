"""Drives the page in a browser, and prints what it saw as JSON; tests/browser.rs says what it should be.

The request comes as JSON on standard input: "browser" (a program), "page", "damaged", "model", "image", "no_image" and "made" (files), "state"
(a line), "characters" (of a text), "pictures" (a folder).
"""

import base64
import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

MINUTE = 60_000

TEXT = "page.manuscript.moments.map((moment) => moment.character).join('')"

DROP = """([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  for (const event of ["dragover", "drop"]) dispatchEvent(new DragEvent(event, { dataTransfer, cancelable: true }));
}"""

# A board that is the engine itself, on a port that is none.
BOARD = """() => {
  const file = page.models.get(page.name)();
  const board = new Engine(page.module, page.wasm.length, file);
  let port;
  const readable = new ReadableStream({ start: (controller) => { port = controller; } });
  const writable = new WritableStream({ write: (bytes) => { board.typed.push(...bytes); } });
  window.boardText = "";
  setInterval(() => {
    for (let i = 0; i < 100; i += 1) {
      const { did, text } = board.step();
      if (did === Did.NOTHING) return;
      if (did === Did.WROTE) window.boardText += text.replace("\\r\\n", "\\n");
      if (did === Did.WROTE || did === Did.SAID) port.enqueue(new TextEncoder().encode(text));
    }
  }, 5);
  const opened = { readable, writable, open: async () => {}, close: async () => {} };
  Object.defineProperty(navigator, "serial", { value: { requestPort: async () => opened } });
}"""

COLORS = """() => Array.from(document.querySelectorAll("canvas"), (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})"""


class Visit:
    """A page that has been opened."""

    def __init__(self, browser, url, errors, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(MINUTE)
        self.page.on("pageerror", lambda error: errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        self.page.goto(url)

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def command(self, line):
        """Types a line, and waits until the program has said something."""
        before = self.said()
        self.page.get_by_label("A line to go on from").fill(line)
        self.page.keyboard.press("Enter")
        self.page.wait_for_function("(n) => page.log.element.childElementCount > n", arg=len(before))

    def said(self):
        return self.page.locator("#log > div").all_inner_texts()

    def remark(self, start):
        """Waits for a remark that starts so."""
        line = self.page.locator("#log > div", has_text=start).last
        line.wait_for()
        return line.inner_text()

    def text(self, characters):
        """The first characters on the page, once they are there."""
        self.page.wait_for_function("(n) => page.manuscript.moments.length >= n", arg=characters)
        return self.page.evaluate(TEXT)[:characters]


def write(visit, request, seen):
    """The text from the start, and the golden one."""
    page, characters = visit.page, request["characters"]
    seen["starts_with"] = visit.button("Write").count()
    visit.command(":speed 0")
    visit.button("Write").focus()
    page.keyboard.press("Space")
    seen["text"] = visit.text(characters)
    visit.button("Pause").click()
    seen["models"] = page.locator("#model option").all_inner_texts()
    visit.command(":selftest")
    seen["golden"] = visit.remark("golden text")
    seen["selftest"] = visit.remark("selftest ")


def look(visit, seen):
    """A unit chosen, a moment of the past looked at, a setting changed by keyboard."""
    page = visit.page
    page.get_by_label("Find the unit that tells").select_option("column")
    seen["found"] = page.locator("#found").inner_text()
    seen["colored"] = page.locator("#text [data-v]").count()
    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    seen["unit"] = page.get_by_label("Unit", exact=True).input_value()
    page.locator("#text").focus()
    page.keyboard.press("ArrowLeft")
    seen["looked_at"] = page.locator("#text .marked").count()
    page.keyboard.press("Escape")
    seen["not_looked_at"] = page.locator("#text .marked").count()
    page.get_by_label("Temperature").focus()
    page.keyboard.press("ArrowRight")
    seen["temperature"] = visit.remark("temperature ")
    visit.command(":temp 0.8")


def models(visit, request, seen):
    """A damaged model, then a good one."""
    page = visit.page
    before = page.evaluate(TEXT)
    page.get_by_label("A .lstm file").set_input_files(request["damaged"])
    seen["refused"] = visit.remark(Path(request["damaged"]).name)
    seen["lines"] = len([line for line in visit.said() if Path(request["damaged"]).name in line])
    seen["runs_on"] = page.evaluate(TEXT) == before
    model = Path(request["model"])
    page.evaluate(DROP, [model.name, base64.b64encode(model.read_bytes()).decode()])
    page.wait_for_function("(name) => page.name === name", arg=model.stem)
    visit.button("Write").click()
    seen["dropped"] = visit.text(request["characters"])
    visit.button("Pause").click()
    page.get_by_role("combobox", name="Model").select_option(label=seen["models"][0])


def minds(visit, request, seen):
    """A state from the desk, and one for it."""
    page, characters = visit.page, request["characters"]
    line = page.get_by_label("The line", exact=True)
    line.fill(request["state"])
    visit.button("Load").click()
    seen["loaded"] = visit.remark("state loaded")
    visit.button("Write").click()
    seen["from_desk"] = visit.text(characters)
    visit.button("Pause").click()
    before = page.evaluate(TEXT)
    line.fill("")
    visit.button("Save").click()
    page.wait_for_function("document.getElementById('state').value !== ''")
    seen["saved"] = line.input_value()
    visit.button("Write").click()
    seen["after_save"] = visit.text(len(before) + characters)[len(before):]
    visit.button("Pause").click()
    line.fill(request["state"][:-3])
    visit.button("Load").click()
    seen["not_loaded"] = visit.remark("state not loaded")


def serial(visit, request, seen):
    """A board: its mind to the page."""
    page = visit.page
    page.evaluate(BOARD)
    visit.button("Connect").click()
    visit.button("Disconnect").wait_for()
    page.wait_for_function("boardText.length > 200")
    board = page.get_by_label("A line or a command for the board")
    board.fill(":pause")
    page.keyboard.press("Enter")
    page.locator("#board-text", has_text="# paused").wait_for()
    length = page.evaluate("boardText.length")
    visit.button("Take its mind").click()
    page.wait_for_function("(n) => page.written === BigInt(n)", arg=length)
    visit.button("Write").click()
    seen["page_after_board"] = visit.text(request["characters"])
    visit.button("Pause").click()
    board.fill(":resume")
    page.keyboard.press("Enter")
    page.wait_for_function("(n) => boardText.length >= n", arg=length + request["characters"])
    seen["board"] = page.evaluate("boardText")[length:length + request["characters"]]


def image(visit, request, seen):
    """A file for a board, with the model that writes; and one from what is no image."""
    page = visit.page
    chosen = page.get_by_label("The image of a board")
    with page.expect_download() as download:
        chosen.set_input_files(request["image"])
    seen["made"] = download.value.suggested_filename
    download.value.save_as(request["made"])
    seen["made_told"] = page.locator("#image-told").inner_text()
    chosen.set_input_files(request["no_image"])
    refused = page.locator("#image-told", has_text=Path(request["no_image"]).name)
    refused.wait_for()
    seen["not_made"] = refused.inner_text()


def picture(browser, request, errors, name, width, height, scheme):
    """A picture of the page while it writes, and what can be measured of it."""
    visit = Visit(browser, request["page"], errors, viewport={"width": width, "height": height}, color_scheme=scheme)
    page = visit.page
    visit.command(":speed 0")
    visit.text(900)
    page.get_by_label("Characters a second").select_option("30")
    page.wait_for_timeout(500)
    path = Path(request["pictures"]) / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    measured = {
        "path": str(path),
        "colors": page.evaluate(COLORS),
        "too_wide": page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        "paper": page.evaluate("getComputedStyle(document.body).backgroundColor"),
        "ink": page.evaluate("getComputedStyle(document.body).color"),
        "found": page.locator("#found").inner_text(),
    }
    visit.context.close()
    return measured


def main():
    request = json.load(sys.stdin)
    seen, errors = {"errors": []}, []
    with sync_playwright() as playwright:
        # Containers and root have no sandbox of the browser.
        arguments = ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=shutil.which(request["browser"]), args=arguments)
        visit = Visit(browser, request["page"], errors, reduced_motion="reduce")
        write(visit, request, seen)
        look(visit, seen)
        models(visit, request, seen)
        minds(visit, request, seen)
        serial(visit, request, seen)
        image(visit, request, seen)
        seen["pictures"] = [
            picture(browser, request, errors, f"{name}-{scheme}", width, height, scheme)
            for name, width, height in [("phone", 360, 740), ("desktop", 1280, 900)]
            for scheme in ["light", "dark"]
        ]
        browser.close()
    seen["errors"] = errors
    json.dump(seen, sys.stdout)


main()
