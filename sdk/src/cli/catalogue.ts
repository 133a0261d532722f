// `onceway catalogue search`: which services there are.
import { Option } from 'commander';
import type { Command } from 'commander';
import { searchCatalogue } from '../client/index.js';
import { acting } from './terminal.js';
import type { Terminal } from './terminal.js';

interface Flags {
  readonly registry: string;
  readonly json?: true;
}

export function addCatalogueCommands(program: Command, terminal: Terminal): void {
  const search = program
    .command('catalogue')
    .description('find services')
    .command('search [words...]')
    .description('services whose title, summary, path or provider hold all words, in either language')
    .addOption(
      new Option('--registry <url>', 'public address of the registry')
        .env('ONCEWAY_REGISTRY')
        .makeOptionMandatory(),
    );
  search.action((words: readonly string[]) =>
    acting(terminal, search, async () => {
      const { registry, json } = search.optsWithGlobals<Flags>();
      const entries = await searchCatalogue(registry, words.join(' '));
      if (json === true) terminal.out(`${JSON.stringify(entries)}\n`);
      else if (entries.length === 0) terminal.note('no service holds all these words\n');
      else
        for (const { service, title, provider } of entries)
          terminal.out(`${service}\n    ${title.en} / ${title.vi}\n    ${provider.en} / ${provider.vi}\n`);
    })(),
  );
}
