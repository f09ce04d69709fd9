import type { Logger } from '../telemetry/logger.ts';

/** What a service must stop before it ends: the last thing opened is the first closed. */
export class Closers {
  readonly #logger: Logger;
  readonly #open: { what: string; close: () => Promise<void> | void }[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(what: string, close: () => Promise<void> | void): void {
    this.#open.push({ what, close });
  }

  /**
   * Closes all, one after the other. Says in the log what did not go well.
   *
   * @returns whether all went well within `limitMs`.
   */
  async closeAll(limitMs: number): Promise<boolean> {
    let current = '';
    let clean = true;
    const closeEach = async () => {
      for (let next = this.#open.pop(); next !== undefined; next = this.#open.pop()) {
        current = next.what;
        try {
          await next.close();
        } catch (error) {
          // The rest still wants to be closed.
          clean = false;
          this.#logger.error({ err: error }, `stopping ${current} failed`);
        }
      }
    };

    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), limitMs);
    });
    const end = await Promise.race([closeEach(), limit]);
    clearTimeout(timer);
    if (end !== 'late') return clean;
    this.#logger.error(`stopping ${current} took too long, ending without it`);
    return false;
  }
}
