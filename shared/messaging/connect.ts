import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  PermissionViolationError,
  type ConnectionOptions,
  type NatsConnection,
  type Server,
  type Status,
  type TlsOptions,
} from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { checkServerIdentity, type ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import { isNativeError } from 'node:util/types';
import type { NatsAccess } from '../config/nats-access.ts';
import { isUntrustedCertificate } from '../config/untrusted-certificate.ts';
import { retryUntilDone } from '../lifecycle/retry.ts';
import { attributeNames, messagingSystem } from '../telemetry/conventions.ts';
import type { Logger } from '../telemetry/logger.ts';
import { countFromZero, type Metrics } from '../telemetry/metrics.ts';
import { warningThrottle } from '../telemetry/warning-throttle.ts';

/** A service must be back within 5 s of its broker: the client tries again this often, and no slower over time. */
const reconnectEveryMs = 250;
const reconnectJitterMs = 100;

/** One try to connect. A server that accepts but says nothing must not hold up the next one in the list. */
const connectTimeoutMs = 2_000;

/** A line that was cut without a word is noticed by its missing pongs: after 3 to 4.5 s with these two. */
const pingEveryMs = 1_500;
const pingsWithoutAnswer = 2;

/** After the pongs stay away, the client gets this long to give up its socket by itself. */
const letGoMs = 250;

/** While NATS can't be reached, the log says so this often. */
const repeatWarningMs = 5_000;

/** Handlers get this long to finish what they have when a service stops. */
const drainLimitMs = 5_000;

export interface NatsLink {
  connection: NatsConnection;
  /** Replies come to subjects below it; undefined is what all have. */
  inboxPrefix: string | undefined;
  /** False from the moment the line is known to be down until it is up again. */
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
  const target = readTarget(options);
  const warn = repeatedWarning(logger, target.servers, options);
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
  let connected = true;
  let draining = false;
  /** What the latest try was refused with: the client tells that it tries again, but not why. */
  let refusal: AuthorizationError | undefined;
  let letGoTimer: NodeJS.Timeout | undefined;

  const take = (status: Status) => {
    switch (status.type) {
      case 'staleConnection':
        // The client's pings go on while it looks the name up: its next line must not be let go for the last one.
        if (!connected) break;
        connected = false;
        letGoTimer = setTimeout(() => letGo(connection), letGoMs);
        break;
      case 'disconnect':
        connected = false;
        clearTimeout(letGoTimer);
        if (!draining) warn(refusal);
        break;
      case 'reconnecting':
        clearTimeout(letGoTimer);
        warn(refusal);
        refusal = undefined;
        break;
      case 'reconnect':
        connected = true;
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
        connected = false;
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
    for await (const status of connection.status()) take(status);
    // Not caught by anyone, on purpose: without its broker the process is useless, and a fresh one connects anew.
    if (!draining) throw new Error('the NATS client closed its connection for good');
  };
  void follow();

  return {
    connection,
    inboxPrefix,
    isConnected: () => connected,
    drain: async () => {
      draining = true;
      if (connection.isClosed()) return;
      const late = delay(drainLimitMs, 'late', { ref: false });
      if (!connected || (await Promise.race([connection.drain(), late])) === 'late') await connection.close();
    },
  };
}

/**
 * Destroys the socket of a line that is dead but not closed. The client (3.4) first waits for its last write to end,
 * which on a cut line with full buffers takes the kernel a quarter of an hour, and it has no public way to hurry it.
 * `connect.int.test.ts` holds this to the client's insides.
 */
function letGo(connection: NatsConnection): void {
  const { protocol } = connection as unknown as { protocol: { transport: { discard: () => void } } };
  protocol.transport.discard();
}

/** Says what is wrong with the line: each thing at once, and then every few seconds, not at each of many tries. */
function repeatedWarning(
  logger: Logger,
  servers: readonly string[],
  access: NatsAccess,
): (error?: unknown) => void {
  const where = servers.join(', ');
  const isDue = warningThrottle(repeatWarningMs);
  return (error) => {
    const warning =
      error instanceof AuthorizationError
        ? `NATS at ${where} ${refusalOf(access)}; trying again until it takes them`
        : `can't reach NATS at ${where}${reasonOf(error)}; trying again until it answers. ${adviceFor(error, access)}`;
    if (isDue(warning)) logger.warn(warning);
  };
}

function reasonOf(error: unknown): string {
  return isNativeError(error) && error.message !== '' ? ` (${error.message})` : '';
}

/** Which credentials were refused, by the names of their settings. */
function refusalOf({ user, credsFile, urls }: NatsAccess): string {
  if (user !== undefined) return 'refuses the credentials in NATS_USER and NATS_PASSWORD';
  if (credsFile !== undefined) return 'refuses the credentials in NATS_CREDS';
  if (urls.some((url) => new URL(url).username !== '')) return 'refuses the credentials in NATS_URL';
  return 'wants credentials: set NATS_USER and NATS_PASSWORD, or NATS_CREDS';
}

function adviceFor(error: unknown, { tls }: NatsAccess): string {
  const text = isNativeError(error) ? error.message : '';
  if (isUntrustedCertificate(text)) {
    return 'Set NATS_TLS_CA to a file with the certificate of whoever issued its own, and have NATS_URL name it as its certificate does';
  }
  if (tls !== undefined && /does not support 'tls'/.test(text)) {
    return 'Switch TLS on there, or name it nats:// in NATS_URL and set no NATS_TLS_*';
  }
  const usual = 'Start it there, or change NATS_URL';
  // With TLS 1.3 it refuses our certificate, or its absence, after the handshake: the client then waits in vain.
  return tls !== undefined && /timeout/i.test(text)
    ? `${usual}; if it asks for a certificate, set NATS_TLS_CERT and NATS_TLS_KEY to one that it trusts`
    : usual;
}

/** Says what the user may not do and what to allow: for each subject at once, and then every few seconds. */
function forbiddenWarning(
  logger: Logger,
  inboxPrefix: string | undefined,
): (error: PermissionViolationError) => void {
  const isDue = warningThrottle(repeatWarningMs);
  return ({ operation, subject, queue }) => {
    const isOwnInbox = inboxPrefix !== undefined && subject.startsWith(`${inboxPrefix}.`);
    const allowed = isOwnInbox ? `${inboxPrefix}.>` : subject;
    const verb = operation === 'publish' ? 'publish' : 'subscribe';
    const what = `${verb} to ${allowed}${queue === undefined ? '' : ` in the queue group ${queue}`}`;
    if (!isDue(what)) return;
    logger.error(
      { subject },
      `the NATS user of this service may not ${what}: allow it there, or log in as another`,
    );
  };
}

type NameCheck = Pick<TlsConnectionOptions, 'checkServerIdentity'>;

type Target = Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'tls' | 'authenticator'> & {
  servers: string[];
};

/** The client takes credentials as options only: it would read `user:1234@host` in a URL as port 1234. */
function readTarget({ urls, user, credsFile, tls }: NatsAccess): Target {
  const parsed = urls.map((url) => new URL(url));
  const servers = parsed.map((url) => `${url.hostname}:${url.port === '' ? '4222' : url.port}`);
  const isTls = tls !== undefined || parsed.some((url) => url.protocol === 'tls:');
  const hosts = parsed.map((url) => url.hostname.replaceAll(/[[\]]/g, ''));
  const line = { servers, ...(isTls && { tls: tlsOptions(tls, checkingAddresses(hosts)) }) };
  if (user !== undefined) return { ...line, user: user.name, pass: user.password };
  if (credsFile !== undefined) {
    return { ...line, authenticator: credsAuthenticator(() => readFileSync(credsFile)) };
  }
  const named = parsed.find((url) => url.username !== '');
  if (named === undefined) return line;
  const name = decodeURIComponent(named.username);
  if (named.password === '') return { ...line, token: name };
  return { ...line, user: name, pass: decodeURIComponent(named.password) };
}

/**
 * Files are read at each connect, and by us: while the client (3.4) reads them, nobody listens to its socket, and one that
 * is reset then ends the process.
 */
function tlsOptions(files: NatsAccess['tls'], checks: NameCheck): TlsOptions & NameCheck {
  const options: TlsOptions & NameCheck = { ...checks };
  const wanted = { ca: files?.caFile, cert: files?.certFile, key: files?.keyFile };
  for (const [name, file] of Object.entries(wanted)) {
    if (file === undefined) continue;
    Object.defineProperty(options, name, { enumerable: true, get: () => readFileSync(file, 'utf8') });
  }
  return options;
}

/**
 * A server that is named by an address must have that in its certificate. The client (3.4) does not tell Node.js about
 * addresses, which then wants a certificate for localhost: `nats-access.e2e.test.ts` tries it.
 */
function checkingAddresses(hosts: readonly string[]): NameCheck {
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return {
    checkServerIdentity: (name, certificate) => {
      const isUntold = name === 'localhost' && !hosts.includes(name) && addresses.length > 0;
      const problems = (isUntold ? addresses : [name]).map((each) => checkServerIdentity(each, certificate));
      return problems.includes(undefined) ? undefined : problems[0];
    },
  };
}
