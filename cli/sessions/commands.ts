/** The commands that list, fetch and erase what a data folder holds. */
import type { Command } from 'commander';
import type { CommandContext } from '../../replay/report/context.ts';
import { dataOption, jsonOption } from '../options/options.ts';

/** Adds `sessions`, `cache` and `spool`. */
export function addSessionsCommands(program: Command, context: CommandContext): void {
  program.commandsGroup('Manage what was captured:');
  const id = ['<id>', 'session id, as "retake sessions" prints it'] as const;
  const load = async () => (await import('./sessions.ts')).sessionsCommand;

  const sessions = program.command('sessions').description('list, show, import and erase captured sessions');
  sessions
    .command('list', { isDefault: true })
    .description('list captured sessions, oldest first')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options) => (await load()).list(context, options));
  sessions
    .command('show')
    .description('print the turns of one session')
    .argument(...id)
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (session: string, options) => (await load()).show(context, session, options));
  sessions
    .command('import')
    .summary('make captured sessions from your own recordings')
    .description('make captured sessions from your own recordings (docs/getting-started.md)')
    .argument('<dir>', 'folder with sessions.json and the WAV files that it names')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (folder: string, options) => (await load()).import(context, folder, options));
  sessions
    .command('pull')
    .summary('copy traces from a Jaeger into a folder')
    .description('copy traces from a Jaeger into a folder, for "retake diff"')
    .argument('<source>', 'jaeger:URL?service=…&from=…')
    .option('-o, --out <dir>', 'folder for trace.otlp.jsonl', 'out/pulled')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      "\nExample, the candidate's turns of the last two hours:\n" +
        "  retake sessions pull -o out/pulled \\\n    'jaeger:http://127.0.0.1:16686?service=retake&from=2h&tag=retake.lane=candidate'",
    )
    .action(async (source: string, options) => (await import('./pull.ts')).pullCommand(context, source, options));
  sessions
    .command('rm')
    .summary('erase a session')
    .description('erase a session: its capture, its spans in the spool, its speech in the cache')
    .argument(...id)
    .addOption(dataOption())
    .action(async (session: string, options) => (await load()).remove(context, session, options));

  program
    .command('cache')
    .description('remove speech that was synthesized before')
    .command('purge')
    .description('remove all cached speech')
    .addOption(dataOption())
    .action(async (options) => (await import('./cache.ts')).cachePurge(context, options));

  program
    .command('spool')
    .description('send traces again that a Collector lost')
    .command('resend')
    .description('send again what the spool still holds, after a Collector took traces and lost them')
    .requiredOption('--since <time>', 'first end of a turn: 90s, 10m, 2h, 7d ago, or a time such as 2026-11-25T13:00Z')
    .option('--endpoint <url>', 'OTLP endpoint (default: OTEL_EXPORTER_OTLP_ENDPOINT)')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('./spool.ts')).resendCommand(context, options));
}
