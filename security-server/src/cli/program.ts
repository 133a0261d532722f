// The program's frame: its help, and the options that every command has.
import { Command } from 'commander';
import { EXIT_HELP, WrongUsage } from './exit-code.js';
import { readText } from './files.js';

export function createProgram(): Command {
  return new Command('onceway-server')
    .description('Runs and administers a security server of an Onceway instance.')
    .option('--json', 'print JSON, one value')
    .showHelpAfterError('(--help shows examples)')
    .exitOverride()
    .addHelpText(
      'after',
      `${EXIT_HELP}

Examples, in the order of a new server:
  $ onceway-server init --folder ss1 --id VN/GOV/MOH/ss1 --anchor anchor.json --pin-file pin.txt
  $ onceway-server enrol --folder ss1 --address https://ss1.example:5500 --token-file token.txt --pin-file pin.txt
  $ onceway-server run --folder ss1 --pin-file pin.txt
  $ onceway-server client add VN/GOV/MOH/birth --folder ss1
  $ onceway-server service add VN/GOV/MOH/birth/notifications --base-url http://127.0.0.1:8080 --folder ss1
  $ onceway-server right grant VN/GOV/MOH/birth/notifications --client VN/GOV/MOJ/civil-status \\
      --reason "Decree 87/2020" --folder ss1`,
    );
}

/** The option that says where the PIN is; it is never an argument, where every user of the machine could read it. */
export function withPin(command: Command): Command {
  return command.option('--pin-file <file>', 'file that holds the PIN; else the environment, ONCEWAY_PIN');
}

/** @throws {WrongUsage} `pin_incorrect` when there is none, `not_found` without the file */
export function readPin(pinFile: string | undefined, environment: NodeJS.ProcessEnv): string {
  const pin = pinFile === undefined ? environment['ONCEWAY_PIN'] : readText(pinFile).replace(/\r?\n$/, '');
  if (pin === undefined || pin === '')
    throw new WrongUsage(
      'pin_incorrect',
      'there is no PIN: name its file with --pin-file, or set ONCEWAY_PIN',
    );
  return pin;
}
