/** The commands that run the service and show a turn of it. */
import { Option, type Command } from 'commander';
import type { CommandContext } from '../../replay/report/context.ts';
import { WORLDS } from '../../service/base/events.ts';
import { choice, jsonOption, scenarioOption } from '../options/options.ts';

/** Adds `demo`, `serve`, `send` and `doctor`. */
export function addServeCommands(program: Command, context: CommandContext): void {
  program.commandsGroup('Run the service and see a turn:');

  program
    .command('demo')
    .summary('see all of Retake in a minute, without keys or network')
    .description('speak the fixture interviews to the service, capture them, replay them under a variant and compare')
    .option('-o, --out <dir>', 'where everything is written', 'out/demo')
    .option('--variant <name>', 'variant to replay under', 'clause-chunking')
    .option('--seed <text>', 'seed of every draw', '1')
    .action(async (options) => (await import('./demo.ts')).demo(context, options));

  program
    .command('serve')
    .summary('run the service')
    .description('run the service; RETAKE_WORLD chooses stand-ins (wire, the default) or the providers (live)')
    .option('--profile <name>', 'latency profile of the stand-ins: one that comes with Retake, or a file', 'seed')
    .option('--seed <text>', "seed of the stand-ins' draws", '1')
    .addOption(scenarioOption())
    .action(async (options) => (await import('./serve.ts')).serveCommand(context, options));

  program
    .command('send')
    .summary('speak a recording to the service and print the turn')
    .description('speak a recording to the service, as a client does, and print the turn')
    .argument('<file.wav>', 'the recording, PCM16')
    .option('--url <url>', 'address of the service', 'http://127.0.0.1:8080')
    .addOption(
      new Option('--push', 'end the turn with the recording; without, the service decides').conflicts('upload'),
    )
    .option('--upload', 'post the whole recording in one body')
    .option('--language <code>', 'language of the session', 'tr')
    .option('--interview <name>', 'interview whose script the stand-ins follow')
    .addOption(jsonOption('print the turn as JSON'))
    .action(async (file: string, options) => (await import('./send.ts')).sendCommand(context, file, options));

  program
    .command('doctor')
    .summary('check the set-up, and call each provider once')
    .description('check the set-up, and call each provider once: served model, region and price')
    .addOption(
      choice(
        '--world <world>',
        'wire: the stand-ins, without keys; live: the providers, for a fraction of a cent',
        WORLDS.filter((world) => world !== 'sim'),
        'wire',
      ),
    )
    .addOption(jsonOption())
    .action(async (options) => (await import('./doctor.ts')).doctor(context, options));
}
