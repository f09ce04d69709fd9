import { fastify } from 'fastify';
import { isSet } from '../../../shared/config/parse-settings.ts';
import { readOtlpTraces } from './received-span.ts';
import { TraceStore } from './trace-store.ts';

/** Many times what the SDK sends at once (512 spans of about a kilobyte). */
const bodyLimitBytes = 8 * 1024 * 1024;

const listLength = 20;

export interface TraceReceiver {
  /** `http://127.0.0.1:port`: spans are posted to `/v1/traces`, traces read from `/traces`. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/**
 * Keeps the newest spans that the services send by OTLP/HTTP, as JSON, and answers `npm run trace`:
 * `GET /traces` lists the newest, `GET /traces/:id` gives those of a trace, command or hold id.
 * On a free port of the loopback address: nobody else's.
 */
export async function startTraceReceiver(): Promise<TraceReceiver> {
  const store = new TraceStore();
  const app = fastify({ logger: false, bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  app.post('/v1/traces', (request) => {
    store.add(readOtlpTraces(request.body));
    return {};
  });
  app.get('/traces', () => ({ traces: store.list(listLength) }));
  app.get<{ Params: { id: string } }>('/traces/:id', (request) => ({
    traces: store.find(request.params.id).map((traceId) => ({ traceId, spans: store.spansOf(traceId) })),
  }));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, close: () => app.close() };
}

/** Spans are shown within a second, for people who look right after they have asked. */
const sendEveryMs = '1000';

/** In production one request in a hundred, or whatever the caller has decided. Else all of them: people are trying it. */
const productionSampler = {
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.01',
} as const;

/** Whether the spans are to go somewhere else, or nowhere. */
export function tracesGoElsewhere(env: NodeJS.ProcessEnv): boolean {
  return (
    isSet(env['OTEL_EXPORTER_OTLP_ENDPOINT']) ||
    isSet(env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) ||
    !['', 'otlp'].includes(env['OTEL_TRACES_EXPORTER']?.trim() ?? '') ||
    env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true'
  );
}

/** What makes a service send its spans to the receiver at `url`. What `env` says about sampling and sending holds. */
export function envForTraces(
  url: string,
  env: NodeJS.ProcessEnv,
  isProduction: boolean,
): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none',
    ...(!isSet(env['OTEL_BSP_SCHEDULE_DELAY']) && { OTEL_BSP_SCHEDULE_DELAY: sendEveryMs }),
    ...(isProduction && !isSet(env['OTEL_TRACES_SAMPLER']) && productionSampler),
  };
}
