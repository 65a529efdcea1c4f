// An RP2040 with what is in its flash, as a serial port on USB.
//
//   node emulate.js FLASH [UNTIL LINE]... UNTIL
//
// It prints what the board sends. When the board has sent UNTIL (a text; or so many bytes, where it is a number),
// counted from the last line, it types LINE; after the last UNTIL it ends.

import { readFileSync } from "node:fs";
import { ConsoleLogger, LogLevel, Simulator, USBCDC } from "rp2040js";

// Where the boot ROM puts the second stage of the boot loader, from the first bytes of the flash.
const BOOT2_IN_RAM = 0x20041f00;
const BOOT2_BYTES = 256;
const RAM_START = 0x20000000;
// In the memory of the USB controller: who owns the buffer for packets of an endpoint from the computer.
const OUT_BUFFER_CONTROL = 0x84;
const AVAILABLE = 1 << 10;
// A board that is not done in so many seconds has failed.
const PATIENCE = 300;

const [file, ...plan] = process.argv.slice(2);
const simulator = new Simulator();
const chip = simulator.rp2040;
chip.logger = new ConsoleLogger(LogLevel.Error, true);
const flash = readFileSync(file);
chip.flash.fill(0xff);
chip.flash.set(flash);

// The package has no boot ROM. What the ROM does at reset, without BOOTSEL: it runs the second stage from RAM,
// with a return address of 0, which sends that to the vector table behind it.
chip.sram.set(flash.subarray(0, BOOT2_BYTES), BOOT2_IN_RAM - RAM_START);
chip.core.SP = BOOT2_IN_RAM;
chip.core.LR = 0;
chip.core.PC = BOOT2_IN_RAM;

const port = new USBCDC(chip.usbCtrl);
// SET_CONTROL_LINE_STATE with DTR and RTS. Computers send it to the interface; the package, to the device.
port.cdcSetControlLineState = () => {
  chip.usbCtrl.sendSetupPacket(new Uint8Array([0x21, 0x22, 3, 0, 0, 0, 0, 0]));
  port.initialized = true;
};
const typed = [];
let heard = "";
let room = 0;

// A buffer is the controller's until a packet has come: the package gives it back at once, as if one were there.
const control = (endpoint) => OUT_BUFFER_CONTROL + 8 * endpoint;

chip.usbCtrl.onEndpointRead = (endpoint, size) => {
  if (endpoint !== port.outEndpoint) return;
  const [at, view] = [control(endpoint), chip.usbDPRAMView];
  view.setUint32(at, view.getUint32(at, true) | AVAILABLE, true);
  room = size;
  send();
};

function send() {
  if (room === 0 || typed.length === 0) return;
  const bytes = Uint8Array.from(typed.splice(0, room));
  room = 0;
  const [at, view] = [control(port.outEndpoint), chip.usbDPRAMView];
  view.setUint32(at, view.getUint32(at, true) & ~AVAILABLE, true);
  chip.usbCtrl.finishRead(port.outEndpoint, bytes);
}

port.onSerialData = (bytes) => {
  const text = Buffer.from(bytes).toString("latin1");
  process.stdout.write(text, "latin1");
  heard += text;
  const [until] = plan;
  const isThere = /^[0-9]+$/.test(until) ? heard.length >= Number(until) : heard.includes(until);
  if (!isThere) return;
  plan.shift();
  heard = "";
  if (plan.length === 0) {
    simulator.stop();
    process.exit(0);
  }
  typed.push(...Buffer.from(`${plan.shift()}\r`));
  send();
};

setTimeout(() => {
  process.stderr.write(`no ${plan[0]} in ${PATIENCE} s\n`);
  process.exit(1);
}, PATIENCE * 1000);
simulator.execute();
