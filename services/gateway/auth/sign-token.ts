import { SignJWT } from 'jose';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { Scope } from './caller.ts';
import { secretKeyOf } from './trusted-keys.ts';

/** What a token is to say. */
export interface TokenRequest {
  readonly subject: string;
  readonly scopes: readonly Scope[];
  /** Undefined is all of them. */
  readonly accounts?: readonly AccountId[] | undefined;
  /** Seconds from now. */
  readonly lifetimeS: number;
}

/** A token of our own (HS256), as a gateway with the same `APP_SECRET_KEY`, issuer and audience takes it. */
export function signToken(
  request: TokenRequest,
  by: { secret: string; issuer: string | undefined; audience: string | undefined },
): Promise<string> {
  const claims = {
    scope: request.scopes.join(' '),
    ...(request.accounts !== undefined && { accounts: request.accounts }),
  };
  const nowS = Math.floor(Date.now() / 1_000);
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.subject)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + request.lifetimeS);
  if (by.issuer !== undefined) token.setIssuer(by.issuer);
  if (by.audience !== undefined) token.setAudience(by.audience);
  return token.sign(secretKeyOf(by.secret));
}
