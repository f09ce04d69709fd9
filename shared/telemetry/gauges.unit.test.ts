import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createLogger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { startTelemetry, type Telemetry } from './start-telemetry.ts';

describe('gauges', () => {
  let telemetry: Telemetry;
  let metrics: Metrics;
  beforeAll(async () => {
    const logger = createLogger('ledger', 'silent');
    telemetry = await startTelemetry({
      service: 'ledger',
      instanceId: 'instance-1',
      logger,
      env: {},
      prometheus: true,
    });
    metrics = createMetrics();
  });
  afterAll(() => telemetry.shutdown());

  /** The lines that Prometheus is told about one metric. */
  async function told(name: string): Promise<string[]> {
    const text = (await telemetry.metricsText?.()) ?? '';
    return text.split('\n').filter((line) => line.includes(name));
  }

  test('are not told before they were recorded', async () => {
    expect(await told('holdfast_due_parked')).toEqual([]);
    metrics.parkedMessages.record(0);
    expect(await told('holdfast_due_parked')).toContain('holdfast_due_parked 0');
  });

  test('are told with what they are, one for each combination of attributes', async () => {
    const used = { 'db.client.connection.pool.name': 'reading', 'db.client.connection.state': 'used' };
    metrics.poolConnections.record(1, used);
    metrics.poolConnections.record(2, { ...used, 'db.client.connection.state': 'idle' });
    metrics.poolConnections.record(3, used);
    const reading = 'db_client_connection_count{db_client_connection_pool_name="reading"';
    expect(await told('db_client_connection_count')).toEqual([
      '# HELP db_client_connection_count The ledger’s connections to Postgres for all but batches and settling, by pool and state.',
      '# UNIT db_client_connection_count {connection}',
      '# TYPE db_client_connection_count gauge',
      `${reading},db_client_connection_state="used"} 3`,
      `${reading},db_client_connection_state="idle"} 2`,
    ]);
  });

  test('tell what was recorded last also after the clock was put back', async () => {
    metrics.holdsOverdue.record(0);
    expect(await told('holdfast_holds_overdue ')).toContain('holdfast_holds_overdue 0');
    const trueNow = Date.now;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => trueNow() - 600_000);
    try {
      metrics.holdsOverdue.record(100);
      expect(await told('holdfast_holds_overdue ')).toContain('holdfast_holds_overdue 100');
    } finally {
      clock.mockRestore();
    }
  });

  test('are the same to all who ask for them', async () => {
    metrics.queueDepth.record(1);
    createMetrics().queueDepth.record(2);
    expect(await told('holdfast_queue_depth')).toContain('holdfast_queue_depth 2');
  });
});
