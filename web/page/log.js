"use strict";

const $ = (id) => document.getElementById(id);

/** A state that was copied from a narrow terminal, in one line. */
function oneLine(text) {
  const state = text.trim().replace(/^:load\s*/, "").replace(/\s+/g, "");
  return `:load ${state}`;
}

/** Lines of a console, from text as it comes. */
class Log {
  /** The last lines that are kept. */
  static LINES = 200;

  /**
   * @param {HTMLElement} element
   * @param {(line: string) => void} onLine
   */
  constructor(element, onLine) {
    Object.assign(this, { element, onLine, rest: "" });
  }

  add(text) {
    const lines = (this.rest + text.replaceAll("\x07", "")).split(/\r\n|\n/);
    this.rest = lines.pop();
    for (const line of lines) {
      if (line === "" || line === "> ") continue;
      this.onLine(line);
      const shown = document.createElement("div");
      shown.textContent = /^(> )?:load /.test(line) ? `${line.slice(0, 40)}\u2026` : line;
      if (line.startsWith("> ")) shown.className = "typed";
      this.element.append(shown);
    }
    while (this.element.childElementCount > Log.LINES) this.element.firstElementChild.remove();
    if (lines.length > 0) this.element.scrollTop = this.element.scrollHeight;
  }
}
