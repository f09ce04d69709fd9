import { idOf, type Books, type JournalEntry } from './books.ts';

/** What a transfer takes from one account it pays to the other, once. */
export function checkTransfers({ journals }: Books): string[] {
  const problems: string[] = [];
  const paid = new Map<string, JournalEntry>();
  const entries = [...journals.values()].flat();
  for (const entry of entries) {
    const { kind, accountId, seq, otherAccountId, transferId } = entry;
    if (kind !== 'transfer-in') continue;
    const id = idOf({ accountId: otherAccountId ?? '', id: transferId ?? '' });
    if (paid.has(id)) problems.push(`transfer ${id} was paid twice: ${accountId} entry ${seq}`);
    paid.set(id, entry);
  }
  for (const { kind, accountId, commandId, otherAccountId, amount, reference } of entries) {
    if (kind !== 'transfer-out') continue;
    const id = idOf({ accountId, id: commandId });
    const receipt = paid.get(id);
    const told = [receipt?.accountId, receipt?.amount, receipt?.reference];
    if (JSON.stringify(told) !== JSON.stringify([otherAccountId, amount, reference]))
      problems.push(`transfer ${id} of ${amount} to ${otherAccountId} was paid as ${JSON.stringify(told)}`);
    paid.delete(id);
  }
  for (const id of paid.keys()) problems.push(`transfer ${id} was paid, and taken from nobody`);
  return problems;
}
