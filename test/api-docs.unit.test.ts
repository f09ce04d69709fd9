import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCatalogue } from '../shared/contracts/error-codes.ts';
import { maxCommandsPerMessage, maxMessageBytes, maxPageSize } from '../shared/contracts/limits.ts';
import {
  accountCommandKinds,
  commandKinds,
  commandsStream,
  eventsStream,
  eventSubject,
  queryKinds,
} from '../shared/contracts/subjects.ts';
import { refusalPrecedence } from '../services/ledger/domain/refusals.ts';

function readDoc(name: string): string {
  return readFileSync(join(__dirname, '..', 'docs', name), 'utf8');
}

/** The first cells of table rows that begin with `code`. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, cell]) => cell ?? '');
}

describe('docs/api.md', () => {
  const text = readDoc('api.md');

  test('lists every error code with its status, and no other', () => {
    const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\|/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(rows).toEqual(Object.entries(errorCatalogue).map(([code, { status }]) => [code, status]));
  });

  test('gives the order in which refusals are checked', () => {
    const sentence = text.slice(text.indexOf('Then, in this order:'));
    const codes = [...sentence.slice(0, sentence.indexOf('\n## ')).matchAll(/`(\w+)`/g)].map(
      ([, code]) => code,
    );
    expect(codes).toEqual([...refusalPrecedence]);
  });
});

describe('docs/nats.md', () => {
  const text = readDoc('nats.md');

  test('lists every command and query, and no other', () => {
    const kinds: string[] = [...commandKinds, ...queryKinds];
    const listed = firstCells(text).filter((cell) => /^[a-z-]+$/.test(cell));
    expect(listed.slice(0, kinds.length)).toEqual(kinds);
  });

  test('has the names and bounds of the contracts', () => {
    expect(text).toContain(`balance.async.<${accountCommandKinds.join('|')}>`);
    for (const name of [eventSubject, eventsStream, commandsStream]) expect(text).toContain(`\`${name}\``);
    expect(text).toContain(`1 to ${maxCommandsPerMessage.toLocaleString('en')} of them`);
    expect(text).toContain(`at most ${maxMessageBytes / 1024} KiB`);
    expect(text).toContain(`up to ${maxPageSize}`);
  });
});
