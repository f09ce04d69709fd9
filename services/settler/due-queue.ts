/** A message that says "holds fall due at this second", and has come when they have. */
export interface DueMessage {
  readonly dueAt: string;
  /** Of the span in which it was sent, when that was sampled. */
  readonly traceparent: string | undefined;
  /** Done with: the broker forgets it. */
  readonly ack: () => void;
  /** Not done with: the broker delivers it again, after so many milliseconds. */
  readonly nak: (delayMs: number) => void;
  /** Still at it: the broker shall not give it to another settler. */
  readonly working: () => void;
}

interface DueQueueOptions {
  /** Takes what is waiting when a worker is free: one question to the ledger answers for all of it. Never rejects. */
  readonly settle: (messages: readonly DueMessage[]) => Promise<void>;
  /** At most so many `settle` at once. */
  readonly workers: number;
}

/** Gathers due messages while the workers are busy; a free one takes all that wait. */
export class DueQueue {
  readonly #options: DueQueueOptions;
  #waiting: DueMessage[] = [];
  /** Those that wait, and those that a worker has. */
  readonly #unsettled = new Set<DueMessage>();
  #busy = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: DueQueueOptions) {
    this.#options = options;
  }

  add(message: DueMessage): void {
    this.#waiting.push(message);
    this.#unsettled.add(message);
    if (this.#busy < this.#options.workers) void this.#work();
  }

  /** To be called well within the time that the broker gives a message, or it delivers what waits here once more. */
  keepAlive(): void {
    for (const message of this.#unsettled) message.working();
  }

  /** Resolves when all that was added has been settled or given up. */
  async idle(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  async #work(): Promise<void> {
    this.#busy += 1;
    // What is delivered in the same turn of the event loop is taken together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const messages = this.#waiting;
      this.#waiting = [];
      await this.#options.settle(messages);
      for (const message of messages) this.#unsettled.delete(message);
    }
    this.#busy -= 1;
    if (this.#busy === 0) this.#onIdle?.();
  }
}
