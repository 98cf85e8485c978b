/** Entry of the GitHub Action's last step: environment in, exit status out (cli/action/publish.ts). */
import { publish } from './publish.ts';
import { describeError, InputError } from '../../service/base/errors.ts';

try {
  process.exitCode = await publish({ env: process.env, log: (line) => console.log(line) });
} catch (error) {
  console.log(`::error::${describeError(error, 1000)}`);
  process.exitCode = error instanceof InputError ? 2 : 4;
}
