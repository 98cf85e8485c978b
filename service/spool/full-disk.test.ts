import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

/** Ten lines of 20 kB to a disk that takes 50 kB a file (100 blocks of 512 bytes): which were taken, which can be read. */
const SCRIPT = `
import { openSegments } from ${JSON.stringify(new URL('segments.ts', import.meta.url).href)};
const segments = openSegments(process.argv[1], 50e6);
const [taken, read] = [[], []];
for (let n = 0; n < 10; n++) {
  try {
    segments.append(Buffer.from(JSON.stringify({ n, pad: 'x'.repeat(20_000) }) + '\\n'));
    taken.push(n);
  } catch {}
}
for (let line = segments.oldest(); line !== undefined; line = segments.oldest()) {
  read.push(JSON.parse(String(await segments.read(line))).n);
  segments.markSent(line);
}
console.log(JSON.stringify({ taken, read }));
`;

test('a line that a full disk takes half of tears no line behind it', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-full-disk-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const node = ['--input-type=module', '-e', SCRIPT, folder];
  const limited = ['-c', 'ulimit -f 100; exec "$@"', 'sh', process.execPath, ...node];
  const { taken, read } = JSON.parse(execFileSync('sh', limited, { encoding: 'utf8' })) as Record<string, number[]>;
  assert.ok(taken !== undefined && taken.length > 4 && taken.length < 10, `some are refused: ${String(taken)}`);
  assert.deepEqual(read, taken);
});
