import { randomUUID } from 'node:crypto';
import type { EntryFact, Fact, HoldDue, RefusalFact } from '../../../shared/contracts/events.ts';
import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import { splitPayloads } from '../../../shared/messaging/split-payloads.ts';
import { formatMoney } from '../../../shared/money/money.ts';
import { availableOf } from '../domain/account.ts';
import type { Command } from '../domain/commands.ts';
import type { Outcome } from '../domain/execute-batch.ts';
import type { OutboxMessage } from '../store/outbox-message.ts';
import { formatMicros, formatSecond, type Micros } from '../domain/time.ts';

/** As many facts as fit into a message that the broker takes. */
export function factBounds(maxPayload: number): { maxElements: number; maxBytes: number } {
  return { maxElements: Number.MAX_SAFE_INTEGER, maxBytes: Math.min(maxMessageBytes, maxPayload) };
}

/**
 * The events of a batch: its entries, and the refusals of commands whose callers do not wait. One message, or several
 * when one would be too large for the broker.
 */
export function eventMessages(
  commands: readonly Command[],
  outcomes: readonly Outcome[],
  now: Micros,
  maxPayload: number,
): OutboxMessage[] {
  const facts = outcomes.flatMap((outcome, index) => factOf(commands[index], outcome, now) ?? []);
  const texts = facts.map((fact) => ({ of: fact, json: JSON.stringify(fact) }));
  return splitPayloads(texts, factBounds(maxPayload)).map(({ payload, isArray }) =>
    eventMessage(isArray ? payload : `[${payload}]`),
  );
}

/** @param payload an array of facts. */
export function eventMessage(payload: string): OutboxMessage {
  return { topic: 'event', messageId: `event:${randomUUID()}`, payload };
}

function factOf(command: Command | undefined, outcome: Outcome, now: Micros): Fact | undefined {
  if (command === undefined) return undefined;
  if (outcome.type === 'applied') return outcome.replayed ? undefined : entryFact(outcome);
  if (!command.unattended) return undefined;
  if (outcome.type === 'refused') return refusalFact(command, outcome.refusal, now);
  return refusalFact(
    command,
    { code: 'unavailable', detail: 'The deadline had passed when its turn came.' },
    now,
  );
}

function entryFact({ entry, asOf, hold }: Extract<Outcome, { type: 'applied' }>): EntryFact {
  const { currency, decimals } = asOf.account;
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
    ...(entry.holdId !== null && { holdId: entry.holdId }),
    ...(hold !== undefined && { dueAt: formatSecond(hold.dueAt) }),
    at: formatMicros(entry.at),
  };
}

function refusalFact(
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
    at: formatMicros(now),
  };
}

/** "Holds fall due at this second." */
export function dueMessage(messageId: string, dueAt: Micros): OutboxMessage {
  const due: HoldDue = { dueAt: formatSecond(dueAt) };
  return { topic: 'due', messageId, payload: JSON.stringify(due) };
}
