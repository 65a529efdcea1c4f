"use strict";

/** Milliseconds of a frame that the engine may take; the rest is for the browser. */
const BUDGET = 6;
/** The most characters of a frame; fewer where frames come late. */
const MOST = 48;
/** Milliseconds after which a frame is late. */
const LATE = 22;
/** Characters a second, as the page starts. */
const READING = 30;
/** The unit that the text is colored by at first is found after so many characters. */
const ENOUGH = 700;
const [CTRL_Q, CTRL_S] = [0x11, 0x13];

const isStill = matchMedia("(prefers-reduced-motion: reduce)");

/** The bytes that `cargo xtask web` has put into the page. */
function embedded(element) {
  return Uint8Array.from(atob(element.textContent.trim()), (character) => character.charCodeAt(0));
}

/** Gives the person a file. */
function save(name, parts, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

class Page {
  constructor() {
    this.wasm = embedded($("engine-wasm"));
    this.module = new WebAssembly.Module(this.wasm);
    this.manuscript = new Manuscript($("text"));
    this.network = new Network($("choices"), $("layers"), (unit) => this.chooseUnit(unit));
    this.log = new Log($("log"), (line) => this.heard(line));
    /** Models by name; those that were dropped too. */
    this.models = new Map();
    this.looksAt = null;
    this.hasChosen = false;
    this.most = MOST;
    this.lastFrame = performance.now();
    this.counted = { characters: 0, since: performance.now() };
    $("program").textContent = `${Math.ceil(this.wasm.length / 1000)} kB`;
    this.listen();
  }

  /** Offers the models that stand in the page so far. */
  offer() {
    for (const element of document.querySelectorAll("script.model")) {
      const { name } = element.dataset;
      if (!this.models.has(name)) this.addModel(name, () => embedded(element));
    }
  }

  addModel(name, file) {
    if (!this.models.has(name)) $("model").add(new Option(name, name));
    this.models.set(name, file);
  }

  /**
   * Runs a model. One that the engine refuses gets a line, and the last runs on.
   * @returns {boolean} whether it runs
   */
  run(name, file) {
    let engine;
    try {
      engine = new Engine(this.module, this.wasm.length, file);
    } catch (error) {
      this.log.add(`# ${name}: ${error.message}\n`);
      $("model").value = this.name ?? "";
      return false;
    }
    const settings = this.engine?.settings();
    this.engine = engine;
    this.name = name;
    this.written = 0n;
    this.clear();
    this.network.setLayers(engine.layers);
    this.chooseUnit(null);
    this.hasChosen = false;
    $("unit").max = engine.numUnits - 1;
    $("top-k").max = 256;
    $("file").textContent = `${Math.ceil(file.length / 1000)} kB`;
    $("model").value = name;
    engine.type(`:speed ${settings?.speed ?? READING}`);
    if (settings ? settings.isPaused : isStill.matches) engine.key(CTRL_S);
    this.refresh();
    return true;
  }

  clear() {
    this.look(null);
    this.manuscript.clear(this.engine.numUnits);
    this.manuscript.unit = this.network.unit;
    this.drawn = "";
  }

  /** A line of the console. */
  heard(line) {
    if (line.startsWith(":load ")) $("state").value = line;
    // A state that is cut off, of which the console waits for the rest: there is none.
    if (this.isLoading && line.endsWith("the next line goes on, an empty one ends")) this.engine.type("");
    if (line.startsWith("# ")) this.isLoading = false;
  }

  /** What the engine does in a frame. */
  frame(now) {
    const { engine } = this;
    const end = performance.now() + BUDGET;
    this.most = now - this.lastFrame > LATE ? Math.max(1, this.most >> 1) : Math.min(MOST, this.most + 1);
    this.lastFrame = now;
    let [characters, said] = [0, ""];
    do {
      const { did, text } = engine.step();
      if (did === Did.NOTHING) break;
      if (did === Did.SAID) said += text;
      if (did === Did.SAID || did === Did.WORK) this.checkText();
      if (did === Did.WROTE || did === Did.READ) {
        this.take(text.replace("\r\n", "\n"), did === Did.READ);
        characters += 1;
      }
    } while (characters < this.most && performance.now() < end);
    if (said !== "") this.log.add(said);
    if (characters > 0) this.show(characters);
    if (said !== "" || this.isPaused !== Boolean(engine.exports.is_paused())) this.refresh();
    requestAnimationFrame((next) => this.frame(next));
  }

  /** Takes a character that was written or read, after what the network was like before it. */
  take(character, isRead) {
    const weights = isRead ? [] : this.engine.weights().slice();
    const choices = isRead ? [] : Network.choices(weights, this.engine.symbols, character);
    this.manuscript.note(this.engine.units(), choices);
    this.manuscript.push(character, isRead);
    if (!isRead) this.written += 1n;
    this.drawn = character;
  }

  /** Shows what was taken. */
  show(characters) {
    this.manuscript.show();
    if (this.looksAt === null) this.showMoment(this.manuscript.end - 2);
    else if (this.looksAt < this.manuscript.first) this.look(null);
    if (!this.hasChosen && this.manuscript.moments.length >= ENOUGH) {
      this.find(this.engine.symbols.includes("\n") ? "column" : "word");
    }
    this.measure(characters);
  }

  showMoment(index) {
    const moment = this.manuscript.moment(index);
    if (!moment?.isKnown) return;
    const drawn = this.manuscript.moment(index + 1)?.character;
    this.network.showChoices(moment.choices, drawn);
    this.network.draw(this.manuscript.unitsAt(index));
    $("context").textContent = `after \u201c${Array.from(this.manuscript.before(index, 14), visible).join("")}\u201d`;
  }

  measure(characters) {
    this.counted.characters += characters;
    const seconds = (performance.now() - this.counted.since) / 1000;
    if (seconds < 2) return;
    $("measured").textContent = `${Math.round(this.counted.characters / seconds)} just now`;
    this.counted = { characters: 0, since: performance.now() };
  }

  /** Shows the network as it was after a character; as it is now if that is null. */
  look(index) {
    this.looksAt = index;
    this.manuscript.mark(index);
    $("network").classList.toggle("past", index !== null);
    if (index !== null) this.showMoment(index);
  }

  chooseUnit(unit) {
    this.hasChosen = true;
    this.network.choose(unit);
    this.manuscript.colorBy(unit);
    $("unit").value = unit ?? "";
    $("found").textContent = "";
  }

  /** Chooses the unit that tells something of the text. */
  find(what) {
    this.hasChosen = true;
    const found = findUnit(this.manuscript, what);
    if (!found) {
      $("found").textContent = "There are not 100 characters of text yet.";
      return;
    }
    this.chooseUnit(found.unit);
    $("find").value = what;
    const tells = $("find").selectedOptions[0].textContent;
    const correlation = found.correlation.toFixed(2).replace("-", "\u2212");
    $("found").textContent =
      `Unit ${found.unit} goes along with ${tells}: correlation ${correlation} over ${found.characters} characters.`;
  }

  /** The controls, as the engine is set. */
  refresh() {
    const settings = this.engine.settings();
    this.isPaused = settings.isPaused;
    const set = (id, value) => {
      if (document.activeElement !== $(id) || $(id).type === "range") $(id).value = value;
    };
    set("temperature", settings.temperature);
    set("top-k", settings.topK);
    set("top-p", settings.topP);
    set("seed", settings.seed);
    set("speed", settings.speed);
    this.refreshValues();
    $("pause").textContent = settings.isPaused ? "Write" : "Pause";
  }

  /** Clears the page for another text: after a command to begin anew, or to go on from a state. */
  checkText() {
    const { is_listening, written } = this.engine.exports;
    if (!is_listening() || written() === this.written) return;
    this.written = written();
    this.clear();
  }

  refreshValues() {
    const number = (id) => Number($(id).value);
    $("temperature-value").textContent = number("temperature").toFixed(2);
    $("top-k-value").textContent = number("top-k") >= this.engine.symbols.length ? "all" : number("top-k");
    $("top-p-value").textContent = number("top-p").toFixed(2);
  }

  begin() {
    if ($("seed").value !== this.engine.settings().seed) this.engine.type(`:seed ${$("seed").value}`);
    this.engine.type(":reset");
  }

  /** Goes on from the state of a board. */
  takeState(line) {
    $("state").value = line;
    this.load(line);
  }

  /** Goes on from a state, a line of `:load`. */
  load(line) {
    this.isLoading = true;
    this.engine.type(line);
  }

  async openFile(file) {
    const name = file.name.replace(/\.lstm$/, "");
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (this.run(file.name, bytes)) {
      this.addModel(name, () => bytes);
      this.name = name;
      $("model").value = name;
    }
  }

  listen() {
    const on = (id, event, does) => $(id).addEventListener(event, does);
    const send = (id, command) => {
      on(id, "input", () => this.refreshValues());
      on(id, "change", () => this.engine.type(`${command} ${$(id).value}`));
    };
    send("temperature", ":temp");
    send("top-k", ":topk");
    send("top-p", ":topp");
    send("speed", ":speed");
    on("seed", "change", () => this.begin());
    on("pause", "click", () => this.engine.key(this.isPaused ? CTRL_Q : CTRL_S));
    on("anew", "click", () => this.begin());
    on("model", "change", () => this.run($("model").value, this.models.get($("model").value)()));
    on("open", "click", () => $("file-input").click());
    on("file-input", "change", () => {
      const [file] = $("file-input").files;
      if (file) this.openFile(file);
      $("file-input").value = "";
    });
    const line = () => $("line").value;
    on("line-form", "submit", (event) => {
      event.preventDefault();
      if (line() === "") return;
      this.engine.type(line());
      if (line().startsWith(":")) $("line").value = "";
    });
    on("begin", "click", () => {
      this.begin();
      if (line() !== "") this.engine.type(line());
    });
    this.listenToText();
    on("find", "change", () => $("find").value && this.find($("find").value));
    on("unit", "change", () => {
      const unit = $("unit").value === "" ? null : Number($("unit").value);
      this.chooseUnit(unit === null ? null : Math.max(0, Math.min(this.engine.numUnits - 1, Math.floor(unit))));
    });
    on("plain", "click", () => this.chooseUnit(null));
    on("save", "click", () => this.engine.type(":save"));
    on("load", "click", () => this.load(oneLine($("state").value)));
    on("copy", "click", () => {
      $("state").select();
      navigator.clipboard?.writeText($("state").value);
    });
    on("download", "click", () => {
      save(`${this.engine.name}.state`, [`${oneLine($("state").value)}\n`], "text/plain");
    });
    this.listenToDrops();
    this.board = new BoardPanel((line) => this.takeState(line));
    this.image = new ImagePanel(() => ({ engine: this.engine, name: this.name, file: this.models.get(this.name)() }));
  }

  listenToText() {
    const { element } = this.manuscript;
    element.addEventListener("click", (event) => {
      const at = event.target.dataset?.at;
      this.look(at === undefined ? null : Number(at));
    });
    element.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") this.look(null);
      if (by === undefined) return;
      event.preventDefault();
      const at = (this.looksAt ?? this.manuscript.end - 1) + by;
      if (at >= this.manuscript.end - 1) this.look(null);
      else if (at >= this.manuscript.first) this.look(at);
    });
  }

  listenToDrops() {
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      $("drop").hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) $("drop").hidden = true;
    });
    addEventListener("drop", (event) => {
      $("drop").hidden = true;
      if (!isFile(event)) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) this.openFile(file);
    });
  }
}

/** Starts with the first model; the others stand behind this script. */
function start() {
  const page = new Page();
  page.offer();
  const [[name, file]] = page.models;
  page.run(name, file());
  requestAnimationFrame((now) => page.frame(now));
  document.addEventListener("DOMContentLoaded", () => page.offer());
  return page;
}

const page = start();
