import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { freePort } from '../deploy/local/free-port.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { metricCatalogue, prometheusName } from '../shared/telemetry/metrics.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';

describe('metrics', () => {
  let stack: Stack;
  let client: LedgerClient;
  let gatewayOps: string;
  beforeAll(async () => {
    stack = await Stack.start({ gateways: 0, holdPeriodMinutes: 0.02 });
    const port = await freePort();
    gatewayOps = `http://127.0.0.1:${port}`;
    await stack.add('gateway', { GATEWAY_OPS_PORT: String(port) });
    ({ client } = await stack.ledgerClient());
  }, 60_000);
  afterAll(() => stack.stop());

  test('are answered in Prometheus’ text format, each on the service’s own port', async () => {
    const id = await openAccount(client, '10.00');
    expect((await call(stack.url(), '/api/substract', { id, amount: '4.00' })).status).toBe(200);
    expect((await call(stack.url(), '/api/substract', { id, amount: '40.00' })).status).toBe(409);
    expect((await call(stack.url(), `/api/nowhere/${id}`)).status).toBe(404);

    const ledger = await eventually(async () => {
      const text = await metricsOf(stack.ledgers[0]?.url);
      return text.includes('holdfast_hold_settle_lag_seconds_count') ? text : undefined;
    });
    const settler = await eventually(async () => {
      const text = await metricsOf(stack.settlers[0]?.url);
      return text.includes('holdfast_due_parked') ? text : undefined;
    });
    const gateway = await metricsOf(gatewayOps);

    expect(ledger).toMatch(
      /^holdfast_commands_total\{holdfast_command_kind="subtract",holdfast_outcome="applied"\} 1$/m,
    );
    expect(ledger).toMatch(
      /^holdfast_commands_total\{holdfast_command_kind="subtract",holdfast_outcome="insufficient_funds"\} 1$/m,
    );
    expect(gateway).toMatch(
      /^http_server_request_duration_seconds_count\{[^}]*http_route="\/api\/substract",[^}]*"200"\} 1$/m,
    );
    for (const text of [ledger, settler, gateway]) {
      expect(text).toMatch(/^nodejs_eventloop_delay_p99_seconds /m);
      // No account, command or hold, and nothing that the catalogue doesn't know.
      expect(text).not.toContain(id);
      expect(text).not.toContain('undefined');
      expect(namesIn(text).filter((name) => !known.has(name))).toEqual([]);
    }
    const seen = new Set([ledger, settler, gateway].flatMap(namesIn));
    expect([...known].filter((name) => !seen.has(name))).toEqual([]);
  });

  test('count what went wrong, from 0 on', async () => {
    const counts = async () => {
      const text = await metricsOf(stack.ledgers[0]?.url);
      return Object.fromEntries(
        [...text.matchAll(/^holdfast_re\w+\{\w+="(\w+)"\} (\d+)$/gm)].map(([, label, count]) => [
          label,
          Number(count),
        ]),
      );
    };
    expect(await counts()).toEqual({ nats: 0, postgresql: 0, ledger: 0 });

    const accountId = await openAccount(client);
    const { link } = await stack.ledgerClient();
    const books = await stack.books();
    // Each try of a durable command fails while the table is away.
    await books.query('ALTER TABLE entries RENAME TO entries_away');
    const command = JSON.stringify({ id: randomUUID(), accountId, amount: '1.00' });
    await jetstream(link.connection).publish('balance.async.add', command);
    await eventually(async () => ((await counts())['ledger'] === 0 ? undefined : true));
    await books.query('ALTER TABLE entries_away RENAME TO entries');

    await books.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await books.end();
    await eventually(async () => ((await counts())['postgresql'] === 0 ? undefined : true));
    await stack.restartNats();
    await eventually(async () => ((await counts())['nats'] === 0 ? undefined : true));
  });

  test('are not on the public port', async () => {
    expect((await call(stack.url(), '/metrics')).status).toBe(404);
  });
});

const known = new Set(Object.values(metricCatalogue).map(prometheusName));

async function metricsOf(url: string | undefined): Promise<string> {
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  return answer.text();
}

function namesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name);
}
