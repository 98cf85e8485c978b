/**
 * The `retake` command line: parses, calls, and turns every error into one line and an exit code. A command is loaded when it is called:
 * all of them take over a second.
 */
import { existsSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { AudioFormatError } from '../service/audio/pcm.ts';
import { describeError, InputError, InvariantError, isDiskError, StageError } from '../service/base/errors.ts';
import { type CommandContext, tellOn } from '../replay/report/context.ts';

/** Exit codes that scripts can trust (docs/reading-a-report.md#exit-codes). */
const EXIT = { pass: 0, input: 2, internal: 4, interrupted: 130 } as const;

if (existsSync('.env')) process.loadEnvFile('.env');

const interrupt = new AbortController();
const context: CommandContext = {
  env: process.env,
  signal: interrupt.signal,
  out: (text: string) => void process.stdout.write(`${text}\n`),
  ...tellOn(process.stderr),
  exit: (code) => void (process.exitCode = code),
  columns: process.stdout.columns || 80,
  // https://no-color.org: any value but the empty one
  color: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
};

// nobody reads any more (| head): the work goes on, and the exit code stays that of the work
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
process.on('SIGINT', () => {
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  interrupt.abort(new InputError('interrupted'));
});
process.on('SIGTERM', () => interrupt.abort(new InputError('interrupted')));

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return number;
};
const amount = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('must be a number from 0, such as 0.5');
  return Number(text);
};
const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

const program = new Command('retake')
  .description('Tracing and replay for a real-time voice interview pipeline')
  .showHelpAfterError('(add --help for usage)')
  .exitOverride();

program
  .command('demo')
  .description(
    'speak the fixture interviews to the service, capture them, replay them under a variant, diff the traces',
  )
  .option('-o, --out <dir>', 'where everything is written', 'out/demo')
  .option('--variant <name>', 'the variant to replay under', 'clause-chunking')
  .option('--seed <text>', 'seed of every draw', '1')
  .action(async (options) => (await import('./serve/demo.ts')).demo(context, options));

program
  .command('serve')
  .description('run the service (world by RETAKE_WORLD: wire by default, live only when it says so)')
  .option('--profile <name>', 'latency profile of the stand-ins: seed, zero, or a file', 'seed')
  .option('--seed <text>', "seed of the stand-ins' draws", '1')
  .option('--scenario <file>', 'faults and switches of the stand-ins (docs/operating.md)')
  .action(async (options) => (await import('./serve/serve.ts')).serveCommand(context, options));

program
  .command('send')
  .description('speak a recording to the service as a client would, and print the turn')
  .argument('<file.wav>', 'the recording, PCM16')
  .option('--url <url>', 'the service', 'http://127.0.0.1:8080')
  .option('--push', 'end the turn when the recording ends, instead of leaving that to the service')
  .option('--upload', 'post the whole recording in one body')
  .option('--language <code>', 'language of the session', 'tr')
  .option('--interview <name>', 'interview whose script the stand-ins follow')
  .option('--json', 'print the turn as JSON')
  .action(async (file: string, options) => (await import('./serve/send.ts')).sendCommand(context, file, options));

const sessions = program.command('sessions').description('list and erase captured sessions');
const data = ['--data <dir>', 'the data folder (default: RETAKE_DATA, then ./data)'] as const;
sessions
  .command('list', { isDefault: true })
  .description('captured sessions, oldest first')
  .option(...data)
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./sessions/sessions.ts')).sessionsCommand.list(context, options));
sessions
  .command('show <id>')
  .description('the turns of one session')
  .option(...data)
  .option('--json', 'print JSON')
  .action(async (id: string, options) =>
    (await import('./sessions/sessions.ts')).sessionsCommand.show(context, id, options),
  );
sessions
  .command('pull <source>')
  .description('traces out of a Jaeger: jaeger:http://127.0.0.1:16686?service=retake&from=2h&tag=retake.lane=candidate')
  .option('-o, --out <dir>', 'folder for trace.otlp.jsonl', 'out/pulled')
  .option('--json', 'print JSON')
  .action(async (source: string, options) =>
    (await import('./sessions/pull.ts')).pullCommand(context, source, options),
  );
