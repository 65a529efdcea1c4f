"use strict";

/** What `step` of the module says was done (`Done` in web/src/page.rs). */
const Did = Object.freeze({ NOTHING: 0, WORK: 1, SAID: 2, WROTE: 3, READ: 4 });

/** A model with a console: an instance of the WebAssembly module. */
class Engine {
  /**
   * @param {WebAssembly.Module} module
   * @param {number} code bytes of the module
   * @param {Uint8Array} file a .lstm file
   * @throws {Error} with the engine's own words, if it refuses the file
   */
  constructor(module, code, file) {
    const ticks = () => Math.floor(performance.now() * 1000) >>> 0;
    this.exports = new WebAssembly.Instance(module, { page: { ticks } }).exports;
    this.decoder = new TextDecoder();
    this.typed = [];
    const place = this.exports.room(file.length);
    new Uint8Array(this.exports.memory.buffer).set(file, place);
    this.buffer = this.exports.buffer();
    const refused = this.exports.start(place, file.length, code);
    if (refused > 0) throw new Error(this.text(refused));

    const [format, checksum, ...name] = this.text(this.exports.name()).split(" ");
    Object.assign(this, { format, checksum, name: name.join(" ") });
    this.symbols = Array.from(this.text(this.exports.symbols()));
    this.layers = this.text(this.exports.shape()).trim().split("\n").map((line) => {
      const [cell, hidden, output] = line.split(" ");
      return { cell, hidden: Number(hidden), output: Number(output) };
    });
    this.numUnits = this.layers.reduce((sum, layer) => sum + layer.output + layer.hidden, 0);
  }

  bytes(length) {
    return new Uint8Array(this.exports.memory.buffer, this.buffer, length);
  }

  text(length) {
    return this.decoder.decode(this.bytes(length));
  }

  /** Types a line at the console. */
  type(line) {
    this.typed.push(...new TextEncoder().encode(line + "\r"));
  }

  /** Types a byte that is no part of a line: Ctrl-S pauses, Ctrl-Q goes on. */
  key(byte) {
    this.typed.push(byte);
  }

  /** Does what comes next: a value of `Did`, and the text that belongs to it. */
  step() {
    if (this.typed.length > 0 && this.exports.is_listening()) {
      return { did: Did.SAID, text: this.text(this.exports.input(this.typed.shift())) };
    }
    const done = this.exports.step();
    const did = done >>> 16;
    const bytes = done & 0xffff;
    return { did, text: bytes > 0 ? this.text(bytes) : "" };
  }

  /** The value of each unit, in units of 1/127: of each layer the hidden state, then the cell state. */
  units() {
    return new Int8Array(this.exports.memory.buffer, this.buffer, this.exports.units());
  }

  /** In proportion to the probability of each symbol in the last draw; empty where it was the likeliest. */
  weights() {
    return new Uint32Array(this.exports.memory.buffer, this.buffer, this.exports.weights() / 4);
  }

  settings() {
    const { temperature, top_k, top_p, seed, speed, is_paused } = this.exports;
    return {
      temperature: temperature(),
      topK: top_k(),
      topP: top_p(),
      seed: BigInt.asUintN(64, seed()).toString(),
      speed: speed(),
      isPaused: Boolean(is_paused()),
    };
  }
}
