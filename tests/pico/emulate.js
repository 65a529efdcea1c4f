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
const typed = [];
let heard = "";

port.onDeviceConnected = () => process.stderr.write("connected\n");
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
  for (const byte of Buffer.from(`${plan.shift()}\r`)) port.sendSerialByte(byte);
};

setTimeout(() => {
  process.stderr.write(`no ${plan[0]} in ${PATIENCE} s\n`);
  process.exit(1);
}, PATIENCE * 1000);
simulator.execute();
