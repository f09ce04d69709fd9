import type { AccountCommandKind, CommandPayload } from '../../../shared/contracts/commands.ts';
import type { Command } from '../domain/commands.ts';
import type { Micros } from '../domain/time.ts';

type AccountPayload = {
  [K in AccountCommandKind]: { readonly kind: K; readonly payload: CommandPayload<K> };
}[AccountCommandKind];

/**
 * The command of the domain that a checked payload stands for.
 *
 * @param traceparent what a hold of this command keeps, so that its settling joins the trace.
 */
export function commandOf(given: AccountPayload, traceparent: string | null, unattended: boolean): Command {
  const { kind, payload } = given;
  const common = {
    id: payload.id,
    accountId: payload.accountId,
    deadline: payload.deadline === undefined ? null : ((payload.deadline * 1000) as Micros),
    traceparent,
    unattended,
  };
  switch (kind) {
    case 'open':
      return {
        kind,
        name: payload.name,
        currency: payload.currency,
        decimals: payload.decimals,
        overdraftLimit: payload.overdraftLimit,
        metadata: payload.metadata === undefined ? null : canonicalJson(payload.metadata),
        ...common,
      };
    case 'close':
      return { kind, ...common };
    case 'add':
    case 'subtract':
      return { kind, amount: payload.amount, ...common };
  }
}

/** One text for the same metadata, in whatever order its keys came: it is part of the command's fingerprint. */
function canonicalJson(metadata: Readonly<Record<string, string>>): string {
  const keys = Object.keys(metadata).toSorted();
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, metadata[key]])));
}
