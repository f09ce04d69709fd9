import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { findDuplicateKeys } from './duplicate-key.ts';

const findDuplicateKey = (json: string, value: unknown) => [...findDuplicateKeys(json, value).values()][0];

describe('a key that is there twice', () => {
  test.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a" : 1,\n"a"\t:2}', 'a'],
    ['{"amount":"1","am\\u006funt":"2"}', 'amount'],
    ['{"b":{"a":1,"a":2}}', 'a'],
    ['[{"x":1},{"a":[{"c":1}],"a":2}]', 'a'],
    ['[{"x":1,"y":2},{"a":1,"a":2}]', 'a'],
    ['[{"a":1,"a":2},1,[],null,{}]', 'a'],
    ['{"":1,"":2}', ''],
    ['{"a\\"":1,"a\\"":2}', 'a"'],
    ['{"a\\\\":1,"b":"\\\\","a\\\\":2}', 'a\\'],
    ['{"toString":1,"toString":2}', 'toString'],
  ])('is found: %s', (json, key) => {
    expect(findDuplicateKey(json, JSON.parse(json))).toBe(key);
  });

  test.each([
    '{}',
    '"a"',
    '{"a":1,"A":2}',
    '{"a":"a","b":"a"}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"a":["a","a",":","a"]}',
    '{"a":"\\"a\\":1,\\"a\\":","b":"{"}',
    '{"constructor":1,"toString":2}',
  ])('is not: %s', (json) => {
    expect(findDuplicateKey(json, JSON.parse(json))).toBeUndefined();
  });

  test('is in no JSON that was made of values, and in any of it with one put in', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { minKeys: 1 }), (value) => {
        const json = JSON.stringify(value);
        const [key = ''] = Object.keys(value);
        expect(findDuplicateKey(json, JSON.parse(json))).toBeUndefined();
        const twice = `${json.slice(0, -1)},${JSON.stringify(key)}:0}`;
        expect(findDuplicateKey(twice, JSON.parse(twice))).toBe(key);
        const many = `[${json},${twice},${json}]`;
        expect([...findDuplicateKeys(many, JSON.parse(many))]).toEqual([[1, key]]);
      }),
    );
  });

  test('is found within milliseconds in what is as long and as deep as a body may be', () => {
    const size = 64 * 1024;
    const texts = [
      '['.repeat(size / 2) + ']'.repeat(size / 2),
      '{"":'.repeat(size / 5) + '1' + '}'.repeat(size / 5),
      `{"${'x'.repeat(size)}":"${'\\\\'.repeat(size / 2)}"}`,
      `{"${'x'.repeat(size)}":":${'\\\\'.repeat(size / 2)}"}`,
      `{"a":"${':"{'.replaceAll('"', '\\"').repeat(size / 4)}"}`,
    ];
    for (const text of texts) {
      const value: unknown = JSON.parse(text);
      const start = performance.now();
      expect(findDuplicateKey(text, value)).toBeUndefined();
      expect(performance.now() - start).toBeLessThan(1_000);
    }
  });
});
