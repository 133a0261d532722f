// An auditor's program: finds messages in the logs of both parties, over the management interfaces, and verifies them
// from the anchor on. It shares no code with what it judges, and imports nothing but node: modules and its own files.
import { parseArgs } from 'node:util';
import { verifyExchange, type ProvenMessage } from './exchange.js';
import { Finding, located, RULES } from './finding.js';
import { readCountry, readResult } from './interface.js';
import { Openssl } from './openssl.js';
import { Promises } from './promises.js';

const EXCHANGES_AT_ONCE = 4;

const HELP = `Verifies messages from the logs of both parties, with node:crypto and the anchor alone.

  node scripts/dist/src/verify-messages/main.js --country FILE (--result FILE | --message=MID ...) [options]

  --country FILE     country.json: servers, keys folders (api-key-auditor.txt), anchor
  --result FILE      result.json of the demo: the messages of all its steps
  --message=MID      a request, answer or refusal; more than one may be given; an id may begin with a dash
  --ground TEXT      on what ground heads and bodies are taken, which each server enters in its log (verification)
  --without-content  take no heads and bodies: commitments and request hashes are then not verified
  --json             one JSON object in place of lines

Exits 0 when everything was proven, 1 when anything was not, 2 when it was called wrongly. Example, while a demo or
\`npm start\` runs:

  node scripts/dist/src/verify-messages/main.js --country var/demo/country.json --result var/demo/result.json

What is proven of each message, and the rule that a failure names:
${Object.entries(RULES)
  .map(([rule, text]) => `  ${rule.padEnd(18)} ${text}`)
  .join('\n')}
`;

interface Report {
  readonly proven: ProvenMessage[];
  readonly findings: Finding[];
}

async function verifyAll(
  mids: readonly string[],
  verify: (mid: string) => Promise<ProvenMessage[]>,
  show: (message: ProvenMessage | Finding) => void,
): Promise<Report> {
  const report: Report = { proven: [], findings: [] };
  const seen = new Set<string>();
  const waiting = [...new Set(mids)];
  const work = async (): Promise<void> => {
    for (let mid = waiting.shift(); mid !== undefined; mid = waiting.shift()) {
      if (seen.has(mid)) continue;
      try {
        for (const message of await verify(mid)) {
          if (seen.has(message.mid)) continue;
          seen.add(message.mid);
          report.proven.push(message);
          show(message);
        }
      } catch (thrown) {
        const finding = located(thrown, undefined, mid);
        // Request and answer of one exchange may both have been asked for.
        if (report.findings.some((known) => lineOf(known) === lineOf(finding))) continue;
        report.findings.push(finding);
        show(finding);
      }
    }
  };
  await Promise.all(Array.from({ length: EXCHANGES_AT_ONCE }, work));
  return report;
}

function lineOf(message: ProvenMessage | Finding): string {
  if (message instanceof Finding)
    return `FAIL ${message.mid} ${message.server ?? 'all servers'}: ${message.rule}: ${message.message}`;
  const { mid, kind, claims, copies, content } = message;
  const places = copies.map(({ server, index }) => `${server} #${index}`).join(' and ');
  const [first] = copies.map(({ stampedAtMs }) => stampedAtMs).sort((a, b) => a - b);
  const at = new Date(first ?? 0).toISOString();
  const trust = `configuration ${copies[0]?.configuration}, stamped ${at}, ${copies[0]?.witnesses} witnesses`;
  return `ok   ${mid} ${kind} ${claims.iss} → ${claims.aud}; ${places}; ${trust}; content ${content}`;
}

function summaryOf({ proven, findings }: Report, openssl: Openssl): string {
  const exchanges = proven.filter(({ kind }) => kind === 'request').length;
  const judge =
    openssl.version === undefined
      ? 'openssl is not on this machine: who signed OCSP answers and time-stamps was NOT verified'
      : `${openssl.version.split(' ').slice(0, 2).join(' ')} verified ${openssl.count} OCSP answers and time-stamps`;
  const failed = findings.length === 0 ? '' : `; ${findings.length} FAILED`;
  const found = `${exchanges} exchanges, ${proven.length} messages, each found in both logs and verified`;
  return `${judge}\n${found}${failed}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      country: { type: 'string' },
      result: { type: 'string' },
      message: { type: 'string', multiple: true, default: [] },
      ground: { type: 'string', default: 'verification' },
      'without-content': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.country === undefined) throw new TypeError('--country is missing');
  const mids = [...values.message, ...(values.result === undefined ? [] : readResult(values.result))];
  if (mids.length === 0) throw new TypeError('no message to verify: --result or --message');
  const { anchor, servers } = readCountry(values.country);
  const openssl = new Openssl();
  try {
    const ground = values['without-content'] ? undefined : values.ground;
    const sources = { anchor, servers, openssl, promises: new Promises(), ground };
    const report = await verifyAll(
      mids,
      (mid) => verifyExchange(mid, sources),
      (message) => {
        if (!values.json) process.stdout.write(`${lineOf(message)}\n`);
      },
    );
    process.stdout.write(values.json ? jsonOf(report, openssl) : `${summaryOf(report, openssl)}\n`);
    return report.findings.length === 0 ? 0 : 1;
  } finally {
    openssl.close();
  }
}

function jsonOf(report: Report, openssl: Openssl): string {
  const { proven, findings } = report;
  const failures = findings.map(({ mid, server, rule, message }) => ({ mid, server, rule, why: message }));
  const ok = findings.length === 0;
  const exchanges = proven.filter(({ kind }) => kind === 'request').length;
  const judge = openssl.version ?? null;
  return `${JSON.stringify({ ok, exchanges, messages: proven, failures, openssl: judge }, null, 2)}\n`;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nSee --help.\n`);
    process.exitCode = 2;
  },
);
