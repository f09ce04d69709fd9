import type { FactMessage } from './fact-message.ts';

/** Characters kept, twice the bytes at most: what a busy ledger tells in some ten seconds. */
const maxCharacters = 8 * 1024 * 1024;

/**
 * Messages that were read lately. When a gateway begins, all its callers resume at the same place: the broker is asked for
 * each message once, not once for each of them.
 */
export class RecentMessages {
  readonly #messages = new Map<number, FactMessage>();
  #since = 0;
  #characters = 0;

  find(since: number, sequence: number): FactMessage | undefined {
    return since === this.#since ? this.#messages.get(sequence) : undefined;
  }

  keep(since: number, message: FactMessage): void {
    if (since !== this.#since) this.#begin(since);
    if (this.#messages.has(message.sequence)) return;
    this.#messages.set(message.sequence, message);
    this.#characters += message.whole.length;
    // A map has its keys in the order in which they came.
    for (const [sequence, { whole }] of this.#messages) {
      if (this.#characters <= maxCharacters) break;
      this.#messages.delete(sequence);
      this.#characters -= whole.length;
    }
  }

  #begin(since: number): void {
    this.#since = since;
    this.#messages.clear();
    this.#characters = 0;
  }
}
