"use strict";

/** A character as it can be seen. */
function visible(character) {
  return { " ": "\u2423", "\n": "\u21b5", "\t": "\u21e5" }[character] ?? character;
}

/** The network at work: what may come next, and its units. */
class Network {
  static COLUMNS = 32;

  /**
   * @param {HTMLElement} choices a list
   * @param {HTMLElement} layers where the pictures of the layers go
   * @param {(unit: number) => void} onChoose
   */
  constructor(choices, layers, onChoose) {
    this.list = choices;
    this.place = layers;
    this.onChoose = onChoose;
    this.blocks = [];
    this.unit = null;
    this.rows = Array.from({ length: CHOICES }, () => this.row());
    new ResizeObserver(() => this.resize()).observe(layers);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  }

  row() {
    const row = document.createElement("li");
    const [name, track, value] = ["b", "i", "span"].map((tag) => document.createElement(tag));
    const bar = document.createElement("u");
    track.append(bar);
    row.append(name, track, value);
    this.list.append(row);
    return { row, name, bar, value };
  }

  /** The likeliest of a draw, in percent, with the character that was drawn among them. */
  static choices(weights, symbols, drawn) {
    if (weights.length === 0) return [{ character: drawn, percent: 100 }];
    let sum = 0;
    for (const weight of weights) sum += weight;
    const choices = [];
    weights.forEach((weight, symbol) => {
      if (weight > 0) choices.push({ character: symbols[symbol], percent: 100 * weight / sum });
    });
    choices.sort((a, b) => b.percent - a.percent);
    const at = choices.findIndex((choice) => choice.character === drawn);
    if (at >= CHOICES) choices[CHOICES - 1] = choices[at];
    return choices.slice(0, CHOICES);
  }

  /** Shows a draw. */
  showChoices(choices, drawn) {
    this.rows.forEach(({ row, name, bar, value }, i) => {
      const choice = choices[i];
      row.classList.toggle("empty", !choice);
      row.classList.toggle("drawn", choice?.character === drawn && choice !== undefined);
      name.textContent = choice ? visible(choice.character) : "";
      bar.style.transform = `scaleX(${choice ? choice.percent / 100 : 0})`;
      value.textContent = choice ? `${choice.percent.toFixed(choice.percent < 9.95 ? 1 : 0)} %` : "";
    });
  }

  /** Makes the pictures of a network's layers. */
  setLayers(layers) {
    this.blocks = [];
    this.place.replaceChildren();
    let first = 0;
    layers.forEach((layer, number) => {
      const of = layers.length > 1 ? `Layer ${number + 1}, ` : "";
      const parts = [[`${of}hidden state`, layer.output], [`${of}cell state of the ${layer.cell}`, layer.hidden]];
      for (const [name, count] of parts) {
        this.blocks.push(this.block(name, first, count));
        first += count;
      }
    });
    this.resize();
  }

