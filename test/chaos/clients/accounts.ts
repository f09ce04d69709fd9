import { anonymous } from '../../../services/gateway/idempotency.ts';
import type { AccountCommandKind } from '../../../shared/contracts/subjects.ts';
import { commandIdOf } from '../../../shared/messaging/command-id.ts';
import { beliefOf, type HoldToEnd, type Operation } from '../history.ts';
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
const mostTransferred = 5_000;
/** Commands that are to end or extend a hold, of those on hot accounts. */
const endsHold = 0.3;
/** Subtracts whose hold is to be released when due. */
const releasedWhenDue = 0.3;
/** So many of an account's latest holds are ended by someone; some of them have been, or have fallen due. */
const rememberedHolds = 8;
/** Closings at one version alone, of those so young that they may well have it. */
const closesOneVersion = 0.7;
const mostExpectedVersion = 6;
/** Settles that take a part, or ask for more than there is. */
const settlesPart = 0.4;
const settlesTooMuch = 0.1;

/** Short, so that some fall due in the meantime. */
const mostExtendedSeconds = 6;

const none = { open: 0, 'set-limit': 0, close: 0, settle: 0, release: 0, extend: 0 };

/** Which accounts there are, and what is asked of them. */
export class Accounts {
  readonly hot: readonly string[];
  readonly #random: Random;
  readonly #young: string[];
  /** By account, the latest last. */
  readonly #holds = new Map<string, readonly HoldToEnd[]>();

  constructor(random: Random) {
    this.#random = random;
    this.hot = Array.from({ length: hotAccounts }, () => random.uuid());
    this.#young = Array.from({ length: youngAccounts }, () => random.uuid());
  }

  any(): string {
    return this.#random.pick([...this.hot, ...this.#young]);
  }

  /** A command of this kind, or of any that a door takes. */
  command(kinds: readonly AccountCommandKind[]): Omit<Operation, 'calls'> {
    const random = this.#random;
    const young = random.chance(0.15) && kinds.includes('open');
    if (!young) return this.#ofHot(random.pick(this.hot), kinds);
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

  /** Remembers the holds that were answered, for somebody to end. */
  note(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const belief = beliefOf(operation);
      const holdId = belief.is === 'applied' ? belief.answers[0]?.holdId : undefined;
      if (operation.kind !== 'subtract' || holdId === undefined) continue;
      const { accountId, amount } = operation;
      // One that is answered again may go to its place anew.
      const others = (this.#holds.get(accountId) ?? []).filter(({ id }) => id !== holdId);
      this.#holds.set(accountId, [...others, { id: holdId, amount }].slice(-rememberedHolds));
    }
  }

  #ofHot(accountId: string, kinds: readonly AccountCommandKind[]): Omit<Operation, 'calls'> {
    const holds = this.#holds.get(accountId);
    const ends = (['settle', 'release', 'extend'] as const).filter((kind) => kinds.includes(kind));
    if (holds === undefined || ends.length === 0 || !this.#random.chance(endsHold))
      return this.#make(accountId, this.#random.pick(['add', 'subtract', 'subtract', 'transfer'] as const));
    return this.#end(accountId, this.#random.pick(ends), this.#random.pick(holds));
  }

  #end(accountId: string, kind: 'settle' | 'release' | 'extend', hold: HoldToEnd): Omit<Operation, 'calls'> {
    const random = this.#random;
    const part = kind === 'settle' && random.chance(settlesPart) ? random.int(1, hold.amount) : hold.amount;
    const amount = kind === 'settle' && random.chance(settlesTooMuch) ? hold.amount + 1 : part;
    const dueInSeconds = kind === 'extend' ? { dueInSeconds: random.int(1, mostExtendedSeconds) } : {};
    return { ...this.#make(accountId, kind), amount, hold, ...dueInSeconds };
  }

  #make(accountId: string, kind: AccountCommandKind): Omit<Operation, 'calls'> {
    const most = { ...none, add: mostAdded, subtract: mostSubtracted, transfer: mostTransferred }[kind];
    const key = this.#random.uuid();
    const amount = most === 0 ? 0 : this.#random.int(1, most);
    const isReleased = kind === 'subtract' && this.#random.chance(releasedWhenDue);
    const onDue = isReleased ? { onDue: 'release' as const } : {};
    // Every second one says what it is for.
    const reference = most > 0 && /[0-7]$/.test(key) ? { reference: `order ${key}` } : {};
    const isPicky = kind === 'close' && this.#random.chance(closesOneVersion);
    const version = isPicky ? { expectedVersion: this.#random.int(1, mostExpectedVersion) } : {};
    const others = this.hot.filter((id) => id !== accountId);
    const party = kind === 'transfer' ? { toAccountId: this.#random.pick(others) } : {};
    const options = { ...onDue, ...reference, ...version, ...party };
    return { key, id: commandIdOf(anonymous, key), accountId, kind, amount, ...options };
  }
}
