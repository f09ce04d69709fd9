import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { warningThrottle } from '../../../shared/telemetry/warning-throttle.ts';
import { endOf, goOn, type Cursor, type Gap } from './cursor.ts';
import type { FactMessage } from './fact-message.ts';
import { readStreamState } from './facts-stream.ts';
import { LiveConsumer } from './live-consumer.ts';

/** After the consumer, the broker or the stream was lost. */
const retryDelayMs = 100;
const repeatWarningMs = 5_000;

/** Whoever wants what comes. */
export interface Listener {
  readonly onMessage: (message: FactMessage) => void;
  /** Facts are missing before those that come now, which begin at `next`. */
  readonly onGap: (next: Cursor, why: Gap) => void;
}

/** One try to follow the stream. */
interface Attempt {
  readonly isOver: AbortSignal;
  readonly end: (why: Error) => void;
}

/**
 * The facts as they come, for all listeners of this gateway, by one consumer: made for the first of them, ended with the last.
 * Whatever is lost meanwhile, it goes on behind what it gave last.
 */
export class FactHub {
  readonly #decode: (sequence: number, since: number, text: string) => FactMessage;
  readonly #logger: Logger;
  readonly #isWarningDue = warningThrottle(repeatWarningMs);
  readonly #listeners = new Set<Listener>();
  readonly #events = new EventEmitter().setMaxListeners(0);
  #link: NatsLink | undefined;
  #attempt: Attempt | undefined;
  #isOpen = false;
  #next: Cursor | undefined;

  constructor(decode: (sequence: number, since: number, text: string) => FactMessage, logger: Logger) {
    this.#decode = decode;
    this.#logger = logger;
  }

  /** What comes next; undefined while nobody has listened for long enough. */
  get next(): Cursor | undefined {
    return this.#next;
  }

  add(link: NatsLink, listener: Listener): void {
    if (this.#link === undefined) {
      this.#link = link;
      void this.#watchConnection(link);
    }
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) void this.#run(link);
  }

  remove(listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#isOpen = false;
    this.#next = undefined;
    this.#attempt?.end(new Error('nobody listens'));
  }

  /** Resolves when it follows the stream. Rejects when it does not within `limitMs`. */
  async opened(limitMs: number): Promise<void> {
    if (!this.#isOpen) await once(this.#events, 'open', { signal: AbortSignal.timeout(limitMs) });
  }

  /** Whether whoever has had all before `cursor` misses nothing by listening from now on. */
  hasNotPassed(cursor: Cursor): boolean {
    const next = this.#next;
    return next !== undefined && next.since === cursor.since && next.sequence <= cursor.sequence;
  }

  async #watchConnection(link: NatsLink): Promise<void> {
    for await (const { type } of link.connection.status()) {
      // What was asked before it was lost gets no answer: not to be waited for.
      if (type === 'disconnect' || type === 'reconnect')
        this.#attempt?.end(new Error('the connection was lost'));
    }
  }

  async #run(link: NatsLink): Promise<void> {
    // Of another run, which ends: its listeners have gone, and these have come within the same moment.
    if (this.#attempt !== undefined) return;
    while (this.#listeners.size > 0) {
      const attempt = beginAttempt();
      this.#attempt = attempt;
      try {
        await this.#follow(link, attempt);
      } catch (error) {
        const reason = messageOf(error);
        if (link.isConnected() && !attempt.isOver.aborted && this.#isWarningDue(reason)) {
          this.#logger.warn({ reason }, 'can’t follow the stream of facts; trying again. Is a ledger there?');
        }
      }
      attempt.end(new Error('it has failed'));
      this.#isOpen = false;
      if (this.#listeners.size > 0) await delay(retryDelayMs);
    }
    this.#attempt = undefined;
    this.#next = undefined;
  }

  /** Ends by being rejected. */
  async #follow(link: NatsLink, { isOver }: Attempt): Promise<void> {
    const state = await unlessAborted(readStreamState(link), isOver);
    const { next, gap } = goOn(this.#next ?? endOf(state), state);
    const consumer = await unlessAborted(LiveConsumer.open(link, next.sequence, isOver), isOver);
    const now = await unlessAborted(readStreamState(link), isOver);
    isOver.throwIfAborted();
    if (now.since !== state.since) throw new Error('the stream was made anew');
    this.#next = next;
    if (gap !== undefined) for (const listener of this.#listeners) listener.onGap(next, gap);
    this.#isOpen = true;
    this.#events.emit('open');
    await consumer.deliver((sequence, text) => this.#handOn({ ...next, sequence }, text));
  }

  #handOn({ sequence, since }: Cursor, text: string): void {
    if (this.#listeners.size === 0) return;
    const message = this.#decode(sequence, since, text);
    this.#next = message.end;
    for (const listener of this.#listeners) listener.onMessage(message);
  }
}

function beginAttempt(): Attempt {
  const controller = new AbortController();
  return { isOver: controller.signal, end: (why) => controller.abort(why) };
}

/** What `work` comes to, or the signal's reason when that is aborted before. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
