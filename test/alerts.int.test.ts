import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../deploy/local/run-command.ts';
import { findProgram, promtoolProgram, whyWithout } from './support/debian-program.ts';

const why = whyWithout(promtoolProgram);
const withPromtool = why === '' ? test : test.skip;
const fetchMs = 150_000;
const runMs = 20_000;

const rules = join(__dirname, '../deploy/otel/alerts/holdfast.yaml');
let promtool = '';
let folder = '';

beforeAll(async () => {
  if (why === '') promtool = await findProgram(promtoolProgram);
  folder = await mkdtemp(join(tmpdir(), 'holdfast promtool '));
}, fetchMs);
afterAll(() => rm(folder, { recursive: true }));

withPromtool(`Prometheus’ own promtool takes the alert rules${why}`, checkRules, runMs);
withPromtool(`each alert holds when it should, and is quiet otherwise${why}`, tryRules, runMs);

async function checkRules(): Promise<void> {
  const { code, lines } = await runCommand(promtool, ['check', 'rules', rules], { timeoutMs: runMs });
  expect([code, lines.join('\n')]).toEqual([0, expect.stringMatching(/SUCCESS: [1-9]\d* rules found/)]);
}

/** What Prometheus sees, by series: values ten seconds apart, in promtool's short form. */
type Seen = Readonly<Record<string, string>>;

const at = (job: string, address: string) => `job="${job}",instance="${address}:9464"`;
const [gateway, otherGateway] = [at('gateway', '10.0.0.2'), at('gateway', '10.0.0.3')];
const [ledger, otherLedger] = [at('ledger', '10.0.0.4'), at('ledger', '10.0.0.5')];
const settler = at('settler', '10.0.0.6');

/** Two gateways, two ledgers and a settler at work. */
const allIsWell: Seen = {
  ...Object.fromEntries(
    [gateway, otherGateway, ledger, otherLedger, settler].flatMap((labels) => [
      [`up{${labels}}`, '1x200'],
      [`holdfast_ready{${labels}}`, '1x200'],
      [`nodejs_eventloop_utilization_ratio{${labels}}`, '0.5x200'],
      [`holdfast_reconnects_total{${labels},holdfast_peer="nats"}`, '0x90 1x110'],
    ]),
  ),
  ...Object.fromEntries(
    [gateway, otherGateway].flatMap((labels) => [
      [`http_server_request_duration_seconds_count{${labels},http_response_status_code="200"}`, '0+1000x200'],
      [`http_server_request_duration_seconds_count{${labels},http_response_status_code="503"}`, '0+5x200'],
      [`http_server_request_duration_seconds_bucket{${labels},le="0.5"}`, '0+1000x200'],
      [`http_server_request_duration_seconds_bucket{${labels},le="2.5"}`, '0+1005x200'],
      [`http_server_request_duration_seconds_bucket{${labels},le="+Inf"}`, '0+1005x200'],
    ]),
  ),
  ...Object.fromEntries(
    [ledger, otherLedger].flatMap((labels) => [
      [`holdfast_holds_overdue_age_seconds{${labels}}`, '0x200'],
      [`holdfast_outbox_age_seconds{${labels}}`, '0x200'],
      [`holdfast_queue_depth{${labels}}`, '10x200'],
      [`db_client_connection_pending_requests{${labels},db_client_connection_pool_name="queries"}`, '0x200'],
      [`holdfast_hold_settle_lag_seconds_bucket{${labels},le="1"}`, '0+100x200'],
      [`holdfast_hold_settle_lag_seconds_bucket{${labels},le="10"}`, '0+100x200'],
      [`holdfast_hold_settle_lag_seconds_bucket{${labels},le="+Inf"}`, '0+100x200'],
      [`holdfast_redeliveries_total{${labels},messaging_consumer_group_name="ledger"}`, '0x200'],
    ]),
  ),
};

/** Those of `allIsWell` that are not of these services. */
const without = (...gone: readonly string[]): Seen =>
  Object.fromEntries(
    Object.entries(allIsWell).filter(([series]) => !gone.some((each) => series.includes(each))),
  );

