import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import { recordDuration } from './access-log.ts';
import { endSpan } from './http-spans.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Whether it has begun, and goes on for as long as its caller likes: it has been measured. */
    isLong: boolean;
    /** Sends the headers of such an answer; the route writes the rest. */
    beginLong: () => void;
  }
}

/**
 * Answers that go on for hours. What counts of them is the time until they begin: that is measured, and their span is that
 * long. Their line in the log comes when they end, with the time that they took.
 */
export function addLongAnswers(app: FastifyInstance, metrics: Pick<Metrics, 'httpServerDuration'>): void {
  app.decorateReply('isLong', false);
  app.decorateReply('beginLong', function begin(this: FastifyReply): void {
    // Nothing comes behind it on this connection: so a stop need not wait for what its caller would ask next.
    this.header('connection', 'close');
    this.hijack();
    this.raw.writeHead(this.statusCode, this.getHeaders() as Record<string, string>);
    this.isLong = true;
    recordDuration(metrics, this.request, this);
    endSpan(this.request, this);
  });
}
