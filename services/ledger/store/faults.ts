import { DatabaseError } from 'pg';

/**
 * What went wrong with a statement:
 *
 * - `connection`: the session is gone, and what was under way may or may not have happened; or it is one on which nothing can
 *   be written, and nothing happened.
 * - `transient`: the server refused it for reasons that pass (a lock wait, a dead-lock, a full disk); nothing happened.
 * - `statement`: this very statement can't be done, or our own code failed; nothing happened, and trying again won't
 *   help.
 */
export type FaultKind = 'connection' | 'transient' | 'statement';

/** SQLSTATE classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const connectionClasses = new Set(['08', '57']);
const transientClasses = new Set([
  '25', // the session was found in a wrong transaction state
  '40', // serialization failure, dead-lock
  '53', // disk full, out of memory, too many connections
  '55', // lock not available, object in use
]);
const serversClasses = new Set([
  '58', // the operating system's errors
  'XX', // internal errors, broken data among them
]);
const insufficientPrivilege = '42501';
const queryCanceled = '57014';
const lockNotAvailable = '55P03';

/** To a statement that writes. */
const readOnlyTransaction = '25006';
/** To a new session that asks for one that can write (see `primaryOnly`): of PostgreSQL 18, and of older ones. */
const noReadWriteSession = new Set(['0A000', '25001']);

/** The kind of a fault. An error that does not come from the database is our own code’s: `statement`. */
export function faultKindOf(error: unknown): FaultKind {
  if (error instanceof ConnectionLostError) return 'connection';
  if (!(error instanceof DatabaseError)) return 'statement';
  const code = error.code ?? '';
  if (code === queryCanceled) return 'transient';
  // Nothing will be written on this session; the next may lead to a server that writes.
  if (code === readOnlyTransaction) return 'connection';
  if (error.severity === 'FATAL' || error.severity === 'PANIC') return 'connection';
  const sqlClass = code.slice(0, 2);
  if (connectionClasses.has(sqlClass)) return 'connection';
  return transientClasses.has(sqlClass) ? 'transient' : 'statement';
}

/** Somebody kept a lock for longer than a session waits for one. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === lockNotAvailable;
}

/** The server has no room: its disk is full, or its memory or a limit of its own is used up. */
export function isOutOfRoom(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code ?? '').startsWith('53');
}

/**
 * The server itself is at fault, not what it was asked: its disk can't be read or written, a file is broken, or it was told to
 * let its user do less. (A read-only file system is reported as a want of privileges, a full quota as an internal error.)
 */
export function isServersFault(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  const { code = '' } = error;
  return code === insufficientPrivilege || serversClasses.has(code.slice(0, 2));
}

/** The server takes no writes: it is a standby, or was told to take none. */
export function isReadOnly(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return isReadOnly(error.cause);
  if (!(error instanceof DatabaseError)) return false;
  const { code = '', severity } = error;
  return code === readOnlyTransaction || (severity === 'FATAL' && noReadWriteSession.has(code));
}

/** The session with the database could not be made, or was lost. */
export class ConnectionLostError extends Error {
  override readonly name: string = 'ConnectionLostError';
}

/** A fault after COMMIT was sent and before its answer came: whether the batch is in the books is not known. */
export class CommitUnknownError extends ConnectionLostError {
  override readonly name = 'CommitUnknownError';
}

/** A database that can be reached, and not be used as it is. The message says why and what to do. */
export class UnfitDatabase extends Error {
  override readonly name: string = 'UnfitDatabase';
}
