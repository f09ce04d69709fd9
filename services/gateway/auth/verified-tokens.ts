import type { Caller } from './caller.ts';

/** Tokens kept. A header is at most 16 KiB, so the worst is 64 MB; a usual token has half a KiB. */
const maxKept = 4_096;

/** A key that its issuer has withdrawn must stop counting, so no token is believed for longer without looking again. */
const maxKeptMs = 60_000;

interface Kept {
  readonly caller: Caller;
  /** By `performance.now()`: by the wall clock a minute would be eleven when that is put back by ten. */
  readonly keptUntilMs: number;
}

/** Callers by the text of their token, so that a signature is checked once a minute and not once a request. */
export class VerifiedTokens {
  readonly #kept = new Map<string, Kept>();

  /** Undefined when the token is not known, or has to be looked at again. */
  find(token: string): Caller | undefined {
    const kept = this.#kept.get(token);
    if (kept === undefined) return undefined;
    if (performance.now() < kept.keptUntilMs && Date.now() < kept.caller.expiresMs) return kept.caller;
    this.#kept.delete(token);
    return undefined;
  }

  keep(token: string, caller: Caller): void {
    if (this.#kept.size >= maxKept) {
      // The oldest goes: a map has its keys in the order in which they came.
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    this.#kept.set(token, { caller, keptUntilMs: performance.now() + maxKeptMs });
  }
}
