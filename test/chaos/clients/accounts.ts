import { anonymous } from '../../../services/gateway/idempotency.ts';
import type { AsyncCommandKind } from '../../../shared/contracts/subjects.ts';
import { commandIdOf } from '../../../shared/messaging/command-id.ts';
import type { Operation } from '../history.ts';
import type { Random } from '../random.ts';

/** Few, so that clients collide on them. */
const hotAccounts = 6;
/** Accounts that are opened, used and closed while all this goes on. */
const youngAccounts = 3;
/** A young account makes room for another after about so many commands. */
const youngLife = 120;
/** What a hot account has at first; a subtract asks for up to so much at once. */
export const firstBalance = 20_000;
const mostSubtracted = 9_000;
const mostAdded = 6_000;

/** Which accounts there are, and what is asked of them. */
export class Accounts {
  readonly hot: readonly string[];
  readonly #random: Random;
  readonly #young: string[];

  constructor(random: Random) {
    this.#random = random;
    this.hot = Array.from({ length: hotAccounts }, () => random.uuid());
    this.#young = Array.from({ length: youngAccounts }, () => random.uuid());
  }

  any(): string {
    return this.#random.pick([...this.hot, ...this.#young]);
  }

  /** A command of this kind, or of any that a door takes. */
  command(kinds: readonly AsyncCommandKind[]): Omit<Operation, 'calls'> {
    const random = this.#random;
    const young = random.chance(0.15) && kinds.includes('open');
    if (!young) return this.#make(random.pick(this.hot), random.pick(['add', 'subtract'] as const));
    const place = random.int(0, youngAccounts - 1);
    const accountId = this.#young[place] ?? '';
    if (random.chance(1 / youngLife)) this.#young[place] = random.uuid();
    const kind = random.chance(0.15) ? 'open' : random.chance(0.02) ? 'close' : undefined;
    return this.#make(accountId, kind ?? random.pick(['add', 'subtract'] as const));
  }

  /** The commands with which the hot accounts begin. */
  firstCommands(): Omit<Operation, 'calls'>[] {
    return this.hot.flatMap((accountId) => [
      this.#make(accountId, 'open'),
      { ...this.#make(accountId, 'add'), amount: firstBalance },
    ]);
  }

  #make(accountId: string, kind: AsyncCommandKind): Omit<Operation, 'calls'> {
    const most = { open: 0, close: 0, add: mostAdded, subtract: mostSubtracted }[kind];
    const key = this.#random.uuid();
    const amount = most === 0 ? 0 : this.#random.int(1, most);
    return { key, id: commandIdOf(anonymous, key), accountId, kind, amount };
  }
}
