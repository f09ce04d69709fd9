import { diag, DiagLogLevel, ROOT_CONTEXT, type ContextManager } from '@opentelemetry/api';
import type { NodeSDK } from '@opentelemetry/sdk-node';
import { setTimeout as delay } from 'node:timers/promises';
import { isSet, type Environment } from '../config/parse-settings.ts';
import { readVersion } from '../config/read-version.ts';
import { gaugeProducer } from './gauges.ts';
import type { Logger } from './logger.ts';
import { setMeasuring } from './metrics.ts';
import { otlpMetricReaders } from './otlp-metric-readers.ts';
import { prometheusText } from './prometheus-text.ts';
import { setTracing } from './tracing.ts';
import { warningThrottle } from './warning-throttle.ts';

/** The last spans get this long to be sent when a service stops; a collector that hangs must not hold it up. */
const flushLimitMs = 2_000;

/** OpenTelemetry reports every failed export, one each few seconds. */
const repeatWarningMs = 60_000;

/** What was started, and how it ends. */
export interface Telemetry {
  enabled: boolean;
  /** All metrics in Prometheus' text format; undefined when they were not asked for so. */
  metricsText?: () => Promise<string>;
  /** Sends what is left, for at most 2 s. Never throws. */
  shutdown: () => Promise<void>;
}

/**
 * Starts sending traces and metrics by OTLP when the environment names an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, or one
 * for traces or for metrics alone), and gathers metrics when they will be asked for in Prometheus' format. All standard
 * `OTEL_*` variables hold; the SDK takes them from the environment of the process. A collector that can't be reached is no
 * error.
 *
 * With neither, or with `OTEL_SDK_DISABLED=true`, no module of the SDK is even loaded.
 */
export async function startTelemetry(options: {
  /** gateway, ledger or settler. */
  service: string;
  /** A random uuid, this process's alone. */
  instanceId: string;
  logger: Logger;
  env: Environment;
  /** Whether `metricsText` is wanted. */
  prometheus?: boolean;
}): Promise<Telemetry> {
  const { env, logger, prometheus = false } = options;
  const hasEndpoint = (signal: 'TRACES' | 'METRICS') =>
    isSet(env['OTEL_EXPORTER_OTLP_ENDPOINT']) || isSet(env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]);
  const traces = hasEndpoint('TRACES');
  const metrics = hasEndpoint('METRICS');
  const disabled = env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true';
  if (disabled || (!traces && !metrics && !prometheus))
    return { enabled: false, shutdown: () => Promise.resolve() };

  diag.setLogger(quietDiagnostics(logger), { logLevel: DiagLogLevel.WARN });
  const { NodeSDK: Sdk, resources, tracing } = await import('@opentelemetry/sdk-node');
  const scraped = prometheus ? await prometheusReader() : undefined;
  const ratio = ratioOfNewTraces(env);
  const sdk = new Sdk({
    contextManager: noActiveSpan,
    // What was drawn is sampled; what comes with a trace goes by that.
    ...(ratio === undefined
      ? {}
      : { sampler: new tracing.ParentBasedSampler({ root: new tracing.AlwaysOnSampler() }) }),
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over these.
    resource: resources.defaultResource().merge(
      resources.resourceFromAttributes({
        'service.name': `holdfast-${options.service}`,
        'service.instance.id': options.instanceId,
        'service.version': readVersion(),
      }),
    ),
    // An empty list is "none"; without a list the SDK takes the exporter that the environment names.
    ...(traces ? {} : { spanProcessors: [] }),
    metricReaders: [
      ...(scraped === undefined ? [] : [scraped.reader]),
      ...(metrics ? await otlpMetricReaders(env) : []),
    ],
    // Logs go to standard output.
    logRecordProcessors: [],
  });
  sdk.start();
  if (ratio === undefined) setTracing(traces);
  else setTracing(traces, () => Math.random() < ratio);
  setMeasuring(metrics || prometheus);
  // To be asked for metrics is no news; to send something elsewhere is.
  logger[traces || metrics ? 'info' : 'debug']({ traces, metrics, prometheus }, 'telemetry is on');
  return {
    enabled: true,
    shutdown: () => shutDown(sdk, logger),
    ...(scraped === undefined ? {} : { metricsText: scraped.text }),
  };
}

/**
 * The part of new traces to sample when the sampler is `parentbased_traceidratio`; undefined for all other samplers, and
 * for a ratio that is none, which are left to the SDK. It would make ids, spans and contexts for each request before it
 * says no to 99 of 100.
 */
function ratioOfNewTraces(env: Environment): number | undefined {
  if (env['OTEL_TRACES_SAMPLER']?.trim() !== 'parentbased_traceidratio') return undefined;
  const text = env['OTEL_TRACES_SAMPLER_ARG']?.trim() ?? '';
  const ratio = text === '' ? NaN : Number(text);
  return ratio >= 0 && ratio <= 1 ? ratio : undefined;
}

/**
 * The SDK's own finds the active span by async hooks, which on Node 20 every promise of the process pays for. Here spans
 * are handed on by name, and nothing asks for the active one.
 */
const noActiveSpan: ContextManager = {
  active: () => ROOT_CONTEXT,
  with: (_context, work, self, ...args) => work.apply(self, args),
  bind: (_context, target) => target,
  enable: () => noActiveSpan,
  disable: () => noActiveSpan,
};

/** Without a server of its own: the ops server asks it. */
async function prometheusReader() {
  const { PrometheusExporter, PrometheusSerializer } = await import('@opentelemetry/exporter-prometheus');
  const reader = new PrometheusExporter({
    preventServerStart: true,
    metricProducers: [await gaugeProducer()],
  });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  return { reader, text: () => prometheusText(reader, serializer) };
}

async function shutDown(sdk: NodeSDK, logger: Logger): Promise<void> {
  setTracing(false);
  setMeasuring(false);
  const flush = sdk.shutdown().then(
    () => 'done',
    () => 'failed',
  );
  const end = await Promise.race([flush, delay(flushLimitMs, 'late', { ref: false })]);
  if (end !== 'done') logger.debug('the last spans and metrics were not sent');
}

/** What OpenTelemetry says about itself is at most a warning of ours, now and then: the service works on without it. */
function quietDiagnostics(logger: Logger) {
  const isWarningDue = warningThrottle(repeatWarningMs);
  const warn = (...parts: unknown[]) => {
    logger[isWarningDue() ? 'warn' : 'debug'](
      { detail: parts.map(String).join(' ').slice(0, 500) },
      'OpenTelemetry reports a problem: check the collector and the OTEL_* settings; the service works on without',
    );
  };
  const debug = (...parts: unknown[]) =>
    logger.debug({ detail: parts.map(String).join(' ') }, 'OpenTelemetry');
  return { error: warn, warn, info: debug, debug, verbose: debug };
}
