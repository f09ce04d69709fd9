import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../telemetry/describe-error.ts';
import { prometheusContentType } from '../telemetry/prometheus-text.ts';
import { listenProblem } from './listen-problem.ts';

/** Health and metrics, away from what a service does for others. */
export interface OpsServer {
  port: number;
  close: () => Promise<void>;
}

/**
 * Answers `GET /healthz` (200 while the process lives), `GET /readyz` (200 when nothing is missing, else 503 with what is)
 * and, where metrics are given, `GET /metrics` in Prometheus' text format.
 *
 * @throws SettingsError when it can't listen there.
 */
export async function startOpsServer(options: {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The setting to name when the port is taken. */
  portSetting: string;
  /** Must answer from memory: probes come every second. */
  missing: () => readonly string[];
  metricsText?: (() => Promise<string>) | undefined;
}): Promise<OpsServer> {
  const { missing, metricsText } = options;
  const server = createServer((request, response) => answer(request, response, { missing, metricsText }));
  try {
    server.listen(options.port, options.host);
    // Rejects with the error of a server that can't listen.
    await once(server, 'listening');
  } catch (error) {
    throw listenProblem(error, { ...options, hostSetting: 'OPS_HOST' });
  }
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

interface Probes {
  missing: () => readonly string[];
  metricsText: (() => Promise<string>) | undefined;
}

function answer(request: IncomingMessage, response: ServerResponse, probes: Probes): void {
  const path = request.url?.split('?', 1)[0];
  const metricsText = path === '/metrics' ? probes.metricsText : undefined;
  if (path !== '/healthz' && path !== '/readyz' && metricsText === undefined) {
    send(request, response, 404, { status: 'not found' });
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(request, response, 405, { status: 'method not allowed' });
  } else if (metricsText !== undefined) {
    void sendMetrics(request, response, metricsText);
  } else if (path === '/healthz') {
    send(request, response, 200, { status: 'ok' });
  } else {
    const missing = probes.missing();
    if (missing.length === 0) send(request, response, 200, { status: 'ready' });
    else send(request, response, 503, { status: 'not ready', missing });
  }
}

async function sendMetrics(
  request: IncomingMessage,
  response: ServerResponse,
  metricsText: () => Promise<string>,
): Promise<void> {
  try {
    const text = await metricsText();
    response.writeHead(200, { 'content-type': prometheusContentType, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : text);
  } catch (error) {
    send(request, response, 500, { status: 'no metrics', detail: messageOf(error) });
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : JSON.stringify(body));
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // A probe's kept-alive connection must not hold up the stop.
    server.closeAllConnections();
  });
}
