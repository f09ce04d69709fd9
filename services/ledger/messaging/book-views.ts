import type { AccountView } from '../../../shared/contracts/outcomes.ts';
import type { EntryDetail, HoldDetail } from '../../../shared/contracts/queries.ts';
import { formatMoney } from '../../../shared/money/money.ts';
import { availableOf, type Account } from '../domain/account.ts';
import { holdFields, momentOf, transferFields } from '../domain/entry-details.ts';
import type { Entry } from '../domain/entry.ts';
import type { Hold } from '../domain/hold.ts';
import { formatMicros, formatSecond } from '../domain/time.ts';

/** An account as callers read it, as it is now. */
export function accountView(account: Account): AccountView {
  const { decimals } = account;
  return {
    id: account.id,
    name: account.name,
    status: account.status,
    currency: account.currency,
    decimals,
    balance: formatMoney(account.balance, decimals),
    held: formatMoney(account.held, decimals),
    available: formatMoney(availableOf(account), decimals),
    overdraftLimit: formatMoney(account.overdraftLimit, decimals),
    version: account.seq,
    ...(account.metadata !== null && { metadata: JSON.parse(account.metadata) as Record<string, string> }),
  };
}

/** A hold as it is now. */
export function holdDetail(hold: Hold, { decimals }: Account): HoldDetail {
  return {
    id: hold.id,
    accountId: hold.accountId,
    amount: formatMoney(hold.amount, decimals),
    remaining: formatMoney(hold.remaining, decimals),
    status: hold.status,
    dueAt: formatSecond(hold.dueAt),
    onDue: hold.onDue,
    ...(hold.reference !== null && { reference: hold.reference }),
    commandId: hold.commandId,
    version: hold.version,
  };
}

/** An entry as callers read it. */
export function entryView(entry: Entry, { decimals }: Account): EntryDetail {
  const moment = momentOf(entry);
  const { reference } = moment;
  return {
    id: `${entry.accountId}:${entry.seq}`,
    accountId: entry.accountId,
    seq: entry.seq,
    commandId: entry.commandId,
    kind: entry.kind,
    amount: formatMoney(entry.amount, decimals),
    balance: formatMoney(entry.balance, decimals),
    held: formatMoney(entry.held, decimals),
    available: formatMoney(availableOf(entry), decimals),
    overdraftLimit: formatMoney(entry.overdraftLimit, decimals),
    ...holdFields(entry, moment, decimals),
    ...transferFields(moment),
    ...(reference !== null && { reference }),
    at: formatMicros(entry.at),
    ...(entry.details !== null && { details: JSON.parse(entry.details) as Record<string, unknown> }),
    hash: entry.hash.toString('hex'),
  };
}
