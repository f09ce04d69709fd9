import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { createSecretKey } from 'node:crypto';
import { describeError } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { TokenSettings } from './settings.ts';

/** Below the 5 s within which a caller is promised an answer, with time left for the ledger. */
const fetchLimitMs = 2_000;

/** A withdrawn key stops counting within this (and what `VerifiedTokens` adds). */
const keysKeptMs = 300_000;

/** A token with an unknown key may have the keys fetched anew, but not more often: such tokens are made easily. */
const fetchEveryMs = 5_000;

const publicKeyAlgorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** The keys are elsewhere and can't be had: nobody can say whether a token is good. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** What a signature is checked with. */
export interface TrustedKeys {
  /** No others: the header of a token must not choose how it is checked (RFC 8725 §3.1). */
  readonly algorithms: string[];
  /** The key for one token. Rejects with `KeysUnavailable`. */
  readonly keyOf: JWTVerifyGetKey;
}

/** The key of `APP_SECRET_KEY`, or those of a key set elsewhere, which are fetched at once and kept. */
export function trustedKeys(keys: TokenSettings['keys'], logger: Logger): TrustedKeys {
  if (keys.kind === 'jwks') return remoteKeys(keys.url, logger);
  const key = secretKeyOf(keys.secret);
  return { algorithms: ['HS256'], keyOf: () => key };
}

/** `APP_SECRET_KEY` as a key: its bytes in UTF-8. */
export function secretKeyOf(secret: string) {
  return createSecretKey(secret, 'utf8');
}

/**
 * The set by its last fetch. When it is fetched again is for us to say: jose asks the wall clock, and were that put back by
 * ten minutes, it would fetch nothing for so long.
 */
function remoteKeys(url: URL, logger: Logger): TrustedKeys {
  const from = url.href;
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: fetchLimitMs,
    cacheMaxAge: Infinity,
    cooldownDuration: Infinity,
  });
  let triedMs = -Infinity;
  let fetchedMs = -Infinity;
  let failing = false;

  const unavailable = (error: unknown): KeysUnavailable => {
    // Once, not at every request.
    if (!failing) {
      const err = describeError(error);
      logger.error(
        { err, from },
        'the keys of AUTH_JWKS_URL can’t be had: until they are, nobody is let in but by a key of the last 5 minutes',
      );
    }
    failing = true;
    return new KeysUnavailable('the keys can’t be had');
  };
  const fetchAnew = async () => {
    triedMs = performance.now();
    await keys.reload().catch((error: unknown) => {
      throw unavailable(error);
    });
    if (failing) logger.info({ from }, 'the keys of AUTH_JWKS_URL are there again');
    failing = false;
    fetchedMs = performance.now();
  };
  const find = (...[header, token]: Parameters<JWTVerifyGetKey>) =>
    keys(header, token).catch((error: unknown) => {
      throw isAboutTheToken(error) ? error : unavailable(error);
    });
  const keyOf: JWTVerifyGetKey = async (header, token) => {
    if (performance.now() - fetchedMs >= keysKeptMs) await fetchAnew();
    try {
      return await find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (performance.now() - triedMs < fetchEveryMs) throw failing ? unavailable(error) : error;
    }
    await fetchAnew();
    return find(header, token);
  };
  // So that the first caller does not wait for them, and a wrong address is told at the start.
  fetchAnew().catch(() => undefined);
  return { algorithms: publicKeyAlgorithms, keyOf };
}

/** The set has been read, and has no one key for this token. */
function isAboutTheToken(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
}
