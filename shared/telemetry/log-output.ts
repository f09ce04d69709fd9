import { hasCode } from './describe-error.ts';

/** How long a pipe that takes nothing just now is left alone before it is tried again, in ms. */
const busyPauseMs = 100;

/** Nobody wakes who waits on it: `Atomics.wait` is the one way to pause without giving the event loop a turn. */
const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Where log lines go: one is out when `write` returns. It never throws: a line that can't be written, since the disk is full
 * or nobody reads any more, is dropped, and the next one is tried again. Whoever serves must not end for the want of a log.
 */
export class LogOutput {
  readonly #writeBytes: (bytes: string | Buffer) => number;
  readonly #onRecovered: (dropped: number, why: unknown) => void;
  /** What is still to come of a line that was written in part: no other may stand behind its first half. */
  #rest: Buffer = Buffer.alloc(0);
  #dropped = 0;
  #why: unknown;

  /**
   * @param writeBytes writes and returns how many bytes it took, or throws, as `writeSync` does.
   * @param onRecovered is told, once a line could be written again, how many were dropped before, and the last reason; it may
   *   write a line itself.
   */
  constructor(
    writeBytes: (bytes: string | Buffer) => number,
    onRecovered: (dropped: number, why: unknown) => void,
  ) {
    this.#writeBytes = writeBytes;
    this.#onRecovered = onRecovered;
  }

  write(line: string): void {
    const written = this.#finishLine() ? this.#put(line) : 0;
    if (written === 0) {
      this.#dropped += 1;
      return;
    }
    if (written < Buffer.byteLength(line)) this.#rest = Buffer.from(line).subarray(written);
    if (this.#finishLine() && this.#dropped > 0) this.#reportDropped();
  }

  #reportDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onRecovered(dropped, this.#why);
    // The line that tells it was dropped as well: the next one tells of all.
    if (this.#dropped > 0) this.#dropped += dropped;
  }

  /** @returns whether no line is out in part only. */
  #finishLine(): boolean {
    while (this.#rest.length > 0) {
      const written = this.#put(this.#rest);
      if (written === 0) return false;
      this.#rest = this.#rest.subarray(written);
    }
    return true;
  }

  /** @returns how many bytes were taken: 0 when it can't be written. */
  #put(bytes: string | Buffer): number {
    for (;;) {
      try {
        return this.#writeBytes(bytes);
      } catch (error) {
        if (!hasCode(error, 'EAGAIN')) {
          this.#why = error;
          return 0;
        }
        // A pipe that is full. The process waits for its reader, as a blocking pipe would have it wait.
        Atomics.wait(sleepCell, 0, 0, busyPauseMs);
      }
    }
  }
}
