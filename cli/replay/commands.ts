/** The commands that replay, compare and measure. */
import { Argument, Option, type Command } from 'commander';
import { BENCH_CHOICES, type BenchChoice } from '../../bench/turns/bench.ts';
import { PACES } from '../../replay/arms/planned.ts';
import { WORDS } from '../../replay/arms/words.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { CHOSEN_BY } from '../../replay/sessions/captured-session.ts';
import { WORLDS } from '../../service/base/events.ts';
import { DRAWS } from '../../sim/times/plan.ts';
import {
  amount,
  choice,
  collect,
  count,
  dataOption,
  jsonOption,
  matchedOption,
  minSessionsOption,
  scenarioOption,
  sessionOptions,
} from '../options/options.ts';
import { REPORT_FORMATS } from '../../replay/report/formats.ts';

/** Adds `replay`, `diff`, `report`, `variants`, `profile` and `bench`. */
export function addReplayCommands(program: Command, context: CommandContext): void {
  program.commandsGroup('Replay, compare and measure:');
  addReplay(program, context);
  addReports(program, context);
  addMeasuring(program, context);
}

/** Options that a ranking would ignore. */
const NOT_RANKED = [
  ...['set', 'baselineRef', 'repository', 'baselineVariant', 'baselineSet', 'scenario', 'pace', 'words', 'budgetUsd'],
  ...['untilDecided', 'maxSessions'],
  ...['spacingMs', 'runId', 'resume', 'dryRun', 'gate', 'withText', 'promptNonce', 'matched', 'minSessions'],
];

function addReplay(program: Command, context: CommandContext): void {
  const replay = program
    .command('replay')
    .summary('replay captured sessions under a variant, and compare')
    .description(
      'replay captured sessions as baseline, baseline2 and under variants, and compare them\n\n' +
        'Example: retake replay --variant clause-chunking',
    );
  replay.optionsGroup('Which sessions:');
  for (const option of sessionOptions(20)) replay.addOption(option);
  replay
    .addOption(
      choice(
        '--choose <by>',
        'sample: at random, spread over time; latency: the slowest; error: most failed turns. With --sessions: how those were chosen',
        CHOSEN_BY,
        'sample',
      ),
    )
    .addOption(dataOption());
  replay
    .optionsGroup('What to try:')
    .option('--variant <name>', 'a named variant, or several as one: a+b (repeatable)', collect)
    .option('--set <knob=value>', 'a knob of the candidate (repeatable)', collect)
    .option('--baseline-ref <ref>', 'run the baseline from another commit, in a checkout of its own')
    .option('--repository <dir>', 'the clone whose code the arms run (default: this one)')
    .option('--baseline-variant <name>', 'replace the captured strategy as baseline')
    .option('--baseline-set <knob=value>', 'a knob of the baseline (repeatable)', collect);
  replay
    .optionsGroup('How to run:')
    .addOption(worldOption())
    .option('--profile <name>', 'latency profile of the stand-ins (default: the captured one, else seed)')
    .addOption(scenarioOption())
    .option('--runs <n>', 'repetitions of each turn', count, 1)
    .addOption(choice('--draws <kind>', 'whether both arms meet the same random draws', DRAWS, 'common'))
    .addOption(
      choice(
        '--pace <pace>',
        'captured: keep the gaps between turns; fast: leave them out (default: fast in wire, else captured)',
        PACES,
      ),
    )
    .addOption(
      choice(
        '--words <words>',
        'same: every lane speaks the captured words; own: each speaks its own (default: own where the variant can change words, else same)',
        WORDS,
      ),
    )
    .option(
      '--prompt-nonce',
      'in wire and live: end the prompts of lanes on the captured words with a key of the lane, for a provider that caches across keys',
    )
    .option('--seed <text>', 'seed of order and draws', '1')
    .option('--budget-usd <usd>', 'stop before a turn whose replies would exceed this sum', amount)
    .option('--until-decided', 'in wire and live: a look after each session, and an end once every verdict is decided')
    .addOption(
      new Option('--max-sessions <n>', 'with --until-decided: the most sessions, fixed when the run begins')
        .argParser(count)
        .conflicts('sample'),
    )
    .option('--spacing-ms <ms>', 'least time from one start of a turn to the next: a rate limit', amount)
    .option('--yes', 'run a live plan without asking')
    .option('--resume', 'resume the run whose journal is in the run folder')
    .option('--run-id <id>', 'name of the run; a sim run needs one to be exported');
  replay
    .optionsGroup('What to print:')
    .option('--dry-run', 'print turns, calls, price, recipients and detectable effect; run nothing')
    .option('-o, --out <dir>', 'run folder', 'out/replay')
    .option('--gate', 'exit by the verdict')
    .addOption(matchedOption())
    .addOption(minSessionsOption())
    .option('--with-text', 'keep and show what was said, in reports and journal')
    .addOption(
      new Option('--rank', 'simulate all variants (or those named), rank them, propose live replays').conflicts(
        NOT_RANKED,
      ),
    )
    .addOption(jsonOption('with --rank: print the ranking as JSON'))
    .action(async (options) => {
      if (options.rank === true) return (await import('./rank.ts')).rankCommand(context, options);
      if (options.json === true)
        return replay.error('--json goes with --rank; a replay writes report.json into its run folder');
      return (await import('./replay.ts')).replayCommand(context, options);
    });
}

