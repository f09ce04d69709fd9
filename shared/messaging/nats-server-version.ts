/** The oldest nats-server that we start ourselves: in 2.10.20 to 2.10.22 a crash can lose whole streams. */
export const oldestVersion = '2.10.23';

/** The version in what `nats-server --version` writes, like `nats-server: v2.10.27`. */
export function parseVersion(output: string): string | undefined {
  return /\bv?(\d+\.\d+\.\d+)/u.exec(output)?.[1];
}

/** Negative when `a` is the older version, positive when the newer, 0 when they are the same. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 3; i += 1) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether we may start this version ourselves. */
export function isNewEnough(version: string): boolean {
  return compareVersions(version, oldestVersion) >= 0;
}

/** Why this version should not hold what matters; undefined when it may. */
export function versionWarning(version: string): string | undefined {
  if (isNewEnough(version)) return undefined;
  const reason =
    compareVersions(version, '2.10.20') >= 0
      ? 'can lose whole streams when it crashes'
      : `is older than ${oldestVersion}, the oldest that Holdfast is tried with`;
  return `nats-server ${version} ${reason}`;
}
