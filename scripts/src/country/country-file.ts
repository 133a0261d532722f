// country.json: where everything of a running country is, for programs that drive it (docs/country.md). Written by
// rename once every member answers, removed at exit.
import { renameSync, rmSync, writeFileSync } from 'node:fs';

export interface CountryServerEntry {
  readonly id: string;
  readonly client: string;
  readonly peer: string;
  readonly management: string;
  readonly health: string;
  readonly metrics: string;
  readonly logs: readonly { readonly origin: string; readonly publicKey: string }[];
}

export interface CountryFile {
  readonly instance: string;
  readonly registry: {
    readonly management: string;
    readonly distribution: string;
    readonly metrics: string;
    /** File. */
    readonly anchor: string;
    /** Folder with api-key-ROLE.txt and *.pem, here and below. */
    readonly keys: string;
  };
  readonly members: readonly {
    readonly id: string;
    readonly name: { readonly en: string; readonly vi: string };
    readonly keys: string;
    /** Those on which it is registered; its own first. */
    readonly servers: readonly CountryServerEntry[];
  }[];
  readonly witnesses: readonly {
    readonly name: string;
    readonly publicKey: string;
    readonly address: string;
  }[];
  /** Ready to send to a client listener. */
  readonly examples: readonly {
    readonly title: string;
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly expect: { readonly status: number };
  }[];
}

export function writeCountryFile(file: string, country: CountryFile): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(country, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export function removeCountryFile(file: string): void {
  rmSync(file, { force: true });
}
