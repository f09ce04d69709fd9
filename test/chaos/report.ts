import type { CampaignResult } from './campaign.ts';
import { beliefOf } from './history.ts';

const toldProblems = 40;

/** What a run has shown, for people. */
export function reportOf(seed: number, result: CampaignResult): string {
  const { shape, history, done, outages, memory, problems } = result;
  const beliefs = countBy(history.operations.map((operation) => beliefOf(operation).is));
  const calls = history.operations.reduce((sum, operation) => sum + operation.calls.length, 0);
  const faults = done.flatMap((each) => each.faults.map(({ kind }) => kind));
  const single = backTimes(done.filter((each) => each.faults.length === 1));
  const together = backTimes(done.filter((each) => each.faults.length > 1));
  const lines = [
    `seed            ${seed}`,
    `processes       ${shape.gateway} gateways, ${shape.ledger} ledgers, ${shape.settler} settlers`,
    `faults          ${faults.length} in ${done.length} episodes: ${inWords(countBy(faults))}`,
    `commands        ${history.operations.length} tried in ${calls} calls, ${history.reads.length} looks; ${inWords(beliefs)}`,
    `kinds           ${inWords(countBy(history.operations.map(({ kind }) => kind)))}`,
    `back after      one fault: ${single}; several at once: ${together}`,
    `longest outage  ${(outages.longest.ms / 1_000).toFixed(1)} s, at ${outages.longest.door}`,
    `latest settle   ${(result.latestSettleMs / 1_000).toFixed(1)} s after its time`,
    `memory at most  ${memory.text()}`,
    ...problemLines(problems),
  ];
  return `\n${lines.join('\n')}\n`;
}

/** How many problems there are, and the first of them. */
export function problemLines(problems: readonly string[]): string[] {
  return [
    `problems        ${problems.length}`,
    ...problems.slice(0, toldProblems).map((problem) => `  ${problem}`),
    ...(problems.length > toldProblems ? [`  … and ${problems.length - toldProblems} more`] : []),
  ];
}

/** How often each word is there. */
export function countBy(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Counts as a person says them. */
export function inWords(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

function backTimes(done: CampaignResult['done']): string {
  const times = done.map(({ backAfterMs }) => backAfterMs ?? Infinity).toSorted((a, b) => a - b);
  if (times.length === 0) return 'none';
  const middle = times[Math.floor(times.length / 2)] ?? 0;
  return `${middle.toFixed(0)} ms median, ${(times.at(-1) ?? 0).toFixed(0)} ms at most`;
}
