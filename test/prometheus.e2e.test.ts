import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { freePort } from '../deploy/local/free-port.ts';
import { openAccount } from './support/accounts.ts';
import { findProgram, prometheusProgram, whyWithout } from './support/debian-program.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';

/* A real Prometheus with the deployed stack's own files, but for where the services are. */

const why = whyWithout(prometheusProgram);
const withPrometheus = why === '' ? test : test.skip;
const startMs = 180_000;
const stopMs = 10_000;

const otel = join(import.meta.dirname, '../deploy/otel');
let stack: Stack;
let folder = '';
let prometheus: ChildHandle;
let url = '';

beforeAll(async () => {
  const [program, opsPort] = await Promise.all([findProgram(prometheusProgram), freePort()]);
  stack = await Stack.start({ gateways: 0, holdPeriodMinutes: 0.02 });
  await stack.add('gateway', { GATEWAY_OPS_PORT: String(opsPort) });
  folder = await mkdtemp(join(tmpdir(), 'holdfast prometheus '));
  const config = await configFor({
    gateway: `127.0.0.1:${opsPort}`,
    ledger: new URL(stack.ledgers[0]?.url ?? '').host,
    settler: new URL(stack.settlers[0]?.url ?? '').host,
  });
  const file = join(folder, 'prometheus.yml');
  await writeFile(file, config);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  prometheus = await startChild({
    name: 'prometheus',
    command: program,
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  });
}, startMs);

afterAll(async () => {
  await prometheus.stop(stopMs);
  await stack.stop();
  await rm(folder, { recursive: true });
});

withPrometheus(
  `every query of the dashboard finds something, and every alert can be judged${why}`,
  look,
  startMs,
);

async function look(): Promise<void> {
  const { client } = await stack.ledgerClient();
  const id = await openAccount(client, '10.00');
  await client.close();
  await eventually(async () => {
    const up = await ask('query', { query: 'up == 1' });
    return up.result?.length === 3 ? true : undefined;
  }, 60_000);

  let silent: string[] = [];
  const { panels } = JSON.parse(await readFile(join(otel, 'dashboards/holdfast.json'), 'utf8')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  await eventually(async () => {
    expect((await call(stack.url(), '/api/substract', { id, amount: '0.01' })).status).toBe(200);
    const found = await Promise.all(
      queries.map((query) => ask('query', { query: query.replaceAll('$__rate_interval', '10s') })),
    );
    silent = queries.filter((_, index) => isSilent(found[index]));
    return silent.length === 0 ? true : undefined;
  }, 60_000).catch(() => undefined);
  expect(silent).toEqual([]);

  const { groups = [] } = await eventually(async () => {
    const rules = await ask('rules', {});
    return rules.groups?.every((group) => group.rules.every(({ health }) => health !== 'unknown'))
      ? rules
      : undefined;
  }, 60_000);
  const judged = groups.flatMap(({ rules }) => rules.map(({ name, health }) => [name, health]));
  expect(judged.length).toBeGreaterThan(5);
  expect(judged.filter(([, health]) => health !== 'ok')).toEqual([]);
}

interface Data {
  readonly result?: readonly { readonly value: readonly [number, string] }[];
  readonly groups?: readonly {
    readonly rules: readonly { readonly name: string; readonly health: string }[];
  }[];
}

/** Nothing at all, or only what can't be drawn: a quantile of no measurements is not a number. */
function isSilent(data: Data | undefined): boolean {
  return !data?.result?.some(({ value: [, number] }) => number !== 'NaN');
}

async function ask(what: 'query' | 'rules', parameters: Readonly<Record<string, string>>): Promise<Data> {
  const response = await fetch(`${url}/api/v1/${what}?${new URLSearchParams(parameters).toString()}`).catch(
    () => undefined,
  );
  return response?.ok ? ((await response.json()) as { data: Data }).data : {};
}

/** The deployed file, asking these instead of Docker's DNS, and more often. */
async function configFor(targets: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(otel, 'prometheus.yml'), 'utf8');
  const change = (from: string | RegExp, to: string): void => {
    const changed = text.replaceAll(from, to);
    if (changed === text) throw new Error(`prometheus.yml has no ${String(from)}`);
    text = changed;
  };
  for (const [service, target] of Object.entries(targets)) {
    change(
      new RegExp(`dns_sd_configs:\\n +- \\{ names: \\[${service}\\], .*\\}`, 'g'),
      `static_configs:\n      - { targets: ['${target}'] }`,
    );
  }
  change('interval: 10s', 'interval: 1s');
  change('/etc/prometheus/alerts', join(otel, 'alerts'));
  return text;
}
