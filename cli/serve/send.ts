/** `retake send FILE.wav`: speaks one turn as a client does, and draws its ledger. */
import { existsSync } from 'node:fs';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { waterfall } from '../../replay/report/terminal.ts';
import { plain } from '../../replay/report/words.ts';
import { converse, fetchTurn, upload } from '../../service/http/client.ts';
import { MOST_READ_LAG_MS } from '../../service/turn-log/targets.ts';

export interface SendOptions {
  url: string;
  push?: boolean;
  upload?: boolean;
  language: string;
  interview?: string;
  json?: boolean;
}

export async function sendCommand(context: CommandContext, file: string, options: SendOptions): Promise<void> {
  if (!existsSync(file))
    throw new InputError(`${file}: there is no such file; name a recording, such as fixtures/audio/en-frontend-1.wav`);
  const url = options.url.replace(/\/+$/, '');
  const apiKey = context.env['RETAKE_API_KEY'] || undefined;
  const { language, interview } = options;
  const session = { language, interview };
  context.progress(`speaking ${file} …`);
  const { sessionId, traceId } =
    options.upload === true
      ? await upload(url, file, session, apiKey)
      : await speakOnce({ url, file, session, push: options.push, apiKey });
  context.progressDone();
  const { summary, trace } = await fetchTurn(url, traceId, apiKey);
  if (options.json === true) {
    context.out(JSON.stringify({ ...summary, trace }, null, 2));
    return;
  }
  const basis = summary.world === 'live' ? 'measured' : 'predicted: stand-ins';
  context.out(`session ${plain(sessionId)}, turn ${summary.turnIndex}, trace ${plain(traceId)} (${basis})`);
  if (summary.failure !== undefined)
    throw new InputError(
      `the turn failed: ${summary.failure.stage} ${summary.failure.kind}: ${summary.failure.message}; "npx retake doctor" checks the providers`,
    );
  context.out(waterfall(summary, context));
  const lagMs = (summary.readLagUs ?? 0) / 1000;
  if (lagMs > MOST_READ_LAG_MS)
    context.out(
      `speech end was read ${lagMs.toFixed(1)} ms late, which is not in end to end: docs/metrics.md#read-lag`,
    );
  const ui = context.env['RETAKE_JAEGER_UI'];
  if (ui !== undefined && ui !== '') context.out(`${ui.replace(/\/+$/, '')}/trace/${traceId}`);
}

async function speakOnce({
  url,
  file,
  session,
  push,
  apiKey,
}: {
  url: string;
  file: string;
  session: { language: string; interview?: string };
  push?: boolean;
  apiKey?: string;
}): Promise<{ sessionId: string; traceId: string }> {
  const conversation = await converse(url, createRealClock(), session, apiKey);
  try {
    const { traceId } = await conversation.speak(file, { push });
    return { sessionId: conversation.sessionId, traceId };
  } finally {
    await conversation.close();
  }
}
