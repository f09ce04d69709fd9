import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { After, Cursor, Gap } from './cursor.ts';
import type { FactHub, Listener } from './fact-hub.ts';
import type { FactMessage } from './fact-message.ts';
import { gapFrame, heartbeatFrame, opening, readyFrame } from './frames.ts';
import type { EventLimits } from './limits.ts';
import type { PastPart } from './past-facts.ts';

/** While the broker can't tell, it is asked again after so long. */
const retryDelayMs = 250;

/** What a caller asks for. */
export interface Subscription {
  /** Undefined is all of them. */
  readonly accounts: ReadonlySet<AccountId> | undefined;
  /** Undefined is behind all that there is. */
  readonly after: After | undefined;
  /** When its token ends, in milliseconds since 1970; undefined is never. */
  readonly expiresMs: number | undefined;
}

/** How it comes by what has been: the next part behind a place. */
export type ReadPast = (after: After) => Promise<PastPart>;

/** Why a stream was ended here. */
export type EndReason = 'stopping' | 'token expired' | 'too slow';

/**
 * One caller's stream. What has been comes from the stream's store, until that has reached what the hub gives next: from then on
 * it comes from the hub. Messages that both have are told apart by their sequence.
 */
export class CallerStream implements Listener {
  readonly #response: Writable;
  readonly #subscription: Subscription;
  readonly #limits: EventLimits;
  /** What this caller is given next; undefined until it is known where it begins. */
  #next: Cursor | undefined;
  #hasStarted = false;
  #isLive = false;
  #endReason: EndReason | undefined;
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(response: Writable, subscription: Subscription, limits: EventLimits) {
    this.#response = response;
    this.#subscription = subscription;
    this.#limits = limits;
    response.once('close', () => this.#stop());
  }

  /** Why it was ended here; undefined while it was not, and when its caller went. */
  get endReason(): EndReason | undefined {
    return this.#endReason;
  }

  /** Begins, the headers having been sent. The hub must be open, and have this as a listener. */
  start(hub: Pick<FactHub, 'next' | 'hasNotPassed'>, readPast: ReadPast): void {
    this.#hasStarted = true;
    this.#tick();
    this.#write(opening);
    const { after } = this.#subscription;
    if (after !== undefined) void this.#catchUp(hub, readPast, after);
    else if (hub.next !== undefined) {
      this.#isLive = true;
      this.#begin(hub.next);
    }
  }

  onMessage(message: FactMessage): void {
    if (this.#isLive) this.#give(message);
  }

  onGap(next: Cursor, why: Gap): void {
    if (this.#isLive) this.#tellGap(next, why);
  }

  /** Nothing before it has started: then its caller is answered otherwise. */
  end(reason: EndReason): void {
    if (!this.#hasStarted || this.#isOver) return;
    this.#endReason = reason;
    // Whoever has not read what came before does not read the end.
    if (reason === 'too slow' || this.#response.writableNeedDrain) this.#response.destroy();
    else this.#response.end();
    this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#closed.abort();
  }

  get #isOver(): boolean {
    return this.#closed.signal.aborted;
  }

  async #catchUp(hub: Pick<FactHub, 'hasNotPassed'>, readPast: ReadPast, from: After): Promise<void> {
    let after = from;
    let hasBegun = false;
    while (!this.#isOver) {
      const part = await readPast(after).catch(() => undefined);
      if (part !== undefined && !this.#isOver) {
        if (part.gap !== undefined) this.#tellGap(part.begin, part.gap);
        if (!hasBegun) this.#begin(part.begin);
        hasBegun = true;
        for (const message of part.messages) {
          this.#give(message);
          await this.#untilRead();
        }
        after = part.end;
        this.#next = part.end;
        if (hub.hasNotPassed(after)) {
          this.#isLive = true;
          return;
        }
      }
      if (part === undefined || part.messages.length === 0) await this.#pause();
    }
  }

  #begin(next: Cursor): void {
    this.#next = next;
    this.#write(readyFrame(next));
  }

  #tellGap(next: Cursor, why: Gap): void {
    this.#next = next;
    this.#write(gapFrame(next, why));
  }

  /** Of a message the facts that this caller has not had, and may have. */
  #give(message: FactMessage): void {
    const next = this.#next;
    if (next === undefined || message.sequence < next.sequence) return;
    this.#next = message.end;
    const begin = message.sequence === next.sequence ? next.index : 0;
    const { accounts } = this.#subscription;
    const frames = accounts === undefined && begin === 0 ? message.whole : framesOf(message, begin, accounts);
    if (frames !== '') this.#write(frames);
  }

  #write(text: string): void {
    if (this.#isOver) return;
    if (this.#response.writableLength > this.#limits.maxUnsentBytes) this.end('too slow');
    else this.#response.write(text);
  }

  /** Until the caller has read what it was given, or has had the time for it. */
  async #untilRead(): Promise<void> {
    if (this.#isOver || !this.#response.writableNeedDrain) return;
    const timer = setTimeout(() => this.end('too slow'), this.#limits.maxReadingMs);
    await once(this.#response, 'drain', { signal: this.#closed.signal }).catch(() => undefined);
    clearTimeout(timer);
  }

  async #pause(): Promise<void> {
    await delay(retryDelayMs, undefined, { signal: this.#closed.signal }).catch(() => undefined);
  }

  /** Wakes for the next heartbeat, or when the token ends. It may be put off: the wall clock may have been put back. */
  #tick(): void {
    const { expiresMs = Infinity } = this.#subscription;
    if (this.#isOver) return;
    const leftMs = expiresMs - Date.now();
    if (leftMs <= 0) {
      this.end('token expired');
      return;
    }
    this.#timer = setTimeout(
      () => {
        if (leftMs > this.#limits.heartbeatMs) this.#write(heartbeatFrame(this.#next));
        this.#tick();
      },
      Math.min(leftMs, this.#limits.heartbeatMs),
    );
  }
}

/** The facts about these accounts, from the one at `begin` on. */
function framesOf(message: FactMessage, begin: number, accounts: ReadonlySet<string> | undefined): string {
  // Most messages are about others: with a thousand callers these must cost next to nothing.
  if (accounts !== undefined && accounts.size < message.facts.length) {
    if (![...accounts].some((accountId) => message.accounts.has(accountId))) return '';
  }
  return message.facts
    .slice(begin)
    .filter(({ accountId }) => accounts === undefined || accounts.has(accountId))
    .map(({ frame }) => frame)
    .join('');
}
