const width = 24;
/** Where nobody watches, a line per tenth is enough. */
const quietSteps = 10;

/** A progress line: redrawn on a terminal, a line per tenth elsewhere. */
export function progress(what: string, total: number): (done: number) => void {
  let lastStep = -1;
  return (done) => {
    const share = Math.min(1, done / total);
    if (process.stderr.isTTY) {
      const bar = '█'.repeat(Math.round(share * width)).padEnd(width, '·');
      process.stderr.write(`\r  ${what} ${bar} ${done} of ${total}${share === 1 ? '\n' : ''}`);
      return;
    }
    const step = Math.floor(share * quietSteps);
    if (step === lastStep) return;
    lastStep = step;
    process.stderr.write(`  ${what}: ${done} of ${total}\n`);
  };
}

/** Makes room for a line of words; the progress line is drawn anew below it. */
export function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
}

export function say(line: string): void {
  process.stderr.write(`  ${line}\n`);
}
