import type { EntryFact, RefusalFact } from '../../../shared/contracts/events.ts';
import { formatMoney } from '../../../shared/money/money.ts';
import { availableOf } from '../domain/account.ts';
import type { Command } from '../domain/commands.ts';
import { holdFields, transferFields, type EntryMoment } from '../domain/entry-details.ts';
import { formatMicros, type Micros } from '../domain/time.ts';
import type { EntryOfAccount } from '../store/outbox-message.ts';

/**
 * What consumers of facts read about an entry.
 *
 * @param moment what the entry tells of the moment in which it was written.
 */
export function entryFact(
  { entry, account: { currency, decimals } }: EntryOfAccount,
  moment: Omit<EntryMoment, 'accountStatus'>,
): EntryFact {
  const { reference } = moment;
  return {
    type: 'entry',
    accountId: entry.accountId,
    seq: entry.seq,
    commandId: entry.commandId,
    kind: entry.kind,
    currency,
    amount: formatMoney(entry.amount, decimals),
    balance: formatMoney(entry.balance, decimals),
    held: formatMoney(entry.held, decimals),
    available: formatMoney(availableOf(entry), decimals),
    ...(entry.kind === 'set-limit' && { overdraftLimit: formatMoney(entry.overdraftLimit, decimals) }),
    ...holdFields(entry, moment, decimals),
    ...transferFields(moment),
    ...(reference !== null && { reference }),
    at: formatMicros(entry.at),
  };
}

/** What consumers of facts read about a command that came to nothing. */
export function refusalFact(
  command: Command,
  { code, detail }: Pick<RefusalFact, 'code' | 'detail'>,
  now: Micros,
): RefusalFact {
  return {
    type: 'refusal',
    accountId: command.accountId,
    commandId: command.id,
    code,
    detail,
    ...('reference' in command && command.reference !== null && { reference: command.reference }),
    at: formatMicros(now),
  };
}
