import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { goOn, type After, type Cursor, type Gap, type StreamState } from './cursor.ts';
import type { FactMessage } from './fact-message.ts';
import { readStoredMessage, readStreamState } from './facts-stream.ts';
import type { RecentMessages } from './recent-messages.ts';

/** Messages asked for side by side: enough to outrun any ledger, few enough to be held at once. */
const maxMessages = 16;
/** Callers who read at once, the others wait for their turn: the broker has more to do than to tell of the past. */
const maxReading = 4;

/** A part of what has been, in the order of the stream. */
export interface PastPart {
  /** Why facts are missing before it, if any are. */
  readonly gap: Gap | undefined;
  /** Where it begins, */
  readonly begin: Cursor;
  /** and what comes behind it. */
  readonly end: Cursor;
  readonly messages: readonly FactMessage[];
}

/**
 * Reads what the stream has kept, message by message, at the pace of whoever is to have it. That takes no consumer, of which
 * the broker would have to keep one for each caller.
 */
export class PastFacts {
  readonly #recent: RecentMessages;
  readonly #decode: (sequence: number, since: number, text: string) => FactMessage;
  #reading = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    recent: RecentMessages,
    decode: (sequence: number, since: number, text: string) => FactMessage,
  ) {
    this.#recent = recent;
    this.#decode = decode;
  }

  /** The next part behind `after`: none when there are no messages yet. Rejects when the broker can't tell just now. */
  async read(link: NatsLink, after: After): Promise<PastPart> {
    await this.#turn();
    try {
      return await this.#read(link, after);
    } finally {
      this.#endTurn();
    }
  }

  async #read(link: NatsLink, after: After): Promise<PastPart> {
    const state = await readStreamState(link);
    const { next: begin, gap } = goOn(after, state);
    const count = Math.max(0, Math.min(maxMessages, state.last - begin.sequence + 1));
    const sequences = Array.from({ length: count }, (_, index) => begin.sequence + index);
    const end = count === 0 ? begin : { ...begin, sequence: begin.sequence + count, index: 0 };
    const found = sequences.map((sequence) => this.#recent.find(state.since, sequence));
    if (found.every((message) => message !== undefined)) return { gap, begin, end, messages: found };
    const texts = await Promise.all(
      sequences.map(async (sequence, index) => found[index] ?? readStoredMessage(link, sequence)),
    );
    // A message does not say of which stream it is: the broker may have lost the one, and been given another.
    const now = await readStreamState(link);
    if (isOther(now, state, begin)) throw new Error('the stream has changed while it was read');
    const messages = texts.flatMap((read, index) => {
      if (typeof read !== 'string') return read ?? [];
      const message = this.#decode(begin.sequence + index, state.since, read);
      this.#recent.keep(state.since, message);
      return message;
    });
    return { gap, begin, end, messages };
  }

  async #turn(): Promise<void> {
    if (this.#reading < maxReading) this.#reading += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Who waits longest is handed the turn. */
  #endTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#reading -= 1;
    else next();
  }
}

function isOther(now: StreamState, then: StreamState, begin: Cursor): boolean {
  return now.since !== then.since || now.first > begin.sequence;
}
