/** A reporter of node's test runner: names each skipped test, and fails the run when there is one. */
import type { TestEvent } from 'node:test/reporters';

export default async function* noSkips(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' || event.data.skip === undefined || event.data.skip === false) continue;
    process.exitCode = 1;
    yield `a test was skipped: ${event.data.name} (${event.data.file ?? 'unknown file'})\n`;
  }
}
