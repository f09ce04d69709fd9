import type { metrics } from '@opentelemetry/sdk-node';
import type { Environment } from '../config/parse-settings.ts';
import { gaugeProducer } from './gauges.ts';

/** The standard's defaults. */
const intervalMs = 60_000;
const timeoutMs = 30_000;

/**
 * What pushes metrics as the standard variables say. The SDK would make it by itself, but then takes no further reader
 * beside it.
 */
export async function otlpMetricReaders(env: Environment): Promise<metrics.IMetricReader[]> {
  if (env['OTEL_METRICS_EXPORTER']?.trim() === 'none') return [];
  const sdk = await import('@opentelemetry/sdk-node');
  const exportIntervalMillis = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? intervalMs;
  const exportTimeoutMillis = Math.min(
    milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? timeoutMs,
    exportIntervalMillis,
  );
  const exporter = await exporterFor(
    env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL']?.trim() || env['OTEL_EXPORTER_OTLP_PROTOCOL']?.trim(),
  );
  return [
    new sdk.metrics.PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis,
      exportTimeoutMillis,
      metricProducers: [await gaugeProducer()],
    }),
  ];
}

async function exporterFor(protocol = 'http/protobuf'): Promise<metrics.PushMetricExporter> {
  switch (protocol) {
    case 'grpc':
      return new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter();
    case 'http/json':
      return new (await import('@opentelemetry/exporter-metrics-otlp-http')).OTLPMetricExporter();
    default:
      return new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter();
  }
}

function milliseconds(text: string | undefined): number | undefined {
  const value = Number(text?.trim() || Number.NaN);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}
