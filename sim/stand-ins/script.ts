/** The words of the stand-ins: an interview's script, or generic text where there is none. */
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import type { Message } from '../../service/base/ports.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { wordsHeard, type Heard } from './heard.ts';
import type { DrawContext } from '../times/plan.ts';

export interface Script {
  /** The part of the turn's text that an upload holds. */
  transcript(context: DrawContext, heard: Heard): string;
  reply(context: DrawContext, messages: readonly Message[]): string;
}

const InterviewsSchema = Type.Array(
  Type.Object({
    name: Type.String(),
    language: Type.String(),
    systemPrompt: Type.String(),
    greeting: Type.String(),
    turns: Type.Array(
      Type.Object({
        audio: Type.String(),
        transcript: Type.String(),
        reply: Type.String(),
        speechStartMs: Type.Optional(Type.Number({ minimum: 0 })),
        speechEndMs: Type.Number({ minimum: 0 }),
      }),
    ),
  }),
);
export type Interviews = Static<typeof InterviewsSchema>;

const validate = new Ajv().compile<Interviews>(InterviewsSchema);

/** Interviews from parsed JSON. Throws `InputError` that names the faulty field. */
export function parseInterviews(json: unknown): Interviews {
  if (validate(json)) return json;
  const error = validate.errors?.[0];
  throw new InputError(`interviews${error?.instancePath ?? ''} ${error?.message ?? 'are not a list of interviews'}`);
}

const WORDS_PER_SECOND = 2.4;
const WORDS = {
  tr: 'ben bu projede daha çok arka uç tarafında çalıştım ve ekiple birlikte veri akışını yeniden tasarladık sonra testleri yazdık sonuç olarak yanıt süresi yarıya indi'.split(
    ' ',
  ),
  en: 'in that project i mostly worked on the back end and together with the team we redesigned the data flow then we wrote the tests and in the end response time was cut in half'.split(
    ' ',
  ),
} as const;
const REPLIES = {
  tr: [
    'Teşekkür ederim, bu güzel bir örnek. Bu kararı verirken hangi seçenekleri karşılaştırdınız? Bana biraz daha ayrıntı verir misiniz?',
    'Anladım, ekip çalışması burada önemli görünüyor. Karşılaştığınız en zor sorun neydi ve onu nasıl çözdünüz?',
    'Çok iyi. Peki bugün aynı işi yeniden yapsaydınız, neyi farklı yapardınız? Nedenini de anlatın lütfen.',
  ],
  en: [
    'Thank you, that is a good example. Which options did you compare when you made that decision? Could you tell me a little more?',
    'I see, working as a team seems to have mattered here. What was the hardest problem, and how did you solve it?',
    'Very good. If you did the same work again today, what would you do differently? Please tell me why.',
  ],
} as const;

/**
 * A script from `fixtures/interviews.json`. `context.interview` and the number of user turns before this one choose the line. A
 * conversation without a user message gets the greeting. Unknown interviews get generic text.
 */
export function createScript(interviewsJson: unknown): Script {
  const byName = new Map(parseInterviews(interviewsJson).map((interview) => [interview.name, interview]));
  const interviewOf = (context: DrawContext): Interviews[number] | undefined =>
    context.interview === undefined ? undefined : byName.get(context.interview);

  const turnOf = (context: DrawContext): Interviews[number]['turns'][number] | undefined =>
    interviewOf(context)?.turns[context.userTurn ?? context.turnIndex];

  return {
    transcript(context, heard) {
      const turn = turnOf(context);
      if (turn === undefined) return genericTranscript(context, heard);
      return wordsHeard(turn.transcript, { fromMs: turn.speechStartMs ?? 0, toMs: turn.speechEndMs }, heard);
    },
    reply(context, messages) {
      const interview = interviewOf(context);
      if (interview !== undefined && !messages.some(({ role }) => role === 'user')) return interview.greeting;
      return turnOf(context)?.reply ?? genericReply(context, messages);
    },
  };
}

/** Text as long as the speech, none for silence. English for interviews with `en` in their name, else Turkish. */
function genericTranscript(context: DrawContext, { audioMs, speech }: Heard): string {
  if (speech === 'none') return '';
  const words = WORDS[languageOf(context)];
  const count = Math.max(1, Math.round((audioMs / 1000) * WORDS_PER_SECOND));
  const first = Math.floor(keyedRandom(context.sessionId, context.turnIndex, 'transcript')() * words.length);
  const text = Array.from({ length: count }, (_, index) => words[(first + index) % words.length]).join(' ');
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function genericReply(context: DrawContext, messages: readonly Message[]): string {
  const english = messages.some(
    ({ role, content }) => role !== 'assistant' && /\b(the|you|interview)\b/i.test(content),
  );
  const replies = REPLIES[english ? 'en' : 'tr'];
  const pick = Math.floor(keyedRandom(context.sessionId, context.turnIndex, 'reply')() * replies.length);
  return replies[pick] ?? replies[0];
}

function languageOf({ interview }: DrawContext): 'tr' | 'en' {
  return interview !== undefined && /(^|-)en(-|$)/.test(interview) ? 'en' : 'tr';
}
