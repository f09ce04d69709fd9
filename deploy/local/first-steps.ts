import type { AccessSettings, TokenSettings } from '../../services/gateway/auth/settings.ts';
import { signToken } from '../../services/gateway/auth/sign-token.ts';

/** Where to find something that listens on this host and port, for a person or program on the same machine. */
export function originOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}

/** An account of the fixture `subscribers`. */
const account = '26c940a1-7228-4ea2-a3bc-e6460b172040';

const answerMs = 2_000;

/** Seconds that the token for the look takes to expire: the look is over by then. */
const lookTokenS = 60;

/** How a person gets a token that does for the first steps. */
const takeToken = 'TOKEN=$(npm run -s token -- --scope balance:write --expires 1h)';

/** Whether the first steps would work: a database of one's own may hold other accounts than ours. */
export async function canTakeFirstSteps(origin: string, tokens: AccessSettings['tokens']): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(answerMs);
    const headers = tokens === undefined ? {} : { authorization: `Bearer ${await tokenForLook(tokens)}` };
    const answer = await fetch(`${origin}/api/status/${account}`, { signal, headers });
    return answer.ok;
  } catch {
    return false;
  }
}

/** Rejects when tokens are another issuer's to give. */
function tokenForLook({ keys, issuer, audience }: TokenSettings): Promise<string> {
  if (keys.kind === 'jwks') return Promise.reject(new Error('tokens come from another issuer'));
  const look = { subject: 'npm start', scopes: ['balance:read'], lifetimeS: lookTokenS } as const;
  return signToken(look, { secret: keys.secret, issuer, audience });
}

/** What to try on a fresh start: lines for a shell, that gets a token first where one is needed. */
export function firstSteps(origin: string, tokens: AccessSettings['tokens']): string[] {
  const body = JSON.stringify({ id: account, amount: '33.48' });
  const shown = tokens === undefined ? '' : ' -H "authorization: Bearer $TOKEN"';
  const ask = (path: string) => `curl -sS -w '\\n' '${origin}/api/${path}'${shown}`;
  const post = (route: string) => `${ask(route)} -H 'content-type: application/json' -d '${body}'`;
  return [
    ...(tokens === undefined ? [] : [`${takeToken}   # where APP_SECRET_KEY is the same`]),
    ask(`status/${account}`),
    post('add'),
    post('substract'),
  ];
}
