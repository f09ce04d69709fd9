import { countBy, inWords, problemLines } from '../chaos/report.ts';
import { beliefOf } from '../chaos/history.ts';
import type { ClusterResult } from './run-cluster.ts';

/** What a run has shown, for people. */
export function reportOf({ history, done, holds, problems }: ClusterResult): string {
  const beliefs = countBy(history.operations.map((operation) => beliefOf(operation).is));
  const calls = history.operations.reduce((sum, operation) => sum + operation.calls.length, 0);
  const lines = [
    'processes       3 gateways, 3 ledgers, 3 settlers; 3 brokers, streams on all; primary and synchronous standby',
    `commands        ${history.operations.length} tried in ${calls} calls, ${history.reads.length} looks; ${inWords(beliefs)}`,
    `holds           ${inWords(holds)}`,
    ...done.flatMap(({ what, outages, latestSettleMs }) => [
      `fault           ${what}`,
      `  no outcome    ${outages.map(({ door, ms }) => `${door} ${seconds(ms)}`).join(', ')}`,
      `  latest settle ${seconds(latestSettleMs)} after its time`,
    ]),
    ...problemLines(problems),
  ];
  return `\n${lines.join('\n')}\n`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