sessions
  .command('import <dir>')
  .description("make captures of another pipeline's recordings: WAV files and sessions.json (docs/capture-format.md)")
  .option(...data)
  .option('--json', 'print JSON')
  .action(async (folder: string, options) =>
    (await import('./sessions/sessions.ts')).sessionsCommand.import(context, folder, options),
  );
sessions
  .command('rm <id>')
  .description('erase a session wholly')
  .option(...data)
  .action(async (id: string, options) =>
    (await import('./sessions/sessions.ts')).sessionsCommand.remove(context, id, options),
  );

program
  .command('cache')
  .description('speech that was synthesized before')
  .command('purge')
  .description('remove all of it')
  .option(...data)
  .action(async (options) => (await import('./sessions/cache.ts')).cachePurge(context, options));

program
  .command('replay')
  .description('run captured sessions again as baseline, baseline2 and under variants, and diff them')
  .option('--sessions <ids>', 'session ids, comma separated (default: a seeded sample of --sample)')
  .option('--sample <n>', 'how many sessions to draw when none are named', count, 20)
  .option(
    '--choose <by>',
    'sample: at random, spread over time; latency: the slowest; error: those that failed. Beside --sessions it says how they were picked',
    'sample',
  )
  .option('--variant <name>', 'a named variant, or several as one: a+b (repeatable)', collect)
  .option('--set <knob=value>', 'a knob of the candidate (repeatable)', collect)
  .option(
    '--baseline-ref <ref>',
    'take the baseline from another commit: checked out, installed, run in its own worker',
  )
  .option('--baseline-variant <name>', 'replace the captured strategy as baseline')
  .option('--baseline-set <knob=value>', 'a knob of the baseline (repeatable)', collect)
  .option('--world <world>', 'sim, wire or live', 'sim')
  .option('--profile <name>', "stand-ins' latency profile (default: the captured one, else seed)")
  .option('--scenario <file>', 'faults and switches of the stand-ins (docs/operating.md)')
  .option('--runs <n>', 'repetitions', count, 1)
  .option('--draws <kind>', 'common: both arms meet the same draws; independent', 'common')
  .option('--pace <pace>', 'captured: keep the gaps between turns; fast: leave them out (default: fast in wire)')
  .option(
    '--words <words>',
    'same: every lane speaks the captured words; own: its own (default: by what the variant can change, own ones beside same ones)',
  )
  .option('--budget-usd <usd>', 'end before a turn whose replies would cost more than this in all', amount)
  .option('--spacing-ms <ms>', "least time between two turns' starts: a rate limit", amount)
  .option('--seed <text>', 'seed of order and draws', '1')
  .option('--dry-run', 'print the plan: turns, calls, price, recipients, detectable effect; run nothing')
  .option('--yes', 'run a live plan without asking')
  .option('--resume', 'go on with the run whose journal is in the run folder')
  .option('--run-id <id>', 'name of the run; needed to export a sim run')
  .option(...data)
  .option('-o, --out <dir>', 'run folder', 'out/replay')
  .option('--gate', 'exit by the verdict')
  .option('--with-text', 'what was said goes into the reports, and into the journal')
  .option('--rank', 'simulate all variants (or those named), rank and combine them, propose live replays')
  .option('--json', 'with --rank: print the ranking as JSON')
  .action(async (options) => {
    if (options.rank === true) return (await import('./replay/rank.ts')).rankCommand(context, options);
    if (options.json === true)
      throw new InputError('--json goes with --rank; a replay writes report.json into its run folder');
    return (await import('./replay/replay.ts')).replayCommand(context, options);
  });

program
  .command('spool')
  .description('the trace spool')
  .command('resend')
  .description('send again what the spool still holds, for traces that a Collector took and lost')
  .requiredOption(
    '--since <time>',
    'turns that ended since then: 90s, 10m, 2h, 7d, or a time such as 2026-11-25T13:00Z',
  )
  .option('--endpoint <url>', 'OTLP endpoint (default: OTEL_EXPORTER_OTLP_ENDPOINT)')
  .option(...data)
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./sessions/spool.ts')).resendCommand(context, options));

