/** `npm run verify -- NAME… | all | ci | hand`: runs slow checks one after another; alone it lists them. */
import { runNamed } from '../scripts/programs/named.ts';
import { VERIFY } from './list.ts';

process.exitCode = await runNamed(process.argv.slice(2), VERIFY);
