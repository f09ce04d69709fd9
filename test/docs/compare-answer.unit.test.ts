import { describe, expect, test } from '@jest/globals';
import { findDifference } from './compare-answer.ts';

const shownId = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const real = '0b7c2f5e-6a34-4b0e-9a57-5c7f0a4c3c11';
const ofVersion7 = '01a2120d-5b27-7006-950f-ccadb682cc86';

describe('an answer is as shown', () => {
  test.each([
    ['done\n', 'done'],
    ['event: a\n\nevent: b\n\n', 'event: a\nevent: b'],
    ['{"a": [1, {"b": null}]}', '{"a":[1,{"b":null}]}'],
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['{"at":"2026-11-24T13:31:51Z"}', '{"at":"2027-01-01T00:00:00.123456Z"}'],
    ['{"dueAt":1796000047}', '{"dueAt":1801234567}'],
    ['{"traceId":"1a03b902a9a5496b3a0f3313bf638059"}', '{"traceId":"e9e33c8266fb458a22adf55b26ddf4c5"}'],
    [`{"hash":"${'0f'.repeat(32)}"}`, `{"hash":"${'a3'.repeat(32)}"}`],
    ['{"detail":"…"}', '{"detail":"33.48 was asked (of 2)."}'],
    ['row 1 (…): bad\n…\nend', 'row 1 (x): bad\nfurther\nlines\nend'],
    [`{"id":"${shownId}:4"}`, `{"id":"${real}:4"}`],
    ['1.0 of 2 (a+b)', '1.0 of 2 (a+b)'],
  ])('%j, and %j was answered', (shown, answered) => {
    expect(findDifference(shown, answered, new Map())).toBeUndefined();
  });

  test('when the same id stands for the same one throughout', () => {
    const ids = new Map([[shownId, real]]);
    expect(
      findDifference(`{"a":"${shownId}","b":"${shownId}"}`, `{"a":"${real}","b":"${real}"}`, ids),
    ).toBeUndefined();
  });

  test('and its ids stand for those of the page from then on', () => {
    const ids = new Map<string, string>();
    findDifference(`{"a":"${shownId}"}`, `{"a":"${real}"}`, ids);
    expect(ids).toEqual(new Map([[shownId, real]]));
  });
});

describe('an answer is not as shown', () => {
  test.each([
    ['done', 'done.', 'the answer should be done, and is done.'],
    ['{"a":1}', 'a', 'the answer is no JSON'],
    ['{"a":1}', '{"a":2}', 'the answer.a should be 1, and is 2'],
    ['{"a":1}', '{"a":"1"}', 'the answer.a should be 1, and is "1"'],
    ['{"a":1}', '{"a":1,"b":2}', 'the answer.b should be undefined, and is 2'],
    ['{"a":1,"b":2}', '{"a":1}', 'the answer.b should be 2, and is undefined'],
    ['{"a":[1]}', '{"a":{"0":1}}', 'the answer.a should be [1], and is {"0":1}'],
    ['{"a":[1]}', '{"a":[1,2]}', 'the answer.a.1 should be undefined, and is 2'],
    ['{"traceId":"1a03b902a9a5496b3a0f3313bf638059"}', '{"traceId":"1a03"}', 'the answer.traceId should be'],
    [`{"hash":"${'0f'.repeat(32)}"}`, `{"hash":"${'0f'.repeat(31)}"}`, 'the answer.hash should be'],
    ['{"at":"2026-11-24T13:31:51Z"}', '{"at":"soon"}', 'the answer.at should be'],
    ['{"dueAt":1796000047}', '{"dueAt":1796000047000}', 'the answer.dueAt should be'],
    ['{"dueAt":1796000047}', '{"dueAt":"1796000047"}', 'the answer.dueAt should be'],
    [`{"id":"${shownId}"}`, `{"id":"${ofVersion7}"}`, 'the answer.id should be'],
    [`{"a":"${shownId}","b":"${shownId}"}`, `{"a":"${real}","b":"${shownId}"}`, 'the answer.b should be'],
    ['v1.0', 'v1x0', 'the answer should be v1.0'],
  ])('%j, when %j was answered', (shown, answered, difference) => {
    expect(findDifference(shown, answered, new Map())).toContain(difference);
  });
});
