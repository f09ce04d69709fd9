/** What has work from time to time, and does it in turns on a {@link Lane}. */
export interface WorkSource {
  /** Whether a turn now would do anything. */
  hasWork(): boolean;
  /**
   * One bounded turn. Must not reject: what went wrong is told as well.
   *
   * @returns tells those who wait for the work. It is called when the next turn has sent its first statements, so that
   *   Postgres has something to do meanwhile.
   */
  takeTurn(): Promise<() => void>;
}

/**
 * One thing at a time: the sources take turns, one bounded turn each, so that neither a stream of commands nor a huge
 * number of due holds keeps the other waiting for longer than one turn.
 */
export class Lane {
  readonly #sources: WorkSource[] = [];
  #running: Promise<void> | undefined;

  add(source: WorkSource): void {
    this.#sources.push(source);
  }

  /** Called by a source that has got work. */
  wake(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when no source has work left and everybody is told. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop as the first piece of work shares its batch.
    await new Promise(setImmediate);
    try {
      while (this.#hasWork()) {
        for (const source of this.#sources) {
          if (source.hasWork()) setImmediate(await source.takeTurn());
        }
        // Until the last ones are told.
        if (!this.#hasWork()) await new Promise(setImmediate);
      }
    } finally {
      // In the same breath as the last look at the sources: a wake between the two would be lost.
      this.#running = undefined;
    }
  }

  #hasWork(): boolean {
    return this.#sources.some((source) => source.hasWork());
  }
}
