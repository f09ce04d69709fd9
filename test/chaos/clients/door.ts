import type { Operation, Answer } from '../history.ts';
import type { AccountCommandKind } from '../../../shared/contracts/subjects.ts';

/** What a look at an account shows. */
export interface Seen {
  readonly version: number;
  readonly balance: string;
  readonly held: string;
}

/** One way in: a gateway, the broker, a stream. */
export interface Door {
  readonly name: string;
  readonly kinds: readonly AccountCommandKind[];
  /** How many commands of one kind it takes at once. */
  readonly most: number;
  /** How long it gives the service, where it says so itself: past that nothing may be applied. */
  readonly deadlineMs?: number;
  /** Sends commands of one kind, and gives what was answered to each. Never rejects. */
  send(operations: readonly Operation[], deadlineAtMs: number | undefined): Promise<readonly Answer[]>;
  /** Looks at an account; undefined when that could not be done. */
  look?(accountId: string): Promise<Seen | undefined>;
}

/** Minor units of an account with two decimals, as they are written. */
export function decimal(minorUnits: number): string {
  return `${Math.floor(minorUnits / 100)}.${String(minorUnits % 100).padStart(2, '0')}`;
}

/** The fields of a command that its kind has, beside the id. */
export function fieldsOf({
  accountId,
  kind,
  amount,
  onDue,
  reference,
  hold,
  expectedVersion,
  toAccountId,
  dueInSeconds,
}: Operation): Record<string, string | number> {
  switch (kind) {
    case 'open':
      return { accountId, name: 'Chaos' };
    case 'set-limit':
      return { accountId, overdraftLimit: '0' };
    case 'close':
      return { accountId, ...(expectedVersion !== undefined && { expectedVersion }) };
    case 'add':
    case 'subtract':
      return {
        accountId,
        amount: decimal(amount),
        ...(onDue !== undefined && { onDue }),
        ...(reference !== undefined && { reference }),
      };
    case 'transfer':
      return {
        accountId,
        toAccountId: toAccountId ?? '',
        amount: decimal(amount),
        ...(reference !== undefined && { reference }),
      };
    case 'extend':
      return { accountId, holdId: hold?.id ?? '', dueInSeconds: dueInSeconds ?? 1 };
    case 'settle':
    case 'release':
      return {
        accountId,
        holdId: hold?.id ?? '',
        ...(amount !== hold?.amount && { amount: decimal(amount) }),
      };
  }
}

/** What an error of the catalogue says to its caller. */
export function answerOf(code: string, available?: string, detail = ''): Answer {
  switch (code) {
    case 'unavailable':
    case 'overloaded':
      return { is: 'not-applied', code };
    case 'outcome_unknown':
      return { is: 'unknown', reason: code };
    case 'account_not_found':
    case 'account_exists':
    case 'account_closed':
    case 'version_conflict':
    case 'hold_not_pending':
    case 'amount_too_large':
    case 'insufficient_funds':
      return { is: 'refused', code, available };
    default:
      return { is: 'fault', text: `${code}: ${detail}` };
  }
}
