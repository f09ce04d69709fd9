import { describe, expect, test } from '@jest/globals';
import { metricCatalogue, prometheusName } from './metrics.ts';

/** Attributes with as many values as there are requests, accounts or holds have no place in a metric. */
const unbounded = /\.id$|\.name$|path|fingerprint/;
/** Names that are few: subjects, consumers, pools. */
const few = new Set([
  'messaging.destination.name',
  'messaging.operation.name',
  'messaging.consumer.group.name',
  'db.client.connection.pool.name',
]);

describe('the catalogue of metrics', () => {
  const all = Object.values(metricCatalogue);

  test('has each name once', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(new Set(all.map(prometheusName)).size).toBe(all.length);
  });

  test('says what each is, and has buckets for histograms only', () => {
    for (const facts of all) {
      expect(facts.description).toMatch(/^[A-Z].*\.$/);
      expect([facts.name, 'buckets' in facts]).toEqual([facts.name, facts.kind === 'histogram']);
    }
  });

  test('has no attribute without bounds', () => {
    const attributes = all.flatMap((facts): readonly string[] => facts.attributes);
    expect(attributes.filter((name) => unbounded.test(name) && !few.has(name))).toEqual([]);
  });

  test('has names as Prometheus has them', () => {
    expect(prometheusName(metricCatalogue.commands)).toBe('holdfast_commands_total');
    expect(prometheusName(metricCatalogue.settleLag)).toBe('holdfast_hold_settle_lag_seconds');
    expect(prometheusName(metricCatalogue.outboxDepth)).toBe('holdfast_outbox_depth');
    expect(prometheusName(metricCatalogue.eventLoopUtilization)).toBe('nodejs_eventloop_utilization_ratio');
    expect(prometheusName(metricCatalogue.memoryUsage)).toBe('process_memory_usage_bytes');
  });
});
