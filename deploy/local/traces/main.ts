import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadEnvFile } from '../../../shared/config/load-env-file.ts';
import { parseSettings } from '../../../shared/config/parse-settings.ts';
import { localSettings } from '../config.ts';
import { readRunning } from '../data-folder.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { formatList, formatTrace } from './format-trace.ts';
import { receivedSpanSchema } from './received-span.ts';
import { traceSummarySchema } from './trace-store.ts';
import { buildTraceTree } from './trace-tree.ts';

const usage = `npm run trace -- [ID] [--json]
  ID      a trace id (32 hex digits), a command id or a hold id: shows its trace
          without one: the newest traces, a line each
  --json  the same as JSON`;

/** Spans leave their service once a second. */
const patienceMs = 3_000;
const askEveryMs = 250;
const answerMs = 5_000;

const traceIdPattern = /^[0-9a-f]{32}$/;

const listSchema = z.object({ traces: z.array(traceSummarySchema) });

const tracesSchema = z.object({
  traces: z.array(z.object({ traceId: z.string(), spans: z.array(receivedSpanSchema) })),
});

/** `npm run trace`: shows what the `npm start` of this data folder has kept of traces. Throws words for people. */
async function main(): Promise<void> {
  const { id, json, help } = readArguments();
  if (help) return print(usage);
  const url = findReceiver();
  const color = process.stdout.isTTY && process.stdout.hasColors();
  if (id === undefined) {
    const { traces } = listSchema.parse(await ask(`${url}/traces`));
    if (json) print(JSON.stringify(traces, null, 2));
    else if (traces.length > 0) print(formatList(traces, color));
    else throw new Error('no trace is kept yet: send a request first');
    return;
  }
  const traces = await findTraces(`${url}/traces/${id}`);
  if (traces.length === 0) {
    throw new Error(
      `no trace is kept that is about ${id}: it was not sampled, or so much has happened since that it was dropped, or it is from before the last start`,
    );
  }
  const trees = traces.map(({ traceId, spans }) => ({ traceId, spans: buildTraceTree(traceId, spans) }));
  if (json) print(JSON.stringify(trees, null, 2));
  else for (const { traceId, spans } of trees) print(formatTrace(traceId, spans, color));
}

function readArguments(): { id: string | undefined; json: boolean; help: boolean } {
  try {
    const { values, positionals } = parseArgs({
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [given, ...more] = positionals;
    const id = given?.toLowerCase();
    if (more.length > 0) throw new Error('one id at a time');
    if (id !== undefined && !traceIdPattern.test(id) && !z.guid().safeParse(id).success) {
      throw new Error(`"${given}" is neither a trace id nor the id of a command or hold`);
    }
    return { id, ...values };
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${usage}`, { cause: error });
  }
}

/** Where `npm start` keeps the traces. */
function findReceiver(): string {
  loadEnvFile(process.env, process.cwd());
  const dataDir = resolve(parseSettings(localSettings, process.env).DATA_DIR);
  const running = readRunning(dataDir);
  if (running === undefined) {
    throw new Error(
      `nothing runs on the data folder ${dataDir}: npm start, or say with DATA_DIR which folder`,
    );
  }
  if (running.tracesUrl === undefined) {
    throw new Error(
      'this npm start keeps no traces: settings of OpenTelemetry send them elsewhere, or nowhere',
    );
  }
  return running.tracesUrl;
}

/** Whoever looks right after the request waits for the spans to come. */
async function findTraces(url: string): Promise<z.output<typeof tracesSchema>['traces']> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const { traces } = tracesSchema.parse(await ask(url));
    if (traces.length > 0 || performance.now() > end) return traces;
    await delay(askEveryMs);
  }
}

async function ask(url: string): Promise<unknown> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
  return answer.json();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`holdfast trace: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
