import { randomUUID } from 'node:crypto';
import type { Fact, HoldDue, RefusalFact } from '../../../shared/contracts/events.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { Command } from '../domain/commands.ts';
import type { Entry } from '../domain/entry.ts';
import type { Applied, Outcome } from '../domain/execute-batch.ts';
import { momentOf } from '../domain/entry-details.ts';
import { expiredError } from '../domain/refusals.ts';
import { formatSecond, type Micros } from '../domain/time.ts';
import type { EntryOfAccount, EntryRange, OutboxMessage } from '../store/outbox-message.ts';
import { entryFact, refusalFact } from './facts.ts';

/** A message of the outbox, and what it takes to send it. */
export interface SendableMessage extends OutboxMessage {
  /** The JSON of each fact that an event tells; none of a due second. */
  readonly facts: readonly string[];
}

/** The event of a batch, when it has one: its entries, and the refusals of commands whose callers do not wait. */
export function eventMessages(
  commands: readonly Command[],
  outcomes: readonly Outcome[],
  now: Micros,
): SendableMessage[] {
  const applied = outcomes.flatMap((outcome) =>
    outcome.type === 'applied' && !outcome.replayed ? outcome : [],
  );
  const refusals = outcomes.flatMap((outcome, index) => refusalFactFor(commands[index], outcome, now) ?? []);
  if (applied.length === 0 && refusals.length === 0) return [];
  const refusalTexts = refusals.map((fact) => JSON.stringify(fact));
  return [
    {
      topic: 'event',
      messageId: `event:${randomUUID()}`,
      payload: `[${refusalTexts.join(',')}]`,
      entries: rangesOf(applied),
      facts: [...factsOf(applied), ...refusalTexts],
    },
  ];
}

/** A transfer has two: of either account. */
function factsOf(applied: readonly Applied[]): string[] {
  const facts: string[] = [];
  for (const outcome of applied) {
    const { entry, asOf, receipt } = outcome;
    facts.push(JSON.stringify(entryFact({ entry, account: asOf.account }, outcome)));
    if (receipt !== undefined) facts.push(JSON.stringify(entryFact(receipt, momentOf(receipt.entry))));
  }
  return facts;
}

function refusalFactFor(
  command: Command | undefined,
  outcome: Outcome,
  now: Micros,
): RefusalFact | undefined {
  if (command === undefined || !command.unattended || outcome.type === 'applied') return undefined;
  return refusalFact(command, outcome.type === 'refused' ? outcome.refusal : expiredError, now);
}

/** The entries that a batch makes on an account follow one another. */
function rangesOf(applied: readonly Applied[]): EntryRange[] {
  const ranges = new Map<AccountId, EntryRange>();
  const add = ({ accountId, seq }: Entry): void => {
    const firstSeq = ranges.get(accountId)?.firstSeq ?? seq;
    ranges.set(accountId, { accountId, firstSeq, lastSeq: seq });
  };
  for (const { entry, receipt } of applied) {
    add(entry);
    if (receipt !== undefined) add(receipt.entry);
  }
  return [...ranges.values()];
}

/**
 * Makes a message that was left in the outbox sendable again: with the facts that its batch made, though not in the same
 * order.
 *
 * @param entries what the journal has of the entries that it tells of.
 * @returns undefined when that isn't all of them.
 */
export function restoreMessage(
  message: OutboxMessage,
  entries: readonly EntryOfAccount[],
): SendableMessage | undefined {
  if (message.topic !== 'event') return { ...message, facts: [] };
  const entryCount = message.entries.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
  if (entries.length !== entryCount) return undefined;
  const entryFacts = entries.map((each) => entryFact(each, momentOf(each.entry)));
  const facts = [...entryFacts, ...(JSON.parse(message.payload) as Fact[])];
  return { ...message, facts: facts.map((fact) => JSON.stringify(fact)) };
}

/** "Holds fall due at this second." */
export function dueMessage(messageId: string, dueAt: Micros): SendableMessage {
  const due: HoldDue = { dueAt: formatSecond(dueAt) };
  return { topic: 'due', messageId, payload: JSON.stringify(due), entries: [], facts: [] };
}
