import { writeFile } from 'node:fs/promises';
import { cpuChart, curveChart, goalChart, rateChart } from './charts.ts';
import { escape } from './escape.ts';
import type { Verdict } from './goals.ts';
import type { Options } from './options.ts';
import type { machineFacts } from './result-file.ts';
import type { Sample } from './sample.ts';
import { memoryTable, samplesTable, verdictsTable } from './tables.ts';

export interface PageFacts {
  readonly machine: ReturnType<typeof machineFacts>;
  readonly options: Options;
  readonly problems: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly startMs: Readonly<Record<string, number>>;
  readonly memoryAtRestMiB: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

/** Draws a run as one page that needs nothing else, beside the run's JSON file. Resolves with its path. */
export async function writePage(jsonFile: string, facts: PageFacts): Promise<string> {
  const file = jsonFile.replace(/\.json$/, '.html');
  await writeFile(file, pageOf(facts));
  return file;
}

function pageOf(facts: PageFacts): string {
  const { machine, options, problems, verdicts, startMs, memoryAtRestMiB, samples } = facts;
  const { processors, processor, memoryGiB, node, platform, natsServer } = machine;
  const open = samples.filter(({ name }) => name.includes('open loop'));
  const closed = samples.filter(({ name }) => /^(?:GET ping|substract \w+), \d+ connections?$/.test(name));
  const lags = samples.filter(({ name }) => name.startsWith('settle lag'));
  const sections = [
    ['Against floors and goals', `${goalChart(verdicts)}${pre(verdictsTable(verdicts))}`],
    ['Requests per second by connections', rateChart(closed)],
    ['Latency, closed loop', curveChart(closed.filter(({ name }) => !name.startsWith('GET')))],
    ['Latency at a constant rate, from the intended start', curveChart(open)],
    ['Settle lag: how much later than due', curveChart(lags)],
    ['Microseconds of CPU for each, but for one connection', cpuChart(samples)],
    ['Memory and start', pre(memoryTable(memoryAtRestMiB, samples, startMs))],
    ['All figures, medians over the rounds', pre(samplesTable(samples))],
  ].filter(([, content]) => content !== '');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Holdfast: a benchmark run</title>
<style>
  :root { color-scheme: light dark; --ink: light-dark(#1b2733, #dfe7ee); --paper: light-dark(#fff, #12181e);
    --faint: light-dark(#d4dce4, #33404c); --void: light-dark(#b3261e, #ff8a80); }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
    max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
  h2 { font-size: 1.1rem; margin-top: 2.2rem; }
  pre { font: 11.5px/1.5 ui-monospace, monospace; overflow-x: auto; }
  svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
  svg text { fill: var(--ink); }
  .void { color: var(--void); font-weight: bold; }
</style>
<h1>Holdfast: a benchmark run</h1>
<p>${processors} × ${escape(processor ?? 'unknown processor')}, ${memoryGiB} GiB, ${platform}, Node ${node}, nats-server ${natsServer};
${options.rounds} rounds of ${options.seconds} s, ${options.accounts} accounts. Load generator and servers share the machine.</p>
${problems.map((problem) => `<p class="void">VOID: ${escape(problem)}</p>`).join('\n')}
${sections.map(([title, content]) => `<h2>${title}</h2>\n${content}`).join('\n')}
</html>
`;
}

function pre(text: string): string {
  return `<pre>${escape(text)}</pre>`;
}
