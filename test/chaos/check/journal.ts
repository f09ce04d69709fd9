import { isOwnDoing, type Books, type JournalEntry } from './books.ts';

/** What one kind of entry does to an account. */
const effects: Readonly<
  Record<
    JournalEntry['kind'],
    (amount: number, holdOf: number) => { readonly balance: number; readonly held: number }
  >
> = {
  open: () => ({ balance: 0, held: 0 }),
  'set-limit': () => ({ balance: 0, held: 0 }),
  close: () => ({ balance: 0, held: 0 }),
  add: (amount) => ({ balance: amount, held: 0 }),
  subtract: (amount) => ({ balance: 0, held: amount }),
  settle: (amount, holdOf) => ({ balance: -amount, held: -holdOf }),
  release: (_, holdOf) => ({ balance: 0, held: -holdOf }),
  extend: () => ({ balance: 0, held: 0 }),
  'transfer-out': (amount) => ({ balance: -amount, held: 0 }),
  'transfer-in': (amount) => ({ balance: amount, held: 0 }),
};

const needsOpen: ReadonlySet<JournalEntry['kind']> = new Set([
  'add',
  'subtract',
  'transfer-out',
  'transfer-in',
]);

/** Every entry follows from the one before it, and none leaves less than nothing available. */
export function checkJournal({ journals }: Books): string[] {
  const problems: string[] = [];
  for (const [accountId, journal] of journals) {
    let before = { balance: 0, held: 0 };
    let isOpen = false;
    const amounts = new Map<string, number>();
    for (const [index, entry] of journal.entries()) {
      const { kind, amount, balance, held, seq, holdId } = entry;
      const report = (what: string): void =>
        void problems.push(`${accountId} entry ${seq} (${kind}) ${what}`);
      if (kind === 'subtract' && holdId !== null) amounts.set(holdId, amount);
      const holdOf = holdId === null ? 0 : (amounts.get(holdId) ?? 0);
      const effect = effects[kind](amount, holdOf);
      const expected = { balance: before.balance + effect.balance, held: before.held + effect.held };
      if (seq !== index + 1) report(`is in place ${index + 1}`);
      if (balance !== expected.balance || held !== expected.held)
        report(`leaves ${balance}/${held}, expected ${expected.balance}/${expected.held}`);
      if (balance - held < 0 || held < 0) report(`leaves ${balance - held} available and ${held} held`);
      const mayBePart = kind === 'settle' && !isOwnDoing(entry);
      if (holdId !== null && (mayBePart ? amount > holdOf : amount !== holdOf))
        report(`is of ${amount}, its hold of ${holdOf}`);
      if ((kind === 'open') !== (index === 0)) report('is not the first');
      if (needsOpen.has(kind) && !isOpen) report('is on a closed account');
      if (kind === 'open' || kind === 'close') isOpen = kind === 'open';
      before = { balance, held };
    }
  }
  return problems;
}
