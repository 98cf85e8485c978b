/** Keys, errors and request ids of all of fal's hosts. */
import type { HttpResponse } from '../../service/base/ports.ts';
import { keyedHex } from '../../service/base/random.ts';
import { answer, jsonAnswer, uploadBytesOf, type Answer, type ExchangeInfo, type Received } from './exchange.ts';
import { exchangeKey, type Facts, type Planner } from '../times/plan.ts';

export const FREYA_TTS_APP = 'freya-mypsdi253hbk/freya-tts';
export const FREYA_STT_APP = 'freya-mypsdi253hbk/freya-stt';

/** A 401 where the header is not `Authorization: Key …`. */
export function refusal(request: Received): Answer | undefined {
  if (/^Key \S+/.test(request.headers.get('authorization') ?? '')) return undefined;
  return jsonAnswer({ detail: 'Authentication is required to access this application.' }, 401);
}

/** Answers a request that is neither STT nor TTS, after the time of a figure of `other`. */
export async function respondOther(
  planner: Planner,
  request: Received,
  info: ExchangeInfo,
  reply: Answer,
  figure: Extract<Facts, { operation: 'other' }>['figure'] = 'sideMs',
): Promise<HttpResponse> {
  const plan = planner.planOf(info.context, { operation: 'other', figure, uploadBytes: uploadBytesOf(request, 200) });
  return answer(plan, info, reply, falFailure);
}

/** fal's 422 for a request without a field. */
export function missingField(field: string): Answer {
  return jsonAnswer({ detail: [{ loc: ['body', field], msg: 'field required', type: 'missing' }] }, 422);
}

export function falFailure(status: number, message: string): unknown {
  if (status === 422) return { detail: [{ loc: ['body'], msg: message, type: 'value_error' }] };
  return { detail: message, error_type: status >= 500 ? 'runner_error' : undefined };
}

/** The id depends on session, turn and exchange alone, so that runs repeat it. */
export function requestId({ context }: ExchangeInfo): string {
  const hex = keyedHex(32, 'fal', context.sessionId, context.turnIndex, exchangeKey(context));
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
