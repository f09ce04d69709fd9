import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { runCommand } from '../deploy/local/run-command.ts';
import { findProgram, promtoolProgram, whyWithout } from './support/debian-program.ts';

const why = whyWithout(promtoolProgram);
const withPromtool = why === '' ? test : test.skip;
const fetchMs = 150_000;

withPromtool(`Prometheus’ own promtool takes the alert rules${why}`, checkRules, fetchMs);

async function checkRules(): Promise<void> {
  const rules = join(__dirname, '../deploy/otel/alerts/holdfast.yaml');
  const promtool = await findProgram(promtoolProgram);
  const { code, lines } = await runCommand(promtool, ['check', 'rules', rules], { timeoutMs: 20_000 });
  expect([code, lines.join('\n')]).toEqual([0, expect.stringMatching(/SUCCESS: [1-9]\d* rules found/)]);
}
