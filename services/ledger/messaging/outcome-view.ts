import type { AppliedOutcome, ErrorView, FailedOutcome } from '../../../shared/contracts/outcomes.ts';
import type { CommandId } from '../../../shared/contracts/primitives.ts';
import { formatMoney } from '../../../shared/money/money.ts';
import { availableOf } from '../domain/account.ts';
import type { Applied, Outcome } from '../domain/execute-batch.ts';
import { expiredError } from '../domain/refusals.ts';
import { holdView } from '../domain/hold.ts';
import { formatMicros } from '../domain/time.ts';
import type { Failure } from '../run-batch.ts';

/** An outcome as its caller reads it. */
export function outcomeView(
  commandId: CommandId,
  outcome: Outcome | Failure,
): AppliedOutcome | FailedOutcome {
  switch (outcome.type) {
    case 'applied':
      return appliedView(outcome);
    case 'refused':
      return { ok: false, commandId, replayed: outcome.replayed, error: outcome.refusal };
    case 'expired':
      return failedView(commandId, expiredError);
    case 'failed':
      return failedView(
        commandId,
        outcome.isAccountLocked
          ? accountLocked
          : { code: outcome.code, detail: failureDetails[outcome.code] },
      );
  }
}

/** A command that came to nothing, as its caller reads it. Without an id when none could be read. */
export function failedView(commandId: CommandId | undefined, error: ErrorView): FailedOutcome {
  return { ok: false, ...(commandId !== undefined && { commandId }), error };
}

const failureDetails = {
  internal: 'The command could not be carried out; nothing was changed.',
  unavailable: 'The database can’t be reached, or can’t write, just now; nothing was changed.',
  outcome_unknown:
    'The database was lost while it answered. Send the command again under the same id to learn its fate.',
} as const;

const accountLocked: ErrorView = {
  code: 'unavailable',
  detail: 'The account is kept locked in the database; nothing was changed. Try again later.',
  lasts: true,
};

function appliedView(applied: Applied): AppliedOutcome {
  const { entry, asOf, reference, hold, toAccountId, replayed } = applied;
  const { account, status } = asOf;
  const { decimals } = account;
  return {
    ok: true,
    commandId: entry.commandId,
    replayed,
    account: {
      id: account.id,
      name: account.name,
      status,
      currency: account.currency,
      decimals,
      balance: formatMoney(entry.balance, decimals),
      held: formatMoney(entry.held, decimals),
      available: formatMoney(availableOf(entry), decimals),
      overdraftLimit: formatMoney(entry.overdraftLimit, decimals),
      version: entry.seq,
    },
    entry: {
      id: `${entry.accountId}:${entry.seq}`,
      seq: entry.seq,
      kind: entry.kind,
      amount: formatMoney(entry.amount, decimals),
      at: formatMicros(entry.at),
      ...(toAccountId !== undefined && { toAccountId }),
      ...(reference !== null && { reference }),
    },
    ...(hold !== undefined && { hold: holdView(hold, account) }),
  };
}
