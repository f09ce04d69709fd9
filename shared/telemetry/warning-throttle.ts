/** Texts that are remembered: there may be many, such as those that name a reply's subject. */
const maxTexts = 256;

/**
 * For warnings about what goes on failing, many times a second.
 *
 * @returns whether one with this text is due: the first is at once, and then one in `everyMs` milliseconds.
 */
export function warningThrottle(everyMs: number): (text?: string) => boolean {
  const warnedAtMs = new Map<string, number>();
  return (text = '') => {
    const nowMs = performance.now();
    if (nowMs - (warnedAtMs.get(text) ?? -Infinity) < everyMs) return false;
    if (warnedAtMs.size >= maxTexts) warnedAtMs.clear();
    warnedAtMs.set(text, nowMs);
    return true;
  };
}
