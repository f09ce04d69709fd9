import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricCatalogue, prometheusName } from '../shared/telemetry/metrics.ts';

const read = (path: string): string => readFileSync(join(__dirname, '..', path), 'utf8');
const alerts = read('deploy/otel/alerts/holdfast.yaml');
const operations = read('docs/operations.md');

/** Every series that the catalogue gives: a histogram has three. */
const series = new Set(
  Object.values(metricCatalogue).flatMap((facts) => {
    const name = prometheusName(facts);
    return facts.kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
  }),
);

/** Labels that the catalogue gives, and those of Prometheus itself. */
const labels = new Set([
  ...Object.values(metricCatalogue).flatMap((facts) =>
    facts.attributes.map((name) => name.replaceAll('.', '_')),
  ),
  'job',
  'instance',
  'le',
]);

/** Words of an expression with an underscore are names of series or labels, but for these functions of PromQL. */
const functions = new Set(['histogram_quantile', 'label_replace']);

function unknownIn(expression: string): string[] {
  const words = expression.replaceAll(/"[^"]*"|\$\w+/g, '').match(/[a-z]\w*_\w+/g) ?? [];
  return words.filter((word) => !functions.has(word) && !series.has(word) && !labels.has(word));
}

test('the dashboard asks for metrics of the catalogue only, and for all of them', () => {
  const { panels } = JSON.parse(read('deploy/otel/dashboards/holdfast.json')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(expressions.flatMap(unknownIn)).toEqual([]);
  const text = expressions.join(' ');
  const names = Object.values(metricCatalogue).map(prometheusName);
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
});

test('alerts ask for metrics of the catalogue only', () => {
  const expressions = [...alerts.matchAll(/^ +expr: '(.+)'$/gm)].map(([, expr = '']) => expr);
  expect(expressions.length).toBeGreaterThan(5);
  expect(expressions.flatMap(unknownIn)).toEqual([]);
});

test('each alert links a section of docs/operations.md that says what to do', () => {
  const names = [...alerts.matchAll(/alert: (\w+)/g)].map(([, name]) => name);
  const links = [...alerts.matchAll(/runbook: docs\/operations\.md#(\S+)/g)].map(([, anchor]) => anchor);
  const sections = new Map(
    operations
      .split('\n## ')
      .slice(1)
      .map((section) => [section.split('\n', 1)[0]?.toLowerCase().replaceAll(' ', '-'), section]),
  );
  expect(links).toHaveLength(names.length);
  names.forEach((name, index) => {
    const section = sections.get(links[index]);
    for (const part of [`\`${name}\``, '**Means:**', '**Look:**', '**Do:**']) expect(section).toContain(part);
  });
});
