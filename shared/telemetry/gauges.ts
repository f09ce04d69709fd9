import { ValueType, type Attributes, type Gauge } from '@opentelemetry/api';
import type { metrics } from '@opentelemetry/sdk-node';

/*
 * The SDK's own gauges keep the value with the later wall time: were the clock put back by ten minutes, they would stand
 * still for so long, and alerts with them. These keep what was recorded last, and the SDK's readers ask for it themselves.
 */

/** Of all our instruments. */
export const meterName = 'holdfast';

type GaugeFacts = Readonly<Record<'name' | 'unit' | 'description', string>>;

/** By name: whoever asks for one again gets the same, as from the SDK. */
const gauges = new Map<string, LastValues>();

class LastValues implements Gauge {
  readonly facts: GaugeFacts;
  /** One for each combination of attributes, of which the catalogue has few; each is always given in the same order. */
  readonly #points = new Map<string, { value: number; attributes: Attributes }>();

  constructor(facts: GaugeFacts) {
    this.facts = facts;
  }

  record(value: number, attributes: Attributes = {}): void {
    this.#points.set(JSON.stringify(attributes), { value, attributes });
  }

  get points() {
    return [...this.#points.values()];
  }
}

/** The gauge with this name, which is made when it is asked for first. */
export function gaugeOf(facts: GaugeFacts): Gauge {
  const gauge = gauges.get(facts.name) ?? new LastValues(facts);
  gauges.set(facts.name, gauge);
  return gauge;
}

/** What a reader of the SDK asks for the values of all gauges. */
export async function gaugeProducer(): Promise<metrics.MetricProducer> {
  const { core, metrics: sdk, resources } = await import('@opentelemetry/sdk-node');
  const resource = resources.emptyResource();
  const collect = (): metrics.CollectionResult => {
    const now = core.millisToHrTime(Date.now());
    const all = [...gauges.values()].map(
      ({ facts: { name, unit, description }, points }): metrics.GaugeMetricData => ({
        descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
        dataPointType: sdk.DataPointType.GAUGE,
        aggregationTemporality: sdk.AggregationTemporality.CUMULATIVE,
        dataPoints: points.map((point) => ({ ...point, startTime: now, endTime: now })),
      }),
    );
    const recorded = all.filter(({ dataPoints }) => dataPoints.length > 0);
    return {
      resourceMetrics: { resource, scopeMetrics: [{ scope: { name: meterName }, metrics: recorded }] },
      errors: [],
    };
  };
  return { collect: () => Promise.resolve(collect()) };
}