/** Which alerts hold after a quarter of an hour, each with the job or jobs that it names. */
const cases: readonly (readonly [Seen, Readonly<Record<string, readonly string[]>>])[] = [
  [allIsWell, {}],
  [{}, { HoldfastServiceMissing: ['gateway', 'ledger', 'settler'] }],
  [without(gateway, otherGateway), { HoldfastServiceMissing: ['gateway'] }],
  [without(gateway), {}],
  [
    { ...without(ledger, otherLedger), [`up{${ledger}}`]: '0x200' },
    { HoldfastServiceMissing: ['ledger'], HoldfastNotReady: ['ledger'] },
  ],
  [{ ...allIsWell, [`holdfast_ready{${otherLedger}}`]: '1x50 0x150' }, { HoldfastNotReady: ['ledger'] }],
  [
    { ...allIsWell, [`holdfast_holds_overdue_age_seconds{${ledger}}`]: '0+10x200' },
    { HoldfastHoldsOverdue: [''] },
  ],
  [{ ...allIsWell, [`holdfast_outbox_age_seconds{${ledger}}`]: '0+10x200' }, { HoldfastOutboxStuck: [''] }],
  [
    { ...allIsWell, [`holdfast_hold_settle_lag_seconds_bucket{${ledger},le="1"}`]: '0+90x200' },
    { HoldfastSettleLagHigh: [''] },
  ],
  [
    // Of one gateway alone, and of a status that was never seen before.
    {
      ...allIsWell,
      [`http_server_request_duration_seconds_count{${gateway},http_response_status_code="504"}`]:
        '_x20 10+100x180',
    },
    { HoldfastErrorRatioHigh: [''] },
  ],
  [
    { ...allIsWell, [`http_server_request_duration_seconds_bucket{${gateway},le="0.5"}`]: '0+900x200' },
    { HoldfastLatencyHigh: [''] },
  ],
  [
    { ...allIsWell, [`nodejs_eventloop_utilization_ratio{${gateway}}`]: '0.99x200' },
    { HoldfastSaturated: ['gateway'] },
  ],
  [{ ...allIsWell, [`holdfast_queue_depth{${ledger}}`]: '8000x200' }, { HoldfastSaturated: ['ledger'] }],
  [
    { ...allIsWell, [`holdfast_reconnects_total{${settler},holdfast_peer="nats"}`]: '0+1x200' },
    { HoldfastConnectionsUnstable: ['settler'] },
  ],
  [
    {
      ...allIsWell,
      [`holdfast_redeliveries_total{${ledger},messaging_consumer_group_name="ledger"}`]: '0+10x200',
    },
    { HoldfastRedeliveriesHigh: ['ledger'] },
  ],
];

async function tryRules(): Promise<void> {
  const names = [...(await readFile(rules, 'utf8')).matchAll(/alert: (\w+)/g)].map(([, name = '']) => name);
  const tried = new Set(cases.flatMap(([, holding]) => Object.keys(holding)));
  expect([...tried].toSorted()).toEqual(names.toSorted());

  // JSON is YAML. Which alerts hold is asked of the series that Prometheus itself makes of them.
  const tests = cases.map(([seen, holding]) => ({
    interval: '10s',
    input_series: Object.entries(seen).map(([series, values]) => ({ series, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname, job) (ALERTS{alertstate="firing"})',
        eval_time: '15m',
        exp_samples: Object.entries(holding).flatMap(([name, jobs]) =>
          jobs.map((job) => ({
            labels: `{alertname="${name}"${job === '' ? '' : `, job="${job}"`}}`,
            value: 1,
          })),
        ),
      },
    ],
  }));
  const file = join(folder, 'tests.yaml');
  await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '10s', tests }));
  const { code, lines } = await runCommand(promtool, ['test', 'rules', file], { timeoutMs: runMs });
  expect([code, lines.join('\n')]).toEqual([0, expect.stringContaining('SUCCESS')]);
}
