import type { Pool } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { lockedBy, lockedNow, processesOf, type Holder, type Locks } from './find-locked.ts';

/** Hardly any batch of another ledger has an account for so long. One that does is taken for somebody until it has gone. */
const keptAfterMs = 250;

/** How often it is asked whether those who keep accounts are still there. */
const askEveryMs = 250;

/** Commands wait while it is found out who keeps accounts: for no longer than this. */
const waitAtMostMs = 1_000;

/** Of many, the log names so many. */
const maxNamed = 10;

/**
 * Accounts that somebody keeps locked, as a rule by a transaction of their own in the books that was left open. A batch that
 * waits for one waits in vain, and all its other commands with it: so commands on such accounts are turned away, and their
 * holds left, until whoever it is has gone.
 */
export class LockedAccounts {
  readonly #pool: Pool;
  readonly #logger: Logger;
  #locks: Locks = new Map();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isStopped = false;

  constructor(pool: Pool, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  /** Whether nobody is known to keep any. */
  get isEmpty(): boolean {
    return this.#locks.size === 0;
  }

  has(id: AccountId): boolean {
    return this.#locks.has(id);
  }

  ids(): readonly AccountId[] {
    return [...this.#locks.keys()];
  }

  /** After the wait for the locks of these accounts timed out: finds out who keeps which of them. Never rejects. */
  async findHolders(among: readonly AccountId[]): Promise<void> {
    await this.#withinTime(async () => {
      const before = await lockedNow(this.#pool, [...new Set(among)]);
      if (before.size === 0) return;
      await delay(keptAfterMs);
      const after = await lockedNow(this.#pool, [...before.keys()]);
      const kept = new Map([...after].filter(([id, holder]) => before.get(id) === holder));
      if (kept.size === 0) return;
      this.#add(kept);
      const processes = await processesOf(this.#pool, holdersOf(kept)).catch(() => []);
      this.#logger.warn(
        { accounts: kept.size, accountIds: [...kept.keys()].slice(0, maxNamed), processes },
        'accounts are kept locked in the database: their commands are answered unavailable until that ends. pg_stat_activity shows who the processes serve',
      );
    });
  }

  /**
   * Before a batch on these accounts: while somebody keeps accounts, these may be among them. Whoever has locked a thousand is
   * waited for once. Never rejects.
   */
  async lookAhead(accountIds: readonly AccountId[]): Promise<void> {
    await this.#withinTime(async () => {
      const locks = await lockedBy(this.#pool, holdersOf(this.#locks), [...new Set(accountIds)]);
      // Whoever has gone meanwhile is still named by the rows.
      const holders = new Set(this.#locks.values());
      this.#add(new Map([...locks].filter(([, holder]) => holders.has(holder))));
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Gives up waiting, not looking. */
  async #withinTime(look: () => Promise<void>): Promise<void> {
    const looking = look().catch((error: unknown) =>
      this.#logger.debug({ reason: messageOf(error) }, 'which accounts are kept locked could not be asked'),
    );
    await Promise.race([looking, delay(waitAtMostMs, undefined, { ref: false })]);
  }

  #add(locks: Locks): void {
    if (locks.size === 0) return;
    this.#locks = new Map([...this.#locks, ...locks]);
    this.#askLater();
  }

  #askLater(): void {
    if (this.#isStopped || this.#isAsking || this.#locks.size === 0) return;
    this.#isAsking = true;
    this.#timer = setTimeout(() => void this.#ask(), askEveryMs).unref();
  }

  /** Of each holder one account is asked about: a transaction has all its locks until it ends. */
  async #ask(): Promise<void> {
    const oneOfEach = new Map([...this.#locks].map(([id, holder]) => [holder, id]));
    try {
      const locked = await lockedNow(this.#pool, [...oneOfEach.values()]);
      const gone = new Set(
        [...oneOfEach].flatMap(([holder, id]) => (locked.get(id) === holder ? [] : holder)),
      );
      if (gone.size > 0) this.#forget(gone);
    } catch (error) {
      this.#logger.debug(
        { reason: messageOf(error) },
        'whether accounts are still locked could not be asked',
      );
    }
    this.#isAsking = false;
    this.#askLater();
  }

  #forget(gone: ReadonlySet<Holder>): void {
    const before = this.#locks.size;
    this.#locks = new Map([...this.#locks].filter(([, holder]) => !gone.has(holder)));
    this.#logger.info({ accounts: before - this.#locks.size }, 'accounts are no longer kept locked');
  }
}

function holdersOf(locks: Locks): Holder[] {
  return [...new Set(locks.values())];
}
