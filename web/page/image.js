"use strict";

/** Puts models into the images of boards: an instance of the second WebAssembly module (web/image/src/lib.rs). */
class ImageMaker {
  constructor(wasm) {
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
  }

  /** Puts a file into the memory of the module, and tells where. */
  put(file) {
    const place = this.exports.room(file.length);
    new Uint8Array(this.exports.memory.buffer).set(file, place);
    return place;
  }

  /**
   * The image with a model in the place of the one in it.
   * @param {Uint8Array} image
   * @param {Uint8Array} model
   * @param {DOMStringMap} board what `cargo xtask web` tells of it
   * @throws {Error} with one line, if there is none
   */
  replace(image, model, board) {
    const numbers = [board.format, board.family, board.start, board.model, board.room].map(Number);
    const isDone = this.exports.replace(this.put(image), image.length, this.put(model), model.length, ...numbers);
    const { memory, result, length } = this.exports;
    const bytes = new Uint8Array(memory.buffer, result(), length());
    if (!isDone) throw new Error(new TextDecoder().decode(bytes));
    return bytes.slice();
  }
}

/** The features that an engine needs for a model, as the files of the boards name them. */
function featuresOf(engine, file) {
  const features = [engine.format];
  if (engine.layers.some(({ cell }) => cell.startsWith("GRU"))) features.push("gru");
  // The version of the file, which is 2 where there is a memory.
  if (file[4] === 2) features.push("ngram");
  return features;
}

/** The section of the page that makes a file for a board. */
class ImagePanel {
  /** @param {() => {engine: Engine, name: string, file: Uint8Array}} running the model that writes */
  constructor(running) {
    this.running = running;
    $("image-open").addEventListener("click", () => $("image-input").click());
    $("image-input").addEventListener("change", () => {
      const [file] = $("image-input").files;
      if (file) this.open(file);
      $("image-input").value = "";
    });
  }

  tell(text) {
    $("image-told").textContent = text;
  }

  /** Chooses the board that a file of a release is named after. */
  choose(name) {
    const isNamed = ({ value }) => name.includes(`-${value}-`) || name.includes(`-${value}.`);
    const named = Array.from($("image-board").options).filter(isNamed);
    const [longest] = named.sort((a, b) => b.value.length - a.value.length);
    if (longest) longest.selected = true;
  }

  async open(file) {
    this.choose(file.name);
    const [option] = $("image-board").selectedOptions;
    const { engine, name, file: model } = this.running();
    const lacking = featuresOf(engine, model).find((feature) => !option.dataset.features.split(" ").includes(feature));
    if (lacking) {
      this.tell(`The firmware of ${option.value} lacks ${lacking}, which ${name} needs.`);
      return;
    }
    try {
      const maker = new ImageMaker(embedded($("image-wasm")));
      const image = maker.replace(new Uint8Array(await file.arrayBuffer()), model, option.dataset);
      const { end, how } = option.dataset;
      const made = `${name}-${option.value}.${end}`;
      save(made, [image], "application/octet-stream");
      this.tell(`${made}: ${image.length} bytes. ${how.replaceAll(`FILE.${end}`, made)}`);
    } catch (error) {
      this.tell(`${file.name}: ${error.message}`);
    }
  }
}
