// A client that sends what no library would send: octets over a plain connection, and what came back.
import { connect } from 'node:net';

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Sends octets (one each character) and reads until the server closes or `until` says that it is enough. */
export function sendOctets(
  address: string,
  octets: string,
  until: (text: string) => boolean = () => false,
): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(octets, 'latin1'));
    let text = '';
    socket.setTimeout(20_000, () => socket.destroy(new Error(`no end after: ${text}`)));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until(text)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

/** Takes the first answer apart. */
export function answered(text: string): Answered {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [start = '', ...lines] = head.split('\r\n');
  return {
    status: Number(start.split(' ')[1]),
    headers: Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 2),
      ]),
    ),
    body: rest.join('\r\n\r\n'),
  };
}
