"use strict";

/** A board on a serial port of this computer. */
class SerialBoard {
  static BAUD = 115200;

  static isSupported() {
    return "serial" in navigator;
  }

  /**
   * Asks the person for a port, and opens it.
   * @param {(text: string) => void} onText
   * @param {(reason: string) => void} onEnd
   */
  static async connect(onText, onEnd) {
    const port = await navigator.serial.requestPort();
    await port.open({ baudRate: SerialBoard.BAUD });
    return new SerialBoard(port, onText, onEnd);
  }

  constructor(port, onText, onEnd) {
    this.port = port;
    this.reader = port.readable.getReader();
    this.writer = port.writable.getWriter();
    this.read(onText).then(() => onEnd("the port is closed"), (error) => onEnd(error.message));
  }

  async read(onText) {
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await this.reader.read();
      if (done) return;
      onText(decoder.decode(value, { stream: true }));
    }
  }

  /** Sends a line. */
  async send(line) {
    await this.writer.write(new TextEncoder().encode(`${line}\r`));
  }

  async close() {
    await this.reader.cancel();
    this.reader.releaseLock();
    this.writer.releaseLock();
    await this.port.close();
  }
}

/** The section of the page for a board. */
class BoardPanel {
  /** @param {(line: string) => void} onState takes the state of the board, a line of `:load` */
  constructor(onState) {
    this.onState = onState;
    this.serial = null;
    this.isTaking = false;
    this.log = new Log($("board-text"), (line) => this.heard(line));
    if (!SerialBoard.isSupported()) {
      $("connect").disabled = true;
      this.note("This browser has no Web Serial, which talks to a board; Chrome and Edge on a desktop have it.");
    }
    $("connect").addEventListener("click", () => (this.serial ? this.close() : this.connect()));
    $("take").addEventListener("click", () => {
      this.isTaking = true;
      this.send(":save");
    });
    $("give").addEventListener("click", () => this.send(oneLine($("state").value)));
    $("board-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send($("board-line").value);
      $("board-line").value = "";
    });
  }

  note(text) {
    $("board-note").textContent = text;
  }

  enable(isOn) {
    for (const id of ["take", "give", "board-line", "board-send"]) $(id).disabled = !isOn;
    $("connect").textContent = isOn ? "Disconnect" : "Connect";
  }

  heard(line) {
    if (!line.startsWith(":load ") || !this.isTaking) return;
    this.isTaking = false;
    this.onState(line);
  }

  async connect() {
    try {
      this.serial = await SerialBoard.connect((text) => this.log.add(text), (reason) => this.end(reason));
      this.enable(true);
      this.note("Connected, 115,200 baud.");
      this.send("");
    } catch (error) {
      this.note(`Not connected: ${error.message}`);
    }
  }

  close() {
    this.serial.close().catch((error) => this.note(error.message));
  }

  end(reason) {
    this.serial = null;
    this.enable(false);
    this.note(`Not connected: ${reason}`);
  }

  send(line) {
    this.serial?.send(line).catch((error) => this.end(error.message));
  }
}