program
  .command('diff')
  .description('compare two sets of traces: run folders, bundles, OTLP JSON files or jaeger:URL?service=…&from=…')
  .argument('<a>', 'baseline')
  .argument('<b>', 'candidate')
  .option('--variant <name>', 'the candidate to compare, of a run folder that holds several')
  .option('--json', 'print verdict, primary, stages, validity and spans as JSON')
  .option('--format <format>', 'terminal, markdown, html or json (docs/report.schema.json)', 'terminal')
  .option('--with-text', 'show what was said, where the traces are bundles that hold it')
  .action(async (a: string, b: string, options) =>
    (await import('./replay/diff.ts')).diffCommand(context, a, b, options),
  );

program
  .command('report')
  .description("print a run folder's report again")
  .argument('<dir>', 'run folder')
  .option('--format <format>', 'terminal, markdown, html or json', 'terminal')
  .option('--variant <name>', 'of several candidates (default: the first)')
  .option('--with-text', 'show what was said, where the run kept it')
  .action(async (folder: string, options) =>
    (await import('./replay/report.ts')).reportCommand(context, folder, options),
  );

program
  .command('variants')
  .description('the named variants')
  .option('--json', 'print [{ name, title, patch, effect, risk, primary }]')
  .action(async (options) => (await import('./replay/variants.ts')).variantsCommand(context, options));

program
  .command('profile')
  .description('fit a latency profile to captured sessions or to a bench: a file for --profile')
  .option('--sessions <ids>', 'session ids, comma separated (default: a seeded sample of --sample)')
  .option('--sample <n>', 'how many sessions to draw when none are named', count, 1000)
  .option('--bench <dir>', 'fit to the answers of a retake bench, by its result folder, instead')
  .option('--base <name>', 'profile that has what the captures do not tell', 'seed')
  .option('--name <name>', "the new profile's name", 'fitted')
  .option('--seed <text>', 'seed of the sample', '1')
  .option(...data)
  .option('-o, --out <file>', 'the profile', 'out/profile.json')
  .option('--json', 'print n, dates, quantiles and fit error of each kind as JSON')
  .action(async (options) => (await import('./replay/profile.ts')).profileCommand(context, options));

program
  .command('bench')
  .description('measure stages, whole turns and their overlap on the fixture interviews')
  .argument('[names...]', 'stt, llm, tts, e2e, parallel, or all', [])
  .option('--world <world>', 'sim, wire or live', 'sim')
  .option('--budget-usd <usd>', 'stop before all benches together spend more; needed in live', amount)
  .option('--quick', 'few samples: under a minute in sim')
  .option('--sessions <n>', 'sessions an arm', count)
  .option('--turns <n>', 'turns of a session', count)
  .option('--seed <text>', 'seed of every draw', '1')
  .option('--profile <name>', 'latency profile of the stand-ins', 'seed')
  .option('--scenario <file>', 'faults and switches of the stand-ins (docs/operating.md)')
  .option('-o, --out <dir>', 'result folder; its history.jsonl grows', 'out/bench')
  .option('--against <dir>', 'compare with an earlier result folder')
  .option('--gate', 'exit 1 when a target is missed')
  .option('--json', 'print results.json')
  // the only way up from here: benches stand above the replay
  .action(async (names: string[], options) =>
    (await import('../bench/run-all.ts')).benchCommand(context, names, options),
  );

program
  .command('doctor')
  .description('is everything there, and do the providers answer? One call each, with served model, region and price')
  .option('--world <world>', 'wire: the stand-ins, no keys; live: the providers, a fraction of a cent', 'wire')
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./serve/doctor.ts')).doctor(context, options));

try {
  const code: unknown = await program.parseAsync().then(() => process.exitCode);
  process.exitCode = typeof code === 'number' ? code : EXIT.pass;
} catch (error) {
  context.progressDone();
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.pass : EXIT.input;
  if (interrupt.signal.aborted) {
    console.error('retake: interrupted; what was finished is on disk');
    return EXIT.interrupted;
  }
  if (error instanceof InputError || error instanceof AudioFormatError || error instanceof StageError) {
    console.error(`retake: ${describeError(error, 1000)}`);
    return EXIT.input;
  }
  if (isDiskError(error)) {
    console.error(`retake: ${describeError(error)}; what was finished is on disk: make room, or name another folder`);
    return EXIT.input;
  }
  const kind = error instanceof InvariantError ? 'a rule of ours was broken' : 'internal error';
  console.error(`retake: ${kind}: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.internal;
}
