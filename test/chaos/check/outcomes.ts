import { decimal } from '../clients/door.ts';
import { beliefOf, windowOf, type HoldToEnd, type Operation } from '../history.ts';
import { endsHold, idOf, isOwnDoing, type Books, type JournalEntry } from './books.ts';
import type { Evidences } from './check.ts';
import type { Timeline } from './timeline.ts';

/** The database's clock and ours are one, but an entry's time is never before its predecessor's. */
const clockToleranceMs = 50;

/** Everything that callers were told is so, and nothing is there that nobody asked for. */
export function checkOutcomes(
  { history, books, streamLostAtMs }: Evidences,
  timelineOf: (accountId: string) => Timeline,
): string[] {
  const entries = new Map<string, JournalEntry>();
  const problems: string[] = [];
  const asked = new Set(history.operations.map(idOf));
  for (const [accountId, journal] of books.journals) {
    for (const entry of journal) {
      const id = idOf({ accountId, id: entry.commandId });
      if (entries.has(id)) problems.push(`${id} is applied twice: ${entry.seq}`);
      entries.set(id, entry);
      if (!isOwnDoing(entry) && !asked.has(id)) problems.push(`${id} (${entry.kind}) was asked by nobody`);
    }
  }
  const onDues = new Map(books.holds.map((hold) => [idOf({ ...hold, id: hold.commandId }), hold.onDue]));
  for (const operation of history.operations) {
    const onDue = onDues.get(idOf(operation));
    if (onDue !== undefined && onDue !== (operation.onDue ?? 'settle'))
      problems.push(`${idOf(operation)} made a hold that is to ${onDue}`);
    const entry = entries.get(idOf(operation));
    for (const problem of problemsOf(
      operation,
      entry,
      books,
      timelineOf(operation.accountId),
      streamLostAtMs,
    ))
      problems.push(`${operation.kind} ${idOf(operation)}: ${problem}`);
  }
  return problems;
}

function problemsOf(
  operation: Operation,
  entry: JournalEntry | undefined,
  books: Books,
  timeline: Timeline,
  streamLostAtMs: number,
): string[] {
  const kept = books.refusals.get(idOf(operation));
  const belief = beliefOf(operation);
  const problems = operation.calls.flatMap(({ answer, door }) =>
    answer.is === 'fault' ? [`was answered at ${door}: ${answer.text}`] : [],
  );
  if (entry !== undefined) problems.push(...deviations(operation, entry));
  if (entry !== undefined && kept !== undefined) problems.push(`is applied, and refused with ${kept}`);
  switch (belief.is) {
    case 'applied':
      if (entry === undefined) problems.push('was acknowledged and is not in the books');
      if (operation.calls.some(({ answer }) => answer.is === 'refused'))
        problems.push('was acknowledged to one call and refused to another');
      break;
    case 'refused':
      if (entry !== undefined) problems.push(`was refused with ${belief.code} and is applied`);
      if (kept !== belief.code) problems.push(`was refused with ${belief.code}, and kept is ${kept}`);
      problems.push(...unjustified(operation, belief, books, timeline));
      break;
    case 'absent':
      if (entry !== undefined) problems.push('was answered "certainly not applied" and is applied');
      break;
    case 'accepted': {
      const acceptedMs = Math.min(
        ...operation.calls.flatMap((call) => (call.answer.is === 'accepted' ? [call.endMs] : [])),
      );
      if (entry === undefined && kept === undefined && acceptedMs > streamLostAtMs)
        problems.push('was accepted and never decided');
      break;
    }
    case 'unknown':
      break;
  }
  return problems;
}

/** Where an entry is not what was asked, or not what was answered. */
function deviations(operation: Operation, entry: JournalEntry): string[] {
  const problems: string[] = [];
  const kind = operation.kind === 'transfer' ? 'transfer-out' : operation.kind;
  if (entry.kind !== kind || entry.amount !== operation.amount)
    problems.push(`${operation.amount} were asked for, and the entry is ${entry.kind} of ${entry.amount}`);
  if (operation.hold === undefined && entry.reference !== (operation.reference ?? null))
    problems.push(`it was for ${operation.reference}, and the entry is for ${entry.reference}`);
  if (entry.otherAccountId !== (operation.toAccountId ?? null))
    problems.push(`it was to pay ${operation.toAccountId}, and the entry is about ${entry.otherAccountId}`);
  if (operation.hold !== undefined && entry.holdId !== operation.hold.id)
    problems.push(`it was about ${operation.hold.id}, and the entry is about ${entry.holdId}`);
  if (operation.expectedVersion !== undefined && entry.seq !== operation.expectedVersion + 1)
    problems.push(`it was to follow version ${operation.expectedVersion}, and the entry is ${entry.seq}`);
  for (const { answer, door } of operation.calls) {
    if (answer.is !== 'ok') continue;
    const told = [answer.version, answer.balance, answer.held, answer.available, answer.holdId ?? null];
    const { seq, balance, held, holdId } = entry;
    const booked = [seq, decimal(balance), decimal(held), decimal(balance - held), holdId];
    if (JSON.stringify(told) !== JSON.stringify(booked))
      problems.push(
        `${door} answered ${JSON.stringify(told)}, and in the books is ${JSON.stringify(booked)}`,
      );
  }
  const deadlines = operation.calls.map(({ deadlineMs }) => deadlineMs);
  const last = Math.max(...deadlines.map((deadlineMs) => deadlineMs ?? Infinity));
  if (entry.atMs > last + clockToleranceMs)
    problems.push(`was applied ${(entry.atMs - last).toFixed(0)} ms after its last deadline`);
  return problems;
}

/** A refusal needs a reason: some version of the account that its caller can have met and that gave one. */
function unjustified(
  operation: Operation,
  { code, available }: { readonly code: string; readonly available: string | undefined },
  { journals }: Books,
  timeline: Timeline,
): string[] {
  const journal = journals.get(operation.accountId) ?? [];
  const { fromMs, untilMs } = windowOf(operation);
  const { oldest, newest } = timeline.versionsBetween(fromMs, untilMs);
  for (let version = oldest; version <= newest; version += 1) {
    if (gives(code, available, operation, journal, version)) return [];
  }
  return [
    `was refused with ${code} (${available}), for which versions ${oldest} to ${newest} give no reason`,
  ];
}

/** Whether an account gave reason for the refusal when this was its version; 0 is no account yet. */
function gives(
  code: string,
  available: string | undefined,
  { amount, hold, expectedVersion }: Operation,
  journal: readonly JournalEntry[],
  version: number,
): boolean {
  const latest = journal[version - 1];
  switch (code) {
    case 'account_not_found':
      return latest === undefined;
    case 'account_exists':
      return latest !== undefined;
    case 'account_closed':
      return journal.some(({ kind, seq }) => kind === 'close' && seq <= version);
    case 'version_conflict':
      return latest !== undefined && expectedVersion !== undefined && version !== expectedVersion;
    case 'insufficient_funds': {
      if (latest === undefined) return false;
      const left = latest.balance - latest.held;
      return left < amount && decimal(left) === available;
    }
    case 'hold_not_pending':
      return hold !== undefined && hasEnded(hold, journal, version);
    case 'amount_too_large':
      return hold !== undefined && amount > hold.amount && !hasEnded(hold, journal, version);
    default:
      return false;
  }
}

function hasEnded(hold: HoldToEnd, journal: readonly JournalEntry[], version: number): boolean {
  return journal.some((entry) => endsHold(entry) && entry.holdId === hold.id && entry.seq <= version);
}
