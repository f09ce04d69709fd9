import { decimal } from '../clients/door.ts';
import type { Evidences } from './check.ts';

/** Every entry was told at least once, and nothing else was. */
export function checkEvents({ books, facts }: Pick<Evidences, 'books' | 'facts'>): string[] {
  const told = new Map<string, string>();
  const problems: string[] = [];
  for (const fact of facts) {
    if (fact.type !== 'entry') continue;
    const place = `${fact.accountId}:${fact.seq}`;
    const text = [fact.commandId, fact.kind, fact.amount, fact.balance, fact.held].join(' ');
    if ((told.get(place) ?? text) !== text)
      problems.push(`${place} was told as "${told.get(place)}" and "${text}"`);
    told.set(place, text);
  }
  for (const [accountId, journal] of books.journals) {
    for (const { seq, commandId, kind, amount, balance, held } of journal) {
      const place = `${accountId}:${seq}`;
      const expected = [commandId, kind, decimal(amount), decimal(balance), decimal(held)].join(' ');
      const text = told.get(place);
      if (text === undefined) problems.push(`${place} (${kind}) was never told`);
      else if (text !== expected) problems.push(`${place} was told as "${text}", expected "${expected}"`);
      told.delete(place);
    }
  }
  for (const [place, text] of told) problems.push(`${place} was told ("${text}") and is not in the books`);
  return problems;
}
