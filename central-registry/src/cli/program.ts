// The program's frame: options that every command has, and files that they name.
import { Command } from 'commander';
import { EXIT_HELP } from './exit-code.js';

export interface CommonOptions {
  readonly json?: boolean;
}

export function createProgram(): Command {
  return new Command('onceway-registry')
    .description('Runs and administers the central registry of an Onceway instance.')
    .option('--json', 'print JSON, one value')
    .showHelpAfterError('(--help shows examples)')
    .exitOverride()
    .addHelpText(
      'after',
      `${EXIT_HELP}

Examples:
  $ onceway-registry init --folder registry --instance VN --domain onceway.example --own-witness
  $ onceway-registry run --folder registry --trust-services
  $ onceway-registry member add GOV MOH --name-en "Ministry of Health" --name-vi "Bộ Y tế" \\
      --url http://127.0.0.1:4100 --api-key-file registry/keys/api-key-registration-officer.txt
  $ onceway-registry request list --state waiting`,
    );
}
