/** `retake sessions pull jaeger:…`: traces out of a Jaeger into a folder that `retake diff` reads. */
import { existsSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { jaegerSourceOf, jaegerTraces } from '../../replay/traces/jaeger.ts';
import { makeFolder } from '../../replay/run/out-folder.ts';

export async function pullCommand(
  context: CommandContext,
  written: string,
  options: { out: string; json?: boolean },
): Promise<void> {
  const source = jaegerSourceOf(written, createRealClock().epochUs());
  const path = join(options.out, 'trace.otlp.jsonl');
  if (existsSync(path)) throw new InputError(`${path} exists already; name another folder with -o`);
  await makeFolder(options.out, 0o700);
  let traces = 0;
  {
    // an interrupted pull leaves no file that looks finished
    await using file = await open(`${path}.part`, 'w', 0o600);
    for await (const { json, where } of jaegerTraces(source, context.signal)) {
      await file.write(`${lineOf(json, where)}\n`);
      traces++;
      if (traces % 100 === 0) context.progress(`${traces} traces`);
    }
  }
  context.progressDone();
  if (traces === 0)
    throw new InputError(
      `${source.text}: no trace of service ${source.service} begins in that time; widen from= and to=`,
    );
  await rename(`${path}.part`, path);
  context.out(
    options.json === true ? JSON.stringify({ traces, path }) : `${traces} traces in ${path}; compare with: retake diff`,
  );
}

function lineOf(json: unknown, where: string): string {
  try {
    return JSON.stringify(json);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(
      `${where}: an attribute is nested too deep to be written; leave the trace out with tag= or from= and to=`,
    );
  }
}
