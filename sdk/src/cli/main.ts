// The developer's and auditor's command line: arguments in, words out. Everything it does, the library does.
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { createProgram } from './program.js';

try {
  await createProgram({
    out: (text) => process.stdout.write(text),
    note: (text) => process.stderr.write(text),
    read: (file) => readFileSync(file === '-' ? 0 : file),
    exitCode: (code) => {
      process.exitCode = code;
    },
  }).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode;
}
