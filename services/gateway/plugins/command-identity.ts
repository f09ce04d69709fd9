import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { anonymous, identifyCommand, type CommandIdentity } from '../idempotency.ts';
import { InvalidInput } from './validation.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** On routes that change something, once `takeIdempotencyKey` ran. */
    command: CommandIdentity | undefined;
  }
}

/** Makes room on each request for the identity of its command, which {@link takeIdempotencyKey} fills in. */
export function addCommandIdentity(app: FastifyInstance): void {
  app.decorateRequest('command', undefined);
}

/**
 * The `onRequest` hook of routes that change something, once it is known who asks: before the body is read, so that every
 * answer to a caller who may send commands, also a refusal of the body, carries the command's key and id.
 */
export function takeIdempotencyKey(
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const command = identifyCommand(request.caller?.subject ?? anonymous, request.headers['idempotency-key']);
  if (command === undefined) {
    const message = 'must be 1 to 255 visible ASCII characters, sent once';
    done(new InvalidInput([{ field: 'Idempotency-Key', message }]));
    return;
  }
  request.command = command;
  reply.header('idempotency-key', command.idempotencyKey);
  done();
}