const worldOption = (): Option =>
  choice('--world <world>', 'sim: virtual time; wire: local stand-ins; live: the providers', WORLDS, 'sim');

const formatOption = (): Option => choice('--format <format>', 'format of the report', REPORT_FORMATS, 'terminal');

function addReports(program: Command, context: CommandContext): void {
  program
    .command('diff')
    .summary('compare two sets of traces')
    .description('compare two sets of traces: run folders, captures, OTLP files or jaeger:URL?service=…&from=…')
    .argument('<a>', 'baseline')
    .argument('<b>', 'candidate')
    .option('--variant <name>', 'candidate to compare, of a run folder that holds several')
    .addOption(formatOption())
    .addOption(jsonOption('print verdict, primary, stages, validity and spans as JSON').conflicts('format'))
    .option(
      '--pair-by <what>',
      'two recordings of one workload: pair turns by order, text, interview, or an attribute of their spans',
    )
    .addOption(matchedOption())
    .addOption(minSessionsOption())
    .option('--with-text', 'show what was said, where the captures hold it')
    .action(async (a: string, b: string, options) => (await import('./diff.ts')).diffCommand(context, a, b, options));

  program
    .command('report')
    .description('print the report of a run folder again')
    .argument('<dir>', 'run folder')
    .addOption(formatOption())
    .option('--variant <name>', 'candidate to report (default: the first)')
    .option('--with-text', 'show what was said, where the run kept it')
    .action(async (folder: string, options) => (await import('./report.ts')).reportCommand(context, folder, options));

  program
    .command('variants')
    .description('list the named variants')
    .addOption(jsonOption('print [{ name, title, patch, effect, risk, primary }]'))
    .action(async (options) => (await import('./variants.ts')).variantsCommand(context, options));
}

function addMeasuring(program: Command, context: CommandContext): void {
  const profile = program
    .command('profile')
    .summary('fit a latency profile to captured sessions or to a bench')
    .description('fit a latency profile to captured sessions or to a bench, for --profile');
  for (const option of sessionOptions(1000)) profile.addOption(option);
  profile
    .addOption(
      new Option('--bench <dir>', 'fit to the answers in a result folder of retake bench').conflicts([
        'sessions',
        'sample',
        'seed',
        'data',
      ]),
    )
    .option('--base <name>', 'profile that fills in what the captures lack', 'seed')
    .option('--name <name>', 'name of the new profile', 'fitted')
    .option('--seed <text>', 'seed of the sample', '1')
    .addOption(dataOption())
    .option('-o, --out <file>', 'file of the new profile', 'out/profile.json')
    .addOption(jsonOption('print n, dates, quantiles and error of fit of each kind as JSON'))
    .action(async (options) => (await import('./profile.ts')).profileCommand(context, options));

  program
    .command('bench')
    .summary('measure stages and whole turns on the fixture interviews')
    .description('measure stages, whole turns and their overlap on the fixture interviews')
    .addArgument(new Argument('[names...]', 'which benches').choices(BENCH_CHOICES).default([], 'all'))
    .addOption(worldOption())
    .option('--budget-usd <usd>', 'stop before all benches together spend more; live needs it', amount)
    .option('--quick', 'few samples: under a minute in sim')
    .option('--sessions <n>', 'sessions of each arm', count)
    .option('--turns <n>', 'turns of each session', count)
    .option('--seed <text>', 'seed of every draw', '1')
    .option('--profile <name>', 'latency profile of the stand-ins', 'seed')
    .addOption(scenarioOption())
    .option('-o, --out <dir>', 'result folder; its history.jsonl grows', 'out/bench')
    .option('--against <dir>', 'compare with an earlier result folder')
    .option('--gate', 'exit 1 when a target is missed')
    .addOption(jsonOption('print results.json'))
    .action(async (names: BenchChoice[], options) =>
      (await import('../../bench/run-all.ts')).benchCommand(context, names, options),
    );
}
