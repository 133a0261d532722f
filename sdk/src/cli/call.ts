// `onceway call` and `onceway outcome`: one request, its answer and the handles of its proof.
import { isUtf8 } from 'node:buffer';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { createClient } from '../client/index.js';
import type { Answer, CallOptions, Client } from '../client/index.js';
import { acting, EXIT } from './terminal.js';
import type { Terminal } from './terminal.js';

interface Where {
  readonly server: string;
  readonly client: string;
  readonly timeout: number;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly json?: true;
}
interface CallFlags extends Where {
  readonly method?: string;
  readonly header: Readonly<Record<string, string>>;
  readonly data?: string;
  readonly dataFile?: string;
  readonly user?: string;
  readonly issue?: string;
  readonly subject?: string;
  readonly purpose?: string;
}

const SECOND_MS = 1000;
const NEWLINE = 0x0a;
/** A day: more than any service has, less than timers can not count. */
const TIMEOUT_SECONDS_MAX = 86_400;

function addWhere(command: Command): Command {
  return command
    .addOption(
      new Option('--server <url>', 'client listener of your security server')
        .env('ONCEWAY_SERVER')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--client <id>', 'the subsystem that asks').env('ONCEWAY_CLIENT').makeOptionMandatory(),
    )
    .addOption(new Option('--ca <file>', 'PEM that an https listener must show').env('ONCEWAY_CA'))
    .addOption(new Option('--cert <file>', 'PEM of your own certificate, for mutual TLS').env('ONCEWAY_CERT'))
    .addOption(new Option('--key <file>', 'PEM of its key').env('ONCEWAY_KEY'))
    .addOption(new Option('--timeout <seconds>', 'how long to wait').default(90).argParser(seconds));
}

/** The client of these flags, with the files that they name. */
function clientOf({ server, client, ...flags }: Where, terminal: Terminal): Client {
  const tls = Object.fromEntries(
    (['ca', 'cert', 'key'] as const).flatMap((name) => {
      const file = flags[name];
      return file === undefined ? [] : [[name, terminal.read(file)]];
    }),
  );
  return createClient({ server, client, tls });
}

function seconds(text: string): number {
  const count = Number(text);
  if (!(count > 0 && count <= TIMEOUT_SECONDS_MAX))
    throw new InvalidArgumentError(`A number of seconds, up to ${TIMEOUT_SECONDS_MAX}.`);
  return count;
}

function header(text: string, known: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError('A header is "Name: value".');
  return { ...known, [text.slice(0, colon)]: text.slice(colon + 1).trim() };
}

function show(terminal: Terminal, answer: Answer<unknown>, json: boolean): void {
  if (!answer.ok) terminal.exitCode(EXIT.refusedByService);
  if (json) {
    const { status, proof } = answer;
    const headers = Object.fromEntries(answer.headers);
    const { body: octets } = answer;
    const body = isUtf8(octets) ? { body: answer.text() } : { bodyBase64: octets.toString('base64') };
    terminal.out(`${JSON.stringify({ status, headers, ...body, proof })}\n`);
    return;
  }
  const { signer, messageId, answerId } = answer.proof;
  terminal.note(
    `status  ${answer.status}\nsigner  ${signer}\nrequest ${messageId ?? '-'}\nanswer  ${answerId ?? '-'}\n`,
  );
  terminal.out(answer.body);
  // For people at a terminal only: a file that stdout goes to holds the body and nothing else.
  if (answer.body.length > 0 && answer.body.at(-1) !== NEWLINE) terminal.note('\n');
}

function optionsOf(flags: CallFlags, path: string, terminal: Terminal): CallOptions {
  const [rawPath = '', query] = path.split('?', 2);
  const body = flags.data ?? (flags.dataFile === undefined ? undefined : terminal.read(flags.dataFile));
  const typed = Object.keys(flags.header).some((name) => name.toLowerCase() === 'content-type');
  const headers =
    body === undefined || typed ? flags.header : { ...flags.header, 'Content-Type': 'application/json' };
  return {
    path: rawPath,
    headers,
    timeoutMs: flags.timeout * SECOND_MS,
    ...(query === undefined ? {} : { query: new URLSearchParams(query) }),
    ...(flags.method === undefined ? {} : { method: flags.method }),
    ...(body === undefined ? {} : { body }),
    ...(flags.user === undefined ? {} : { userId: flags.user }),
    ...(flags.issue === undefined ? {} : { issue: flags.issue }),
    ...(flags.subject === undefined ? {} : { subject: flags.subject }),
    ...(flags.purpose === undefined ? {} : { purpose: flags.purpose }),
  };
}

export function addCallCommands(program: Command, terminal: Terminal): void {
  const call = addWhere(program.command('call <service> [path]'))
    .description('call a service once; the body of its answer goes to stdout')
    .option('-X, --method <method>', 'GET, or POST with a body')
    .option('-H, --header <line>', '"Name: value", repeatable', header, {})
    .option('-d, --data <text>', 'body, JSON unless a Content-Type is given')
    .option('--data-file <file>', 'body from a file, - for stdin')
    .option('--user <type:id>', 'the person who asks')
    .option('--issue <case>', 'the case it belongs to')
    .option('--subject <type:id>', 'whom it is about')
    .option('--purpose <id>', 'what for');
  call.action((service: string, path: string | undefined) =>
    acting(terminal, call, async () => {
      const flags = call.optsWithGlobals<CallFlags>();
      const client = clientOf(flags, terminal);
      try {
        const answer = await client.call(service, optionsOf(flags, path ?? '', terminal));
        show(terminal, answer, flags.json === true);
      } finally {
        await client.close();
      }
    })(),
  );

  const outcome = addWhere(program.command('outcome <message-id>')).description(
    'ask what became of an earlier request; prints its answer, if there is one',
  );
  outcome.action((messageId: string) =>
    acting(terminal, outcome, async () => {
      const flags = outcome.optsWithGlobals<Where>();
      const client = clientOf(flags, terminal);
      try {
        const found = await client.outcome(messageId, { timeoutMs: flags.timeout * SECOND_MS });
        if (found.state === 'answered') show(terminal, found.answer, flags.json === true);
        else if (found.state === 'running') {
          terminal.exitCode(EXIT.unknown);
          terminal.out(flags.json === true ? '{"state":"running"}\n' : 'still running\n');
        } else throw found.error;
      } finally {
        await client.close();
      }
    })(),
  );
}
