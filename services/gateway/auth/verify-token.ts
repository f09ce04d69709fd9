import { errors, jwtVerify } from 'jose';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import { callerOf, type Caller } from './caller.ts';
import type { TokenSettings } from './settings.ts';
import { KeysUnavailable, trustedKeys } from './trusted-keys.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** Clocks of issuers and gateways differ. */
const clockToleranceS = 5;

/** The token is not good; the message says why, in ASCII that may stand in a header's quotes. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

/** Tells whose token it is. */
export interface TokenVerifier {
  /** The caller of a token that was verified lately: nearly every time. */
  readonly known: (token: string) => Caller | undefined;
  /** Rejects with `TokenRefused`, or with `KeysUnavailable` when nobody can say. */
  readonly verify: (token: string) => Promise<Caller>;
}

/** Verifies signed JSON Web Tokens, and remembers those that are good. */
export function createTokenVerifier(settings: TokenSettings, logger: Logger): TokenVerifier {
  const { algorithms, keyOf } = trustedKeys(settings.keys, logger);
  const { issuer, audience } = settings;
  const requirements = {
    algorithms,
    clockTolerance: clockToleranceS,
    requiredClaims: ['exp', 'sub'],
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
  const verified = new VerifiedTokens();
  return {
    known: (token) => verified.find(token),
    verify: async (token) => {
      const { payload } = await jwtVerify(token, keyOf, requirements).catch((error: unknown) => {
        throw error instanceof KeysUnavailable ? error : new TokenRefused(reasonOf(error));
      });
      const caller = callerOf(payload, clockToleranceS);
      if ('wrongClaim' in caller) {
        throw new TokenRefused(`the claim ${caller.wrongClaim} of the token is not as it must be`);
      }
      verified.keep(token, caller);
      return caller;
    },
  };
}

/** Never with anything of the token's own in it. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (reason === 'missing') return `the token has no claim ${claim}`;
    if (claim === 'nbf') return 'the token is not valid yet';
    if (claim === 'aud') return 'the token is for another audience';
    if (claim === 'iss') return 'the token is from another issuer';
    return `the claim ${claim} of the token is not as it must be`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'the token is not signed in a way that is accepted here';
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  ) {
    return 'the token is not signed with a key that is trusted here';
  }
  return 'the token is not a signed JSON Web Token';
}
