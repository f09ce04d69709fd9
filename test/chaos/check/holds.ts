import { endsHold, isOwnDoing, type Books, type JournalEntry } from './books.ts';

/** The database's clock decided, and an entry's time is rounded to microseconds. */
const clockToleranceMs = 1;

/** Every hold comes from a subtract and ends exactly once: by a caller, or by itself and then not before it is due. */
export function checkHolds({ journals, holds }: Books): string[] {
  const made = new Map<string, JournalEntry>();
  const extended = new Map<string, JournalEntry[]>();
  const ended = new Map<string, JournalEntry[]>();
  for (const journal of journals.values()) {
    for (const entry of journal) {
      const { kind, holdId } = entry;
      if (holdId === null) continue;
      if (kind === 'subtract') made.set(holdId, entry);
      else {
        const later = endsHold(entry) ? ended : extended;
        later.set(holdId, [...(later.get(holdId) ?? []), entry]);
      }
    }
  }
  const problems: string[] = [];
  if (holds.length !== made.size)
    problems.push(`${made.size} subtracts made holds, and there are ${holds.length}`);
  for (const { id, accountId, status, dueMs, onDue, reference } of holds) {
    const report = (what: string): void => void problems.push(`hold ${id} of ${accountId} ${what}`);
    const [extensions, ends] = [extended.get(id) ?? [], ended.get(id) ?? []];
    const making = made.get(id);
    if (making === undefined) report('was made by no subtract');
    for (const entry of [...(making === undefined ? [] : [making]), ...extensions, ...ends])
      if (entry.reference !== reference)
        report(`is for ${reference}, and its ${entry.kind} for ${entry.reference}`);
    const due = [...(making === undefined ? [] : [making]), ...extensions].map(({ dueS }) => dueS ?? 0);
    if (due.some((each, index) => each < (due[index - 1] ?? 0)) || due.at(-1) !== dueMs / 1_000)
      report(`is due at ${dueMs / 1_000}, and was to be at ${due.join(', ')}`);
    for (const { seq } of extensions)
      if (ends.some((end) => end.seq < seq)) report(`was extended by entry ${seq}, after its end`);
    if (ends.length > 1) report(`ended ${ends.length} times`);
    if (ends.length === 0 || status === 'pending') report(`never ended: it is ${status}`);
    for (const end of ends) {
      if (status !== (end.kind === 'release' ? 'released' : 'settled'))
        report(`is ${status} by a ${end.kind}`);
      if (isOwnDoing(end) && end.kind !== onDue) report(`was to ${onDue} and had a ${end.kind}`);
      if (isOwnDoing(end) && end.atMs < dueMs - clockToleranceMs) report('ended by itself before it was due');
    }
  }
  return problems;
}

/** How long after its due time the latest hold was settled that no caller ended, in ms. */
export function latestSettleMs({ journals, holds }: Books): number {
  const due = new Map(holds.map(({ id, dueMs }) => [id, dueMs]));
  let latest = 0;
  for (const journal of journals.values()) {
    for (const entry of journal) {
      const { holdId, atMs } = entry;
      if (holdId !== null && isOwnDoing(entry)) latest = Math.max(latest, atMs - (due.get(holdId) ?? atMs));
    }
  }
  return latest;
}
