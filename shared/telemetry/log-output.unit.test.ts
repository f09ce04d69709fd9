import { describe, expect, test } from '@jest/globals';
import { LogOutput } from './log-output.ts';

/** A disk with room for so many bytes. */
class Disk {
  room = Infinity;
  text = '';
  /** What the next writes fail with before any byte is written. */
  readonly faults: string[] = [];

  take(bytes: string | Buffer): number {
    const fault = this.faults.shift() ?? (this.room === 0 ? 'ENOSPC' : undefined);
    if (fault !== undefined) throw Object.assign(new Error(`${fault}: can't write`), { code: fault });
    const taken = Buffer.from(bytes).subarray(0, this.room);
    this.text += taken.toString('utf8');
    this.room -= taken.length;
    return taken.length;
  }
}

function onDisk(): [Disk, LogOutput] {
  const disk = new Disk();
  const output: LogOutput = new LogOutput(
    (bytes) => disk.take(bytes),
    (dropped, why) => output.write(`${dropped} dropped, ${String(why)}\n`),
  );
  return [disk, output];
}

describe('log output', () => {
  test.each(['ENOSPC', 'EPIPE', 'EIO'])('goes on after %s, and says how many lines were dropped', (fault) => {
    const [disk, output] = onDisk();
    output.write('a\n');
    disk.faults.push(fault, fault);
    output.write('b\n');
    output.write('c\n');
    output.write('d\n');
    output.write('e\n');
    expect(disk.text).toBe(`a\nd\n2 dropped, Error: ${fault}: can't write\ne\n`);
  });

  test('puts nothing behind half a line but its other half', () => {
    const [disk, output] = onDisk();
    disk.room = 3;
    output.write('hällo\n');
    output.write('b\n');
    expect(disk.text).toBe('hä');
    disk.room = 2;
    output.write('c\n');
    expect(disk.text).toBe('häll');
    disk.room = Infinity;
    output.write('d\n');
    expect(disk.text).toBe("hällo\nd\n2 dropped, Error: ENOSPC: can't write\n");
  });

  test('says nothing of a line that only came out in parts', () => {
    const [disk, output] = onDisk();
    disk.room = 2;
    output.write('abc\n');
    disk.room = Infinity;
    output.write('d\n');
    expect(disk.text).toBe('abc\nd\n');
  });

  test('tells of all that was dropped when the room was not enough to tell it', () => {
    const [disk, output] = onDisk();
    disk.room = 0;
    output.write('a\n');
    disk.room = 2;
    output.write('b\n');
    disk.room = Infinity;
    output.write('c\n');
    // a, and the line that was to tell of it.
    expect(disk.text).toBe("b\nc\n2 dropped, Error: ENOSPC: can't write\n");
  });

  test('waits for a pipe that is full', () => {
    const [disk, output] = onDisk();
    disk.faults.push('EAGAIN', 'EAGAIN');
    output.write('a\n');
    expect(disk.text).toBe('a\n');
  });
});
