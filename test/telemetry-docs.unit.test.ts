import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attributeNames, spanNames } from '../shared/telemetry/conventions.ts';
import { metricCatalogue, prometheusName } from '../shared/telemetry/metrics.ts';

const text = readFileSync(join(__dirname, '../docs/telemetry.md'), 'utf8');

/** The rows of the table under a heading, as their cells without backticks. */
function rowsUnder(heading: string): string[][] {
  const [, rest = ''] = text.split(`\n## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

test('docs/telemetry.md lists every metric as the catalogue has it, and no other', () => {
  const expected = Object.values(metricCatalogue).map((facts) => [
    facts.name,
    prometheusName(facts),
    facts.kind,
    facts.attributes.join(', '),
    facts.description,
  ]);
  expect(rowsUnder('Metrics')).toEqual(expected);
});

test('docs/telemetry.md lists every span', () => {
  const expected = Object.entries(spanNames).map(([, name]) =>
    typeof name === 'string' ? name : name('<1>', '<2>'),
  );
  const listed = rowsUnder('Spans').map(([name = '']) => {
    let number = 0;
    return name.replaceAll(/<[^>]+>/g, () => `<${(number += 1)}>`);
  });
  expect(new Set(listed)).toEqual(new Set(expected));
});

test('docs/telemetry.md lists every attribute', () => {
  expect(new Set(rowsUnder('Attributes').map(([name]) => name))).toEqual(
    new Set(Object.values(attributeNames)),
  );
});
