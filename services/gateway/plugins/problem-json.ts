import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { invalidRequest } from '../../../shared/contracts/field-errors.ts';
import { errorCatalogue, type ErrorCode } from '../../../shared/contracts/error-codes.ts';
import type { ErrorView, FieldError } from '../../../shared/contracts/outcomes.ts';
import { problemType, type Problem } from '../problem-schema.ts';
import type { CommandIdentity } from '../idempotency.ts';
import { InvalidInput } from './validation.ts';

/** When to come back after a 503, in seconds: long enough to let go of a burst, short enough not to be noticed. */
export const retryAfterS = '1';
/** The same after one whose reason lasts. */
const retryMuchLaterS = '30';

const bodyMustBeJson: FieldError = { field: 'body', message: 'must be a JSON object' };

/** A refusal, thrown by hooks that can't answer the request themselves. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  readonly view: ErrorView;

  constructor(view: ErrorView) {
    super(view.detail);
    this.view = view;
  }
}

/** Every error that leaves the gateway does so as `application/problem+json`, from here. */
export function sendProblem(
  reply: FastifyReply,
  error: ErrorView,
  command: CommandIdentity | undefined,
): FastifyReply {
  const problem = problemFrom(error, command, traceOf(reply));
  if (problem.status === 503)
    reply.header('retry-after', error.lasts === true ? retryMuchLaterS : retryAfterS);
  return reply.code(problem.status).type('application/problem+json').send(problem);
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where traces are looked at, without the id at its end. */
    traceUrl: string | undefined;
  }
}

/** What every request is told when too many are under way. */
export const overloadedProblem: Problem = problemFrom(
  {
    code: 'overloaded',
    detail: 'Too many requests are under way; this one was not taken. Send it again a little later.',
  },
  undefined,
);

/**
 * What Fastify itself refuses, and what breaks, in the one form.
 *
 * @param traceUrl where traces are looked at, for the answer to a request that is sampled.
 */
export function addProblemAnswers(app: FastifyInstance, traceUrl: string | undefined): void {
  app.decorate('traceUrl', traceUrl);
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(error, request, reply));
}

/** What Fastify refuses, and what breaks; also as `frameworkErrors`: paths that are no paths, before there is a route. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = refusalOf(error);
  if (known !== undefined) return sendProblem(reply, known, request.command);
  request.log.error(
    { err: error, requestId: request.id, route: request.routeOptions.url },
    'a request failed by a fault of the gateway’s own: mend what the error names; the caller may send it again',
  );
  const detail = 'Something went wrong here; the request id leads to it in the logs.';
  return sendProblem(reply, { code: 'internal', detail }, request.command);
}

/**
 * For what is not even HTTP, or did not arrive in time, so that no id of the caller's was read. Nothing is read after the
 * answer: what comes late would be carried out, though its caller was told that it was not.
 */
export function answerBrokenHttp(error: NodeJS.ErrnoException, socket: Socket): void {
  // A connection that was opened ahead and not used yet has nothing that could be answered: what is sent on it just now
  // would be taken for refused.
  if (error.code === 'ECONNRESET' || socket.bytesRead === 0 || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemFrom(refusalOfBrokenHttp(error.code), undefined);
  const body = JSON.stringify(problem);
  socket.write(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      'Connection: close\r\nContent-Type: application/problem+json; charset=utf-8\r\n' +
      `X-Content-Type-Options: nosniff\r\nX-Request-Id: ${randomUUID()}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.destroy();
}

/** Which trace tells more, when the request is sampled, and where to look at it, when that is known. */
function traceOf({ request, server }: FastifyReply): Pick<Problem, 'traceId' | 'trace'> {
  const traceId = request.span?.spanContext().traceId;
  if (traceId === undefined) return {};
  return { traceId, ...(server.traceUrl !== undefined && { trace: `${server.traceUrl}${traceId}` }) };
}

function problemFrom(
  error: ErrorView,
  command: CommandIdentity | undefined,
  trace?: Pick<Problem, 'traceId' | 'trace'>,
): Problem {
  const { code, detail, fields, available, requested, hold } = error;
  const { status, title } = errorCatalogue[code];
  return {
    type: problemType(code),
    title,
    status,
    detail,
    code,
    ...(fields === undefined ? {} : { fields }),
    ...(available === undefined ? {} : { available }),
    ...(requested === undefined ? {} : { requested }),
    ...(hold === undefined ? {} : { hold }),
    ...command,
    ...trace,
  };
}

/** The error that a fault of the caller's is; undefined when it isn't the caller's. */
function refusalOf(error: FastifyError): ErrorView | undefined {
  if (error instanceof InvalidInput) return invalidRequest(error.fields);
  if (error instanceof RequestRefused) return error.view;
  switch (error.code) {
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return invalidRequest([bodyMustBeJson]);
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refusal('payload_too_large', 'The body is larger than 64 KiB.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return refusal('unsupported_media_type', 'The body must be sent as application/json.');
    case 'FST_ERR_BAD_URL':
      return refusal('invalid_request', 'The path is not validly percent-encoded.');
    default:
      break;
  }
  const status = error.statusCode ?? 500;
  return status >= 400 && status < 500 ? refusal('invalid_request', error.message) : undefined;
}

function refusal(code: ErrorCode, detail: string): ErrorView {
  return { code, detail };
}

function refusalOfBrokenHttp(code: string | undefined): ErrorView {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return refusal('request_timeout', 'Only a part of the request came. Send it again.');
  if (code === 'HPE_HEADER_OVERFLOW')
    return refusal('invalid_request', 'The address and the headers are larger than 16 KiB.');
  return refusal('invalid_request', 'This is not a valid HTTP request.');
}
