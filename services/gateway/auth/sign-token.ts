import { SignJWT } from 'jose';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { Scope } from './caller.ts';
import { secretKeyOf } from './trusted-keys.ts';

export interface TokenWish {
  readonly subject: string;
  readonly scopes: readonly Scope[];
  /** Undefined is all of them. */
  readonly accounts?: readonly AccountId[] | undefined;
  /** Seconds from now. */
  readonly lifetimeS: number;
}

/** A token of our own (HS256), as a gateway with the same `APP_SECRET_KEY`, issuer and audience takes it. */
export function signToken(
  wish: TokenWish,
  by: { secret: string; issuer: string | undefined; audience: string | undefined },
): Promise<string> {
  const claims = {
    scope: wish.scopes.join(' '),
    ...(wish.accounts !== undefined && { accounts: wish.accounts }),
  };
  const nowS = Math.floor(Date.now() / 1_000);
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(wish.subject)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + wish.lifetimeS);
  if (by.issuer !== undefined) token.setIssuer(by.issuer);
  if (by.audience !== undefined) token.setAudience(by.audience);
  return token.sign(secretKeyOf(by.secret));
}
