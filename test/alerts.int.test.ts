import { expect } from '@jest/globals';
import { join } from 'node:path';
import { runCommand } from '../deploy/local/run-command.ts';
import { findProgram, PROMTOOL, testWith } from './support/debian-program.ts';

testWith(PROMTOOL)(
  'Prometheus’ own promtool takes the alert rules',
  async () => {
    const rules = join(__dirname, '../deploy/otel/alerts/holdfast.yaml');
    const promtool = await findProgram(PROMTOOL);
    const { code, lines } = await runCommand(promtool, ['check', 'rules', rules], { timeoutMs: 20_000 });
    expect([code, lines.join('\n')]).toEqual([0, expect.stringMatching(/SUCCESS: [1-9]\d* rules found/)]);
  },
  150_000,
);
