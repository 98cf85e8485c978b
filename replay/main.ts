/** Where the command line stood before: pull requests against older commits, images and workflows still start it here. */
import '../cli/main.ts';
