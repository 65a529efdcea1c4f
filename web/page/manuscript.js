"use strict";

/** How many of the likeliest characters are kept of each draw. */
const CHOICES = 7;

/**
 * The text, with what the network was like after each character: its units, and what might have come next.
 * The oldest lines go when there is no room.
 */
class Manuscript {
  static CHARACTERS = 4096;
  static BYTES = 8 << 20;
  /** More than a frame adds. */
  static SPARE = 64;

  /** @param {HTMLElement} element where the lines go */
  constructor(element) {
    this.element = element;
    this.unit = null;
    this.clear(0);
    element.addEventListener("scroll", () => {
      const rest = element.scrollHeight - element.scrollTop - element.clientHeight;
      this.isAtEnd = rest < 24;
    }, { passive: true });
  }

  /** An empty text, of a network of so many units. */
  clear(numUnits) {
    this.numUnits = numUnits;
    const room = Math.floor(Manuscript.BYTES / Math.max(1, numUnits));
    this.capacity = Math.min(Manuscript.CHARACTERS, Math.max(512, room));
    this.units = new Int8Array(this.capacity * numUnits);
    this.first = 0;
    this.moments = [];
    this.fresh = document.createDocumentFragment();
    this.line = null;
    this.isAtEnd = true;
    this.element.replaceChildren();
  }

  /** One past the number of the last character. */
  get end() {
    return this.first + this.moments.length;
  }

  moment(index) {
    return this.moments[index - this.first];
  }

  /** The units after a character was read. */
  unitsAt(index) {
    const start = (index % this.capacity) * this.numUnits;
    return this.units.subarray(start, start + this.numUnits);
  }

  /** Notes what the network is like, now that it has read the last character, and what might have come. */
  note(units, choices) {
    if (this.moments.length === 0) return;
    const index = this.end - 1;
    const moment = this.moment(index);
    this.unitsAt(index).set(units);
    moment.isKnown = true;
    moment.choices = choices;
    this.color(moment, index);
  }

  /** Adds a character that was written, or read from a typed line. It is shown by `show`. */
  push(character, isRead) {
    const isBreak = character === "\n";
    const span = document.createElement("span");
    span.textContent = isBreak ? "\u00b7" : character;
    span.dataset.at = this.end;
    if (isRead) span.classList.add("read");
    if (isBreak) span.classList.add("break");
    if (!this.line) {
      this.line = document.createElement("p");
      this.fresh.append(this.line);
    }
    this.line.append(span);
    this.moments.push({ character, span, isKnown: false, choices: [] });
    if (isBreak) this.line = null;
  }

  /** Shows what was added. */
  show() {
    if (this.fresh.childNodes.length > 0) this.element.append(this.fresh);
    if (this.moments.length > this.capacity - Manuscript.SPARE) this.dropOldest();
    if (this.isAtEnd) this.element.scrollTop = this.element.scrollHeight;
  }

  /** Drops a quarter of the text at once: the rest moves, which takes the browser long. */
  dropOldest() {
    let count = Math.floor(this.moments.length / 4);
    // To the end of a line, where there is one.
    const lines = this.moments.findIndex(({ character }, i) => i >= count && character === "\n");
    if (lines >= 0 && lines < 2 * count) count = lines + 1;
    for (const { span } of this.moments.splice(0, count)) {
      const line = span.parentElement;
      span.remove();
      if (line !== this.line && line.childElementCount === 0) line.remove();
    }
    this.first += count;
  }

  /** Colors the text by a unit; by none if it is null. */
  colorBy(unit) {
    this.unit = unit;
    this.element.classList.toggle("colored", unit !== null);
    this.moments.forEach((moment, i) => this.color(moment, this.first + i));
  }

  color(moment, index) {
    const value = this.unit === null || !moment.isKnown ? 0 : this.unitsAt(index)[this.unit];
    const step = Math.round(value / 16);
    if (moment.step === step) return;
    moment.step = step;
    if (step === 0) moment.span.removeAttribute("data-v");
    else moment.span.dataset.v = step;
  }

  /** Marks the character that is looked at, and takes the mark off the one before. */
  mark(index) {
    this.marked?.classList.remove("marked");
    this.marked = index === null ? null : this.moment(index)?.span;
    this.marked?.classList.add("marked");
  }

  /** The last characters before a place. */
  before(index, characters) {
    const end = index - this.first + 1;
    return this.moments.slice(Math.max(0, end - characters), end).map((m) => m.character).join("");
  }
}
