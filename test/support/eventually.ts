const lookEveryMs = 10;

/** Waits until `condition` gives something other than undefined; fails when it does not within `limitMs`. */
export async function eventually<T>(condition: () => Promise<T | undefined>, limitMs = 10_000): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > endMs) throw new Error(`it did not happen within ${limitMs} ms`);
    // Looking takes the machine's time as well.
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** Waits until `condition` holds; fails when it does not within 10 s. */
export async function until(condition: () => boolean): Promise<void> {
  await eventually(() => Promise.resolve(condition() || undefined));
}
