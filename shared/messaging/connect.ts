import {
  AuthorizationError,
  connect,
  PermissionViolationError,
  type NatsConnection,
  type Server,
  type Status,
} from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsAccess } from '../config/nats-access.ts';
import { retryUntilDone } from '../lifecycle/retry.ts';
import { attributeNames, messagingSystem } from '../telemetry/conventions.ts';
import type { Logger } from '../telemetry/logger.ts';
import { countFromZero, type Metrics } from '../telemetry/metrics.ts';
import { connectionTarget } from './connection-target.ts';
import { connectionWarning, forbiddenWarning } from './connection-warnings.ts';

/** A service must be back within 5 s of its broker: the client tries again this often, and no slower over time. */
const reconnectEveryMs = 250;
const reconnectJitterMs = 100;

/** One try to connect. A server that accepts but says nothing must not hold up the next one in the list. */
const connectTimeoutMs = 2_000;

/** A connection that was cut without a word is noticed by its missing pongs: after 3 to 4.5 s with these two. */
const pingEveryMs = 1_500;
const pingsWithoutAnswer = 2;

/** After the pongs stay away, the client gets this long to give up its socket by itself. */
const discardSocketAfterMs = 250;

/** Handlers get this long to finish what they have when a service stops. */
const drainLimitMs = 5_000;

/** A connection to NATS that is made again whenever it is lost, and what the services ask about it. */
export interface NatsLink {
  connection: NatsConnection;
  /** Replies come to subjects below it; undefined is what all have. */
  inboxPrefix: string | undefined;
  /** False from the moment the connection is known to be down until it is up again. */
  isConnected: () => boolean;
  /** Takes no new messages, lets handlers finish, sends what is buffered, and closes; at most 5 s. */
  drain: () => Promise<void>;
}

/**
 * Connects to NATS, and stays connected: waits for the first connection for as long as it takes, and reconnects for
 * ever. The log says plainly what can't be reached, whose credentials are refused, and what a user may not do.
 * Throws only when `stopping` is aborted before the first connection.
 */
export async function connectNats(
  options: NatsAccess & {
    /** Shown in the monitoring of NATS. */
    name: string;
    /** Of the user’s own, so that nobody else hears its replies; see `inboxPrefixOf`. */
    inboxPrefix?: string;
    logger: Logger;
    metrics?: Pick<Metrics, 'reconnects'>;
    stopping?: AbortSignal;
  },
): Promise<NatsLink> {
  const { name, inboxPrefix, logger, metrics, stopping } = options;
  const target = connectionTarget(options);
  const warn = connectionWarning(logger, target.servers, options);
  const warnForbidden = forbiddenWarning(logger, inboxPrefix);
  const countReconnect =
    metrics && countFromZero(metrics.reconnects, { [attributeNames.peer]: messagingSystem });
  let connected: NatsConnection | undefined;
  const connectOnce = () =>
    connect({
      ...target,
      name,
      ...(inboxPrefix !== undefined && { inboxPrefix }),
      timeout: connectTimeoutMs,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => waitToReconnect(connected?.getServers() ?? []),
      // A wrong password may be mended at the server: keep trying.
      ignoreAuthErrorAbort: true,
      pingInterval: pingEveryMs,
      maxPingOut: pingsWithoutAnswer,
      // A stack trace per request costs more than the request.
      noAsyncTraces: true,
    });
  const connection = await retryUntilDone(connectOnce, {
    delayMs: reconnectEveryMs,
    stopping,
    onError: warn,
  });
  connected = connection;
  logger.info({ server: connection.getServer() }, 'connected to NATS');
  const onReconnect = () => countReconnect?.();
  return keepLink({ connection, inboxPrefix, logger, warn, warnForbidden, onReconnect });
}

/**
 * How long after its last try a server is tried again, in milliseconds. The client (3.4) takes the time of that try from
 * the wall clock: were that put back by ten minutes, it would try nothing for so long. Then every server is due.
 */
function waitToReconnect(servers: readonly Server[]): number {
  const isClockPutBack = servers.some(({ lastConnect }) => lastConnect > Date.now());
  return isClockPutBack ? -Infinity : reconnectEveryMs + Math.random() * reconnectJitterMs;
}

function keepLink(options: {
  connection: NatsConnection;
  inboxPrefix: string | undefined;
  logger: Logger;
  warn: (error?: unknown) => void;
  warnForbidden: (error: PermissionViolationError) => void;
  onReconnect: () => void;
}): NatsLink {
  const { connection, inboxPrefix, logger, warn, warnForbidden, onReconnect } = options;
  let isConnected = true;
  let isDraining = false;
  /** What the latest try was refused with: the client tells that it tries again, but not why. */
  let refusal: AuthorizationError | undefined;
  let discardTimer: NodeJS.Timeout | undefined;

  const onStatus = (status: Status) => {
    switch (status.type) {
      case 'staleConnection':
        // The client's pings go on while it looks the name up: its next connection must not be discarded for the last one.
        if (!isConnected) break;
        isConnected = false;
        discardTimer = setTimeout(() => discardSocket(connection), discardSocketAfterMs);
        break;
      case 'disconnect':
        isConnected = false;
        clearTimeout(discardTimer);
        if (!isDraining) warn(refusal);
        break;
      case 'reconnecting':
        clearTimeout(discardTimer);
        warn(refusal);
        refusal = undefined;
        break;
      case 'reconnect':
        isConnected = true;
        refusal = undefined;
        onReconnect();
        logger.info({ server: status.server }, 'connected to NATS again');
        break;
      case 'error':
        if (status.error instanceof AuthorizationError) {
          refusal = status.error;
          warn(refusal);
        } else if (status.error instanceof PermissionViolationError) warnForbidden(status.error);
        else logger.warn({ err: status.error }, 'NATS reports an error; the connection goes on');
        break;
      case 'slowConsumer':
        logger.warn(
          { subject: status.sub.getSubject(), pending: status.pending },
          'messages come faster than they are handled: start one more of this service',
        );
        break;
      case 'close':
        isConnected = false;
        break;
      case 'ping':
      case 'update':
      case 'ldm':
      case 'forceReconnect':
        break;
      default:
        status satisfies never;
    }
  };

  const follow = async () => {
    for await (const status of connection.status()) onStatus(status);
    // Not caught by anyone, on purpose: without its broker the process is useless, and a fresh one connects anew.
    if (!isDraining) throw new Error('the NATS client closed its connection for good');
  };
  void follow();

  return {
    connection,
    inboxPrefix,
    isConnected: () => isConnected,
    drain: async () => {
      isDraining = true;
      if (connection.isClosed()) return;
      const late = delay(drainLimitMs, 'late', { ref: false });
      if (!isConnected || (await Promise.race([connection.drain(), late])) === 'late')
        await connection.close();
    },
  };
}

/**
 * Destroys the socket of a connection that is dead but not closed. The client (3.4) first waits for its last write to end,
 * which on a cut connection with full buffers takes the kernel a quarter of an hour, and it has no public way to hurry it.
 * `connect.int.test.ts` holds this to the client's insides.
 */
function discardSocket(connection: NatsConnection): void {
  const { protocol } = connection as unknown as { protocol: { transport: { discard: () => void } } };
  protocol.transport.discard();
}
