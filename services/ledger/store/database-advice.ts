import { DatabaseError } from 'pg';
import { isUntrustedCertificate } from '../../../shared/config/untrusted-certificate.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { inUtf8 } from './database-encoding.ts';
import { faultKindOf, isReadOnly, UnfitDatabase } from './faults.ts';
import type { DatabaseAddress } from './session.ts';

const noTls = /does not support SSL/;

/** Words for what an operator can mend while we wait; undefined when waiting would not help. */
export function adviceFor(error: unknown, { host, port, user, name }: DatabaseAddress): string | undefined {
  if (error instanceof UnfitDatabase) return error.message;
  const at = `Postgres at ${host}:${port}`;
  if (!(error instanceof DatabaseError)) {
    const reason = messageOf(error);
    if (noTls.test(reason)) {
      return `${at} does not speak TLS (${reason}). Switch it on there (ssl = on), or set DB_SSL=disable`;
    }
    if (isUntrustedCertificate(reason)) {
      return `${at} has no certificate that is trusted (${reason}). Set DB_SSL_CA to a file with the certificate of whoever issued it, and have DB_HOST name it as its certificate does`;
    }
    return `can't reach ${at} (${reason}). Start it there, or change DB_HOST and DB_PORT`;
  }
  if (isReadOnly(error)) {
    return `${at} takes no writes (${error.message}). Have DB_HOST lead to the primary, or see its default_transaction_read_only`;
  }
  switch (error.code ?? '') {
    case '28000':
    case '28P01':
      return `${at} refuses the user ${user} (${error.message}). Check DB_USER and DB_PASSWORD`;
    case '3D000':
      return `${at} has no database ${name}. Create it (CREATE DATABASE ${name} ${inUtf8}), or change DB_NAME`;
    case '53300':
      return `${at} has no connection left (${error.message}). Raise its max_connections, or run fewer ledgers`;
    default:
      return faultKindOf(error) === 'connection' ? `${at} is not ready (${error.message})` : undefined;
  }
}
