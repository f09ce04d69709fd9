import { commandSchemas, type CommandPayload } from '../../../shared/contracts/commands.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountCommandKind } from '../../../shared/contracts/subjects.ts';
import type { Command } from '../domain/commands.ts';
import { microsOfMillis } from '../domain/time.ts';
import type { CommandObserver, Observation } from '../telemetry.ts';
import { forbiddenFor, readElement, type PayloadElement } from './payload.ts';

type AccountPayload = {
  [K in AccountCommandKind]: { readonly kind: K; readonly payload: CommandPayload<K> };
}[AccountCommandKind];

/** A command that was read, and the watch over what becomes of it; or why it isn't one, or may not be. */
type ReadCommand =
  { readonly command: Command; readonly observation: Observation } | { readonly error: ErrorView };

/** @param unattended nobody waits for the outcome: see `balance.async.*`. */
export function readCommand(
  kind: AccountCommandKind,
  element: PayloadElement,
  observe: CommandObserver,
  { unattended }: Pick<Command, 'unattended'>,
): ReadCommand {
  const read = readElement<AccountPayload['payload']>(commandSchemas[kind], element);
  if ('error' in read) return read;
  const payload = read.value;
  const forbidden = forbiddenFor(payload);
  if (forbidden !== undefined) return { error: forbidden };
  const observation = observe(kind, payload.id, payload.traceparent);
  // The schema was that of the kind, which the types can't follow.
  const given = { kind, payload } as AccountPayload;
  return { command: commandOf(given, observation.traceparent, unattended), observation };
}

/** @param traceparent what a hold of this command keeps, so that its settling joins the trace. */
function commandOf(given: AccountPayload, traceparent: string | null, unattended: boolean): Command {
  const { kind, payload } = given;
  const common = {
    id: payload.id,
    accountId: payload.accountId,
    deadline: payload.deadline === undefined ? null : microsOfMillis(payload.deadline),
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
    case 'set-limit':
      return {
        kind,
        overdraftLimit: payload.overdraftLimit,
        expectedVersion: payload.expectedVersion ?? null,
        ...common,
      };
    case 'close':
      return { kind, expectedVersion: payload.expectedVersion ?? null, ...common };
    case 'add':
      return { kind, amount: payload.amount, reference: payload.reference ?? null, ...common };
    case 'subtract':
      return {
        kind,
        amount: payload.amount,
        onDue: payload.onDue ?? 'settle',
        dueInSeconds: payload.dueInSeconds ?? null,
        reference: payload.reference ?? null,
        ...common,
      };
    case 'transfer':
      return {
        kind,
        toAccountId: payload.toAccountId,
        amount: payload.amount,
        reference: payload.reference ?? null,
        ...common,
      };
    case 'settle':
      return { kind, holdId: payload.holdId, amount: payload.amount ?? null, ...common };
    case 'extend':
      return { kind, holdId: payload.holdId, dueInSeconds: payload.dueInSeconds, ...common };
    case 'release':
      return { kind, holdId: payload.holdId, ...common };
  }
}

/** One text for the same metadata, in whatever order its keys came: it is part of the command's fingerprint. */
function canonicalJson(metadata: Readonly<Record<string, string>>): string {
  const keys = Object.keys(metadata).toSorted();
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, metadata[key]])));
}