  block(name, first, count) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const canvas = document.createElement("canvas");
    caption.textContent = `${name}: units ${first} to ${first + count - 1}`;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${caption.textContent}. The arrow keys choose a unit`);
    figure.append(caption, canvas);
    this.place.append(figure);
    const block = { canvas, first, count, size: 0 };
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.floor((event.clientX - box.left) / box.width * Network.COLUMNS);
      const rows = Math.ceil(count / Network.COLUMNS);
      const row = Math.floor((event.clientY - box.top) / box.height * rows);
      const at = row * Network.COLUMNS + column;
      if (at >= 0 && at < count) this.onChoose(first + at);
    });
    canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -Network.COLUMNS, ArrowDown: Network.COLUMNS }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      const isHere = this.unit !== null && this.unit >= first && this.unit < first + count;
      const at = isHere ? this.unit + by : first;
      if (at >= first && at < first + count) this.onChoose(at);
    });
    return block;
  }

  resize() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const [low, high] = [color("--low"), color("--high")];
    // From -127 to 127.
    this.fills = Array.from({ length: 255 }, (_, i) => {
      const value = (i - 127) / 127;
      const percent = Math.round(100 * Math.abs(value));
      return `color-mix(in oklab, ${value < 0 ? low : high} ${percent}%, ${color("--cell")})`;
    });
    this.chosen = color("--ink");
    const width = this.place.clientWidth;
    const ratio = devicePixelRatio || 1;
    for (const block of this.blocks) {
      block.size = Math.max(2, Math.floor(width * ratio / Network.COLUMNS));
      block.canvas.width = block.size * Network.COLUMNS;
      block.canvas.height = block.size * Math.ceil(block.count / Network.COLUMNS);
    }
    this.resolveFills();
    if (this.last) this.draw(this.last);
  }

  /** Reads each mixed color once: mixing takes longer than filling. */
  resolveFills() {
    const canvas = document.createElement("canvas");
    canvas.width = this.fills.length;
    canvas.height = 1;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    this.fills.forEach((fill, i) => {
      context.fillStyle = fill;
      context.fillRect(i, 0, 1, 1);
    });
    const { data } = context.getImageData(0, 0, this.fills.length, 1);
    this.fills = this.fills.map((_, i) => `rgb(${data[4 * i]} ${data[4 * i + 1]} ${data[4 * i + 2]})`);
  }

  /** Draws the units, which must stay as they are until the next are drawn. */
  draw(units) {
    this.last = units;
    for (const { canvas, first, count, size } of this.blocks) {
      const context = canvas.getContext("2d");
      const gap = size > 6 ? Math.max(1, Math.round(size / 12)) : 0;
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < count; i += 1) {
        context.fillStyle = this.fills[Math.max(-127, units[first + i]) + 127];
        const [x, y] = [(i % Network.COLUMNS) * size, Math.floor(i / Network.COLUMNS) * size];
        context.fillRect(x, y, size - gap, size - gap);
      }
      const at = this.unit === null ? -1 : this.unit - first;
      if (at >= 0 && at < count) {
        context.strokeStyle = this.chosen;
        context.lineWidth = Math.max(2, gap);
        const [x, y] = [(at % Network.COLUMNS) * size, Math.floor(at / Network.COLUMNS) * size];
        context.strokeRect(x, y, size - gap, size - gap);
      }
    }
  }

  /** Marks a unit; none if it is null. */
  choose(unit) {
    this.unit = unit;
    if (this.last) this.draw(this.last);
  }
}

/** What a unit may tell of a character: a number for each, of the text, from the place on. */
const TELLS = {
  column: (text, at) => at - text.lastIndexOf("\n", at),
  break: (text, at) => Number(text[at + 1] === "\n"),
  word: (text, at) => /^[a-z']*/i.exec([...text.slice(Math.max(0, at - 20), at + 1)].reverse().join(""))[0].length,
  space: (text, at) => Number(/[ \n]/.test(text[at + 1])),
  capital: (text, at) => Number(/[A-Z]/.test(text[at + 1])),
  vowel: (text, at) => Number(/[aeiou]/i.test(text[at + 1])),
};

/**
 * The unit whose value goes along with what is to be told, by the correlation over the text.
 * @returns {{unit: number, correlation: number, characters: number} | null} null where the text is too short
 */
function findUnit(manuscript, what) {
  const text = manuscript.moments.map((moment) => moment.character).join("");
  // The last has no character after it.
  const places = manuscript.moments.slice(0, -1).flatMap((moment, i) => (moment.isKnown ? [i] : []));
  if (places.length < 100) return null;
  const told = places.map((at) => TELLS[what](text, at));
  const n = places.length;
  const mean = told.reduce((sum, y) => sum + y, 0) / n;
  const deviation = Math.sqrt(told.reduce((sum, y) => sum + (y - mean) ** 2, 0));
  const { numUnits } = manuscript;
  const [sums, squares, products] = [0, 0, 0].map(() => new Float64Array(numUnits));
  places.forEach((at, i) => {
    const units = manuscript.unitsAt(manuscript.first + at);
    const y = told[i] - mean;
    for (let unit = 0; unit < numUnits; unit += 1) {
      const x = units[unit];
      sums[unit] += x;
      squares[unit] += x * x;
      products[unit] += x * y;
    }
  });
  let best = null;
  for (let unit = 0; unit < numUnits; unit += 1) {
    const spread = Math.sqrt(Math.max(0, squares[unit] - sums[unit] ** 2 / n));
    const correlation = spread > 0 && deviation > 0 ? products[unit] / (spread * deviation) : 0;
    if (!best || Math.abs(correlation) > Math.abs(best.correlation)) best = { unit, correlation, characters: n };
  }
  return best;
}
