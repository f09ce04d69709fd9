import type { ErrorView } from '../../shared/contracts/outcomes.ts';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import type { AccountStep, AccountStepKind } from './account-steps.ts';

/** Long enough to see a restart of any part through. */
const commandMs = 10_000;

/** How far the steps of one account came. */
export interface OpenedAccount {
  /** The steps that were taken now, in order; the others had been taken before. */
  readonly done: readonly AccountStepKind[];
  /** The step at which it ended, when not all could be taken. */
  readonly failed?: { readonly kind: AccountStepKind; readonly error: ErrorView };
}

/** Takes the steps that make an account, one after the other, until one fails. Never rejects. */
export async function openAccount(
  ledger: LedgerClient,
  steps: readonly AccountStep[],
): Promise<OpenedAccount> {
  const done: AccountStepKind[] = [];
  for (const { kind, command } of steps) {
    const outcome = await ledger.send(kind, command, { deadlineMs: commandMs });
    if (!outcome.ok) return { done, failed: { kind, error: outcome.error } };
    if (!outcome.replayed) done.push(kind);
  }
  return { done };
}
