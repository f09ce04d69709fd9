/*
 * Loaded into a service before its own code: makes its clock wrong by the milliseconds in the file that CHAOS_CLOCK_FILE
 * names, read at the start and at each SIGUSR2.
 */
import { readFileSync } from 'node:fs';

const RightDate = Date;
const readShift = () => Number(readFileSync(process.env.CHAOS_CLOCK_FILE, 'utf8'));
let shiftMs = readShift();

globalThis.Date = class Date extends RightDate {
  constructor(...given) {
    if (given.length === 0) super(RightDate.now() + shiftMs);
    else super(...given);
  }

  static now() {
    return RightDate.now() + shiftMs;
  }
};
process.on('SIGUSR2', () => {
  shiftMs = readShift();
});
