import { describe, expect, test } from '@jest/globals';
import { writeAsAscii } from '../plugins/json-as-ascii.ts';
import { readFactMessage } from './fact-message.ts';

const same = (json: string): string => json;
const entry = { type: 'entry', accountId: 'a', seq: 1, amount: '1.00', due: true };
const refusal = { type: 'refusal', accountId: 'b', detail: 'Не хватает' };
const read = (facts: unknown, write = same) =>
  readFactMessage({ sequence: 7, since: 36, text: JSON.stringify(facts) }, write);

describe('a message of facts', () => {
  test('is an event for each, whose id is what comes next', () => {
    const { facts, whole } = read([entry, refusal]);
    expect(facts).toEqual([
      { accountId: 'a', frame: `event: entry\nid: 7-1-10\ndata: ${JSON.stringify(entry)}\n\n` },
      { accountId: 'b', frame: `event: refusal\nid: 8-0-10\ndata: ${JSON.stringify(refusal)}\n\n` },
    ]);
    expect(whole).toBe(facts.map(({ frame }) => frame).join(''));
  });

  test('hands on what it does not know', () => {
    const later = { ...entry, fieldOfALaterVersion: { a: [1] } };
    expect(read([later]).whole).toContain(JSON.stringify(later));
  });

  test('is written in ASCII where that is asked for', () => {
    expect(read([refusal], writeAsAscii).whole).toMatch(/^\p{ASCII}+\\u041d\\u0435 [^]*$/u);
  });

  test.each([
    ['x', 'not valid JSON'],
    ['{}', 'not an array of facts'],
    ['[1]', 'not an array of facts'],
    ['[null]', 'not an array of facts'],
    ['[{"type":"entry"}]', 'not an array of facts'],
    ['[{"type":"rumour","accountId":"a"}]', 'not an array of facts'],
  ])('is not %s', (text, words) => {
    expect(() => readFactMessage({ sequence: 1, since: 1, text }, same)).toThrow(words);
  });
});
