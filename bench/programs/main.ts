/** `npm run bench -- NAME… | all`: runs benches one after another; alone it lists them. */
import { runNamed } from '../../scripts/programs/named.ts';
import { BENCH } from './list.ts';

process.exitCode = await runNamed(process.argv.slice(2), BENCH);
