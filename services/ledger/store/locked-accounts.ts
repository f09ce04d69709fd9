import type { Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { keptLocked, lockedNow } from './find-locked.ts';

/** How often it is asked whether accounts are free again. */
const askEveryMs = 250;

/** Of many, the log names so many. */
const maxNamed = 10;

/**
 * Accounts that somebody keeps locked, as a rule by a session of their own in the books that was left open. A batch that waits
 * for one waits in vain, and all its other commands with it: so commands on such accounts are turned away, and their holds
 * left, until the accounts are free.
 */
export class LockedAccounts {
  readonly #pool: Pool;
  readonly #logger: Logger;
  #ids: ReadonlySet<AccountId> = new Set();
  #timer: NodeJS.Timeout | undefined;

  constructor(pool: Pool, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  has(id: AccountId): boolean {
    return this.#ids.has(id);
  }

  ids(): readonly AccountId[] {
    return [...this.#ids];
  }

  /** Finds them among the accounts of a batch whose wait for a lock has timed out. Never rejects. */
  async find(among: readonly AccountId[]): Promise<void> {
    try {
      const found = await keptLocked(this.#pool, [...new Set(among)]);
      const added = found.filter((id) => !this.#ids.has(id));
      if (added.length === 0) return;
      this.#ids = new Set([...this.#ids, ...added]);
      this.#logger.warn(
        { accounts: added.length, accountIds: added.slice(0, maxNamed) },
        'accounts are locked by a session in the database: their commands are answered unavailable until it ends. pg_stat_activity shows it',
      );
      this.#askLater();
    } catch (error) {
      this.#logger.debug({ reason: messageOf(error) }, 'which accounts are locked could not be asked');
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #askLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, askEveryMs).unref();
  }

  async #ask(): Promise<void> {
    const asked = this.ids();
    try {
      const locked = new Set(await lockedNow(this.#pool, asked));
      const free = new Set(asked.filter((id) => !locked.has(id)));
      // Others may have been found meanwhile.
      this.#ids = new Set(this.ids().filter((id) => !free.has(id)));
      if (free.size > 0) {
        const accountIds = [...free].slice(0, maxNamed);
        this.#logger.info({ accounts: free.size, accountIds }, 'accounts are no longer locked');
      }
    } catch (error) {
      this.#logger.debug(
        { reason: messageOf(error) },
        'whether accounts are still locked could not be asked',
      );
    }
    if (this.#ids.size > 0) this.#askLater();
  }
}
