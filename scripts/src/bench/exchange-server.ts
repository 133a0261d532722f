// One security server of the chain, as a process of its own: the product's composition root on a folder that is ready.
import { runSecurityServer } from '@onceway/security-server/main';

/** The only argument, as JSON. */
export interface ExchangeServerSettings {
  readonly folder: string;
  readonly pin: string;
}

const { folder, pin } = JSON.parse(process.argv[2] ?? '{}') as ExchangeServerSettings;
const server = await runSecurityServer({
  folder,
  pin,
  // What is refused or alarms would fail the measurement anyway; here it says why.
  report: (event) => console.error(JSON.stringify(event)),
});
console.log(JSON.stringify({ ready: true, port: Number(new URL(server.addresses.client).port) }));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
