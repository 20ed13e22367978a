// @medplum/hl7 as a receiver in enhanced mode: a commit answer, then the application's.
// Usage: receiver.mjs FOLDER PORT; what came is in FOLDER/medplum. Prints `ready`.
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const home = process.env.SALUS_REAL_HOME ?? join(process.env.HOME, '.cache/salus/real');
const require = createRequire(join(home, 'npm/node_modules/'));
const { Hl7Server } = require('@medplum/hl7');

const [folder, port] = process.argv.slice(2);
const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }) => {
    const control = message.getSegment('MSH').getField(10).toString();
    const patient = message.getSegment('PID').getField(3).getComponent(1);
    appendFileSync(join(folder, 'medplum'), `${control} ${patient}\n`);
    connection.send(message.buildAck());
  });
});
await server.start(Number(port), 'utf-8', true);
console.log('ready');
