/** Where to find something that listens on this host and port, for a person or program on the same machine. */
export function originOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}

/** An account of the fixture `subscribers`. */
const ACCOUNT = '26c940a1-7228-4ea2-a3bc-e6460b172040';

const ANSWER_MS = 2_000;

/** Whether the first steps would work: a database of one's own may hold other accounts than ours. */
export async function canTakeFirstSteps(origin: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(`${origin}/api/status/${ACCOUNT}`, { signal });
    return answer.ok;
  } catch {
    return false;
  }
}

/** What to try on a fresh start: three lines for a shell. */
export function firstSteps(origin: string): string[] {
  const body = JSON.stringify({ id: ACCOUNT, amount: '33.48' });
  const post = (route: string) =>
    `curl -sS -w '\\n' '${origin}/api/${route}' -H 'content-type: application/json' -d '${body}'`;
  return [`curl -sS -w '\\n' '${origin}/api/status/${ACCOUNT}'`, post('add'), post('substract')];
}
