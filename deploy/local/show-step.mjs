/* Shows what is being done, so that nobody stares at a silent screen. It goes to standard error: the standard output
 * of `npm start` is the services' log. */

const rewriteEveryMs = 250;
const lineEveryMs = 5_000;

/**
 * Does `work`, with a line that says what it is and how long it took. Meanwhile the seconds pass on a terminal, and
 * elsewhere a line comes every 5 s; `progress` says how far it is.
 */
export async function step(what, work, progress = () => '') {
  const isTerminal = process.stderr.isTTY;
  const start = performance.now();
  const line = (text) => `${isTerminal ? '\r\u001B[K' : ''}${text}${isTerminal ? '' : '\n'}`;
  const state = () => {
    const far = progress();
    return `  ${what}: ${far === '' ? '' : `${far}, `}${Math.floor((performance.now() - start) / 1_000)} s`;
  };
  process.stderr.write(line(`  ${what} …`));
  const show = () => process.stderr.write(line(state()));
  const timer = setInterval(show, isTerminal ? rewriteEveryMs : lineEveryMs);
  let result = 'failed';
  try {
    const value = await work();
    result = 'done';
    return value;
  } finally {
    clearInterval(timer);
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    process.stderr.write(`${line(`  ${what}: ${result} in ${seconds} s`)}${isTerminal ? '\n' : ''}`);
  }
}
