/** The attributes of an exchange's boundary events. */
import type { NewAttrs } from '../base/events.ts';
import type { ExchangeContext, HttpMarks, HttpResponse } from '../base/ports.ts';
import { exchangeIdOf } from './phases.ts';
import { servedFrom } from './served-from.ts';

interface RequestAttrs {
  requestBytes: number;
  response: HttpResponse | undefined;
}

export function boundaryAttrs(
  kind: string,
  marks: HttpMarks,
  context: ExchangeContext,
  { requestBytes, response }: RequestAttrs,
): NewAttrs {
  if (kind === 'http.queued') {
    return {
      reused: marks.reused === true,
      protocol: marks.protocol,
      peerAddress: marks.peerAddress,
      region: marks.region,
      url: marks.url,
      setUpBasis: marks.setUpBasis,
      ...payer(marks.paidBy, context),
    };
  }
  if (kind === 'http.sent') return { requestBytes, known: marks.sentKnown !== false };
  if (kind === 'http.headers' && response !== undefined) {
    // nothing else names an answer that is given up before its end
    const generationId = response.headers.get('x-generation-id')?.slice(0, 200);
    return { status: response.status, generationId, servedFrom: servedFrom(response.headers) };
  }
  return {};
}

/** The exchange that the connection was opened for: `own`, `ahead`, another of the turn, or one of another turn. */
function payer(paidBy: HttpMarks['paidBy'], context: ExchangeContext): NewAttrs {
  if (paidBy === undefined) return {};
  if (paidBy === 'ahead') return { paidBy };
  const sameTurn = paidBy.sessionId === context.sessionId && paidBy.turnIndex === context.turnIndex;
  const exchange = exchangeIdOf(paidBy);
  if (sameTurn) return { paidBy: exchange === exchangeIdOf(context) ? 'own' : exchange };
  return { paidBy: exchange, paidTraceId: paidBy.traceId };
}
