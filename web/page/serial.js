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
