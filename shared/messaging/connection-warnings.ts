import { AuthorizationError, type PermissionViolationError } from '@nats-io/transport-node';
import type { NatsAccess } from '../config/nats-access.ts';
import { isUntrustedCertificate } from '../config/untrusted-certificate.ts';
import { messageOf } from '../telemetry/describe-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { warningThrottle } from '../telemetry/warning-throttle.ts';

/** While NATS can't be reached, the log says so this often. */
const repeatWarningMs = 5_000;

/** Says what is wrong with the connection: each thing at once, and then every few seconds, not at each of many tries. */
export function connectionWarning(
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
  const reason = error === undefined ? '' : messageOf(error);
  return reason === '' ? '' : ` (${reason})`;
}

/** Which credentials were refused, by the names of their settings. */
function refusalOf({ user, credsFile, urls }: NatsAccess): string {
  if (user !== undefined) return 'refuses the credentials in NATS_USER and NATS_PASSWORD';
  if (credsFile !== undefined) return 'refuses the credentials in NATS_CREDS';
  if (urls.some((url) => new URL(url).username !== '')) return 'refuses the credentials in NATS_URL';
  return 'wants credentials: set NATS_USER and NATS_PASSWORD, or NATS_CREDS';
}

function adviceFor(error: unknown, { tls }: NatsAccess): string {
  const text = error === undefined ? '' : messageOf(error);
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
export function forbiddenWarning(
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
