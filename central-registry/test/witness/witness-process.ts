// A witness in a process of its own, for the test that kills it: folder and the log's vkey by argv, address by stdout.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { VerifierKey } from '@onceway/schemas';
import { createWitnessListener } from '../../src/witness/add-checkpoint.js';
import { Witness } from '../../src/witness/witness.js';

const [folder = '', vkey = ''] = process.argv.slice(2);
const witness = new Witness({ folder, logOf: () => vkey as VerifierKey, clock: Date.now });
const server = createServer(createWitnessListener(witness, console.error));
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
