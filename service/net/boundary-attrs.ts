/** What is said of an exchange at each of its boundaries. */
import type { Attrs } from '../base/events.ts';
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
): Attrs {
  if (kind === 'http.queued') {
    return {
      reused: marks.reused === true,
      ...(marks.protocol === undefined ? {} : { protocol: marks.protocol }),
      ...(marks.peerAddress === undefined ? {} : { peerAddress: marks.peerAddress }),
      ...(marks.region === undefined ? {} : { region: marks.region }),
      ...(marks.url === undefined ? {} : { url: marks.url }),
      ...(marks.setUpBasis === undefined ? {} : { setUpBasis: marks.setUpBasis }),
      ...payer(marks.paidBy, context),
    };
  }
  if (kind === 'http.sent') return { requestBytes, known: marks.sentKnown !== false };
  if (kind === 'http.headers' && response !== undefined) {
    // an answer that is given up before its end is known by nothing else
    const generationId = response.headers.get('x-generation-id');
    const region = servedFrom(response.headers);
    return {
      status: response.status,
      ...(generationId === null ? {} : { generationId: generationId.slice(0, 200) }),
      ...(region === undefined ? {} : { servedFrom: region }),
    };
  }
  return {};
}

/** Who the connection was opened for: this exchange, nobody yet, another of the turn, or one of another turn. */
function payer(paidBy: HttpMarks['paidBy'], context: ExchangeContext): Attrs {
  if (paidBy === undefined) return {};
  if (paidBy === 'ahead') return { paidBy };
  const sameTurn = paidBy.sessionId === context.sessionId && paidBy.turnIndex === context.turnIndex;
  const exchange = exchangeIdOf(paidBy);
  if (sameTurn) return { paidBy: exchange === exchangeIdOf(context) ? 'own' : exchange };
  return { paidBy: exchange, ...(paidBy.traceId === undefined ? {} : { paidTraceId: paidBy.traceId }) };
}
