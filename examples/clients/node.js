#!/usr/bin/env node
// Runs a program through sockexec: node.js SOCKET PROGRAM [ARGUMENT...]
const net = require('net');
const { Readable } = require('stream');

const netstring = (data) => Buffer.concat([Buffer.from(`${data.length}:`), data, Buffer.from(',')]);

// There is no exit code: a fault (100, 111, 126, 127), or a signal (128 and its number).
const failure = (code, reason) => Object.assign(new Error(reason), { exitcode: code });

async function* request(argv, stdin) {
  yield Buffer.concat([String(argv.length), ...argv].map((word) => netstring(Buffer.from(word))));
  for await (const data of stdin) if (data.length) yield netstring(Buffer.from(data));
  yield netstring(Buffer.alloc(0));
}

async function* netstrings(connection) {
  let buffer = Buffer.alloc(0);
  for await (const data of connection) {
    buffer = Buffer.concat([buffer, data]);
    for (let colon; (colon = buffer.indexOf(':')) > 0;) {
      const end = colon + 1 + Number(buffer.subarray(0, colon));
      if (!(end < buffer.length)) break;
      if (String.fromCharCode(buffer[end]) !== ',') return;
      yield buffer.subarray(colon + 1, end);
      buffer = buffer.subarray(end + 1);
    }
  }
}

// Streams the output and resolves to the exit code. Both directions move at once.
async function run(path, argv, stdin, stdout, stderr) {
  const connection = net.connect({ path, allowHalfOpen: true });
  const input = Readable.from(request(argv, stdin), { objectMode: false });
  connection.on('error', () => {}); // netstrings() reports it, unless the reply is complete.
  input.on('error', (error) => connection.destroy(error)).pipe(connection, { end: false });
  let kind, reason = '';
  for await (const data of netstrings(connection)) {
    if (kind === undefined) {
      kind = String(data);
      continue;
    }
    if (kind === 'exitcode' || kind === 'termsig') {
      const code = Number(data);
      if (kind === 'termsig') throw failure(128 + code, `ended by signal ${code}`);
      if (![100, 111, 126, 127].includes(code) || !reason.startsWith('sockexec: ')) return code;
      throw failure(code, `fault ${code}: ${reason.trim()}`);
    }
    if (kind === 'stderr') reason = String(data);
    const stream = kind === 'stdout' ? stdout : stderr;
    if (!stream.write(data)) await new Promise((resolve) => stream.once('drain', resolve));
    kind = undefined;
  }
  throw failure(111, 'the reply is cut off or malformed');
}

module.exports = { run };
if (require.main === module) {
  run(process.argv[2], process.argv.slice(3), process.stdin, process.stdout, process.stderr).then(
    (code) => { process.exitCode = code; },
    (error) => { console.error(`node.js: ${error.message}`); process.exitCode = error.exitcode || 111; },
  ).finally(() => process.stdin.destroy());
}
