/** What a server's last lines mean, in words that help. */
export interface FailureReason {
  readonly pattern: RegExp;
  readonly explanation: string;
}

/** Reasons that any server that writes to a folder and listens on a port can have. */
const commonReasons: readonly FailureReason[] = [
  {
    pattern:
      /no space left on device|wrote only \d+ of \d+ bytes|check free disk space|disk quota exceeded/iu,
    explanation: 'the disk is full: make room, or choose another DATA_DIR',
  },
  {
    pattern: /read-only file system/iu,
    explanation: 'the disk is mounted read-only: choose another DATA_DIR',
  },
  {
    pattern: /address already in use|could not bind/iu,
    explanation: 'its port is taken by another program: stop that one, or let the start choose a port',
  },
  {
    pattern: /permission denied|operation not permitted|wrong ownership/iu,
    explanation: 'rights are missing: start as the owner of the data folder, or choose another DATA_DIR',
  },
  {
    pattern: /cannot allocate memory|out of memory|could not map anonymous shared memory/iu,
    explanation: 'there is not enough free memory',
  },
];

const saidLines = 15;

/** The error for a server that ended while it was starting: the reason when known, and its last lines. */
export function serverFailure(
  name: string,
  lines: readonly string[],
  reasons: readonly FailureReason[],
): Error {
  const lastLines = lines.slice(-saidLines);
  const text = lastLines.join('\n');
  const known = [...reasons, ...commonReasons].find(({ pattern }) => pattern.test(text));
  const said = lastLines.map((line) => `\n  ${line}`).join('');
  return new Error(`${name} did not start: ${known?.explanation ?? 'see what it said'}.${said}`);
}
