import type { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { metrics } from '@opentelemetry/sdk-node';
import { unitSuffixes } from './metrics.ts';

/** Of Prometheus' text format. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** All metrics of this process, as of now, in Prometheus' text format. */
export async function prometheusText(
  reader: metrics.MetricReader,
  serializer: PrometheusSerializer,
): Promise<string> {
  const { resourceMetrics, errors } = await reader.collect();
  const [error] = errors;
  if (error !== undefined) throw error;
  // Some are looked up when the process starts; before that is done, reading them makes OpenTelemetry complain.
  await resourceMetrics.resource.waitForAsyncAttributes?.();
  return serializer.serialize(withUnitsInNames(resourceMetrics));
}

/** The serializer leaves units out of names; Prometheus' conventions and OpenTelemetry's collector have them there. */
function withUnitsInNames(all: metrics.ResourceMetrics): metrics.ResourceMetrics {
  return {
    ...all,
    scopeMetrics: all.scopeMetrics.map((scope) => ({
      ...scope,
      metrics: scope.metrics.map((metric) => {
        const { descriptor } = metric;
        const name = descriptor.name + (unitSuffixes[descriptor.unit] ?? '');
        return { ...metric, descriptor: { ...descriptor, name } };
      }),
    })),
  };
}
